import {
  LBA_STATUS_HEADER_BYTES,
  Provisioning,
  lbaStatusCdb,
  lbaStatusDescriptor as descriptor,
} from '../scsi-cmds/sbc/lba-status.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { Initiator } from './initiator.ts';
import { LEAST_HOLE_BYTES } from './limits.ts';

/** Blocks from `from` up to `to`. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/** What is not told in so many counts as mapped: a range of many short runs is read as well as asked about. */
const DESCRIPTORS = 64;

/**
 * Unmapped runs within the range that are worth it, in order. Asked anew for each segment: an earlier segment, or anybody
 * else, may have written since. A unit that does not answer has none, and the reads will say what is the matter.
 */
export async function holesIn(
  initiator: Initiator,
  lun: number,
  range: Run,
  blockBytes: number,
): Promise<Run[]> {
  const least = LEAST_HOLE_BYTES / blockBytes;
  if (range.to - range.from < least) return [];
  // What was mapped may be taken for mapped still: at worst zeros are read.
  const known = initiator.mappedRuns.get(lun);
  if (known !== undefined && known.from <= range.from && range.to <= known.to) return [];
  const cdb = Buffer.alloc(16);
  const length = LBA_STATUS_HEADER_BYTES + DESCRIPTORS * descriptor.length;
  lbaStatusCdb.opcode.set(cdb, 0x9e);
  lbaStatusCdb.serviceAction.set(cdb, 0x12);
  lbaStatusCdb.lba.set(cdb, range.from);
  lbaStatusCdb.allocationLength.set(cdb, length);
  const { status, data } = await initiator.ask(lun, cdb, length);
  if (status !== Status.GOOD) return [];
  const holes: Run[] = [];
  for (let at = LBA_STATUS_HEADER_BYTES; at + descriptor.length <= data.length; at += descriptor.length) {
    const one = data.subarray(at, at + descriptor.length);
    const from = descriptor.lba.get(one);
    const to = from + descriptor.blocks.get(one);
    const hole = { from: Math.max(from, range.from), to: Math.min(to, range.to) };
    if (descriptor.provisioningStatus.get(one) !== Provisioning.DEALLOCATED)
      initiator.mappedRuns.set(lun, { from, to });
    else if (hole.to - hole.from >= least) holes.push(hole);
  }
  return holes;
}
