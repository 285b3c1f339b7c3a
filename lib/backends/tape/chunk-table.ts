/**
 * Of each full chunk where its index frame lies, and the filemarks and bytes before its end: 24 bytes for 1024 objects, and
 * at the most as much again in reserve, are all that is held of a partition in memory.
 */
export class ChunkTable {
  #numbers: Float64Array;
  #chunks = 0;

  /** `room` chunks fit before it grows. */
  constructor(room = 16) {
    this.#numbers = new Float64Array(Math.max(room, 1) * COLUMNS);
  }

  get chunks(): number {
    return this.#chunks;
  }

  /** Memory held. */
  get heldBytes(): number {
    return this.#numbers.byteLength;
  }

  /** Offset of the last index frame, 0 for none. */
  get head(): number {
    return this.#chunks === 0 ? 0 : this.offset(this.#chunks - 1);
  }

  offset(chunk: number): number {
    return this.#numbers[chunk * COLUMNS]!;
  }

  file(chunk: number): number {
    return this.#numbers[chunk * COLUMNS + 1]!;
  }

  bytes(chunk: number): number {
    return this.#numbers[chunk * COLUMNS + 2]!;
  }

  add(offset: number, file: number, bytes: number): void {
    if ((this.#chunks + 1) * COLUMNS > this.#numbers.length) {
      const grown = new Float64Array(this.#numbers.length * 2);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.set(this.#chunks, offset, file, bytes);
  }

  /** For a table that was made with room for it. */
  set(chunk: number, offset: number, file: number, bytes: number): void {
    this.#chunks = Math.max(this.#chunks, chunk + 1);
    this.#numbers.set([offset, file, bytes], chunk * COLUMNS);
  }

  cut(chunks: number): void {
    this.#chunks = chunks;
  }

  /** The chunk that holds the filemark with `before` filemarks before it; `chunks` when none of these does. */
  chunkOfFilemark(before: number): number {
    let low = 0;
    let high = this.#chunks;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.file(middle) <= before) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const COLUMNS = 3;
