import type { BlockCscd, StreamCscd } from '../end.ts';
import { streamAndBlock } from './block-to-stream.ts';
import type { SegmentType } from './segment.ts';
import { extentOf, requireRange, requireSegmentLength, transfer } from './transfer.ts';

/** SPC-4 6.4.6.3. A shorter record counts as its bytes. */
export const streamToBlock: SegmentType = {
  code: 0x01,
  name: 'stream→block',
  layout: streamAndBlock,
  source: 'stream',
  destination: 'block',
  wrongRole: 'refuse',
  streamTransfers: [{ of: 'source', field: streamAndBlock.transferLength }],
  run(segment, work) {
    const f = streamAndBlock;
    const source = segment.source as StreamCscd;
    const destination = segment.destination as BlockCscd;
    const lba = f.lba.get(segment.bytes);
    const unit = destination.blockBytes;
    const amount = { writeBlocks: f.blocks.get(segment.bytes) };
    const extent = extentOf(segment, work, { amount, unit });
    requireSegmentLength(extent, unit, f.blocks.offset);
    requireRange(destination, lba, extent.write, { lba: f.lba.offset, count: f.blocks.offset });
    return transfer(work, extent, {
      source: source.source(f.transferLength.get(segment.bytes)),
      sink: destination.sink(lba),
      residualUnit: unit,
    });
  },
};
