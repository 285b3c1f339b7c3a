import { bit, bits, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { VpdPage } from '../spc/vpd.ts';
import type { DiskUnit } from './disk-unit.ts';
import { thresholdExponent } from './thresholds.ts';

/** Logical block provisioning (SBC-3 6.6), counted from the page's byte 4. */
const page = layout(4, {
  thresholdExponent: u8(0),
  unmap: bit(1, 7),
  writeSame16Unmaps: bit(1, 6),
  writeSame10Unmaps: bit(1, 5),
  readsZeros: bits(1, 2, 3),
  anchors: bit(1, 1),
  provisioningType: bits(2, 0, 3),
});

const THIN = 2;
/** LBPRZ xx1b. */
const ZEROS = 1;

export const logicalBlockProvisioning = (unit: DiskUnit): VpdPage => ({
  code: 0xb2,
  body() {
    const out = Buffer.alloc(page.length);
    page.thresholdExponent.set(out, thresholdExponent(unit.blockSize));
    page.unmap.set(out, true);
    page.writeSame16Unmaps.set(out, true);
    page.writeSame10Unmaps.set(out, true);
    page.readsZeros.set(out, ZEROS);
    page.anchors.set(out, unit.backend.anchor !== undefined); // ANC_SUP
    page.provisioningType.set(out, THIN);
    return out;
  },
});
