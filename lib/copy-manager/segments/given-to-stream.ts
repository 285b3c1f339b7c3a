import { u16, u24, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { Hold } from '../data-queue.ts';
import type { Source, StreamCscd } from '../end.ts';
import { segmentHeader } from '../parameter-list.ts';
import { CopyAbort, CopyCode } from '../sense.ts';
import type { Segment, SegmentType, Work } from './segment.ts';
import { extentOf, requireSegmentLength, transfer } from './transfer.ts';

/* Data that the parameter list brings along, written to a stream device. */

/** SPC-4 6.4.6.6. */
const inline = layout(20, {
  type: segmentHeader.type,
  cat: segmentHeader.cat,
  descriptorLength: segmentHeader.descriptorLength,
  destination: segmentHeader.destination,
  transferLength: u24(9),
  inlineOffset: u32(12),
  inlineBytes: u32(16),
});

/** SPC-4 6.4.6.7, and as many bytes of data as follow. */
const embedded = layout(16, {
  type: segmentHeader.type,
  cat: segmentHeader.cat,
  descriptorLength: segmentHeader.descriptorLength,
  destination: segmentHeader.destination,
  transferLength: u24(9),
  embeddedBytes: u16(12),
});

const NOTHING: Source = {
  depth: 1,
  next: () => 0,
  read: () => {},
  outcome: () => ({ bytes: 0, abort: undefined }),
};

/**
 * The data joins the destination data behind what earlier segments left there; residual source data is left alone (SPC-4
 * 5.17.7.2 table 116).
 */
function give(
  segment: Segment,
  work: Work,
  data: Buffer,
  { transferLength, at }: { transferLength: number; at: number },
): Promise<void> {
  const destination = segment.destination as StreamCscd;
  const sink = destination.sink(transferLength);
  const extent = extentOf(segment, work, { amount: { processBytes: data.length }, unit: sink.unit });
  requireSegmentLength(extent, sink.unit, at);
  work.destinationData.join({ bytes: data, hold: new Hold(() => {}) });
  return transfer(
    work,
    { ...extent, process: 0, read: 0, rule: { ...extent.rule, source: 'keep' } },
    { source: NOTHING, sink, residualUnit: destination.blockBytes },
  );
}

export const inlineToStream: SegmentType = {
  code: 0x04,
  name: 'inline→stream',
  layout: inline,
  destination: 'stream',
  wrongRole: 'refuse',
  streamTransfers: [{ of: 'destination', field: inline.transferLength }],
  async run(segment, work) {
    const { bytes } = segment;
    const from = inline.inlineOffset.get(bytes);
    const count = inline.inlineBytes.get(bytes);
    const at = inline.inlineOffset.offset;
    if (from % 4 !== 0) throw new CopyAbort(CopyCode.INVALID_FIELD, { in: 'segment', byte: at });
    if (from + count > work.inline.length) {
      throw new CopyAbort(CopyCode.INLINE_LENGTH, { in: 'segment', byte: at });
    }
    await give(segment, work, work.inline.subarray(from, from + count), {
      transferLength: inline.transferLength.get(bytes),
      at: inline.inlineBytes.offset,
    });
  },
};

export const embeddedToStream: SegmentType = {
  code: 0x05,
  name: 'embedded→stream',
  layout: embedded,
  variable: true,
  destination: 'stream',
  wrongRole: 'refuse',
  streamTransfers: [{ of: 'destination', field: embedded.transferLength }],
  wrong: bytes =>
    embedded.embeddedBytes.get(bytes) > bytes.length - embedded.length
      ? embedded.embeddedBytes.offset
      : undefined,
  async run(segment, work) {
    const { bytes } = segment;
    const end = embedded.length + embedded.embeddedBytes.get(bytes);
    await give(segment, work, bytes.subarray(embedded.length, end), {
      transferLength: embedded.transferLength.get(bytes),
      at: embedded.embeddedBytes.offset,
    });
  },
};
