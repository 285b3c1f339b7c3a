/*
 * Expands one bzip2 stream: Huffman codes, move to front, the Burrows-Wheeler transform, and runs, from the inside out.
 * Node has none of it, and records of HET images come so.
 */

const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;
const LEVEL_BYTES = 100_000;
/** Symbols that are coded with one table, before the next selector. */
const GROUP_SYMBOLS = 50;
const MOST_TABLES = 6;
const LONGEST_CODE = 20;
/** The symbols that spell the length of a run, in a binary number without zeros. */
const [RUN_A, RUN_B] = [0, 1];
/** So many equal bytes are followed by how many more there are. */
const RUN_BYTES = 4;
/** More than a record of a mainframe has. */
const FIRST_BYTES = 128 * 1024;

/** CRC-32 with the most significant bit first, which is not zlib's. */
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte << 24;
  for (let i = 0; i < 8; i++) remainder = (remainder << 1) ^ (remainder < 0 ? 0x04c1_1db7 : 0);
  return remainder >>> 0;
});

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Up to 24 bits, the most significant first. */
  take(bits: number): number {
    while (this.#count < bits) {
      if (this.#at === this.#bytes.length) throw new Error('the data ends too early');
      this.#held = ((this.#held << 8) | this.#bytes[this.#at++]!) >>> 0;
      this.#count += 8;
    }
    this.#count -= bits;
    const value = this.#held >>> this.#count;
    this.#held &= (1 << this.#count) - 1;
    return value;
  }

  bit(): boolean {
    return this.take(1) === 1;
  }
}

/** Codes of one table, by length: of each the first code, and where its symbols begin. */
class CodeTable {
  readonly #symbols: Uint16Array;
  readonly #first = new Int32Array(LONGEST_CODE + 2);
  readonly #count = new Int32Array(LONGEST_CODE + 2);
  readonly #begin = new Int32Array(LONGEST_CODE + 2);

  constructor(lengths: Uint8Array) {
    for (const length of lengths) this.#count[length]!++;
    this.#symbols = new Uint16Array(lengths.length);
    let [code, at] = [0, 0];
    for (let length = 1; length <= LONGEST_CODE; length++) {
      code <<= 1;
      this.#first[length] = code;
      this.#begin[length] = at;
      lengths.forEach((each, symbol) => {
        if (each === length) this.#symbols[at++] = symbol;
      });
      code += this.#count[length]!;
    }
  }

  symbol(bits: Bits): number {
    let code = 0;
    for (let length = 1; length <= LONGEST_CODE; length++) {
      code = (code << 1) | bits.take(1);
      const index = code - this.#first[length]!;
      if (index >= 0 && index < this.#count[length]!) return this.#symbols[this.#begin[length]! + index]!;
    }
    throw new Error('there is no such code');
  }
}

/** Throws Error, and one with code ERR_BUFFER_TOO_LARGE where there are more than `limit` bytes. */
export function bunzip2(data: Uint8Array, limit: number): Buffer {
  const bits = new Bits(data);
  const level = bits.take(24) === 0x42_5a_68 ? bits.take(8) - 0x30 : 0;
  if (level < 1 || level > 9) throw new Error('it does not begin as bzip2 does');
  const out = new Expanded(limit);
  let sum = 0;
  for (;;) {
    const magic = [bits.take(24), bits.take(24)];
    const wanted = ((bits.take(16) << 16) | bits.take(16)) >>> 0;
    if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) {
      if (wanted !== sum) throw new Error('the checksum of all is another');
      return out.bytes();
    }
    if (magic[0] !== BLOCK_MAGIC[0] || magic[1] !== BLOCK_MAGIC[1]) throw new Error('a block does not begin');
    const got = out.block(readBlock(bits, level * LEVEL_BYTES));
    if (got !== wanted) throw new Error('the checksum of a block is another');
    sum = (((sum << 1) | (sum >>> 31)) ^ got) >>> 0;
  }
}

interface Block {
  /** The transformed bytes in the low eight bits; the others are free for the way back. */
  readonly bytes: Uint32Array;
  readonly length: number;
  readonly origin: number;
}

function readBlock(bits: Bits, blockBytes: number): Block {
  if (bits.bit()) throw new Error('blocks made random have long been given up');
  const origin = bits.take(24);
  const used = readUsed(bits);
  const tables = bits.take(3);
  const selectors = bits.take(15);
  if (used.length === 0 || tables < 2 || tables > MOST_TABLES || selectors === 0)
    throw new Error('a block has no codes');
  const chosen = readSelectors(bits, tables, selectors);
  const codes = Array.from({ length: tables }, () => new CodeTable(readLengths(bits, used.length + 2)));
  const bytes = new Uint32Array(blockBytes);
  const length = readSymbols(bits, codes, chosen, used, bytes);
  if (origin >= length) throw new Error('a block begins behind its end');
  return { bytes, length, origin };
}

