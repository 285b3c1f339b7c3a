import { bit, bits } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { DeviceType } from '../logical-unit.ts';
import type { VpdPage } from './vpd.ts';

/** Extended INQUIRY data (SPC-4 7.8.7), counted from the page's byte 4. */
const page = layout(60, {
  headOfQueue: bit(1, 2),
  ordered: bit(1, 1),
  simple: bit(1, 0),
  volatileCache: bit(2, 0),
  revertToDefaults: bit(4, 3), // RTD_SUP of SPC-5
  multiNexusDownload: bits(5, 0, 4),
});

export const extendedInquiry: VpdPage = {
  code: 0x86,
  body(unit) {
    const out = Buffer.alloc(page.length);
    page.headOfQueue.set(out, true);
    page.ordered.set(out, true);
    page.simple.set(out, true);
    page.revertToDefaults.set(out, true);
    page.volatileCache.set(out, unit.deviceType === DeviceType.DISK);
    return out;
  },
};
