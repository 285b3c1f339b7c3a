import type { DiskUnit } from '../../scsi-cmds/sbc/disk-unit.ts';
import { requireRange } from '../../scsi-cmds/sbc/transfer.ts';
import { MAX_RANGES, MAX_ROD_BYTES } from '../limits.ts';
import { CopyCode, refused } from '../sense.ts';
import { blockRanges } from './block-ranges.ts';
import { type BlockRange, blocksOf, overlapping } from './rod.ts';

/** The block device range descriptors of a list; throws what is wrong with them (SBC-3 5.12.2, 5.12.3, 5.59.2). */
export function requiredRanges(
  unit: DiskUnit,
  list: Buffer,
  { from, length, lengthAt }: { from: number; length: number; lengthAt: number },
): BlockRange[] {
  const ranges = blockRanges(list.subarray(from, from + length));
  if (ranges.length === 0) throw refused(CopyCode.INVALID_FIELD, lengthAt);
  if (ranges.length > MAX_RANGES) throw refused(CopyCode.TOO_MANY_SEGMENTS, lengthAt);
  for (const { lba, blocks } of ranges) if (blocks > 0) requireRange(unit, lba, blocks);
  if (blocksOf(ranges) * unit.blockSize > MAX_ROD_BYTES) throw refused(CopyCode.INVALID_FIELD, lengthAt);
  if (overlapping(ranges) !== undefined) throw refused(CopyCode.INVALID_FIELD, from);
  return ranges;
}