/** Which bytes there are, as sixteen times sixteen bits. */
function readUsed(bits: Bits): number[] {
  const rows = bits.take(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >>> row)) === 0) continue;
    const columns = bits.take(16);
    for (let column = 0; column < 16; column++) {
      if ((columns & (0x8000 >>> column)) !== 0) used.push(16 * row + column);
    }
  }
  return used;
}

function readSelectors(bits: Bits, tables: number, count: number): Uint8Array {
  const order = Array.from({ length: tables }, (_, table) => table);
  return Uint8Array.from({ length: count }, () => {
    let place = 0;
    while (bits.bit()) if (++place === tables) throw new Error('a selector names no table');
    return toFront(order, place);
  });
}

function readLengths(bits: Bits, symbols: number): Uint8Array {
  let length = bits.take(5);
  return Uint8Array.from({ length: symbols }, () => {
    for (;;) {
      if (length < 1 || length > LONGEST_CODE) throw new Error('a code has an impossible length');
      if (!bits.bit()) return length;
      length += bits.bit() ? -1 : 1;
    }
  });
}

function toFront(order: number[], place: number): number {
  const [value] = order.splice(place, 1);
  order.unshift(value!);
  return value!;
}

/** How many bytes the symbols stand for, which are now in `into`. */
function readSymbols(
  bits: Bits,
  codes: readonly CodeTable[],
  selectors: Uint8Array,
  order: number[],
  into: Uint32Array,
): number {
  const end = order.length + 1;
  let [length, symbols] = [0, 0];
  let [run, worth] = [0, 1];
  for (;;) {
    const selector = selectors[Math.floor(symbols++ / GROUP_SYMBOLS)];
    if (selector === undefined) throw new Error('a block has more symbols than selectors');
    const symbol = codes[selector]!.symbol(bits);
    if (symbol === RUN_A || symbol === RUN_B) {
      run += worth * (symbol + 1);
      worth *= 2;
      if (run > into.length) throw new Error('a block is too long');
      continue;
    }
    if (length + run > into.length) throw new Error('a block is too long');
    into.fill(order[0]!, length, length + run);
    length += run;
    [run, worth] = [0, 1];
    if (symbol === end) return length;
    if (length === into.length) throw new Error('a block is too long');
    into[length++] = toFront(order, symbol - 1);
  }
}

/** What has been expanded so far. */
class Expanded {
  readonly #limit: number;
  #buffer: Buffer;
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(FIRST_BYTES, limit));
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Undoes the transform and the runs of a block; its checksum. */
  block({ bytes, length, origin }: Block): number {
    link(bytes, length);
    let crc = 0xffff_ffff;
    let [last, repeats] = [-1, 0];
    let at = bytes[origin]! >>> 8;
    for (let i = 0; i < length; i++) {
      const entry = bytes[at]!;
      const byte = entry & 0xff;
      at = entry >>> 8;
      if (repeats === RUN_BYTES) {
        for (let more = byte; more > 0; more--) crc = this.#add(last, crc);
        repeats = 0;
        last = -1;
        continue;
      }
      repeats = byte === last ? repeats + 1 : 1;
      last = byte;
      crc = this.#add(byte, crc);
    }
    return ~crc >>> 0;
  }

  #add(byte: number, crc: number): number {
    if (this.#length === this.#buffer.length) this.#grow();
    this.#buffer[this.#length++] = byte;
    return ((crc << 8) ^ CRC[((crc >>> 24) ^ byte) & 0xff]!) >>> 0;
  }

  #grow(): void {
    if (this.#length >= this.#limit)
      throw Object.assign(new Error('it is too long'), { code: 'ERR_BUFFER_TOO_LARGE' });
    const grown = Buffer.allocUnsafeSlow(Math.min(2 * this.#length, this.#limit));
    this.#buffer.copy(grown);
    this.#buffer = grown;
  }
}

/** Puts into the upper bits of each place where the next byte is found: the bytes in order, and each with its turn. */
function link(bytes: Uint32Array, length: number): void {
  const begins = new Uint32Array(257);
  for (let i = 0; i < length; i++) begins[bytes[i]! + 1]!++;
  for (let byte = 0; byte < 256; byte++) begins[byte + 1]! += begins[byte]!;
  for (let i = 0; i < length; i++) {
    const place = begins[bytes[i]! & 0xff]!++;
    bytes[place]! |= i << 8;
  }
}
