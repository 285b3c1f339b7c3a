import { ascii, bit, bits, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { InitiatorError } from './initiator-error.ts';
import { cdbOf, type Unit } from './unit.ts';

/** Standard INQUIRY data, SPC-4 6.6.2. */
const standard = layout(36, {
  qualifier: bits(0, 5, 3),
  deviceType: bits(0, 0, 5),
  removable: bit(1, 7),
  version: u8(2),
  additionalLength: u8(4),
  thirdPartyCopy: bit(5, 3),
  vendor: ascii(8, 8),
  product: ascii(16, 16),
  revision: ascii(32, 4),
});

export const DeviceType = { DISK: 0x00, TAPE: 0x01 } as const;

const TYPE_NAMES: Readonly<Record<number, string>> = {
  0x00: 'disk',
  0x01: 'tape',
  0x03: 'processor',
  0x05: 'cd',
  0x08: 'changer',
  0x0c: 'controller',
  0x0d: 'enclosure',
};

export interface Inquiry {
  /** A unit stands behind the LUN (qualifier 000b). */
  readonly present: boolean;
  readonly deviceType: number;
  readonly type: string;
  readonly removable: boolean;
  readonly thirdPartyCopy: boolean;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

export async function inquiry(unit: Unit): Promise<Inquiry> {
  const data = await unit.read('INQUIRY', cdbOf(6, 0x12, 0, 0, 0, 96), 96);
  if (data.length < standard.length) throw tooShort('INQUIRY', unit.lun);
  const deviceType = standard.deviceType.get(data);
  return {
    present: standard.qualifier.get(data) === 0,
    deviceType,
    type: TYPE_NAMES[deviceType] ?? `type ${deviceType.toString(16)}h`,
    removable: standard.removable.get(data),
    thirdPartyCopy: standard.thirdPartyCopy.get(data),
    vendor: standard.vendor.get(data),
    product: standard.product.get(data),
    revision: standard.revision.get(data),
  };
}

export const tooShort = (what: string, lun: number): InitiatorError =>
  new InitiatorError('target', `the answer of LUN ${lun} to ${what} is too short`);
