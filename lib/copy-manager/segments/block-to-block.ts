import { u16, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { BlockCscd } from '../end.ts';
import { segmentHeader } from '../parameter-list.ts';
import { goesUp, moveUp } from './move-up.ts';
import type { SegmentType } from './segment.ts';
import { extentOf, requireRange, requireSegmentLength, transfer } from './transfer.ts';

/** SPC-4 6.4.6.4 table 151. */
export const blockAndBlock = layout(28, {
  type: segmentHeader.type,
  destinationCount: segmentHeader.destinationCount,
  cat: segmentHeader.cat,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  destination: segmentHeader.destination,
  blocks: u16(10),
  sourceLba: u64(12),
  destinationLba: u64(20),
});

export const blockToBlock: SegmentType = {
  code: 0x02,
  name: 'block→block',
  layout: blockAndBlock,
  source: 'block',
  destination: 'block',
  wrongRole: 'abort',
  async run(segment, work) {
    const f = blockAndBlock;
    const source = segment.source as BlockCscd;
    const destination = segment.destination as BlockCscd;
    const blocks = f.blocks.get(segment.bytes);
    const from = f.sourceLba.get(segment.bytes);
    const to = f.destinationLba.get(segment.bytes);
    const unit = destination.blockBytes;
    const amount = segment.destinationCount
      ? { writeBlocks: blocks }
      : { processBytes: blocks * source.blockBytes };
    const extent = extentOf(segment, work, { amount, unit });
    requireSegmentLength(extent, unit, f.blocks.offset);
    requireRange(source, from, extent.read, { lba: f.sourceLba.offset, count: f.blocks.offset });
    requireRange(destination, to, extent.write, { lba: f.destinationLba.offset, count: f.blocks.offset });
    const clean = work.sourceData.length === 0 && work.destinationData.length === 0;
    const bytes = extent.write;
    const move = { source, destination, from: from * unit, to: to * unit, bytes };
    const upwards = goesUp({ ...move, bytes: extent.read });
    if (clean && upwards) return moveUp(work, move);
    const holes = upwards ? [] : await source.holes(from, extent.read);
    if (work.stopped) return undefined;
    return transfer(work, extent, {
      source: source.source(from, unit, holes),
      sink: destination.sink(to),
      residualUnit: unit,
    });
  },
};
