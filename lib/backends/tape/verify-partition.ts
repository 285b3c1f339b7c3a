import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { MediumError } from '../medium-error.ts';
import { ChunkTable } from './chunk-table.ts';
import { Chunk } from './chunk.ts';
import { FrameWindow } from './frame-window.ts';
import { FILEMARK, FRAME_BYTES, FRAME_MAGIC, INDEX, RECORD, TRAILER, fits, frame, isFrame } from './frame.ts';
import { packIndex } from './index-frame.ts';
import type { KnownPoint } from './load-partition.ts';
import type { Place } from './tape-log.ts';

/**
 * - `record`: a record fails its checksum
 * - `frame`: what stands before a record, or a filemark, is damaged; `objects` can be more than one when it took others with it
 * - `index`: the index that lies on the tape is damaged, or does not tell of what is there
 * - `missing`: the tape ends before the point up to which it was synchronised or written
 * - `point`: a point that the cartridge names is damaged, or is not where it says
 * - `label`, `attributes`: a copy is damaged, or older than the other
 * - `unused`: bytes that nothing uses are not zero
 * - `unreadable`: the operating system failed a read
 * - `unfinished`: something behind the end, as a process that was killed leaves it; nothing that was promised
 */
export type FlawKind =
  | 'record'
  | 'frame'
  | 'index'
  | 'missing'
  | 'point'
  | 'label'
  | 'attributes'
  | 'unused'
  | 'unreadable'
  | 'unfinished';

export interface CartridgeFlaw {
  readonly kind: FlawKind;
  /** Where in the file it begins, and how far what is damaged goes. */
  readonly byte: number;
  readonly bytes: number;
  readonly partition?: number;
  /** Logical object number. */
  readonly object?: number;
  /** How many objects are lost with it. */
  readonly objects?: number;
  /** Of a point: which. */
  readonly point?: KnownPoint['kind'];
}

export interface PartitionOptions {
  readonly partition: number;
  readonly read: (into: Buffer, offset: number) => MaybePromise<void>;
  /** Where it lies in the file, and how many bytes there are. */
  readonly base: number;
  readonly size: number;
  readonly isLast: boolean;
  readonly seed: number;
  /** Those that can be read, whichever boot they are of. */
  readonly points: readonly KnownPoint[];
  readonly tell: (flaw: CartridgeFlaw) => void;
  /** Told now and then how far it is; may throw to end it. */
  readonly reached: (offset: number) => void;
}

export interface PartitionContents {
  readonly records: number;
  readonly filemarks: number;
  /** Bytes of the records as they are kept, and as they were written. */
  readonly storedBytes: number;
  readonly recordBytes: number;
}

/** Where a search for the next frame looks for what a header begins with. */
const MAGIC = Buffer.from([FRAME_MAGIC >>> 24, FRAME_MAGIC >>> 16, FRAME_MAGIC >>> 8, FRAME_MAGIC]);
const SEARCH_BYTES = 128 * 1024;

/** Reads every frame of a partition, and everything behind a damaged one that can still be told to be a frame. */
export class PartitionCheck {
  readonly #of: PartitionOptions;
  readonly #window: FrameWindow;
  /** What was promised ends here. */
  readonly #promised: number;
  readonly #contents = { records: 0, filemarks: 0, storedBytes: 0, recordBytes: 0 };
  readonly #table = new ChunkTable();
  #chunk = new Chunk({ object: 0, file: 0, offset: 0, bytes: 0 });
  /** What the next frame must continue; the chain is undefined behind a header that could not be read. */
  #next = { object: 0, file: 0 };
  #chain: number | undefined;
  #offset = 0;
  /** All so far was where it should be, so that index frames and points can be compared. */
  #whole = true;

  constructor(of: PartitionOptions) {
    this.#of = of;
    this.#window = new FrameWindow({ read: of.read }, of.size);
    this.#promised = Math.max(0, ...of.points.map(({ offset }) => offset));
    this.#chain = of.seed;
  }

