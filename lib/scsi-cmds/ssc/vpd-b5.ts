import { bit, bits, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { VpdPage } from '../spc/vpd.ts';
import { PROTECTION_METHODS } from './recording/block-protection.ts';

const descriptor = layout(8, {
  descriptorLength: u8(0),
  method: u8(1),
  informationLength: bits(2, 0, 6),
  onWrite: bit(3, 7),
  onRead: bit(3, 6),
});

/** Logical block protection (SSC-5): a descriptor a method. */
export const logicalBlockProtection: VpdPage = {
  code: 0xb5,
  body: () =>
    Buffer.concat(
      PROTECTION_METHODS.map(method => {
        const one = Buffer.alloc(descriptor.length);
        descriptor.descriptorLength.set(one, one.length - 1);
        descriptor.method.set(one, method.code);
        descriptor.informationLength.set(one, method.bytes);
        descriptor.onWrite.set(one, true);
        descriptor.onRead.set(one, true);
        return one;
      }),
    ),
};
