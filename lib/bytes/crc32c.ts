/**
 * CRC32C, the Castagnoli polynomial: iSCSI digests (RFC 7143 13.1) and the checksums of our own files.
 *
 * Both ways below slice by 16: sixteen tables turn sixteen bytes into sixteen independent look-ups. In script it is
 * quickest for a 48-byte header; above that WebAssembly wins, although every byte is copied in first.
 */

/** The reflected polynomial 1EDC6F41h. */
const POLYNOMIAL = 0x82f6_3b78;
const SLICES = 16;
const TABLE_BYTES = SLICES * 256 * 4;
/** Below this many bytes the call into WebAssembly costs more than it saves. */
const SCRIPT_LIMIT_BYTES = 64;

/** Table k holds, for each byte, the remainder of that byte followed by k zero bytes. */
function makeTables(): Int32Array {
  const tables = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let i = 0; i < 8; i++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
    tables[byte] = remainder;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}

const tables = makeTables();

/** The same sum in plain script. `seed` is the sum of the bytes that came before. */
export function crc32cScript(bytes: Uint8Array, seed = 0): number {
  const t = tables;
  const length = bytes.length;
  let crc = ~seed;
  let at = 0;
  for (; at + 16 <= length; at += 16) {
    crc =
      t[3840 + ((crc ^ bytes[at]!) & 0xff)]! ^
      t[3584 + (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      t[3328 + (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      t[3072 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      t[2816 + bytes[at + 4]!]! ^
      t[2560 + bytes[at + 5]!]! ^
      t[2304 + bytes[at + 6]!]! ^
      t[2048 + bytes[at + 7]!]! ^
      t[1792 + bytes[at + 8]!]! ^
      t[1536 + bytes[at + 9]!]! ^
      t[1280 + bytes[at + 10]!]! ^
      t[1024 + bytes[at + 11]!]! ^
      t[768 + bytes[at + 12]!]! ^
      t[512 + bytes[at + 13]!]! ^
      t[256 + bytes[at + 14]!]! ^
      t[bytes[at + 15]!]!;
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

/* ---- WebAssembly: one function, put together here so that what runs can be read ---- */

/** Locals of the function: its three parameters, then the four words of a slice. */
const CRC = 0;
const AT = 1;
const END = 2;
const WORDS = [3, 4, 5, 6] as const;

/** Signed LEB128, for constants. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    const done = (value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

/** Unsigned LEB128, for indexes, lengths and address offsets. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  bytes.push(value);
  return bytes;
}

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const constant = (value: number): number[] => [0x41, ...signed(value)];
const EQUAL = [0x46];
const ABOVE = [0x4b];
const ADD = [0x6a];
const AND = [0x71];
const XOR = [0x73];
const SHIFT_LEFT = [0x74];
const SHIFT_RIGHT = [0x76];
const load = (offset: number): number[] => [0x28, 2, ...unsigned(offset)];
/** A word at any address: the alignment is a hint only. */
const loadUnaligned = (offset: number): number[] => [0x28, 0, ...unsigned(offset)];
const loadByte = (): number[] => [0x2d, 0, 0];

/** `block loop BODY end end`, where BODY leaves when `condition` holds and otherwise runs again. */
const until = (condition: number[], body: number[]): number[] => {
  const [block, loop, nothing, branch, branchIf, end] = [0x02, 0x03, 0x40, 0x0c, 0x0d, 0x0b] as const;
  return [block, nothing, loop, nothing, ...condition, branchIf, 1, ...body, branch, 0, end, end];
};

/** Table `slice` at byte `byte` of the word in `local`; entries are words, so the byte is taken times four. */
const lookUp = (slice: number, local: number, byte: number): number[] => [
  ...get(local),
  ...(byte === 0 ? [] : [...constant(byte * 8), ...SHIFT_RIGHT]),
  ...(byte === 3 ? [] : [...constant(0xff), ...AND]),
  ...[...constant(2), ...SHIFT_LEFT, ...load(slice * 1024)],
];

function sixteenBytes(): number[] {
  const code: number[] = [];
  WORDS.forEach((word, i) => {
    code.push(...get(AT), ...loadUnaligned(i * 4));
    if (i === 0) code.push(...get(CRC), ...XOR);
    code.push(...set(word));
  });
  // The word that waits for the slice before comes last: the other twelve look-ups overlap with that wait.
  for (let i = 0; i < SLICES; i++) {
    const byte = (i + 4) % SLICES;
    code.push(...lookUp(SLICES - 1 - byte, WORDS[byte >> 2]!, byte & 3));
    if (i > 0) code.push(...XOR);
  }
  return [...code, ...set(CRC), ...get(AT), ...constant(16), ...ADD, ...set(AT)];
}

function oneByte(): number[] {
  const entry = [...get(CRC), ...get(AT), ...loadByte(), ...XOR, ...constant(0xff), ...AND];
  return [
    ...[...entry, ...constant(2), ...SHIFT_LEFT, ...load(0)],
    ...[...get(CRC), ...constant(8), ...SHIFT_RIGHT, ...XOR, ...set(CRC)],
    ...[...get(AT), ...constant(1), ...ADD, ...set(AT)],
  ];
}

function moduleBytes(): Uint8Array {
  const [i32, functionType] = [0x7f, 0x60] as const;
  const body = [
    ...[1, WORDS.length, i32],
    ...until([...get(AT), ...constant(16), ...ADD, ...get(END), ...ABOVE], sixteenBytes()),
    ...until([...get(AT), ...get(END), ...EQUAL], oneByte()),
    ...get(CRC),
    0x0b,
  ];
  const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content];
  const name = (text: string): number[] => [text.length, ...Buffer.from(text, 'latin1')];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, functionType, 3, i32, i32, i32, 1, i32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('crc'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

type Sum = (state: number, at: number, end: number) => number;

/** What we use of it; the types live in lib.dom, which a program for Node does not load. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => {
    exports: { memory: { buffer: ArrayBuffer }; crc: Sum };
  };
};

interface Machine {
  readonly crc: Sum;
  /** The one page of memory: tables first, then the bytes to sum. */
  readonly memory: Uint8Array;
}

let machine: Machine | undefined;

function start(): Machine {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()));
  const memory = new Uint8Array(exports.memory.buffer);
  memory.set(new Uint8Array(tables.buffer));
  machine = { crc: exports.crc, memory };
  return machine;
}

/** The same sum in WebAssembly. `seed` is the sum of the bytes that came before. */
export function crc32cWasm(bytes: Uint8Array, seed = 0): number {
  const { crc, memory } = machine ?? start();
  const room = memory.length - TABLE_BYTES;
  let state = ~seed;
  if (bytes.length <= room) {
    memory.set(bytes, TABLE_BYTES);
    return ~crc(state, TABLE_BYTES, TABLE_BYTES + bytes.length) >>> 0;
  }
  for (let at = 0; at < bytes.length; at += room) {
    const piece = bytes.subarray(at, at + room);
    memory.set(piece, TABLE_BYTES);
    state = crc(state, TABLE_BYTES, TABLE_BYTES + piece.length);
  }
  return ~state >>> 0;
}

/**
 * CRC32C of `bytes`. With `seed`, the CRC32C of what came before followed by `bytes`:
 * `crc32c(b, crc32c(a))` is the sum of a and b together.
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return bytes.length < SCRIPT_LIMIT_BYTES ? crc32cScript(bytes, seed) : crc32cWasm(bytes, seed);
}
