import { u32, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { BlockRange } from './rod.ts';

/** Block device range descriptor (SBC-3 5.12.3), and four gibi-block range descriptor (SPC-4 6.4.6.20 table 169). */
export const rangeDescriptor = layout(16, { lba: u64(0), blocks: u32(8) });

/** As many as there are whole ones. */
export function blockRanges(bytes: Uint8Array): BlockRange[] {
  const found: BlockRange[] = [];
  for (let at = 0; at + rangeDescriptor.length <= bytes.length; at += rangeDescriptor.length) {
    const one = bytes.subarray(at, at + rangeDescriptor.length);
    found.push({ lba: rangeDescriptor.lba.get(one), blocks: rangeDescriptor.blocks.get(one) });
  }
  return found;
}
