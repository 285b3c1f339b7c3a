import { payloads } from '../bytes/buffers.ts';
import { CHUNK_BYTES } from './limits.ts';
import { isZeros } from './zeros.ts';

/** Memory that several pieces look into: given back when the last of them is let go. */
export class Hold {
  #users = 1;
  readonly #free: () => void;

  constructor(free: () => void) {
    this.#free = free;
  }

  share(): this {
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users === 0) this.#free();
  }
}

/** A run of bytes in somebody's memory. Whoever has a piece releases its hold. */
export interface Piece {
  readonly bytes: Buffer;
  readonly hold: Hold;
}

/** Pieces shorter than this are copied together, so that short records neither bind large buffers nor make small writes. */
const JOINED_BELOW_BYTES = 256 * 1024;

/** Source data or destination data of a copy (SPC-4 5.17.7.2): bytes in order, kept from one segment to the next. */
export class DataQueue {
  #pieces: Piece[] = [];
  #length = 0;
  /** The buffer at the end that `join` fills, and how much of it is filled; the last piece looks into it. */
  #open: { readonly buffer: Buffer; readonly hold: Hold; filled: number } | undefined;

  get length(): number {
    return this.#length;
  }

  /** Bytes in one run at the front; while the run is still being filled there may be more of it soon. */
  get front(): { readonly bytes: number; readonly filling: boolean } {
    return {
      bytes: this.#pieces[0]?.bytes.length ?? 0,
      filling: this.#open !== undefined && this.#pieces.length === 1,
    };
  }

  /** Takes the piece over as it is. */
  link(piece: Piece): void {
    if (piece.bytes.length === 0) {
      piece.hold.release();
      return;
    }
    this.#close();
    this.#pieces.push(piece);
    this.#length += piece.bytes.length;
  }

  /** Takes the piece over, copied to what is there when it is short; the end of a hole stays one. */
  join(piece: Piece): void {
    if (piece.bytes.length >= JOINED_BELOW_BYTES || isZeros(piece.bytes)) {
      this.link(piece);
      return;
    }
    this.#copyIn(piece.bytes.length, (into, at, from) => piece.bytes.copy(into, at, from));
    piece.hold.release();
  }

  /** Adds zeros: PAD (SPC-4 5.17.7.2 table 116). */
  pad(bytes: number): void {
    this.#copyIn(bytes, (into, at, _from, count) => into.fill(0, at, at + count));
  }

  #copyIn(bytes: number, put: (into: Buffer, at: number, from: number, count: number) => void): void {
    for (let done = 0; done < bytes;) {
      this.#open ??= this.#gather();
      const open = this.#open;
      const count = Math.min(bytes - done, CHUNK_BYTES - open.filled);
      put(open.buffer.subarray(0, open.filled + count), open.filled, done, count);
      const last = this.#pieces.at(-1);
      const start = last?.hold === open.hold ? open.filled - last.bytes.length : open.filled;
      const piece = { bytes: open.buffer.subarray(start, open.filled + count), hold: open.hold };
      if (last?.hold === open.hold) this.#pieces[this.#pieces.length - 1] = piece;
      else {
        open.hold.share();
        this.#pieces.push(piece);
      }
      open.filled += count;
      this.#length += count;
      done += count;
      if (open.filled === CHUNK_BYTES) this.#close();
    }
  }

  #gather(): { buffer: Buffer; hold: Hold; filled: number } {
    const buffer = payloads.take(CHUNK_BYTES);
    return { buffer, hold: new Hold(() => payloads.give(buffer)), filled: 0 };
  }

  #close(): void {
    this.#open?.hold.release();
    this.#open = undefined;
  }

  /** The next `bytes` as pieces, without a copy; there are as many. */
  *cut(bytes: number): Generator<Piece> {
    while (bytes > 0) {
      const front = this.#pieces[0]!;
      const count = Math.min(bytes, front.bytes.length);
      bytes -= count;
      yield this.#split(front, count);
    }
  }

  /** The next `bytes` in one run: copied together only where they are not in one. */
  take(bytes: number): Piece {
    const front = this.#pieces[0]!;
    if (front.bytes.length >= bytes) return this.#split(front, bytes);
    const buffer = payloads.take(bytes);
    let at = 0;
    for (const piece of this.cut(bytes)) {
      at += piece.bytes.copy(buffer, at);
      piece.hold.release();
    }
    return { bytes: buffer.subarray(0, bytes), hold: new Hold(() => payloads.give(buffer)) };
  }

  #split(front: Piece, count: number): Piece {
    this.#length -= count;
    if (count === front.bytes.length) {
      this.#pieces.shift();
      return front;
    }
    this.#pieces[0] = { bytes: front.bytes.subarray(count), hold: front.hold };
    return { bytes: front.bytes.subarray(0, count), hold: front.hold.share() };
  }

  clear(): void {
    for (const piece of this.#pieces) piece.hold.release();
    this.#pieces = [];
    this.#length = 0;
    this.#close();
  }
}
