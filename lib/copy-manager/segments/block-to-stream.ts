import { u16, u24, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { BlockCscd, StreamCscd } from '../end.ts';
import { segmentHeader } from '../parameter-list.ts';
import type { SegmentType } from './segment.ts';
import { extentOf, requireRange, requireSegmentLength, transfer } from './transfer.ts';

/** SPC-4 6.4.6.2 table 149, and 6.4.6.3 table 150. */
export const streamAndBlock = layout(24, {
  type: segmentHeader.type,
  destinationCount: segmentHeader.destinationCount,
  cat: segmentHeader.cat,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  destination: segmentHeader.destination,
  transferLength: u24(9),
  blocks: u16(14),
  lba: u64(16),
});

export const blockToStream: SegmentType = {
  code: 0x00,
  name: 'block→stream',
  layout: streamAndBlock,
  source: 'block',
  destination: 'stream',
  wrongRole: 'refuse',
  streamTransfers: [{ of: 'destination', field: streamAndBlock.transferLength }],
  async run(segment, work) {
    const f = streamAndBlock;
    const source = segment.source as BlockCscd;
    const destination = segment.destination as StreamCscd;
    const lba = f.lba.get(segment.bytes);
    const sink = destination.sink(f.transferLength.get(segment.bytes));
    const amount = { processBytes: f.blocks.get(segment.bytes) * source.blockBytes };
    const extent = extentOf(segment, work, { amount, unit: sink.unit });
    requireSegmentLength(extent, sink.unit, f.blocks.offset);
    requireRange(source, lba, extent.read, { lba: f.lba.offset, count: f.blocks.offset });
    const holes = await source.holes(lba, extent.read);
    if (work.stopped) return undefined;
    return transfer(work, extent, {
      source: source.source(lba, sink.unit, holes),
      sink,
      residualUnit: destination.blockBytes,
    });
  },
};
