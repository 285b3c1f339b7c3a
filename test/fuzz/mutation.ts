/** Values for the fields of a layout: right ones, those at an edge, and any. */
import type { Field } from '../../lib/bytes/fields.ts';
import type { Shape } from '../../lib/bytes/layout.ts';
import type { Random } from '../harness/random.ts';

export interface AnyField extends Field<unknown> {
  readonly mask: readonly number[];
}

export const fieldsOf = (shape: Shape): readonly (readonly [string, AnyField])[] =>
  Object.entries(shape).filter(
    (entry): entry is [string, AnyField] => typeof entry[1] === 'object' && 'mask' in entry[1],
  );

/** Puts `raw` into the bits of the field, and nowhere else. */
export function setRaw(into: Uint8Array, { offset, mask }: AnyField, raw: Uint8Array): void {
  mask.forEach((bits, i) => {
    into[offset + i] = (into[offset + i]! & ~bits) | (raw[i]! & bits);
  });
}

/** All zeros, all ones, one, the greatest less one, one bit. */
export function edge(random: Random, bytes: number): Buffer {
  const raw = Buffer.alloc(bytes, random.pick([0, 0, 0xff]));
  switch (random.below(4)) {
    case 0:
      raw[bytes - 1]! ^= 1;
      break;
    case 1:
      raw[0]! ^= 0x80;
      break;
    case 2:
      raw[random.below(bytes)]! ^= 1 << random.below(8);
      break;
    default:
  }
  return raw;
}

/** A number of as many bytes as the field has. */
export function numeric(value: number, bytes: number): Buffer {
  const raw = Buffer.alloc(bytes);
  let left = Math.max(0, Math.floor(value));
  for (let i = bytes - 1; i >= 0; i--) {
    raw[i] = left % 256;
    left = Math.floor(left / 256);
  }
  return raw;
}

/**
 * Fills in every field: with what `right` has for its name as a rule, else with an edge or anything. Now and then a bit
 * that no field has.
 */
export function fill(
  random: Random,
  into: Uint8Array,
  shape: Shape,
  right: (name: string, bytes: number) => number | Uint8Array | undefined,
  wrongOneIn = 8,
): void {
  for (const [name, field] of fieldsOf(shape)) {
    if (name === 'opcode' || name === 'serviceAction') continue;
    const value = random.chance(wrongOneIn) ? undefined : right(name, field.bytes);
    if (value !== undefined) {
      if (typeof value === 'number') {
        // A field within a byte counts from its own lowest bit.
        const shift = field.bytes === 1 ? 31 - Math.clz32(field.mask[0]! & -field.mask[0]!) : 0;
        setRaw(into, field, numeric(value * 2 ** shift, field.bytes));
      } else setRaw(into, field, value);
    } else setRaw(into, field, random.chance(2) ? edge(random, field.bytes) : random.bytes(field.bytes));
  }
  if (random.chance(30)) into[random.below(into.length)]! ^= 1 << random.below(8);
}

/** A few bytes of it are no longer what they were. */
export function spoil(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  for (let i = random.between(1, 4); i > 0; i--) {
    const at = random.below(Math.min(bytes.length, 64));
    bytes[at] = random.pick([0, 1, 0xff, bytes[at]! + 1, bytes[at]! - 1, random.below(256)]) & 0xff;
  }
  return bytes;
}
