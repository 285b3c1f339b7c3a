import { bit, u16, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { VpdPage } from '../spc/vpd.ts';
import type { DiskUnit } from './disk-unit.ts';
import {
  MAX_COMPARE_AND_WRITE_BLOCKS,
  MAX_UNMAP_BLOCKS,
  MAX_UNMAP_DESCRIPTORS,
  OPTIMAL_TRANSFER_BYTES,
} from './limits.ts';

/** Block limits (SBC-4 6.6.4), counted from the page's byte 4. */
const page = layout(60, {
  writeSameNonZero: bit(0, 0),
  maxCompareAndWrite: u8(1),
  optimalGranularity: u16(2),
  maxTransfer: u32(4),
  optimalTransfer: u32(8),
  maxPrefetch: u32(12),
  maxUnmapBlocks: u32(16),
  maxUnmapDescriptors: u32(20),
  optimalUnmapGranularity: u32(24),
  unmapAlignment: u32(28),
  maxWriteSame: u64(32),
  maxAtomic: u32(40),
  atomicAlignment: u32(44),
  atomicGranularity: u32(48),
  maxAtomicWithBoundary: u32(52),
  maxAtomicBoundary: u32(56),
});

/** UGAVALID over the alignment, which is 0. */
const ALIGNED = 0x8000_0000;

export const blockLimits = (unit: DiskUnit): VpdPage => ({
  code: 0xb0,
  body() {
    const out = Buffer.alloc(page.length);
    const physical = 2 ** unit.physicalExponent;
    page.writeSameNonZero.set(out, true);
    page.maxCompareAndWrite.set(out, MAX_COMPARE_AND_WRITE_BLOCKS);
    page.optimalGranularity.set(out, physical);
    page.maxTransfer.set(out, unit.maxTransferBlocks);
    page.optimalTransfer.set(out, OPTIMAL_TRANSFER_BYTES / unit.blockSize);
    page.maxUnmapBlocks.set(out, MAX_UNMAP_BLOCKS);
    page.maxUnmapDescriptors.set(out, MAX_UNMAP_DESCRIPTORS);
    page.optimalUnmapGranularity.set(out, physical);
    page.unmapAlignment.set(out, ALIGNED);
    page.maxWriteSame.set(out, unit.maxWriteSameBlocks);
    if (unit.maxAtomicBlocks > 0) {
      page.maxAtomic.set(out, unit.maxAtomicBlocks);
      page.atomicAlignment.set(out, physical);
      page.atomicGranularity.set(out, physical);
      page.maxAtomicWithBoundary.set(out, unit.maxAtomicBlocks);
      page.maxAtomicBoundary.set(out, unit.maxAtomicBlocks);
    }
    return out;
  },
});
