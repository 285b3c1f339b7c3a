import { fstatSync, read, readSync } from 'node:fs';
import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { ImageError } from './image.ts';

/** Asked of the operating system at a time. */
const STEP_BYTES = 1024 * 1024;
const FIRST_BYTES = 2 * STEP_BYTES;
const RETRY_MS = 2;

/**
 * The bytes of a file or a pipe, looked at in order, with as much memory as the longest look asks for. A file gives them at
 * once, which is quicker than a way through the thread pool and back; a pipe may be empty for long.
 */
export class ImageInput {
  readonly #file: number;
  readonly #regular: boolean;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #start = 0;
  #end = 0;
  #offset = 0;
  #ended = false;

  constructor(file: number) {
    this.#file = file;
    this.#regular = fstatSync(file).isFile();
  }

  /** Bytes that have been passed. */
  get offset(): number {
    return this.#offset;
  }

  /** The next bytes, fewer than asked for only where the file ends. The view is good until the next `look`. */
  look(bytes: number): MaybePromise<Buffer> {
    if (this.#end - this.#start >= bytes || this.#ended) return this.#view(bytes);
    return this.#regular ? this.#fillNow(bytes) : this.#fillLater(bytes);
  }

  /** Passes over bytes that have been looked at. */
  pass(bytes: number): void {
    this.#start += bytes;
    this.#offset += bytes;
  }

  /** Passes over bytes without keeping them; how many there were. */
  async skip(bytes: number): Promise<number> {
    let left = bytes;
    while (left > 0) {
      const seen = await this.look(Math.min(left, STEP_BYTES));
      if (seen.length === 0) break;
      this.pass(seen.length);
      left -= seen.length;
    }
    return bytes - left;
  }

  #view(bytes: number): Buffer {
    return this.#buffer.subarray(this.#start, Math.min(this.#start + bytes, this.#end));
  }

  #fillNow(bytes: number): Buffer {
    this.#makeRoom(bytes);
    while (this.#end - this.#start < bytes && !this.#ended) this.#came(this.#readNow());
    return this.#view(bytes);
  }

  async #fillLater(bytes: number): Promise<Buffer> {
    this.#makeRoom(bytes);
    while (this.#end - this.#start < bytes && !this.#ended) this.#came(await this.#readLater());
    return this.#view(bytes);
  }

  #came(bytes: number): void {
    this.#end += bytes;
    this.#ended = bytes === 0;
  }

  /** For so many bytes, and what is read beyond them. */
  #makeRoom(bytes: number): void {
    if (this.#start + bytes + STEP_BYTES <= this.#buffer.length) return;
    const room = bytes + STEP_BYTES;
    const to = room > this.#buffer.length ? Buffer.allocUnsafeSlow(room) : this.#buffer;
    this.#buffer.copy(to, 0, this.#start, this.#end);
    this.#buffer = to;
    this.#end -= this.#start;
    this.#start = 0;
  }

  #readNow(): number {
    try {
      return readSync(this.#file, this.#buffer, this.#end, STEP_BYTES, null);
    } catch (error) {
      throw unreadable(error);
    }
  }

  #readLater(): Promise<number> {
    return new Promise((resolve, reject) => {
      const ask = (): void =>
        read(this.#file, this.#buffer, this.#end, STEP_BYTES, null, (error, got) => {
          if (error === null) resolve(got);
          // A pipe that is empty, where whoever made it asked not to wait for it.
          else if (error.code === 'EAGAIN') setTimeout(ask, RETRY_MS);
          else reject(unreadable(error));
        });
      ask();
    });
  }
}

const unreadable = (error: unknown): ImageError =>
  new ImageError(`cannot be read: ${(error as Error).message}`);
