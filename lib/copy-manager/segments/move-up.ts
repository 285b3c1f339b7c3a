import { DataQueue } from '../data-queue.ts';
import type { BlockCscd } from '../end.ts';
import { CHUNK_BYTES } from '../limits.ts';
import { placeOf, skipping, writeRange } from './byte-range.ts';
import { SegmentFailure, type Work } from './segment.ts';

/** A range of a unit and where it goes, in bytes from the unit's first. */
export interface Move {
  readonly source: BlockCscd;
  readonly destination: BlockCscd;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Upwards onto itself: what is written first would be read later. */
export const goesUp = ({ source, destination, from, to, bytes }: Move): boolean =>
  source.lun !== undefined && source.lun === destination.lun && to > from && to < from + bytes;

/** So that a chunk that begins in mid-block is still one read. */
const STEP_BYTES = CHUNK_BYTES / 2;

/**
 * Copies a range of a unit onto a higher one that overlaps it: chunk by chunk from the end, each read whole before it is
 * written, so that the destination becomes what the source was. The transfer counts only when its first byte is written
 * (SPC-4 5.17.7.4 c: in order from relative byte zero). There must be no residual data.
 */
export async function moveUp(work: Work, { source, destination, from, to, bytes }: Move): Promise<void> {
  const unit = destination.blockBytes;
  const none = new DataQueue();
  /** What the last block of a chunk has behind it. */
  const beyond = new DataQueue();
  for (let end = bytes; end > 0 && !work.stopped;) {
    let start = Math.max(0, end - STEP_BYTES);
    // Chunks meet at the edge of a block.
    if (start > 0) start += (unit - ((to + start) % unit)) % unit;
    const read = placeOf(source, 0, from + start);
    const { abort } = await writeRange(
      work,
      { source: skipping(source.source(read.lba, unit), read.offset), sourceData: beyond },
      { destination, place: placeOf(destination, 0, to + start), bytes: end - start },
      none,
      true,
    );
    if (abort !== undefined) {
      throw new SegmentFailure(abort, end < bytes ? Math.ceil(bytes / unit) : undefined);
    }
    beyond.clear();
    end = start;
  }
  // Whole blocks, as they are counted elsewhere.
  if (!work.stopped) work.wrote(Math.ceil(((to % unit) + bytes) / unit) * unit);
}
