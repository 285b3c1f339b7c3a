import type { Field } from './fields.ts';

/* oxlint-disable-next-line typescript/no-explicit-any -- a layout mixes field types */
export type Fields = Readonly<Record<string, Field<any>>>;

/** A structure of fixed length, whatever its fields. */
export interface Shape {
  /** Total bytes. */
  readonly length: number;
  /** One byte of mask a byte of structure: a one where some field has the bit (SPC-4 6.35.3 CDB USAGE DATA). */
  readonly usage: Uint8Array;
}

/** A shape with its fields. */
export type Layout<F extends Fields> = F & Shape;

/** Freezes the fields of a structure of `length` bytes. Throws when a field lies outside it or two overlap. */
export function layout<F extends Fields>(length: number, fields: F): Layout<F> {
  const usage = new Uint8Array(length);
  for (const [name, field] of Object.entries(fields)) {
    if (name === 'length' || name === 'usage') throw new RangeError(`a field may not be called ${name}`);
    field.mask.forEach((mask, i) => {
      const at = field.offset + i;
      if (at >= length) throw new RangeError(`${name} ends past byte ${length}`);
      if ((usage[at]! & mask) !== 0) throw new RangeError(`${name} overlaps another field at byte ${at}`);
      usage[at]! |= mask;
    });
  }
  return Object.freeze({ ...fields, length, usage });
}

/**
 * The first reserved bit that is set: its byte and the bit's position, most significant first, which is what a field
 * pointer wants (SPC-4 4.5.2.4.2). Undefined when all of them are zero. `skip` bytes from the start are not looked at.
 */
export function reservedBit(
  usage: Uint8Array,
  from: Uint8Array,
  skip = 0,
): { byte: number; bit: number } | undefined {
  const end = Math.min(usage.length, from.length);
  for (let byte = skip; byte < end; byte++) {
    const set = from[byte]! & ~usage[byte]!;
    if (set !== 0) return { byte, bit: 31 - Math.clz32(set) };
  }
  return undefined;
}

/** `name=value` pairs for traces and test failures; `length` and `usage` are not fields. */
export function describe(shape: Shape, from: Uint8Array): string {
  return Object.entries(shape)
    .filter((entry): entry is [string, Field<unknown>] => typeof entry[1] === 'object' && 'mask' in entry[1])
    .map(([name, field]) => {
      const value = field.get(from);
      if (value instanceof Uint8Array) return `${name}=${Buffer.from(value).toString('hex')}`;
      return `${name}=${typeof value === 'number' && value > 9 ? `0x${value.toString(16)}` : String(value)}`;
    })
    .join(' ');
}
