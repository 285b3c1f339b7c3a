import { MediumError } from '../medium-error.ts';
import type { ChunkTable } from './chunk-table.ts';
import { Chunk } from './chunk.ts';
import { FILEMARK, FRAME_BYTES, INDEX, TRAILER, fits, frame, isFrame } from './frame.ts';
import { FrameWindow, WINDOW_BYTES } from './frame-window.ts';
import { readIndex, tableBefore } from './index-frame.ts';
import { ObjectIndex } from './object-index.ts';
import type { LogPoint, TapeLog } from './tape-log.ts';

/** What is read for the header alone when the records between are long. */
const GLANCE_BYTES = 4096;
const LONG_RECORD_BYTES = 64 * 1024;

/** A point that the cartridge names: what lies before it is whole. */
export interface KnownPoint extends LogPoint {
  /** A trailer lies behind it. */
  readonly trailer: boolean;
  /** The point up to which the cartridge was synchronised, or up to which it was written. */
  readonly kind: 'synchronised' | 'written';
}

export interface LoadOptions {
  readonly log: TapeLog;
  /** Bytes that there are. */
  readonly size: number;
  /** What the first frame is chained to. */
  readonly seed: number;
  readonly points: readonly KnownPoint[];
}

export interface Loaded {
  readonly index: ObjectIndex;
  /** Checksum of the last header. */
  readonly chain: number;
  /** What is wrong before a known point, where nothing may be: not a torn tail, but damage. */
  readonly damage: { readonly kind: 'damaged' | 'cut short'; readonly before: KnownPoint } | undefined;
}

/**
 * Finds what a partition holds. From the last point that it names the index is taken as it lies there; from the last index
 * frame on frames are walked, to the first place where none continues the chain or a record fails its checksum. Records
 * before a known point are not read here; reading them as tape verifies them.
 */
export async function loadPartition({ log, size, seed, points }: LoadOptions): Promise<Loaded> {
  const inside = points
    .filter(({ offset }) => offset <= size)
    .sort((a, b) => b.offset - a.offset || Number(b.trailer) - Number(a.trailer));
  const from = (await restored(log, inside)) ?? { index: new ObjectIndex(chunkReader(log)), chain: seed };
  const walk = new Walk(log, size, from.index, from.chain, inside);
  await walk.toTheEnd();
  const { end } = from.index;
  const missed = points.find(point => point.offset > end.offset) ?? walk.mismatched;
  if (missed === undefined) return { index: from.index, chain: walk.chain, damage: undefined };
  const kind = missed.offset > size ? 'cut short' : 'damaged';
  return { index: from.index, chain: walk.chain, damage: { kind, before: missed } };
}

interface Start {
  readonly index: ObjectIndex;
  readonly chain: number;
}

/** The index as it lies at the latest of the points, or at the one before when that one cannot be read. */
async function restored(log: TapeLog, points: readonly KnownPoint[]): Promise<Start | undefined> {
  for (const point of points) {
    const start = (await fromTrailer(log, point)) ?? (await fromHead(log, point));
    if (start !== undefined) return start;
  }
  return undefined;
}

async function fromTrailer(log: TapeLog, point: KnownPoint): Promise<Start | undefined> {
  if (!point.trailer) return undefined;
  return believing(async () => {
    const last = await readIndex(log, point.offset);
    const end = last?.chunk.end;
    if (last?.chain !== point.chain || end?.object !== point.object || end.offset !== point.offset)
      return undefined;
    const table = await tableBefore(log, last);
    return table && { index: new ObjectIndex(chunkReader(log), table, last.chunk), chain: point.chain };
  });
}

async function fromHead(log: TapeLog, { head }: KnownPoint): Promise<Start | undefined> {
  if (head === 0) return undefined;
  return believing(async () => {
    const last = await readIndex(log, head);
    if (last?.chunk.full !== true) return undefined;
    const table = await tableBefore(log, last);
    if (table === undefined) return undefined;
    const { end } = last.chunk;
    table.add(head, end.file, end.bytes);
    const open = new Chunk({ ...end, offset: head + last.totalBytes });
    return { index: new ObjectIndex(chunkReader(log), table, open), chain: last.checksum };
  });
}

/** An index that cannot be read is none: there is always the longer way. */
async function believing<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MediumError) return undefined;
    throw error;
  }
}

class Walk {
  chain: number;
  /** A point that was passed with another checksum than it names, or between two frames. */
  mismatched: KnownPoint | undefined;
  readonly #window: FrameWindow;
  readonly #index: ObjectIndex;
  readonly #soundBytes: number;
  /** Points that are still ahead, the nearest last. */
  readonly #ahead: KnownPoint[];
  #lastBytes = 0;

