import { u32, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { DataQueue } from '../data-queue.ts';
import type { BlockCscd } from '../end.ts';
import { MAX_SEGMENT_BYTES } from '../limits.ts';
import { segmentHeader } from '../parameter-list.ts';
import { CopyAbort, CopyCode } from '../sense.ts';
import { goesUp, moveUp } from './move-up.ts';
import { SegmentFailure, type SegmentType } from './segment.ts';
import { residualOf } from './transfer.ts';

/** SPC-4 6.4.6.19. */
const image = layout(28, {
  type: segmentHeader.type,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  destination: segmentHeader.destination,
  sourceLba: u64(8),
  destinationLba: u64(16),
  blocks: u32(24),
});

/** A copy may begin where the medium ends, and is then nothing, but not beyond it. */
function requireWithin(end: BlockCscd, lba: number, at: number): void {
  if (lba > end.blocks) throw new CopyAbort(CopyCode.NOT_REACHABLE, { in: 'segment', byte: at });
}

/** Ends well at the end of either unit. Residual data of other segments is left alone. */
export const blockImage: SegmentType = {
  code: 0x16,
  name: 'block image',
  layout: image,
  source: 'block',
  destination: 'block',
  wrongRole: 'abort',
  async run(segment, work) {
    const source = segment.source as BlockCscd;
    const destination = segment.destination as BlockCscd;
    const unit = destination.blockBytes;
    if (source.blockBytes !== unit) {
      throw new CopyAbort(CopyCode.INCORRECT_DEVICE_TYPE, {
        in: 'segment',
        byte: segmentHeader.destination.offset,
      });
    }
    const from = image.sourceLba.get(segment.bytes);
    const to = image.destinationLba.get(segment.bytes);
    const wanted = image.blocks.get(segment.bytes);
    requireWithin(source, from, image.sourceLba.offset);
    requireWithin(destination, to, image.destinationLba.offset);
    const blocks = Math.min(wanted === 0 ? Infinity : wanted, source.blocks - from, destination.blocks - to);
    const bytes = blocks * unit;
    const move = { source, destination, from: from * unit, to: to * unit, bytes };
    if (goesUp(move)) return moveUp(work, move);
    const read = new DataQueue();
    const write = new DataQueue();
    let done = 0;
    // Holes are asked for piece by piece: a unit may have more of them than one answer tells.
    for (; done < bytes && !work.stopped; done += MAX_SEGMENT_BYTES) {
      const piece = Math.min(bytes - done, MAX_SEGMENT_BYTES);
      const lba = from + done / unit;
      const holes = await source.holes(lba, piece);
      const { written, abort } = await work.pump({
        source: source.source(lba, unit, holes),
        sink: destination.sink(to + done / unit),
        sourceData: read,
        destinationData: write,
        process: piece,
        limit: piece,
        pad: false,
      });
      if (abort !== undefined) {
        write.clear();
        read.clear();
        throw new SegmentFailure(abort, residualOf(bytes, done + written, unit));
      }
    }
    write.clear();
    read.clear();
    return undefined;
  },
};
