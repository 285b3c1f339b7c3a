import { HELD_DATA_BYTES } from './limits.ts';

/**
 * What segments with "hold" have kept for RECEIVE COPY DATA, oldest byte first (SPC-4 5.17.4.5). Beyond the limit the oldest
 * bytes give way, which is no error.
 */
export class HeldData {
  #pieces: Buffer[] = [];
  #length = 0;
  /** Bytes have given way (HDD). */
  discarded = false;

  get length(): number {
    return this.#length;
  }

  /** Keeps a copy. */
  add(bytes: Buffer): void {
    const kept = bytes.length > HELD_DATA_BYTES ? bytes.subarray(bytes.length - HELD_DATA_BYTES) : bytes;
    if (kept.length < bytes.length) this.discarded = true;
    this.#pieces.push(Buffer.from(kept));
    this.#length += kept.length;
    while (this.#length > HELD_DATA_BYTES) {
      this.discarded = true;
      const first = this.#pieces[0]!;
      const over = Math.min(this.#length - HELD_DATA_BYTES, first.length);
      if (over === first.length) this.#pieces.shift();
      else this.#pieces[0] = first.subarray(over);
      this.#length -= over;
    }
  }

  get bytes(): Buffer {
    const whole = Buffer.concat(this.#pieces);
    if (this.#pieces.length > 1) this.#pieces = [whole];
    return whole;
  }

  /** It has been fetched, or the room is needed. */
  drop(): void {
    if (this.#length > 0) this.discarded = true;
    this.#pieces = [];
    this.#length = 0;
  }
}
