import { bit, bits, bytes, u16, u24, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { encodeSegment, segmentRow, SegmentType } from './copy-segments.ts';
import type { Designator } from './designators.ts';
import { DeviceType } from './inquiry.ts';

/** The parameter lists of EXTENDED COPY, LID1 and LID4 (SPC-4 6.4 and 6.5). */

/** SPC-4 6.5 table 127. */
const headerLid1 = layout(16, {
  listId: u8(0),
  listIdUsage: bits(1, 3, 2),
  priority: bits(1, 0, 3),
  cscdListLength: u16(2),
  segmentListLength: u32(8),
  inlineDataLength: u32(12),
});

/** SPC-4 6.4.3 table 126. */
const headerLid4 = layout(48, {
  format: u8(0),
  listIdUsage: bits(1, 3, 2),
  priority: bits(1, 0, 3),
  headerDescriptorLength: u16(2),
  immediate: bit(15, 0),
  headerDescriptorType: u8(16),
  listId: u32(20),
  cscdListLength: u16(42),
  segmentListLength: u16(44),
  inlineDataLength: u16(46),
});

/** Identification CSCD, SPC-4 6.4.5.6, with the parameters of a disk (6.4.5.3) or tape (6.4.5.4). */
const identification = layout(32, {
  typeCode: u8(0),
  deviceType: bits(1, 0, 5),
  codeSet: bits(4, 0, 4),
  association: bits(5, 4, 2),
  designatorType: bits(5, 0, 4),
  designatorLength: u8(7),
  designator: bytes(8, 20),
  pad: bit(28, 2),
  fixed: bit(28, 0),
  blockLength: u24(29),
});

export const CSCD_BYTES = identification.length;
export const IDENTIFICATION = 0xe4;
/** SPC-4 6.4.6.1: NUM BLOCKS has 16 bits … */
export const MOST_SEGMENT_BLOCKS = 0xffff;
/** … and STREAM DEVICE TRANSFER LENGTH 24. */
export const MOST_TRANSFER_BYTES = 0xff_ffff;
/** The lengths in a LID4 header have 16 bits. */
export const MOST_LID4_BYTES = 0xffff;

/** A copy source or destination. */
export interface Cscd {
  readonly type: 'disk' | 'tape';
  readonly designator: Designator;
  /** 0 for a tape: records of variable length. */
  readonly blockSize: number;
  /** PAD: what is left over at the end of a segment is filled up, or at a source thrown away (SPC-4 5.17.7.2). */
  readonly pad?: boolean;
}

/** A segment of a copy between two ends. */
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

export interface ListHeader {
  readonly listId: number;
  /** The LID4 format. */
  readonly lid4?: boolean;
  /** IMMED: the copy goes on in the background. LID4 only. */
  readonly immediate?: boolean;
}

/** LIST ID USAGE 00b: results are held until they are read (SPC-4 6.4.3.2). */
const HOLD = 0;
/** Of ordinary commands (SPC-4 6.4.3.3). */
const PRIORITY = 1;
/** What makes a copy manager that knows only LID1 refuse a LID4 list (SPC-4 6.4.2). */
const LID4_FORMAT = 0x01;
const LID4_DESCRIPTOR_BYTES = 0x20;
const LID4_DESCRIPTOR_TYPE = 0xff;

/** CSCD IDs are indexes of `cscds`. */
export function parameterList(
  { listId, lid4 = false, immediate = false }: ListHeader,
  cscds: readonly Cscd[],
  segments: readonly Buffer[],
  inline: Buffer = Buffer.alloc(0),
): Buffer {
  const h = lid4 ? headerLid4 : headerLid1;
  const head = Buffer.alloc(h.length);
  const segmentList = Buffer.concat(segments);
  h.listId.set(head, listId);
  h.listIdUsage.set(head, HOLD);
  h.priority.set(head, PRIORITY);
  if (lid4) {
    headerLid4.format.set(head, LID4_FORMAT);
    headerLid4.headerDescriptorLength.set(head, LID4_DESCRIPTOR_BYTES);
    headerLid4.headerDescriptorType.set(head, LID4_DESCRIPTOR_TYPE);
    headerLid4.immediate.set(head, immediate);
  }
  h.cscdListLength.set(head, cscds.length * CSCD_BYTES);
  h.segmentListLength.set(head, segmentList.length);
  h.inlineDataLength.set(head, inline.length);
  return Buffer.concat([head, ...cscds.map(encodeCscd), segmentList, inline]);
}

function encodeCscd({ type, designator, blockSize, pad = false }: Cscd): Buffer {
  const into = Buffer.alloc(CSCD_BYTES);
  identification.typeCode.set(into, IDENTIFICATION);
  identification.deviceType.set(into, type === 'disk' ? DeviceType.DISK : DeviceType.TAPE);
  identification.codeSet.set(into, designator.codeSet);
  identification.association.set(into, designator.association);
  identification.designatorType.set(into, designator.type);
  identification.designatorLength.set(into, designator.bytes.length);
  identification.designator.set(into, designator.bytes);
  identification.pad.set(into, pad);
  // SPC-4 6.4.5.4 table 138: records of one length, or of any.
  identification.fixed.set(into, type === 'tape' && blockSize > 0);
  identification.blockLength.set(into, blockSize);
  return into;
}

/** Of a copy from CSCD 0 to CSCD 1. */
export function segmentDescriptor(segment: Segment): Buffer {
  const {
    type,
    blocks,
    sourceLba,
    destinationLba,
    transferBytes: transferLength,
    concatenate: cat,
  } = segment;
  const ends = { source: 0, destination: 1 };
  const row = segmentRow(type);
  if (type === SegmentType.BLOCK_TO_BLOCK) {
    return encodeSegment(row, ends, { cat, blocks, sourceLba, destinationLba });
  }
  const lba = type === SegmentType.BLOCK_TO_STREAM ? sourceLba : destinationLba;
  return encodeSegment(row, ends, { cat, transferLength, blocks, lba });
}
