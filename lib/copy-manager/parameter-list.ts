import { bit, bits, u16, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { CSCD_SLOT_BYTES, type Cscd, cscdLayout, EXTENSION } from './cscd/descriptor.ts';
import { cscdTypes } from './cscd/registry.ts';
import { MAX_CSCDS, MAX_DESCRIPTOR_LIST_BYTES, MAX_INLINE_BYTES, MAX_SEGMENTS } from './limits.ts';
import { CopyCode, refused } from './sense.ts';
import { TYPE_OF_TOKEN } from './tokens/rod-types.ts';

/** EXTENDED COPY(LID1) parameter list header (SPC-4 6.5 table 127). */
export const lid1Header = layout(16, {
  listId: u8(0),
  sequentialStriped: bit(1, 5),
  listIdUsage: bits(1, 3, 2),
  priority: bits(1, 0, 3),
  cscdListLength: u16(2),
  segmentListLength: u32(8),
  inlineDataLength: u32(12),
});

/** EXTENDED COPY(LID4) parameter list header (SPC-4 6.4.3 table 126). */
export const lid4Header = layout(48, {
  format: u8(0),
  sequentialStriped: bit(1, 5),
  listIdUsage: bits(1, 3, 2),
  priority: bits(1, 0, 3),
  headerDescriptorLength: u16(2),
  goodWithSense: bit(15, 1),
  immediate: bit(15, 0),
  headerDescriptorType: u8(16),
  listId: u32(20),
  cscdListLength: u16(42),
  segmentListLength: u16(44),
  inlineDataLength: u16(46),
});

/**
 * The first bytes of a LID4 list look like a LID1 list with one CSCD of an unknown type, so that a copy manager that knows
 * only LID1 refuses it.
 */
const LID4_FORMAT = 0x01;
const LID4_HEADER_DESCRIPTOR_BYTES = 0x20;
const LID4_HEADER_DESCRIPTOR_TYPE = 0xff;

/** LIST ID USAGE (SPC-4 6.4.3.2). */
export const ListIdUsage = { HOLD: 0, RESERVED: 1, DISCARD: 2, NONE: 3 } as const;

/** Segment descriptor header (SPC-4 6.4.6.1 table 147). */
export const segmentHeader = layout(8, {
  type: u8(0),
  destinationCount: bit(1, 1),
  cat: bit(1, 0),
  descriptorLength: u16(2),
  source: u16(4),
  destination: u16(6),
});

const SEGMENT_PREFIX_BYTES = 4;

/** A parameter list taken apart; nothing in it has been looked up. */
export interface ParameterList {
  readonly bytes: Buffer;
  /** LID4: the command ends before the copy does (SPC-4 6.4.3.6). */
  readonly immediate: boolean;
  /** LID4: GOOD comes with sense that tells the number of segments (SPC-4 6.4.3.6). */
  readonly goodWithSense: boolean;
  /** Undefined: none is used, and nothing can be asked about the copy (LIST ID USAGE 11b). */
  readonly listId: number | undefined;
  readonly listIdUsage: number;
  readonly priority: number;
  /** By CSCD descriptor ID, which counts 32-byte slots; a slot that extends the one before it has no descriptor. */
  readonly cscds: readonly (Cscd | undefined)[];
  /** Offsets of the segment descriptors, in order. */
  readonly segments: readonly number[];
  /** Inline data (SPC-4 6.4.3.7). */
  readonly inline: Buffer;
}

/** The bytes of the segment descriptor at `offset`. */
export const segmentAt = (list: ParameterList, offset: number): Buffer =>
  list.bytes.subarray(
    offset,
    offset + SEGMENT_PREFIX_BYTES + segmentHeader.descriptorLength.get(list.bytes.subarray(offset)),
  );

/** Takes an EXTENDED COPY(LID1) list apart; throws what its form forbids. */
export function parseLid1(bytes: Buffer): ParameterList {
  return { ...parse(bytes, lid1Header), immediate: false, goodWithSense: false };
}

/** Takes an EXTENDED COPY(LID4) list apart; throws what its form forbids. */
export function parseLid4(bytes: Buffer): ParameterList {
  const h = lid4Header;
  if (bytes.length < h.length) throw refused(CopyCode.LIST_LENGTH);
  if (h.format.get(bytes) !== LID4_FORMAT) throw refused(CopyCode.INVALID_FIELD, h.format.offset);
  if (h.headerDescriptorLength.get(bytes) !== LID4_HEADER_DESCRIPTOR_BYTES) {
    throw refused(CopyCode.INVALID_FIELD, h.headerDescriptorLength.offset);
  }
  if (h.headerDescriptorType.get(bytes) !== LID4_HEADER_DESCRIPTOR_TYPE) {
    throw refused(CopyCode.INVALID_FIELD, h.headerDescriptorType.offset);
  }
  const list = parse(bytes, h);
  const immediate = h.immediate.get(bytes);
  const goodWithSense = h.goodWithSense.get(bytes);
  // SPC-4 6.4.3.6 says CDB, although the bits are in the list.
  if (immediate && (goodWithSense || list.listId === undefined)) throw refused(CopyCode.INVALID_FIELD_IN_CDB);
  return { ...list, immediate, goodWithSense };
}

type Parsed = Omit<ParameterList, 'immediate' | 'goodWithSense'>;

/** What both formats have, each at its own place. */
function parse(bytes: Buffer, h: typeof lid1Header | typeof lid4Header): Parsed {
  if (bytes.length < h.length) throw refused(CopyCode.LIST_LENGTH);
  const listId = h.listId.get(bytes);
  const usage = h.listIdUsage.get(bytes);
  if (usage === ListIdUsage.RESERVED) throw refused(CopyCode.INVALID_FIELD, h.listIdUsage.offset, 4);
  if (usage === ListIdUsage.NONE && listId !== 0) throw refused(CopyCode.INVALID_FIELD, h.listId.offset);

  const cscdBytes = h.cscdListLength.get(bytes);
  const segmentBytes = h.segmentListLength.get(bytes);
  const inlineBytes = h.inlineDataLength.get(bytes);
  // A list that is too long is told before one with too many descriptors: iscsi-test-cu sends both at once.
  if (cscdBytes + segmentBytes > MAX_DESCRIPTOR_LIST_BYTES) throw refused(CopyCode.LIST_LENGTH);
  if (inlineBytes > MAX_INLINE_BYTES) throw refused(CopyCode.INLINE_LENGTH, h.inlineDataLength.offset);
  const cscdEnd = h.length + cscdBytes;
  const segmentEnd = cscdEnd + segmentBytes;
  if (segmentEnd + inlineBytes > bytes.length) throw refused(CopyCode.LIST_LENGTH);
  return {
    bytes,
    listId: usage === ListIdUsage.NONE ? undefined : listId,
    listIdUsage: usage,
    priority: h.priority.get(bytes),
    cscds: parseCscds(bytes, h.length, cscdEnd, h.cscdListLength.offset),
    segments: cutSegments(bytes, cscdEnd, segmentEnd, h.segmentListLength.offset),
    inline: bytes.subarray(segmentEnd, segmentEnd + inlineBytes),
  };
}

function parseCscds(bytes: Buffer, start: number, end: number, lengthAt: number): (Cscd | undefined)[] {
  const slots = (end - start) / CSCD_SLOT_BYTES;
  if (slots > MAX_CSCDS) throw refused(CopyCode.TOO_MANY_CSCDS, lengthAt);
  if (!Number.isInteger(slots)) throw refused(CopyCode.LIST_LENGTH);
  const cscds: (Cscd | undefined)[] = [];
  for (let at = start; at < end;) {
    const descriptor = bytes.subarray(at, at + CSCD_SLOT_BYTES);
    const type = cscdTypes.get(cscdLayout.type.get(descriptor));
    if (type === undefined) throw refused(CopyCode.UNSUPPORTED_CSCD, at);
    const length = type.slots * CSCD_SLOT_BYTES;
    if (at + length > end) throw refused(CopyCode.LIST_LENGTH);
    const whole = bytes.subarray(at, at + length);
    const address = type.address(whole, at);
    // SPC-4 6.4.5.9: that of the token, which is a disk's.
    const ofToken = address.kind === 'rod' && address.type === TYPE_OF_TOKEN;
    cscds.push({
      offset: at,
      deviceType: ofToken ? DISK : cscdLayout.deviceType.get(descriptor),
      pad: cscdLayout.pad.get(descriptor),
      fixed: cscdLayout.fixed.get(descriptor),
      blockLength: cscdLayout.blockLength.get(descriptor),
      address,
      torn: type.extension !== undefined && type.extension.get(whole) !== EXTENSION,
    });
    requireStreamLength(cscds.at(-1)!);
    for (let slot = 1; slot < type.slots; slot++) cscds.push(undefined);
    at += length;
  }
  return cscds;
}

const DISK = 0x00;
const SEQUENTIAL = 0x01;

/** SPC-4 6.4.5.4 table 138: FIXED goes with a STREAM BLOCK LENGTH, and only FIXED does. */
function requireStreamLength(cscd: Cscd): void {
  if (cscd.deviceType === SEQUENTIAL && cscd.fixed !== cscd.blockLength > 0) {
    throw refused(CopyCode.INVALID_FIELD, cscd.offset + cscdLayout.blockLength.offset);
  }
}

function cutSegments(bytes: Buffer, start: number, end: number, lengthAt: number): number[] {
  const segments: number[] = [];
  for (let at = start; at < end;) {
    if (segments.length === MAX_SEGMENTS) throw refused(CopyCode.TOO_MANY_SEGMENTS, lengthAt);
    segments.push(at);
    if (at + SEGMENT_PREFIX_BYTES > end) throw refused(CopyCode.LIST_LENGTH);
    at += SEGMENT_PREFIX_BYTES + bytes.readUInt16BE(at + segmentHeader.descriptorLength.offset);
    if (at > end) throw refused(CopyCode.LIST_LENGTH);
  }
  return segments;
}
