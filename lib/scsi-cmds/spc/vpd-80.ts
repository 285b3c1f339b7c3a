import type { VpdPage } from './vpd.ts';

/** Unit serial number (SPC-4 7.8). */
export const unitSerialNumber: VpdPage = {
  code: 0x80,
  body: unit => Buffer.from(unit.identity.serial, 'latin1'),
};
