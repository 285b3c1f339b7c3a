import {
  close,
  fdatasync,
  fsync,
  ftruncate,
  ftruncateSync,
  read,
  readSync,
  readv,
  readvSync,
  write,
  writeSync,
  writev,
  writevSync,
} from 'node:fs';
import { promisify } from 'node:util';
import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { MediumError } from './medium-error.ts';
import type { MediumFault } from './medium-error.ts';
import { AT_ONCE, Pace } from './pace.ts';
import type { Pacing } from './pace.ts';

const fdatasyncLater = promisify(fdatasync);
const fsyncLater = promisify(fsync);
const ftruncateLater = promisify(ftruncate);
const closeLater = promisify(close);

const FAULTS: Readonly<Record<string, MediumFault>> = {
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EFBIG: 'no-space',
  EROFS: 'write-protected',
  EACCES: 'write-protected',
  EPERM: 'write-protected',
};

/** What the operating system said, as a MediumError. */
export function mediumError(error: unknown, offset: number, verb: string): MediumError {
  if (error instanceof MediumError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new MediumError(FAULTS[code] ?? 'io', offset, `${verb} at byte ${offset} failed: ${message}`, error);
}

const truncated = (offset: number): MediumError =>
  new MediumError('io', offset, `the file ends at or before byte ${offset}`);

/**
 * A file read and written at offsets, wholly or not at all: short reads and writes are gone on with. Synchronous or
 * through the thread pool as its two paces say; all trouble is a MediumError.
 *
 * Requests in the thread pool may pass each other and later synchronous ones: who needs an order waits.
 */
export class FileChannel {
  #file: number;
  readonly #reads: Pacing;
  readonly #writes: Pacing;
  /** Requests in the thread pool, which must end before the descriptor may be closed and its number reused. */
  #pending = 0;
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  /** Why a sync failed: bytes that were written are lost. */
  #lost: MediumError | undefined;

  /** `atOnce`: every read and write is synchronous. */
  constructor(file: number, atOnce = false) {
    this.#file = file;
    this.#reads = atOnce ? AT_ONCE : new Pace();
    this.#writes = atOnce ? AT_ONCE : new Pace();
  }

  /** The descriptor, for fstat and its like; -1 once closed. */
  get file(): number {
    return this.#file;
  }

  read(into: Buffer, offset: number): MaybePromise<void> {
    return this.#reads.maySync(into.length) ? this.readNow(into, offset) : this.readLater(into, offset);
  }

  readNow(into: Buffer, offset: number): void {
    const length = into.length;
    const begun = performance.now();
    try {
      let done = readSync(this.#file, into, 0, length, offset);
      while (done < length) {
        const more = readSync(this.#file, into, done, length - done, offset + done);
        if (more === 0) throw truncated(offset + done);
        done += more;
      }
    } catch (error) {
      throw mediumError(error, offset, 'a read');
    }
    this.#reads.took(length, performance.now() - begun);
  }

  readLater(into: Buffer, offset: number): Promise<void> {
    return this.#pooled((resolve, reject) => {
      const file = this.#file;
      const step = (done: number): void => {
        read(file, into, done, into.length - done, offset + done, (error, more) => {
          if (error !== null) reject(mediumError(error, offset + done, 'a read'));
          else if (done + more === into.length) resolve();
          else if (more === 0) reject(truncated(offset + done));
          else step(done + more);
        });
      };
      step(0);
    });
  }

  /** Fills both buffers, one from behind the other, with one call to the operating system. */
  readPair(first: Buffer, second: Buffer, offset: number): MaybePromise<void> {
    return this.#reads.maySync(first.length + second.length)
      ? this.#readPairNow(first, second, offset)
      : this.#readPairLater(first, second, offset);
  }

  #readPairNow(first: Buffer, second: Buffer, offset: number): void {
    const length = first.length + second.length;
    const begun = performance.now();
    try {
      const done = readvSync(this.#file, [first, second], offset);
      if (done < length) this.#restOfReadPair(first, second, offset, done);
    } catch (error) {
      throw mediumError(error, offset, 'a read');
    }
    this.#reads.took(length, performance.now() - begun);
  }

  #readPairLater(first: Buffer, second: Buffer, offset: number): Promise<void> {
    return this.#pooled((resolve, reject) => {
      readv(this.#file, [first, second], offset, (error, done) => {
        if (error !== null) {
          reject(mediumError(error, offset, 'a read'));
          return;
        }
        try {
          if (done < first.length + second.length) this.#restOfReadPair(first, second, offset, done);
          resolve();
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  /** A short read: hardly ever, so without finesse. */
  #restOfReadPair(first: Buffer, second: Buffer, offset: number, done: number): void {
    if (done < first.length) this.readNow(first.subarray(done), offset + done);
    const behind = Math.max(done - first.length, 0);
    this.readNow(second.subarray(behind), offset + first.length + behind);
  }

  write(from: Buffer, offset: number): MaybePromise<void> {
    return this.#writes.maySync(from.length) ? this.writeNow(from, offset) : this.writeLater(from, offset);
  }

  writeNow(from: Buffer, offset: number): void {
    const length = from.length;
    const begun = performance.now();
    try {
      let done = writeSync(this.#file, from, 0, length, offset);
      while (done < length) done += writeSync(this.#file, from, done, length - done, offset + done);
    } catch (error) {
      throw mediumError(error, offset, 'a write');
    }
    this.#writes.took(length, performance.now() - begun);
  }

  writeLater(from: Buffer, offset: number): Promise<void> {
    return this.#pooled((resolve, reject) => {
      const file = this.#file;
      const step = (done: number): void => {
        write(file, from, done, from.length - done, offset + done, (error, more) => {
          if (error !== null) reject(mediumError(error, offset + done, 'a write'));
          else if (done + more === from.length) resolve();
          else step(done + more);
        });
      };
      step(0);
    });
  }

  /** Both buffers, one behind the other, with one call to the operating system. */
  writePair(first: Buffer, second: Buffer, offset: number): MaybePromise<void> {
    const length = first.length + second.length;
    return this.#writes.maySync(length)
      ? this.#writePairNow(first, second, offset)
      : this.#writePairLater(first, second, offset);
  }

  #writePairNow(first: Buffer, second: Buffer, offset: number): void {
    const length = first.length + second.length;
    const begun = performance.now();
    try {
      const done = writevSync(this.#file, [first, second], offset);
      if (done < length) this.#restOfPair(first, second, offset, done);
    } catch (error) {
      throw mediumError(error, offset, 'a write');
    }
    this.#writes.took(length, performance.now() - begun);
  }

  /** A short write: hardly ever, so without finesse. */
  #restOfPair(first: Buffer, second: Buffer, offset: number, done: number): void {
    if (done < first.length) this.writeNow(first.subarray(done), offset + done);
    const behind = Math.max(done - first.length, 0);
    this.writeNow(second.subarray(behind), offset + first.length + behind);
  }

  #writePairLater(first: Buffer, second: Buffer, offset: number): Promise<void> {
    return this.#pooled((resolve, reject) => {
      writev(this.#file, [first, second], offset, (error, done) => {
        if (error !== null) {
          reject(mediumError(error, offset, 'a write'));
          return;
        }
        try {
          if (done < first.length + second.length) this.#restOfPair(first, second, offset, done);
          resolve();
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  truncateNow(length: number): void {
    try {
      ftruncateSync(this.#file, length);
    } catch (error) {
      throw mediumError(error, length, 'cutting the file');
    }
  }

  truncate(length: number): Promise<void> {
    return this.#promised(length, 'cutting the file', file => ftruncateLater(file, length));
  }

  /** fdatasync: the bytes and the size, not the times. */
  syncData(): Promise<void> {
    return this.#sync('fdatasync', fdatasyncLater);
  }

  sync(): Promise<void> {
    return this.#sync('fsync', fsyncLater);
  }

  /**
   * A failure stays until the file is opened again: Linux takes what it could not write for written from then on, and the
   * next sync would succeed over what is lost.
   */
  async #sync(verb: string, work: (file: number) => Promise<void>): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    try {
      await this.#promised(0, verb, work);
    } catch (error) {
      this.#lost = error as MediumError;
      throw error;
    }
    // Of two at once the system tells only one.
    if (this.#lost !== undefined) throw this.#lost as Error;
  }

  /**
   * From now on every request fails; those in the thread pool are waited for, then `last` may look at the file once more.
   * Idempotent.
   */
  close(last?: (file: number) => void): Promise<void> {
    this.#closing ??= this.#close(last);
    return this.#closing;
  }

  async #close(last?: (file: number) => void): Promise<void> {
    const file = this.#file;
    this.#file = -1;
    if (this.#pending > 0) {
      await new Promise<void>(resolve => {
        this.#idle = resolve;
      });
    }
    try {
      last?.(file);
    } finally {
      await closeLater(file);
    }
  }

  #pooled(start: (resolve: () => void, reject: (error: Error) => void) => void): Promise<void> {
    if (this.#file < 0) return Promise.reject(new MediumError('io', 0, 'the medium is closed'));
    this.#pending++;
    return new Promise((resolve, reject) => {
      start(
        () => {
          this.#ended();
          resolve();
        },
        error => {
          this.#ended();
          reject(error);
        },
      );
    });
  }

  async #promised(offset: number, verb: string, work: (file: number) => Promise<void>): Promise<void> {
    this.#pending++;
    try {
      await work(this.#file);
    } catch (error) {
      throw mediumError(error, offset, verb);
    } finally {
      this.#ended();
    }
  }

  #ended(): void {
    this.#pending--;
    if (this.#pending === 0) this.#idle?.();
  }
}
