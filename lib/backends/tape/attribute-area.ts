import { u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { crc32c } from '../../bytes/crc32c.ts';
import { ATTRIBUTE_SLOTS, ATTRIBUTE_SLOT_BYTES, isZero } from './header-area.ts';

/** What stands before the attributes in each of their two slots. */
const head = layout(16, { generation: u32(0), bytes: u32(4), headChecksum: u32(8), checksum: u32(12) });

export const ATTRIBUTE_HEAD_BYTES = head.length;

/** Bytes of attributes that a slot says it has. */
export const attributeSlotSize = (area: Uint8Array, offset: number): number =>
  head.bytes.get(area.subarray(offset, offset + head.length));

export interface FoundAttributes {
  readonly packed: Uint8Array;
  readonly generation: number;
  /** The slot that cannot be read, or that is older. */
  readonly torn: number | undefined;
  readonly older: number | undefined;
  /** Both are damaged. */
  readonly lost: boolean;
}

export function packAttributeSlot(packed: Uint8Array, generation: number, seed: number): Buffer {
  const slot = Buffer.alloc(ATTRIBUTE_SLOT_BYTES);
  head.generation.set(slot, generation);
  head.bytes.set(slot, packed.length);
  head.headChecksum.set(slot, crc32c(slot.subarray(0, 8), seed));
  slot.set(packed, head.length);
  head.checksum.set(slot, crc32c(packed, head.headChecksum.get(slot)));
  return slot;
}

/** Undefined when it cannot be read. A slot that was never written holds nothing, in generation 0. */
function parse(slot: Uint8Array, seed: number): { packed: Uint8Array; generation: number } | undefined {
  if (isZero(slot.subarray(0, head.length))) return { packed: new Uint8Array(), generation: 0 };
  const bytes = head.bytes.get(slot);
  const sum = head.headChecksum.get(slot);
  if (sum !== crc32c(slot.subarray(0, 8), seed) || bytes > slot.length - head.length) return undefined;
  const packed = slot.subarray(head.length, head.length + bytes);
  return head.checksum.get(slot) === crc32c(packed, sum)
    ? { packed: Buffer.from(packed), generation: head.generation.get(slot) }
    : undefined;
}

/** The attributes in a header area. */
export function findAttributes(area: Uint8Array, seed: number): FoundAttributes {
  const [first, second] = ATTRIBUTE_SLOTS.map(offset =>
    parse(area.subarray(offset, offset + ATTRIBUTE_SLOT_BYTES), seed),
  );
  const none = { torn: undefined, older: undefined, lost: false };
  if (first === undefined && second === undefined)
    return { ...none, packed: new Uint8Array(), generation: 0, lost: true };
  if (first === undefined) return { ...none, ...second!, torn: 0 };
  if (second === undefined) return { ...none, ...first, torn: 1 };
  if (first.generation === second.generation) return { ...none, ...first };
  const older = first.generation < second.generation ? 0 : 1;
  return { ...none, ...(older === 0 ? second : first), older };
}
