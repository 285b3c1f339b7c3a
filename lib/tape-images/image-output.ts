import { fstatSync, write, writeSync } from 'node:fs';
import type { MaybePromise } from '../bytes/maybe-promise.ts';

/** Larger pieces leave the processor's cache before the kernel has copied them. */
const BUFFER_BYTES = 256 * 1024;
const RETRY_MS = 2;

/**
 * Bytes into a file or a pipe, one behind the other, in large pieces. A file takes them at once, which is quicker than a way
 * through the thread pool and back; a pipe may be full for long.
 */
export class ImageOutput {
  readonly #file: number;
  readonly #regular: boolean;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #filled = 0;
  #offset = 0;

  constructor(file: number) {
    this.#file = file;
    this.#regular = fstatSync(file).isFile();
  }

  /** Bytes that have been put. */
  get offset(): number {
    return this.#offset + this.#filled;
  }

  /** One behind the other; takes copies. */
  put(...pieces: readonly Uint8Array[]): MaybePromise<void> {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    if (length > BUFFER_BYTES - this.#filled) return this.#putLong(pieces);
    for (const piece of pieces) this.#take(piece);
  }

  #putLong(pieces: readonly Uint8Array[]): MaybePromise<void> {
    if (!this.#regular) return this.#putPiped(pieces);
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) {
        if (this.#filled === BUFFER_BYTES) this.#writeNow();
        done += this.#take(piece, done);
      }
    }
  }

  async #putPiped(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) {
        if (this.#filled === BUFFER_BYTES) await this.#writeLater();
        done += this.#take(piece, done);
      }
    }
  }

  /** As much of it as there is room for. */
  #take(piece: Uint8Array, from = 0): number {
    const length = Math.min(piece.length - from, BUFFER_BYTES - this.#filled);
    this.#buffer.set(length === piece.length ? piece : piece.subarray(from, from + length), this.#filled);
    this.#filled += length;
    return length;
  }

  /** Everything that was put is with the operating system. */
  flush(): MaybePromise<void> {
    return this.#regular ? this.#writeNow() : this.#writeLater();
  }

  #writeNow(): void {
    for (let done = 0; done < this.#filled;)
      done += writeSync(this.#file, this.#buffer, done, this.#filled - done);
    this.#written();
  }

  async #writeLater(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const step = (done: number): void => {
        if (done === this.#filled) resolve();
        else
          write(this.#file, this.#buffer, done, this.#filled - done, null, (error, more) => {
            if (error === null) step(done + more);
            // A pipe that is full, where whoever made it asked not to wait for it.
            else if (error.code === 'EAGAIN') setTimeout(step, RETRY_MS, done);
            else reject(error);
          });
      };
      step(0);
    });
    this.#written();
  }

  #written(): void {
    this.#offset += this.#filled;
    this.#filled = 0;
  }
}
