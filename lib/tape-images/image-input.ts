import { read } from 'node:fs';
import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { ImageError } from './image.ts';

/** Asked of the operating system at a time, one request ahead of what is being looked at. */
const STEP_BYTES = 1024 * 1024;
const FIRST_BYTES = 4 * STEP_BYTES;
const RETRY_MS = 2;

/** The bytes of a file or a pipe, looked at in order, with as much memory as the longest look asks for. */
export class ImageInput {
  readonly #file: number;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #start = 0;
  #end = 0;
  #offset = 0;
  #reading: Promise<number> | undefined;
  #ended = false;

  constructor(file: number) {
    this.#file = file;
  }

  /** Bytes that have been passed. */
  get offset(): number {
    return this.#offset;
  }

  /** The next bytes, fewer than asked for only where the file ends. The view is good until the next `look`. */
  look(bytes: number): MaybePromise<Buffer> {
    if (this.#end - this.#start < bytes && !this.#ended) return this.#fill(bytes);
    this.#readAhead();
    return this.#view(bytes);
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

  /** What is under way in the thread pool must end before the file may be closed. */
  async settled(): Promise<void> {
    await this.#reading?.catch(() => undefined);
  }

  #view(bytes: number): Buffer {
    return this.#buffer.subarray(this.#start, Math.min(this.#start + bytes, this.#end));
  }

  async #fill(bytes: number): Promise<Buffer> {
    while (this.#end - this.#start < bytes && !this.#ended) {
      this.#reading ??= this.#request(bytes);
      const got = await this.#reading;
      this.#reading = undefined;
      this.#end += got;
      this.#ended = got === 0;
    }
    this.#readAhead();
    return this.#view(bytes);
  }

  /** Behind what is there, so that views stay good. */
  #readAhead(): void {
    if (this.#ended || this.#end - this.#start >= STEP_BYTES) return;
    if (this.#end + STEP_BYTES > this.#buffer.length) return;
    if (this.#reading !== undefined) return;
    this.#reading = this.#read();
    // Whoever comes to that place is told.
    this.#reading.catch(() => undefined);
  }

  #request(bytes: number): Promise<number> {
    if (this.#end + STEP_BYTES > this.#buffer.length) this.#makeRoom(bytes);
    return this.#read();
  }

  #makeRoom(bytes: number): void {
    const room = bytes + 2 * STEP_BYTES;
    const to = room > this.#buffer.length ? Buffer.allocUnsafeSlow(room) : this.#buffer;
    this.#buffer.copy(to, 0, this.#start, this.#end);
    this.#buffer = to;
    this.#end -= this.#start;
    this.#start = 0;
  }

  #read(): Promise<number> {
    return new Promise((resolve, reject) => {
      const ask = (): void =>
        read(this.#file, this.#buffer, this.#end, STEP_BYTES, null, (error, got) => {
          if (error === null) resolve(got);
          // A pipe that is empty, where whoever made it asked not to wait for it.
          else if (error.code === 'EAGAIN') setTimeout(ask, RETRY_MS);
          else reject(new ImageError(`cannot be read: ${error.message}`));
        });
      ask();
    });
  }
}
