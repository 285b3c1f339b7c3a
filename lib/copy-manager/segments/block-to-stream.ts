import { u16, u24, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { BlockEnd } from '../block-end.ts';
import { segmentHeader } from '../parameter-list.ts';
import type { StreamEnd } from '../stream-end.ts';
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

export const streamTransferLength = {
  length: (bytes: Uint8Array): number => streamAndBlock.transferLength.get(bytes),
  at: streamAndBlock.transferLength.offset,
};

export const blockToStream: SegmentType = {
  code: 0x00,
  name: 'block→stream',
  layout: streamAndBlock,
  source: 'block',
  destination: 'stream',
  wrongRole: 'refuse',
  streamTransfer: { of: 'destination', ...streamTransferLength },
  async run(segment, work) {
    const f = streamAndBlock;
    const source = segment.source as BlockEnd;
    const destination = segment.destination as StreamEnd;
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
