import { Reader } from '../bytes/cursor.ts';
import { tooShort } from './inquiry.ts';
import { cdbOf, type Unit } from './unit.ts';

/** A designation descriptor of VPD page 83h (SPC-4 7.8.6). */
export interface Designator {
  /** 1 binary, 2 ASCII, 3 UTF-8. */
  readonly codeSet: number;
  /** 0 logical unit, 1 target port, 2 target device. */
  readonly association: number;
  /** 1 T10 vendor id, 2 EUI-64, 3 NAA, 8 SCSI name string. */
  readonly type: number;
  readonly bytes: Buffer;
}

export const DesignatorType = { VENDOR_SPECIFIC: 0, T10: 1, EUI64: 2, NAA: 3 } as const;

export async function designators(unit: Unit): Promise<Designator[]> {
  const page = await unit.read('INQUIRY of VPD page 83h', cdbOf(6, 0x12, 1, 0x83, 0x10, 0), 4096);
  if (page.length < 4) throw tooShort('INQUIRY of VPD page 83h', unit.lun);
  return parseDesignators(page);
}

/** Descriptors that are whole; a page that ends in the middle of one ends there. */
export function parseDesignators(page: Buffer): Designator[] {
  const found: Designator[] = [];
  const reader = new Reader(page, 4, 4 + page.readUInt16BE(2));
  while (reader.left >= 4) {
    const [codes, kinds] = [reader.uint(1), reader.uint(1)];
    reader.take(1);
    const length = reader.uint(1);
    if (length > reader.left) break;
    found.push({
      codeSet: codes & 0x0f,
      association: (kinds >> 4) & 0x03,
      type: kinds & 0x0f,
      bytes: Buffer.from(reader.take(length)),
    });
  }
  return found;
}

/** SPC-4 6.4.5.3: an identification CSCD holds a designator of up to 20 bytes. */
const LONGEST_CSCD_DESIGNATOR = 20;
const PREFERENCE: readonly number[] = [DesignatorType.NAA, DesignatorType.EUI64, DesignatorType.T10];

/** The one that names the logical unit best in a copy: NAA before EUI-64 before T10. */
export function unitDesignator(found: readonly Designator[]): Designator | undefined {
  return found
    .filter(({ association, type, bytes }) => {
      return association === 0 && PREFERENCE.includes(type) && bytes.length <= LONGEST_CSCD_DESIGNATOR;
    })
    .sort((a, b) => PREFERENCE.indexOf(a.type) - PREFERENCE.indexOf(b.type))[0];
}

/** The vendor specific designator of the unit, which sanlet fills with its name. */
export function givenName(found: readonly Designator[]): string | undefined {
  return found
    .find(({ association, type }) => association === 0 && type === DesignatorType.VENDOR_SPECIFIC)
    ?.bytes.toString('utf8');
}
