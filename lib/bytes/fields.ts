/**
 * Field handles: where a value lies in a big-endian structure, said once.
 *
 * A handle has `get` and `set`; a layout (see layout.ts) is a frozen object of handles, and everything else
 * (usage masks, reserved-bit checks, field pointers, printing) is derived from it. Handles read and write bytes
 * one at a time: on Node 20 that is faster than Buffer's bounds-checked readers.
 */
export interface Field<T> {
  /** First byte that the field touches. */
  readonly offset: number;
  /** Number of bytes that the field touches. */
  readonly bytes: number;
  /** Which bits of those bytes belong to the field; the usage mask of SPC-4 6.35.3 is made of these. */
  readonly mask: readonly number[];
  get(from: Uint8Array): T;
  set(into: Uint8Array, value: T): void;
}

const ones = (bytes: number): readonly number[] => Array.from({ length: bytes }, () => 0xff);

export const u8 = (offset: number): Field<number> => ({
  offset,
  bytes: 1,
  mask: ones(1),
  get: from => from[offset]!,
  set: (into, value) => {
    into[offset] = value;
  },
});

export const u16 = (offset: number): Field<number> => ({
  offset,
  bytes: 2,
  mask: ones(2),
  get: from => (from[offset]! << 8) | from[offset + 1]!,
  set: (into, value) => {
    into[offset] = value >>> 8;
    into[offset + 1] = value;
  },
});

export const u24 = (offset: number): Field<number> => ({
  offset,
  bytes: 3,
  mask: ones(3),
  get: from => (from[offset]! << 16) | (from[offset + 1]! << 8) | from[offset + 2]!,
  set: (into, value) => {
    into[offset] = value >>> 16;
    into[offset + 1] = value >>> 8;
    into[offset + 2] = value;
  },
});

/** Two's complement in 24 bits: the count of SPACE(6) (SSC-4 7.8). */
export const i24 = (offset: number): Field<number> => {
  const raw = u24(offset);
  return { ...raw, get: from => (raw.get(from) << 8) >> 8 };
};

export const u32 = (offset: number): Field<number> => ({
  offset,
  bytes: 4,
  mask: ones(4),
  get: from =>
    ((from[offset]! << 24) | (from[offset + 1]! << 16) | (from[offset + 2]! << 8) | from[offset + 3]!) >>> 0,
  set: (into, value) => {
    into[offset] = value >>> 24;
    into[offset + 1] = value >>> 16;
    into[offset + 2] = value >>> 8;
    into[offset + 3] = value;
  },
});

/**
 * 48 or 64 bits as a Number. A value above 2^53 - 1 reads as Number.MAX_SAFE_INTEGER or a little more, never as a
 * small one, so that a range check made with Numbers still refuses it.
 */
const wide = (offset: number, bytes: 6 | 8): Field<number> => {
  const high = bytes - 4;
  return {
    offset,
    bytes,
    mask: ones(bytes),
    get: from => {
      let top = 0;
      for (let i = 0; i < high; i++) top = top * 256 + from[offset + i]!;
      const at = offset + high;
      const low = ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0;
      return top * 0x1_0000_0000 + low;
    },
    set: (into, value) => {
      let top = Math.floor(value / 0x1_0000_0000);
      const low = value >>> 0;
      for (let i = high - 1; i >= 0; i--) {
        into[offset + i] = top % 256;
        top = Math.floor(top / 256);
      }
      const at = offset + high;
      into[at] = low >>> 24;
      into[at + 1] = low >>> 16;
      into[at + 2] = low >>> 8;
      into[at + 3] = low;
    },
  };
};

export const u48 = (offset: number): Field<number> => wide(offset, 6);
export const u64 = (offset: number): Field<number> => wide(offset, 8);

/** 64 bits, exact: reservation keys, designators. Not for the hot path. */
export const u64big = (offset: number): Field<bigint> => ({
  offset,
  bytes: 8,
  mask: ones(8),
  get: from => {
    let value = 0n;
    for (let i = 0; i < 8; i++) value = (value << 8n) | BigInt(from[offset + i]!);
    return value;
  },
  set: (into, value) => {
    for (let i = 7; i >= 0; i--) {
      into[offset + i] = Number(value & 0xffn);
      value >>= 8n;
    }
  },
});

/** Bits `low + width - 1 .. low` of one byte. */
export const bits = (offset: number, low: number, width: number): Field<number> => {
  const unshifted = (1 << width) - 1;
  const mask = unshifted << low;
  return {
    offset,
    bytes: 1,
    mask: [mask],
    get: from => (from[offset]! >> low) & unshifted,
    set: (into, value) => {
      into[offset] = (into[offset]! & ~mask) | ((value & unshifted) << low);
    },
  };
};

/** One bit as a boolean. */
export const bit = (offset: number, position: number): Field<boolean> => {
  const mask = 1 << position;
  return {
    offset,
    bytes: 1,
    mask: [mask],
    get: from => (from[offset]! & mask) !== 0,
    set: (into, value) => {
      into[offset] = value ? into[offset]! | mask : into[offset]! & ~mask;
    },
  };
};

/** A run of bytes; `get` is a view, `set` copies and zero-fills what is left. */
export const bytes = (offset: number, length: number): Field<Uint8Array> => ({
  offset,
  bytes: length,
  mask: ones(length),
  get: from => from.subarray(offset, offset + length),
  set: (into, value) => {
    into.fill(0, offset, offset + length);
    into.set(value.subarray(0, length), offset);
  },
});

/** Left-aligned ASCII padded with spaces, as INQUIRY wants it (SPC-4 4.4.1). */
export const ascii = (offset: number, length: number): Field<string> => ({
  offset,
  bytes: length,
  mask: ones(length),
  get: from =>
    Buffer.from(from.subarray(offset, offset + length))
      .toString('latin1')
      .trimEnd(),
  set: (into, value) => {
    for (let i = 0; i < length; i++) into[offset + i] = i < value.length ? value.charCodeAt(i) & 0x7f : 0x20;
  },
});
