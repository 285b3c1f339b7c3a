import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { invalidFieldInParameterList } from '../sense.ts';
import type { ModePage } from '../spc/mode-pages.ts';
import { PROTECTION_METHODS } from './recording/block-protection.ts';

export const CONTROL = 0x0a;
export const CONTROL_DATA_PROTECTION = 0xf0;

/** Control data protection (SSC-4 8.3.9). */
export const dataProtection = layout(32, {
  code: u8(0),
  subcode: u8(1),
  pageLength: u16(2),
  method: u8(4),
  informationLength: bits(5, 0, 6),
  onWrite: bit(6, 7),
  onRead: bit(6, 6),
});

function defaults(): Uint8Array {
  const bytes = new Uint8Array(dataProtection.length);
  dataProtection.code.set(bytes, 0x40 | CONTROL);
  dataProtection.subcode.set(bytes, CONTROL_DATA_PROTECTION);
  dataProtection.pageLength.set(bytes, bytes.length - 4);
  return bytes;
}

function changeable(): Uint8Array {
  const mask = new Uint8Array(dataProtection.length);
  dataProtection.method.set(mask, 0xff);
  dataProtection.informationLength.set(mask, 0x3f);
  dataProtection.onWrite.set(mask, true);
  dataProtection.onRead.set(mask, true);
  return mask;
}

/** RBDP stays 0: there is no RECOVER BUFFERED DATA. */
export const dataProtectionPage: ModePage = {
  code: CONTROL,
  subcode: CONTROL_DATA_PROTECTION,
  defaults: defaults(),
  changeable: changeable(),
  check(bytes, at) {
    const method = dataProtection.method.get(bytes);
    const known = PROTECTION_METHODS.find(({ code }) => code === method);
    if (method !== 0 && known === undefined) throw invalidFieldInParameterList(at + 4);
    if (dataProtection.informationLength.get(bytes) !== (known?.bytes ?? 0)) {
      throw invalidFieldInParameterList(at + 5, 5);
    }
    if (method !== 0) return;
    if (dataProtection.onWrite.get(bytes)) throw invalidFieldInParameterList(at + 6, 7);
    if (dataProtection.onRead.get(bytes)) throw invalidFieldInParameterList(at + 6, 6);
  },
};
