import { bit, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { DeviceType, type LogicalUnit } from '../logical-unit.ts';
import { MOST_SENSE_BYTES } from '../sense.ts';
import type { VpdPage } from './vpd.ts';

/**
 * Extended INQUIRY data (SPC-4 7.8.7), counted from the page's byte 4. What is left out is 0: no microcode to activate,
 * no protection information, no grouping, no priority, no non-volatile cache.
 */
const page = layout(60, {
  headOfQueue: bit(1, 2),
  ordered: bit(1, 1),
  simple: bit(1, 0),
  volatileCache: bit(2, 0),
  clearsOnNexusLoss: bit(3, 0),
  revertToDefaults: bit(4, 3), // RTD_SUP of SPC-5
  extendedSelfTestMinutes: u16(6),
  mostSenseBytes: u8(9),
});

export const extendedInquiry: VpdPage = {
  code: 0x86,
  body(unit: LogicalUnit) {
    const out = Buffer.alloc(page.length);
    page.headOfQueue.set(out, true);
    page.ordered.set(out, true);
    page.simple.set(out, true);
    page.revertToDefaults.set(out, true);
    page.volatileCache.set(out, unit.deviceType === DeviceType.DISK);
    page.clearsOnNexusLoss.set(out, true); // LUICLR
    page.extendedSelfTestMinutes.set(out, Math.min(0xffff, unit.selfTestMinutes));
    page.mostSenseBytes.set(out, MOST_SENSE_BYTES);
    return out;
  },
};
