import type { BlockEnd } from '../block-end.ts';
import { CHUNK_BYTES } from '../limits.ts';
import { SegmentFailure, type Work } from './segment.ts';

/**
 * Copies a range of a unit onto a higher one that overlaps it: chunk by chunk from the end, each read whole before it is
 * written, so that the destination becomes what the source was. The transfer counts only when its first byte is written
 * (SPC-4 5.17.7.4 c: in order from relative byte zero).
 */
export async function moveUp(
  work: Work,
  move: { source: BlockEnd; destination: BlockEnd; from: number; to: number; bytes: number },
): Promise<void> {
  const { source, destination, from, to, bytes } = move;
  const unit = destination.blockBytes;
  for (let end = bytes; end > 0 && !work.stopped;) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { abort } = await work.pump({
      source: source.source(from + start / unit, unit),
      sink: destination.sink(to + start / unit),
      process: end - start,
      limit: Infinity,
      pad: false,
      silent: true,
    });
    if (abort !== undefined) throw new SegmentFailure(abort, end < bytes ? bytes / unit : undefined);
    end = start;
  }
  if (!work.stopped) work.wrote(bytes);
}
