import { write } from 'node:fs';
import type { MaybePromise } from '../bytes/maybe-promise.ts';

/** One is filled while the other is written. */
const BUFFER_BYTES = 1024 * 1024;
const RETRY_MS = 2;

/** Bytes into a file or a pipe, one behind the other, in large pieces. */
export class ImageOutput {
  readonly #file: number;
  #filling = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #spare = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #filled = 0;
  #offset = 0;
  #writing: Promise<void> | undefined;

  constructor(file: number) {
    this.#file = file;
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

  async #putLong(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) {
        if (this.#filled === BUFFER_BYTES) await this.#turn();
        const part = piece.subarray(done, done + BUFFER_BYTES - this.#filled);
        this.#take(part);
        done += part.length;
      }
    }
  }

  #take(piece: Uint8Array): void {
    this.#filling.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  /** Everything that was put is with the operating system. */
  async flush(): Promise<void> {
    await this.#turn();
    await this.settled();
  }

  /** What is under way must end before the file may be closed. */
  async settled(): Promise<void> {
    const writing = this.#writing;
    this.#writing = undefined;
    await writing;
  }

  async #turn(): Promise<void> {
    await this.settled();
    const [full, length] = [this.#filling, this.#filled];
    this.#filling = this.#spare;
    this.#spare = full;
    this.#offset += length;
    this.#filled = 0;
    const writing = this.#write(full.subarray(0, length));
    // Whoever puts next, or flushes, is told; until then nobody waits for it.
    writing.catch(() => undefined);
    this.#writing = writing;
  }

  #write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (done: number): void => {
        if (done === piece.length) resolve();
        else
          write(this.#file, piece, done, piece.length - done, null, (error, more) => {
            if (error === null) step(done + more);
            // A pipe that is full, where whoever made it asked not to wait for it.
            else if (error.code === 'EAGAIN') setTimeout(step, RETRY_MS, done);
            else reject(error);
          });
      };
      step(0);
    });
  }
}
