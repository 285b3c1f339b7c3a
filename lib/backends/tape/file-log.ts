import { fstatSync } from 'node:fs';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { FileChannel } from '../file-channel.ts';
import { Flusher } from '../flusher.ts';
import { FRAME_BYTES } from './frame.ts';
import { pointSlots } from './header-area.ts';
import { packSyncPoint, packWrittenPoint } from './points.ts';
import type { LogPoint, TapeLog } from './tape-log.ts';

/** Up to here a frame and its record are put together in one buffer: cheaper than telling the kernel of two. */
const POOLED_BYTES = 16 * 1024;

export interface FileLogParts {
  readonly channel: FileChannel;
  readonly partition: number;
  /** Offset of the partition in the file. */
  readonly base: number;
  /** Nothing lies behind it, so that the file can be cut. */
  readonly isLast: boolean;
  readonly seed: number;
  readonly writeProtected: boolean;
  /** The sync point that the file names; undefined when it names none that can be read. */
  readonly sync: { readonly offset: number; readonly slot: 0 | 1; readonly generation: number } | undefined;
}

/** A partition in a cartridge file. */
export class FileLog implements TapeLog {
  readonly checked = true;
  readonly #channel: FileChannel;
  readonly #base: number;
  readonly #isLast: boolean;
  readonly #seed: number;
  readonly #writeProtected: boolean;
  readonly #slots: readonly [number, number, number];
  readonly #flusher = new Flusher(() => this.#sync());
  readonly #pooled = Buffer.allocUnsafeSlow(POOLED_BYTES);
  #syncedBytes: number;
  #slot: 0 | 1;
  #generation: number;
  /** Something may have changed since that point was written: by us, or by a process before us. */
  #changed = true;
  /** The end as the last one who wants it synchronised knows it. */
  #wanted: LogPoint | undefined;
  #writtenBytes = 0;

  constructor({ channel, partition, base, isLast, seed, writeProtected, sync }: FileLogParts) {
    this.#channel = channel;
    this.#base = base;
    this.#isLast = isLast;
    this.#seed = seed;
    this.#writeProtected = writeProtected;
    this.#slots = pointSlots(partition);
    this.#syncedBytes = sync?.offset ?? Infinity;
    this.#slot = sync?.slot ?? 1;
    this.#generation = sync?.generation ?? 0;
  }

  read(into: Buffer, offset: number): MaybePromise<void> {
    return this.#channel.read(into, this.#base + offset);
  }

  readPair(first: Buffer, second: Buffer, offset: number): MaybePromise<void> {
    const at = this.#base + offset;
    if (second.length === 0) return this.#channel.read(first, at);
    const length = first.length + second.length;
    if (length > POOLED_BYTES) return this.#channel.readPair(first, second, at);
    const work = this.#channel.read(this.#pooled.subarray(0, length), at);
    if (work instanceof Promise) return work.then(() => this.#split(first, second));
    this.#split(first, second);
    return undefined;
  }

  #split(first: Buffer, second: Buffer): void {
    this.#pooled.copy(first, 0, 0, first.length);
    this.#pooled.copy(second, 0, first.length, first.length + second.length);
  }

  append(headers: Buffer, record: Buffer | undefined, offset: number): MaybePromise<void> {
    this.#changed = true;
    const at = this.#base + offset;
    if (record === undefined) return this.#channel.write(headers, at);
    const length = headers.length + record.length;
    if (length > POOLED_BYTES) return this.#channel.writePair(headers, record, at);
    headers.copy(this.#pooled, 0);
    record.copy(this.#pooled, headers.length);
    return this.#channel.write(this.#pooled.subarray(0, length), at);
  }

  /**
   * The points go back first, and the synchronised one durably: what lies before it must be there, whatever happens next.
   * Both sync points, since the older one must not name what is gone.
   */
  async cut(end: LogPoint): Promise<void> {
    this.#changed = true;
    if (end.offset < this.#syncedBytes) {
      this.#writeSyncPoint(end);
      await this.#channel.syncData();
      this.#writeSyncPoint(end);
    }
    if (end.offset < this.#writtenBytes) this.#writeWrittenPoint(end, false);
    const at = this.#base + end.offset;
    if (this.#isLast) await this.#channel.truncate(at);
    else if (at < fstatSync(this.#channel.file).size) this.#channel.writeNow(NO_FRAME, at);
  }

  discard(offset: number): void {
    try {
      const at = this.#base + offset;
      if (this.#isLast) this.#channel.truncateNow(at);
      else this.#channel.writeNow(NO_FRAME, at);
    } catch {
      // The next append goes over it, and the next start finds its end.
    }
  }

  reached(end: LogPoint): void {
    try {
      this.#writeWrittenPoint(end, false);
    } catch {
      // Who finds the file after kill -9 has longer to walk.
    }
  }

  /** What a process before us has left behind the end goes, and so does what it knew. */
  begin(end: LogPoint): void {
    const at = this.#base + end.offset;
    if (this.#isLast && at < fstatSync(this.#channel.file).size) this.#channel.truncateNow(at);
    this.#writeWrittenPoint(end, false);
  }

  sync(end: LogPoint): MaybePromise<void> {
    if (!this.#changed) return undefined;
    this.#wanted = end;
    return this.#flusher.flush();
  }

  async #sync(): Promise<void> {
    const end = this.#wanted!;
    // Before, not after: what is appended meanwhile is for the next one.
    this.#changed = false;
    try {
      await this.#channel.syncData();
      this.#writeSyncPoint(end);
    } catch (error) {
      this.#changed = true;
      throw error;
    }
  }

  /** In turn, so that a torn one leaves the one before. */
  #writeSyncPoint(end: LogPoint): void {
    const slot = this.#slot === 0 ? 1 : 0;
    this.#channel.writeNow(packSyncPoint(end, this.#generation + 1, this.#seed), this.#slots[slot]);
    this.#slot = slot;
    this.#generation++;
    this.#syncedBytes = end.offset;
  }

  #writeWrittenPoint(end: LogPoint, trailer: boolean): void {
    this.#channel.writeNow(packWrittenPoint(end, trailer, this.#seed), this.#slots[2]);
    this.#writtenBytes = end.offset;
  }

  /** No sync is under way any more; another recording takes the file over. */
  settled(): Promise<void> {
    return this.#flusher.settled();
  }

  async close(end: LogPoint, trailer: Buffer): Promise<void> {
    await this.#flusher.settled();
    if (this.#writeProtected) return;
    try {
      this.#channel.writeNow(trailer, this.#base + end.offset);
      this.#writeWrittenPoint(end, true);
    } catch {
      this.discard(end.offset);
    }
  }
}

/** Over the header of a frame, so that it is none. */
const NO_FRAME = Buffer.alloc(FRAME_BYTES);
