import { bit, bits } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { VpdPage } from '../spc/vpd.ts';

/** Logical block provisioning (SBC-3 6.6), counted from the page's byte 4. */
const page = layout(4, {
  unmap: bit(1, 7),
  writeSame16Unmaps: bit(1, 6),
  writeSame10Unmaps: bit(1, 5),
  readsZeros: bit(1, 2),
  provisioningType: bits(2, 0, 3),
});

const THIN = 2;

export const logicalBlockProvisioning: VpdPage = {
  code: 0xb2,
  body() {
    const out = Buffer.alloc(page.length);
    page.unmap.set(out, true);
    page.writeSame16Unmaps.set(out, true);
    page.writeSame10Unmaps.set(out, true);
    page.readsZeros.set(out, true);
    page.provisioningType.set(out, THIN);
    return out;
  },
};
