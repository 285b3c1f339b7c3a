import type { VpdPage } from '../spc/vpd.ts';
import type { TapeUnit } from './tape-unit.ts';

/** Manufacturer-assigned serial number (SSC-4 8.4.3): the one that VPD page 80h has. */
export const manufacturerSerialNumber: VpdPage = {
  code: 0xb1,
  body: unit => Buffer.from(unit.identity.serial, 'latin1'),
};

/** Automation device serial number (SSC-4 8.4.5): of the library that the drive is in; a page that only such a drive has. */
export const automationSerialNumber: VpdPage = {
  code: 0xb3,
  body: unit => Buffer.from((unit as TapeUnit).automationSerial ?? '', 'latin1'),
};
