/** Bytes of one page of the bitmap. */
export const PAGE_BYTES = 4096;
/** Blocks that one page tells about. */
export const PAGE_BLOCKS = PAGE_BYTES * 8;

/** One page of a bitmap; bit b of byte a is block 8a + b. */
export class AllocationPage {
  readonly bytes: Buffer;
  readonly #words: Uint32Array;
  /** Bits that are set. */
  ones = 0;

  constructor(bytes: Buffer = Buffer.alloc(PAGE_BYTES)) {
    this.bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, PAGE_BYTES / 4);
  }

  /** Counts anew, after `bytes` has been filled from a file. */
  recount(): this {
    let ones = 0;
    for (const word of this.#words) {
      if (word === 0) continue;
      let v = word - ((word >>> 1) & 0x5555_5555);
      v = (v & 0x3333_3333) + ((v >>> 2) & 0x3333_3333);
      ones += Math.imul((v + (v >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
    }
    this.ones = ones;
    return this;
  }

  get(bit: number): boolean {
    return (this.bytes[bit >>> 3]! & (1 << (bit & 7))) !== 0;
  }

  /** Gives `count` bits from `at` on one value; how many of them were different. */
  fill(at: number, count: number, value: boolean): number {
    let changed = 0;
    const end = at + count;
    while (at < end) {
      const byte = at >>> 3;
      const low = at & 7;
      const width = Math.min(8 - low, end - at);
      const mask = ((1 << width) - 1) << low;
      const old = this.bytes[byte]!;
      changed += bitsOf((value ? ~old : old) & mask);
      this.bytes[byte] = value ? old | mask : old & ~mask;
      at += width;
    }
    this.ones += value ? changed : -changed;
    return changed;
  }

  /** How many bits from `at` on, `count` at most, have that value. Eight and thirty-two at a time where it can. */
  run(at: number, count: number, value: boolean): number {
    const end = at + count;
    let bit = at;
    while (bit < end) {
      if ((bit & 7) === 0) bit = this.#wholeBytes(bit, end, value);
      if (bit === end) break;
      if (this.get(bit) !== value) return bit - at;
      bit++;
    }
    return count;
  }

  /** From a bit at the start of a byte, past whole words and bytes of one value; a multiple of eight. */
  #wholeBytes(bit: number, end: number, value: boolean): number {
    const byteOfAll = value ? 0xff : 0;
    const wordOfAll = value ? 0xffff_ffff : 0;
    while (bit + 8 <= end && (bit & 31) !== 0 && this.bytes[bit >>> 3] === byteOfAll) bit += 8;
    if ((bit & 31) === 0) {
      while (bit + 32 <= end && this.#words[bit >>> 5] === wordOfAll) bit += 32;
    }
    while (bit + 8 <= end && this.bytes[bit >>> 3] === byteOfAll) bit += 8;
    return bit;
  }
}

function bitsOf(byte: number): number {
  let bits = 0;
  for (; byte !== 0; byte &= byte - 1) bits++;
  return bits;
}