  constructor(log: TapeLog, size: number, index: ObjectIndex, chain: number, points: readonly KnownPoint[]) {
    this.#window = new FrameWindow(log, size);
    this.#index = index;
    this.chain = chain;
    this.#soundBytes = points[0]?.offset ?? 0;
    this.#ahead = points.filter(point => point.offset >= index.end.offset);
  }

  async toTheEnd(): Promise<void> {
    for (;;) {
      this.#passPoints();
      if (this.mismatched !== undefined) return;
      const header = await this.#next();
      if (header === undefined) return;
      this.chain = frame.checksum.get(header);
      const storedBytes = frame.storedBytes.get(header);
      this.#lastBytes = FRAME_BYTES + storedBytes;
      const type = frame.type.get(header);
      if (type === INDEX) this.#index.seal(FRAME_BYTES + storedBytes);
      else if (type === FILEMARK) this.#index.addFilemark();
      else this.#index.addRecord(storedBytes, frame.recordLength.get(header), frame.coding.get(header));
    }
  }

  #passPoints(): void {
    const { offset } = this.#index.end;
    for (
      let next = this.#ahead.at(-1);
      next !== undefined && next.offset <= offset;
      next = this.#ahead.at(-1)
    ) {
      this.#ahead.pop();
      if (next.offset < offset || next.chain !== this.chain) this.mismatched = next;
    }
  }

  /** The frame at the end of the index; undefined when there is none, or none that is whole. */
  async #next(): Promise<Buffer | undefined> {
    const { end, open } = this.#index;
    const { offset } = end;
    if (offset + FRAME_BYTES > this.#window.size) return undefined;
    const glance = offset < this.#soundBytes && this.#lastBytes > LONG_RECORD_BYTES;
    const inside = await this.#window.view(offset, FRAME_BYTES, glance ? GLANCE_BYTES : WINDOW_BYTES);
    const type = frame.type.get(inside);
    if (!isFrame(inside) || !fits(inside, end, this.chain) || type === TRAILER) return undefined;
    if ((type === INDEX) !== open.full) return undefined;
    const length = frame.storedBytes.get(inside);
    const behind = offset + FRAME_BYTES + length;
    if (behind > this.#window.size) return undefined;
    if (behind <= this.#soundBytes || length === 0) return inside;
    const header = Buffer.from(inside);
    const checksum = await this.#window.checksum(offset + FRAME_BYTES, length);
    return checksum === frame.payloadChecksum.get(header) ? header : undefined;
  }
}

/** Reads a chunk from its index frame; when that is damaged, from the frames of its objects. */
export const chunkReader =
  (log: TapeLog) =>
  (number: number, table: ChunkTable): Chunk | Promise<Chunk> => {
    const found = readIndex(log, table.offset(number));
    const settle = (index: Awaited<typeof found>): Chunk | Promise<Chunk> =>
      index?.chunk.number === number ? index.chunk : walkedChunk(log, number, table);
    return found instanceof Promise ? found.then(settle) : settle(found);
  };

async function walkedChunk(log: TapeLog, number: number, table: ChunkTable): Promise<Chunk> {
  const chunk = new Chunk(await startOf(log, number, table));
  const header = Buffer.alloc(FRAME_BYTES);
  while (!chunk.full) {
    const { object, file, offset } = chunk.end;
    await log.read(header, offset);
    const chain = frame.chain.get(header);
    if (!isFrame(header) || !fits(header, { object, file }, chain))
      throw new MediumError(
        'corrupt',
        object,
        `the index before object ${object} and what it names are damaged`,
      );
    if (frame.type.get(header) === FILEMARK) chunk.addFilemark();
    else
      chunk.addRecord(
        frame.storedBytes.get(header),
        frame.recordLength.get(header),
        frame.coding.get(header),
      );
  }
  return chunk;
}

/** Where a chunk begins: behind the index frame of the one before. */
async function startOf(log: TapeLog, number: number, table: ChunkTable): Promise<Chunk['start']> {
  if (number === 0) return { object: 0, file: 0, offset: 0, bytes: 0 };
  const before = table.offset(number - 1);
  const header = Buffer.alloc(FRAME_BYTES);
  await log.read(header, before);
  const object = frame.object.get(header);
  if (!isFrame(header) || frame.type.get(header) !== INDEX)
    throw new MediumError('corrupt', object, `the index before object ${object} is damaged`);
  return {
    object,
    file: table.file(number - 1),
    offset: before + FRAME_BYTES + frame.storedBytes.get(header),
    bytes: table.bytes(number - 1),
  };
}
