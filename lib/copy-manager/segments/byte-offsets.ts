import { u16, u24, u32, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { Hold } from '../data-queue.ts';
import type { BlockCscd, Source, StreamCscd } from '../end.ts';
import { MAX_SEGMENT_BYTES } from '../limits.ts';
import { segmentHeader } from '../parameter-list.ts';
import { residueRule } from '../residue.ts';
import { CopyAbort, CopyCode } from '../sense.ts';
import { placeOf, skipping, writeRange } from './byte-range.ts';
import { goesUp, moveUp } from './move-up.ts';
import type { Segment, SegmentType, Work } from './segment.ts';
import { extentOf, requireRange, requireSegmentLength, residualOf, settle, transfer } from './transfer.ts';

const head = {
  type: segmentHeader.type,
  cat: segmentHeader.cat,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  destination: segmentHeader.destination,
};

/** SPC-4 6.4.6.10, 6.4.6.11. */
const streamAndOffset = layout(28, {
  ...head,
  transferLength: u24(9),
  bytes: u32(12),
  lba: u64(16),
  offset: u16(26),
});

/** SPC-4 6.4.6.12. */
const offsets = layout(32, {
  ...head,
  bytes: u32(8),
  sourceLba: u64(12),
  destinationLba: u64(20),
  sourceOffset: u16(28),
  destinationOffset: u16(30),
});

export const offsetToStream: SegmentType = {
  code: 0x08,
  name: 'block<o>→stream',
  layout: streamAndOffset,
  source: 'block',
  destination: 'stream',
  wrongRole: 'refuse',
  streamTransfers: [{ of: 'destination', field: streamAndOffset.transferLength }],
  async run(segment, work) {
    const f = streamAndOffset;
    const source = segment.source as BlockCscd;
    const destination = segment.destination as StreamCscd;
    const sink = destination.sink(f.transferLength.get(segment.bytes));
    const { lba, offset } = placeOf(source, f.lba.get(segment.bytes), f.offset.get(segment.bytes));
    const amount = { processBytes: f.bytes.get(segment.bytes) };
    const extent = extentOf(segment, work, { amount, unit: sink.unit });
    requireSegmentLength(extent, sink.unit, f.bytes.offset);
    const read = extent.read === 0 ? 0 : offset + extent.read;
    requireRange(source, lba, read, { lba: f.lba.offset, count: f.bytes.offset });
    const holes = await source.holes(lba, read);
    if (work.stopped) return undefined;
    return transfer(work, extent, {
      source: skipping(source.source(lba, sink.unit, holes), offset),
      sink,
      residualUnit: destination.blockBytes,
    });
  },
};

/** The end of 09h and 0Ah: exactly `bytes` are written, so that padding would be too many (footnote a of table 116). */
async function writeBytes(
  segment: Segment,
  work: Work,
  source: Source,
  to: { lba: number; offset: number; bytes: number; lbaAt: number; bytesAt: number },
): Promise<void> {
  const destination = segment.destination as BlockCscd;
  const { bytes } = to;
  const place = placeOf(destination, to.lba, to.offset);
  const rule = residueRule(segment.cat, segment.source?.pad === true, destination.pad, true);
  if (bytes > MAX_SEGMENT_BYTES) {
    throw new CopyAbort(CopyCode.INVALID_FIELD, { in: 'segment', byte: to.bytesAt });
  }
  if (bytes === 0) {
    settle(work, rule, undefined, undefined);
    return;
  }
  requireRange(destination, place.lba, place.offset + bytes, { lba: to.lbaAt, count: to.bytesAt });
  const { written, abort } = await writeRange(
    work,
    { source },
    { destination, place, bytes },
    work.destinationData,
  );
  settle(work, rule, abort, residualOf(place.offset + bytes, written, destination.blockBytes));
}

export const streamToOffset: SegmentType = {
  code: 0x09,
  name: 'stream→block<o>',
  layout: streamAndOffset,
  source: 'stream',
  destination: 'block',
  wrongRole: 'refuse',
  streamTransfers: [{ of: 'source', field: streamAndOffset.transferLength }],
  run(segment, work) {
    const f = streamAndOffset;
    const source = segment.source as StreamCscd;
    return writeBytes(segment, work, source.source(f.transferLength.get(segment.bytes)), {
      lba: f.lba.get(segment.bytes),
      offset: f.offset.get(segment.bytes),
      bytes: f.bytes.get(segment.bytes),
      lbaAt: f.lba.offset,
      bytesAt: f.bytes.offset,
    });
  },
};

export const offsetToOffset: SegmentType = {
  code: 0x0a,
  name: 'block<o>→block<o>',
  layout: offsets,
  source: 'block',
  destination: 'block',
  wrongRole: 'abort',
  async run(segment, work) {
    const f = offsets;
    const source = segment.source as BlockCscd;
    const destination = segment.destination as BlockCscd;
    const bytes = f.bytes.get(segment.bytes);
    const sourceLba = f.sourceLba.get(segment.bytes);
    const sourceOffset = f.sourceOffset.get(segment.bytes);
    const destinationLba = f.destinationLba.get(segment.bytes);
    const destinationOffset = f.destinationOffset.get(segment.bytes);
    const { lba, offset } = placeOf(source, sourceLba, sourceOffset);
    const kept = Math.min(work.destinationData.length, bytes);
    const missing = Math.max(0, bytes - kept - work.sourceData.length);
    const read = missing === 0 ? 0 : offset + missing;
    requireRange(source, lba, read, { lba: f.sourceLba.offset, count: f.bytes.offset });
    const move = {
      source,
      destination,
      from: sourceLba * source.blockBytes + sourceOffset,
      to: destinationLba * destination.blockBytes + destinationOffset,
      bytes,
    };
    const clean = work.sourceData.length === 0 && work.destinationData.length === 0;
    const place = placeOf(destination, destinationLba, destinationOffset);
    if (clean && bytes <= MAX_SEGMENT_BYTES && goesUp(move)) {
      requireRange(destination, place.lba, place.offset + bytes, {
        lba: f.destinationLba.offset,
        count: f.bytes.offset,
      });
      // What the last block has beyond the range is residual source data, and may be overwritten.
      const over = (move.from + bytes) % source.blockBytes;
      const last =
        over > 0 ? await source.block(Math.floor((move.from + bytes) / source.blockBytes)) : undefined;
      await moveUp(work, move);
      if (last !== undefined) work.sourceData.link({ bytes: last.subarray(over), hold: new Hold(() => {}) });
      settle(work, residueRule(segment.cat, source.pad, destination.pad, true), undefined, 0);
      return undefined;
    }
    const holes = goesUp(move) ? [] : await source.holes(lba, read);
    if (work.stopped) return undefined;
    const from = skipping(source.source(lba, destination.blockBytes, holes), offset);
    return writeBytes(segment, work, from, {
      lba: destinationLba,
      offset: destinationOffset,
      bytes,
      lbaAt: f.destinationLba.offset,
      bytesAt: f.bytes.offset,
    });
  },
};
