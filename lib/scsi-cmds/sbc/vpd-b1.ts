import { bit, bits, u16 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { VpdPage } from '../spc/vpd.ts';

/** Block device characteristics (SBC-3 6.6), counted from the page's byte 4. */
const page = layout(60, {
  mediumRotationRate: u16(0),
  readAfterBlockErase: bits(3, 6, 2),
  verifiesUnmapped: bit(4, 0),
});

/** WABEREQ: a read after a block erase succeeds. */
const READS_SUCCEED = 1;

const NON_ROTATING = 1;

export const blockDeviceCharacteristics: VpdPage = {
  code: 0xb1,
  body() {
    const out = Buffer.alloc(page.length);
    page.mediumRotationRate.set(out, NON_ROTATING);
    page.readAfterBlockErase.set(out, READS_SUCCEED);
    page.verifiesUnmapped.set(out, true);
    return out;
  },
};
