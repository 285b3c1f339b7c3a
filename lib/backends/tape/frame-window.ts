import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32c } from '../../bytes/crc32c.ts';
import type { TapeLog } from './tape-log.ts';

/** What is read at a time while frames are small or records are verified. */
export const WINDOW_BYTES = 256 * 1024;
/** The loop gets a turn after so many reads. */
const READS_A_TURN = 32;

/** A log seen through a buffer that moves forward. */
export class FrameWindow {
  readonly size: number;
  readonly #log: Pick<TapeLog, 'read'>;
  readonly #buffer: Buffer;
  #start = 0;
  #length = 0;
  #reads = 0;

  /** Of a log that is `size` bytes long. */
  constructor(log: Pick<TapeLog, 'read'>, size: number) {
    this.#log = log;
    this.size = size;
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, size));
  }

  /** A view of the bytes if they are in the buffer. */
  here(offset: number, length: number): Buffer | undefined {
    const at = offset - this.#start;
    return at >= 0 && at + length <= this.#length ? this.#buffer.subarray(at, at + length) : undefined;
  }

  /** A view of `length` bytes there, which the log must have; `ahead` bytes are read when they are not in the buffer. */
  async view(offset: number, length: number, ahead = WINDOW_BYTES): Promise<Buffer> {
    const here = this.here(offset, length);
    if (here !== undefined) return here;
    this.#length = 0;
    const wanted = Math.min(Math.max(ahead, length), this.size - offset);
    await this.#log.read(this.#buffer.subarray(0, wanted), offset);
    if (++this.#reads % READS_A_TURN === 0) await nextTurn();
    this.#start = offset;
    this.#length = wanted;
    return this.#buffer.subarray(0, length);
  }

  async checksum(offset: number, length: number): Promise<number> {
    let sum = 0;
    const end = offset + length;
    while (offset < end) {
      const piece = Math.min(end - offset, WINDOW_BYTES);
      sum = crc32c(await this.view(offset, piece), sum);
      offset += piece;
    }
    return sum;
  }
}
