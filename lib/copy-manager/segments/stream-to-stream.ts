import { u24, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { StreamCscd } from '../end.ts';
import { segmentHeader } from '../parameter-list.ts';
import type { SegmentType } from './segment.ts';
import { extentOf, requireSegmentLength, transfer } from './transfer.ts';

/** SPC-4 6.4.6.5. */
const streams = layout(20, {
  type: segmentHeader.type,
  cat: segmentHeader.cat,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  destination: segmentHeader.destination,
  sourceTransferLength: u24(9),
  destinationTransferLength: u24(13),
  byteCount: u32(16),
});

export const streamToStream: SegmentType = {
  code: 0x03,
  name: 'stream→stream',
  layout: streams,
  source: 'stream',
  destination: 'stream',
  wrongRole: 'refuse',
  streamTransfers: [
    { of: 'source', field: streams.sourceTransferLength },
    { of: 'destination', field: streams.destinationTransferLength },
  ],
  run(segment, work) {
    const source = segment.source as StreamCscd;
    const destination = segment.destination as StreamCscd;
    const sink = destination.sink(streams.destinationTransferLength.get(segment.bytes));
    const amount = { processBytes: streams.byteCount.get(segment.bytes) };
    const extent = extentOf(segment, work, { amount, unit: sink.unit });
    requireSegmentLength(extent, sink.unit, streams.byteCount.offset);
    return transfer(work, extent, {
      source: source.source(streams.sourceTransferLength.get(segment.bytes)),
      sink,
      residualUnit: destination.blockBytes,
    });
  },
};
