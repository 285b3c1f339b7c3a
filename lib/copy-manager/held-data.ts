import { HELD_DATA_BYTES } from './limits.ts';

const NO_BYTES = Buffer.alloc(0);
const LEAST_ROOM_BYTES = 4096;

/**
 * What segments with "hold" have kept for RECEIVE COPY DATA, oldest byte first (SPC-4 5.17.4.5). Beyond the limit the oldest
 * bytes give way, which is no error. A ring: records of one byte take no more room than long ones.
 */
export class HeldData {
  #room = NO_BYTES;
  /** Where the oldest byte lies. */
  #first = 0;
  #length = 0;
  /** Bytes have given way (HDD). */
  discarded = false;

  get length(): number {
    return this.#length;
  }

  /** Keeps a copy. */
  add(bytes: Buffer): void {
    const kept = bytes.length > HELD_DATA_BYTES ? bytes.subarray(bytes.length - HELD_DATA_BYTES) : bytes;
    const over = Math.max(0, this.#length + kept.length - HELD_DATA_BYTES);
    if (over > 0 || kept.length < bytes.length) this.discarded = true;
    this.#length -= over;
    if (this.#length > 0) this.#first = (this.#first + over) % this.#room.length;
    this.#grow(this.#length + kept.length);
    if (kept.length === 0) return;
    const at = (this.#first + this.#length) % this.#room.length;
    const before = kept.copy(this.#room, at);
    kept.copy(this.#room, 0, before);
    this.#length += kept.length;
  }

  #grow(bytes: number): void {
    if (bytes <= this.#room.length) return;
    const room = Buffer.allocUnsafeSlow(
      Math.min(HELD_DATA_BYTES, Math.max(bytes, 2 * this.#room.length, LEAST_ROOM_BYTES)),
    );
    this.bytes.copy(room);
    this.#room = room;
    this.#first = 0;
  }

  get bytes(): Buffer {
    const end = this.#first + this.#length;
    const { length } = this.#room;
    if (end <= length) return Buffer.from(this.#room.subarray(this.#first, end));
    return Buffer.concat([this.#room.subarray(this.#first), this.#room.subarray(0, end - length)]);
  }

  /** It has been fetched, or the room is needed. */
  drop(): void {
    if (this.#length > 0) this.discarded = true;
    this.#room = NO_BYTES;
    this.#first = 0;
    this.#length = 0;
  }
}
