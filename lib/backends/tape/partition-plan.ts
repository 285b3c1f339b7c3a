import { FRAME_BYTES } from './frame.ts';
import { INDEX_LIMIT_BYTES } from './index-frame.ts';

/** Where a partition lies in the cartridge's file, and what fits. */
export interface PlannedPartition {
  /** Stored bytes of records, 0 for no limit. */
  readonly capacityBytes: number;
  /** Offset in the file. */
  readonly base: number;
}

/** Objects take room and memory beside their bytes: with a capacity of n bytes n / 512 fit, and some more. */
const OBJECTS_LEAST = 4096;
export const OBJECT_COST_BYTES = 512;
/** What an object takes in the file beside its bytes: its frame, and its share of the index. */
const OVERHEAD_BYTES = FRAME_BYTES + 16;
const PAGE_BYTES = 4096;

export const objectLimit = (capacityBytes: number): number =>
  capacityBytes === 0 ? Infinity : OBJECTS_LEAST + Math.floor(capacityBytes / OBJECT_COST_BYTES);

/** The most that a partition takes in the file. */
export function regionBytes(capacityBytes: number): number {
  const most = capacityBytes + objectLimit(capacityBytes) * OVERHEAD_BYTES + 2 * INDEX_LIMIT_BYTES;
  return Math.ceil(most / PAGE_BYTES) * PAGE_BYTES;
}

/**
 * One behind the other, the smallest first: the file is sparse, so that room that is not used costs nothing, and its length
 * is that of the others and what is used of the largest.
 */
export function planPartitions(capacities: readonly number[], start: number): PlannedPartition[] {
  const order = capacities
    .map((capacityBytes, number) => ({ capacityBytes, number }))
    .sort((a, b) => a.capacityBytes - b.capacityBytes || a.number - b.number);
  const plan: PlannedPartition[] = [];
  let base = start;
  for (const { capacityBytes, number } of order) {
    plan[number] = { capacityBytes, base };
    base += regionBytes(capacityBytes);
  }
  return plan;
}
