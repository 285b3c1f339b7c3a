/** Random numbers that a seed names: a test prints `SEED`, and SANLET_SEED runs the same again. */

export const SEED = Number(process.env['SANLET_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

export class Random {
  #state: number;

  constructor(seed = SEED) {
    this.#state = seed >>> 0;
  }

  /** A whole number below `limit` (mulberry32). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }
}

/** Bytes that differ from place to place, quick to make: what a test writes and reads back. */
export function pattern(length: number, salt = 0): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let value = (salt * 2_654_435_761 + 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = value;
  }
  return Buffer.from(words.buffer, 0, length);
}
