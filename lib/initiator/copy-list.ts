import { bit, bits, bytes, u16, u24, u32, u64, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { Designator } from './designators.ts';
import { DeviceType } from './inquiry.ts';

/** The parameter list of EXTENDED COPY (LID1): SPC-4 6.4.2, of the descriptors those that a copy of ours is made of. */

/** SPC-4 6.4.3 table 125. */
const header = layout(16, {
  listId: u8(0),
  listIdUsage: bits(1, 3, 2),
  priority: bits(1, 0, 3),
  cscdListLength: u16(2),
  segmentListLength: u32(8),
  inlineDataLength: u32(12),
});

/** Identification CSCD, SPC-4 6.4.5.3, with the parameters of a disk or tape (6.4.5.1). */
const identification = layout(32, {
  typeCode: u8(0),
  deviceType: bits(1, 0, 5),
  codeSet: bits(4, 0, 4),
  association: bits(5, 4, 2),
  designatorType: bits(5, 0, 4),
  designatorLength: u8(7),
  designator: bytes(8, 20),
  blockLength: u24(29),
});

const segmentStart = {
  typeCode: u8(0),
  concatenate: bit(1, 0),
  descriptorLength: u16(2),
  source: u16(4),
  destination: u16(6),
} as const;

/** 00h and 01h, SPC-4 6.4.6.2 and 6.4.6.3. */
const streamSegment = layout(24, {
  ...segmentStart,
  transferLength: u24(9),
  blocks: u16(14),
  lba: u64(16),
});

/** 02h, SPC-4 6.4.6.4. */
const blockSegment = layout(28, {
  ...segmentStart,
  blocks: u16(10),
  sourceLba: u64(12),
  destinationLba: u64(20),
});

export const CSCD_BYTES = identification.length;
export const IDENTIFICATION = 0xe4;
/** SPC-4 6.4.6.1: NUM BLOCKS has 16 bits … */
export const MOST_SEGMENT_BLOCKS = 0xffff;
/** … and STREAM DEVICE TRANSFER LENGTH 24. */
export const MOST_TRANSFER_BYTES = 0xff_ffff;

export const SegmentType = {
  BLOCK_TO_STREAM: 0x00,
  STREAM_TO_BLOCK: 0x01,
  BLOCK_TO_BLOCK: 0x02,
  STREAM_TO_STREAM: 0x03,
} as const;

export const segmentBytes = (type: number): number =>
  type === SegmentType.BLOCK_TO_BLOCK ? blockSegment.length : streamSegment.length;

/** A copy source or destination. */
export interface Cscd {
  readonly type: 'disk' | 'tape';
  readonly designator: Designator;
  /** 0 for a tape: records of variable length. */
  readonly blockSize: number;
}

export interface Segment {
  readonly type: number;
  /** NUM BLOCKS: of the source of a disk, else of the destination. */
  readonly blocks: number;
  /** Written to the destination when all goes well. */
  readonly bytes: number;
  readonly sourceLba: number;
  readonly destinationLba: number;
  /** What one read or write of a tape moves. */
  readonly transferBytes: number;
  /** CAT: what is left over goes on to the next segment. */
  readonly concatenate: boolean;
}

/** LIST ID USAGE 00b: results are held until they are read (SPC-4 6.4.3.2). */
const HOLD = 0;
/** Of ordinary commands (SPC-4 6.4.3.3). */
const PRIORITY = 1;

/** Source is CSCD 0, destination CSCD 1. */
export function parameterList(
  listId: number,
  source: Cscd,
  destination: Cscd,
  segments: readonly Segment[],
): Buffer {
  const segmentsLength = segments.reduce((sum, { type }) => sum + segmentBytes(type), 0);
  const list = Buffer.alloc(header.length + 2 * CSCD_BYTES + segmentsLength);
  header.listId.set(list, listId);
  header.listIdUsage.set(list, HOLD);
  header.priority.set(list, PRIORITY);
  header.cscdListLength.set(list, 2 * CSCD_BYTES);
  header.segmentListLength.set(list, segmentsLength);
  putCscd(list.subarray(header.length), source);
  putCscd(list.subarray(header.length + CSCD_BYTES), destination);
  let at = header.length + 2 * CSCD_BYTES;
  for (const segment of segments) {
    putSegment(list.subarray(at), segment);
    at += segmentBytes(segment.type);
  }
  return list;
}

function putCscd(into: Buffer, { type, designator, blockSize }: Cscd): void {
  identification.typeCode.set(into, IDENTIFICATION);
  identification.deviceType.set(into, type === 'disk' ? DeviceType.DISK : DeviceType.TAPE);
  identification.codeSet.set(into, designator.codeSet);
  identification.association.set(into, designator.association);
  identification.designatorType.set(into, designator.type);
  identification.designatorLength.set(into, designator.bytes.length);
  identification.designator.set(into, designator.bytes);
  identification.blockLength.set(into, blockSize);
}

function putSegment(into: Buffer, segment: Segment): void {
  const { type } = segment;
  segmentStart.typeCode.set(into, type);
  segmentStart.concatenate.set(into, segment.concatenate);
  segmentStart.descriptorLength.set(into, segmentBytes(type) - 4);
  segmentStart.source.set(into, 0);
  segmentStart.destination.set(into, 1);
  if (type === SegmentType.BLOCK_TO_BLOCK) {
    blockSegment.blocks.set(into, segment.blocks);
    blockSegment.sourceLba.set(into, segment.sourceLba);
    blockSegment.destinationLba.set(into, segment.destinationLba);
    return;
  }
  streamSegment.transferLength.set(into, segment.transferBytes);
  streamSegment.blocks.set(into, segment.blocks);
  streamSegment.lba.set(
    into,
    type === SegmentType.BLOCK_TO_STREAM ? segment.sourceLba : segment.destinationLba,
  );
}