  async run(): Promise<PartitionContents> {
    let ended = true;
    try {
      ended = await this.#frames();
    } catch (error) {
      if (!(error instanceof MediumError)) throw error;
      this.#flaw('unreadable', this.#offset, FRAME_BYTES, 0);
    }
    if (this.#offset < this.#promised) this.#flaw('missing', this.#offset, this.#promised - this.#offset, 0);
    else if (this.#offset < this.#of.size && this.#of.isLast && !ended)
      this.#flaw('unfinished', this.#offset, this.#of.size - this.#offset, 0);
    return this.#contents;
  }

  #flaw(kind: FlawKind, offset: number, bytes: number, objects: number, object = this.#next.object): void {
    const { base, partition, tell } = this.#of;
    tell({ kind, byte: base + offset, bytes, partition, object, ...(objects > 0 ? { objects } : {}) });
  }

  /** True when a trailer ended them, behind which there is nothing. */
  async #frames(): Promise<boolean> {
    for (;;) {
      this.#of.reached(this.#offset);
      this.#comparePoints();
      const header = await this.#header();
      if (header === undefined) return false;
      if (header === 'damaged') {
        if (!(await this.#goOnBehindDamage())) return false;
        continue;
      }
      const length = frame.storedBytes.get(header);
      const total = FRAME_BYTES + length;
      const behind = this.#offset + total;
      if (behind > this.#of.size) return false;
      const sound = await this.#payloadIsSound(header, length);
      const type = frame.type.get(header);
      if (!sound && behind > this.#promised && type !== TRAILER) return false;
      if (!sound && type === RECORD) this.#flaw('record', this.#offset + FRAME_BYTES, length, 1);
      if (type === INDEX || type === TRAILER) await this.#compareIndex(header, type, sound);
      this.#pass(header, type, total);
      if (type !== TRAILER) continue;
      if (this.#of.isLast && behind < this.#of.size)
        this.#flaw('unfinished', behind, this.#of.size - behind, 0);
      return true;
    }
  }

  /** A copy of the header at the offset; undefined at the end of what there is. */
  async #header(): Promise<Buffer | 'damaged' | undefined> {
    const offset = this.#offset;
    const trailer = this.#of.points.find(point => point.trailer && point.offset === offset);
    const due = offset < this.#promised || trailer !== undefined;
    if (offset + FRAME_BYTES > this.#of.size) {
      if (trailer !== undefined) this.#flaw('index', offset, 0, 0);
      return undefined;
    }
    const header = Buffer.from(await this.#window.view(offset, FRAME_BYTES));
    const chain = this.#chain ?? frame.chain.get(header);
    if (isFrame(header) && fits(header, this.#next, chain)) return header;
    if (offset >= this.#promised && trailer !== undefined) {
      this.#flaw('index', offset, this.#of.size - offset, 0);
      this.#offset = this.#of.size;
      return undefined;
    }
    return due ? 'damaged' : undefined;
  }

  async #payloadIsSound(header: Buffer, length: number): Promise<boolean> {
    if (length === 0) return true;
    try {
      const checksum = await this.#window.checksum(this.#offset + FRAME_BYTES, length);
      return checksum === frame.payloadChecksum.get(header);
    } catch (error) {
      if (!(error instanceof MediumError)) throw error;
      this.#flaw('unreadable', this.#offset + FRAME_BYTES, length, 1);
      return true;
    }
  }

  #pass(header: Buffer, type: number, total: number): void {
    const stored = frame.storedBytes.get(header);
    this.#chain = frame.checksum.get(header);
    this.#offset += total;
    if (type === RECORD) {
      this.#contents.records++;
      this.#contents.storedBytes += stored;
      this.#contents.recordBytes += frame.recordLength.get(header);
      this.#next = { object: this.#next.object + 1, file: this.#next.file };
    }
    if (type === FILEMARK) {
      this.#contents.filemarks++;
      this.#next = { object: this.#next.object + 1, file: this.#next.file + 1 };
    }
    if (!this.#whole) return;
    if (type === INDEX) this.#seal(total);
    else if (this.#chunk.full) this.#whole = false;
    else if (type === RECORD)
      this.#chunk.addRecord(stored, frame.recordLength.get(header), frame.coding.get(header));
    else if (type === FILEMARK) this.#chunk.addFilemark();
  }

  #seal(total: number): void {
    const { end } = this.#chunk;
    this.#table.add(end.offset, end.file, end.bytes);
    this.#chunk = new Chunk({ ...end, offset: end.offset + total });
  }

  /** The index must say what the frames before it say. */
  async #compareIndex(header: Buffer, type: typeof INDEX | typeof TRAILER, sound: boolean): Promise<void> {
    const length = frame.storedBytes.get(header);
    const wrong = (): void => this.#flaw('index', this.#offset, FRAME_BYTES + length, 0);
    if (!sound || (type === INDEX && this.#whole && !this.#chunk.full)) {
      wrong();
      return;
    }
    if (!this.#whole) return;
    const due = packIndex(this.#chunk, this.#table, type, { chain: 0, session: 0 }).bytes.subarray(
      FRAME_BYTES,
    );
    if (due.length !== length || !due.equals(await this.#window.view(this.#offset + FRAME_BYTES, length)))
      wrong();
  }

  /** Points at this place must be those of this place. */
  #comparePoints(): void {
    for (const point of this.#of.points) {
      if (point.offset !== this.#offset || this.#chain === undefined || !this.#whole) continue;
      const end: Place = this.#chunk.end;
      const same =
        point.chain === this.#chain &&
        point.object === end.object &&
        point.file === end.file &&
        point.bytes === end.bytes &&
        point.head === this.#table.head;
      if (same) continue;
      const { base, partition, tell } = this.#of;
      tell({
        kind: 'point',
        byte: base + this.#offset,
        bytes: 0,
        partition,
        object: end.object,
        point: point.kind,
      });
    }
  }

  /**
   * The header here is damaged. If its length still leads to a frame that goes on, only its object is lost; otherwise the
   * next thing is searched for that is one, or the promised end is. False when the file ends before that.
   */
  async #goOnBehindDamage(): Promise<boolean> {
    const from = this.#offset;
    this.#whole = false;
    const header = await this.#window.view(from, FRAME_BYTES);
    const ahead = from + FRAME_BYTES + frame.storedBytes.get(header);
    const found = (await this.#isLater(ahead)) ? ahead : ((await this.#search(from + 1)) ?? this.#promised);
    if (found > this.#of.size) {
      this.#flaw('frame', from, this.#of.size - from, 0);
      this.#offset = this.#of.size;
      return false;
    }
    const { object } = this.#next;
    const known = this.#of.points.find(({ offset }) => offset === found);
    if (known === undefined) {
      const next = await this.#window.view(found, FRAME_BYTES);
      this.#next = { object: frame.object.get(next), file: frame.file.get(next) };
    } else this.#next = { object: known.object, file: known.file };
    this.#flaw('frame', from, found - from, this.#next.object - object, object);
    this.#chain = known?.chain;
    this.#offset = found;
    return true;
  }

  /** Whether a frame that comes later in this partition begins there, or what was promised ends there. */
  async #isLater(offset: number): Promise<boolean> {
    if (this.#of.points.some(point => point.offset === offset && point.offset === this.#promised))
      return true;
    if (offset + FRAME_BYTES > Math.min(this.#of.size, this.#promised)) return false;
    const header = await this.#window.view(offset, FRAME_BYTES);
    return (
      isFrame(header) &&
      frame.object.get(header) >= this.#next.object &&
      frame.file.get(header) >= this.#next.file &&
      frame.file.get(header) - this.#next.file <= frame.object.get(header) - this.#next.object
    );
  }

  async #search(from: number): Promise<number | undefined> {
    const end = Math.min(this.#promised, this.#of.size);
    for (let at = from; at < end; at += SEARCH_BYTES) {
      const length = Math.min(SEARCH_BYTES + MAGIC.length - 1, end - at);
      const bytes = Buffer.from(await this.#window.view(at, length));
      this.#of.reached(at);
      for (let i = bytes.indexOf(MAGIC); i >= 0 && i < SEARCH_BYTES; i = bytes.indexOf(MAGIC, i + 1)) {
        if (await this.#isLater(at + i)) return at + i;
      }
    }
    return undefined;
  }
}
