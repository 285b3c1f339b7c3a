import { DataQueue, Hold } from '../data-queue.ts';
import type { BlockCscd, Source } from '../end.ts';
import type { PumpResult } from '../pump.ts';
import type { Work } from './segment.ts';

/* Ranges of a disk that begin and end at any byte. */

/** A byte of a disk. */
export interface Place {
  readonly lba: number;
  /** Less than the block length. */
  readonly offset: number;
}

/** BYTE OFFSET may go beyond the block that it counts from. */
export const placeOf = (end: BlockCscd, lba: number, offset: number): Place => ({
  lba: lba + Math.floor(offset / end.blockBytes),
  offset: offset % end.blockBytes,
});

/** Passes over the first `skip` bytes of what the source reads. */
export function skipping(source: Source, skip: number): Source {
  if (skip === 0) return source;
  let first = true;
  let left = skip;
  return {
    depth: source.depth,
    next: missing => source.next(first ? missing + skip : missing),
    read: (bytes, done) => {
      first = false;
      source.read(bytes, done);
    },
    outcome: errand => {
      const outcome = source.outcome(errand);
      const skipped = Math.min(left, outcome.bytes);
      left -= skipped;
      return { ...outcome, skipped, bytes: outcome.bytes - skipped };
    },
  };
}

/**
 * Writes exactly `bytes` from `place` on: destination data that earlier segments left, as much as there is room for, and
 * then what is processed. Blocks at the edges are read and written back with the bytes around the range as they were.
 */
export async function writeRange(
  work: Work,
  from: { readonly source: Source; readonly sourceData?: DataQueue },
  to: { readonly destination: BlockCscd; readonly place: Place; readonly bytes: number },
  kept: DataQueue,
  silent = false,
): Promise<PumpResult> {
  const { destination, place, bytes } = to;
  const { lba, offset } = place;
  const end = offset + bytes;
  const over = end % destination.blockBytes;
  const head = offset > 0 ? await destination.block(lba) : undefined;
  const tail = over > 0 ? await destination.block(lba + Math.floor(end / destination.blockBytes)) : undefined;
  const queue = new DataQueue();
  const hold = (): Hold => new Hold(() => {});
  if (head !== undefined) queue.join({ bytes: head.subarray(0, offset), hold: hold() });
  const already = Math.min(kept.length, bytes);
  for (const piece of kept.cut(already)) queue.join(piece);
  try {
    return await work.pump({
      source: from.source,
      ...(from.sourceData === undefined ? {} : { sourceData: from.sourceData }),
      sink: destination.sink(lba),
      destinationData: queue,
      process: bytes - already,
      limit: Infinity,
      pad: false,
      silent,
      ...(tail === undefined ? {} : { tail: { bytes: tail.subarray(over), hold: hold() } }),
    });
  } finally {
    queue.clear();
  }
}
