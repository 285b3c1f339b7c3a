import { bits, bytes, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { CopyCode, refused } from '../sense.ts';
import type { CscdType } from './descriptor.ts';

/** A designation descriptor of the Device Identification VPD page (SPC-4 7.8.6.1), without its protocol identifier. */
export interface Designator {
  readonly codeSet: number;
  readonly association: number;
  readonly type: number;
  readonly bytes: Uint8Array;
}

export const DESIGNATOR_MAX = 20;

/** SPC-4 6.4.5.6 table 140. LU ID TYPE is ignored; so are the places where VPD 83h has PROTOCOL IDENTIFIER and PIV. */
export const identificationLayout = layout(32, {
  type: u8(0),
  codeSet: bits(4, 0, 4),
  association: bits(5, 4, 2),
  designatorType: bits(5, 0, 4),
  designatorLength: u8(7),
  designator: bytes(8, DESIGNATOR_MAX),
});

export const identification: CscdType = {
  code: 0xe4,
  name: 'Identification Descriptor',
  slots: 1,
  address: (descriptor, offset) => {
    const f = identificationLayout;
    const length = f.designatorLength.get(descriptor);
    if (length > DESIGNATOR_MAX) throw refused(CopyCode.INVALID_FIELD, offset + f.designatorLength.offset);
    return {
      kind: 'identification',
      designator: {
        codeSet: f.codeSet.get(descriptor),
        association: f.association.get(descriptor),
        type: f.designatorType.get(descriptor),
        // The parameter list is gone when the command ends.
        bytes: Uint8Array.from(f.designator.get(descriptor).subarray(0, length)),
      },
    };
  },
};

/** The designators in the body of VPD page 83h: of every length, all associations. */
export function designatorsOf(page: Uint8Array): Designator[] {
  const found: Designator[] = [];
  for (let at = 0; at + 4 <= page.length;) {
    const length = page[at + 3]!;
    found.push({
      codeSet: page[at]! & 0x0f,
      association: (page[at + 1]! >> 4) & 0x03,
      type: page[at + 1]! & 0x0f,
      bytes: page.subarray(at + 4, at + 4 + length),
    });
    at += 4 + length;
  }
  return found;
}

const LOGICAL_UNIT = 0;
/** SPC-4 7.8.6.3: unique to nobody, so it names no unit. */
const VENDOR_SPECIFIC = 0;

/** The designator names this logical unit: one of target port or target device fits them all and so names none. */
export const sameUnit = (wanted: Designator, has: Designator): boolean =>
  wanted.association === LOGICAL_UNIT &&
  wanted.type !== VENDOR_SPECIFIC &&
  has.association === wanted.association &&
  has.type === wanted.type &&
  has.codeSet === wanted.codeSet &&
  has.bytes.length > 0 &&
  Buffer.compare(has.bytes, wanted.bytes) === 0;
