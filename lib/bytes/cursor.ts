/** Bounded walks over descriptor lists and pages. */

/** Reads forward; every read past the end throws RangeError, so that a parser checks `left` where the peer decides. */
export class Reader {
  readonly #bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.at = at;
    this.end = Math.min(end, bytes.length);
  }

  get left(): number {
    return this.end - this.at;
  }

  /** A view of the next `length` bytes. */
  take(length: number): Uint8Array {
    if (length < 0 || length > this.left) throw new RangeError(`${length} bytes wanted, ${this.left} left`);
    const view = this.#bytes.subarray(this.at, this.at + length);
    this.at += length;
    return view;
  }

  uint(length: 1 | 2 | 3 | 4 | 8): number {
    let value = 0;
    for (const byte of this.take(length)) value = value * 256 + byte;
    return value;
  }
}

/** Grows as it is written; pages and descriptor lists of unknown length. */
export class Writer {
  #bytes = Buffer.alloc(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }

  uint(length: 1 | 2 | 3 | 4 | 8, value: number): this {
    this.#room(length);
    for (let i = length - 1; i >= 0; i--) {
      this.#bytes[this.#length + i] = value % 256;
      value = Math.floor(value / 256);
    }
    this.#length += length;
    return this;
  }

  put(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  zeros(length: number): this {
    this.#room(length);
    this.#bytes.fill(0, this.#length, this.#length + length);
    this.#length += length;
    return this;
  }

  /** Leaves a hole for a length field and gives back the function that fills it with what came after the hole. */
  lengthField(bytes: 1 | 2 | 4, add = 0): () => this {
    const hole = this.#length;
    this.zeros(bytes);
    return () => {
      let value = this.#length - hole - bytes + add;
      for (let i = bytes - 1; i >= 0; i--) {
        this.#bytes[hole + i] = value % 256;
        value = Math.floor(value / 256);
      }
      return this;
    };
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
