import { crc32c } from '../../bytes/crc32c.ts';
import { u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';

/**
 * What stands before every record and makes up every filemark of a partition.
 *
 * `chain` repeats the checksum of the header before (of the recording, for the first), so that a header is valid only
 * behind the very one that it was written behind: frames of an earlier recording, which a loss of power may leave behind
 * newer ones, cannot be taken for their continuation. `session` is drawn anew whenever the tape is cut, so that this holds
 * even where the same record is written to the same place again.
 */
export const frame = layout(48, {
  magic: u32(0),
  type: u8(4),
  /** The drive's word on how the stored bytes give the record. */
  coding: u8(5),
  /** Bytes that follow; 0 for a filemark. */
  storedBytes: u32(8),
  /** Bytes of the record as it was written. */
  recordLength: u32(12),
  /** Logical object number; of an index, of the object behind it. */
  object: u64(16),
  /** Filemarks before this object. */
  file: u64(24),
  chain: u32(32),
  /** CRC32C of the bytes that follow. */
  payloadChecksum: u32(36),
  session: u32(40),
  /** CRC32C of the bytes before this field. */
  checksum: u32(44),
});

export const FRAME_BYTES = frame.length;
/** 'SLFR' */
export const FRAME_MAGIC = 0x534c_4652;
const CHECKED_BYTES = 44;

export const RECORD = 1;
export const FILEMARK = 2;
/** Where the objects of the chunk before it lie. */
export const INDEX = 3;
/** The same for a chunk that is not full, behind end of data: written at a close. */
export const TRAILER = 4;

export interface FrameValues {
  readonly type: number;
  readonly storedBytes: number;
  readonly length: number;
  readonly coding: number;
  readonly object: number;
  readonly file: number;
  readonly chain: number;
  readonly payloadChecksum: number;
  readonly session: number;
}

/** Fills the 48 bytes of `into`, whose reserved bytes are zero; gives back the header's checksum. */
export function writeFrame(into: Buffer, values: FrameValues): number {
  frame.magic.set(into, FRAME_MAGIC);
  frame.type.set(into, values.type);
  frame.coding.set(into, values.coding);
  frame.storedBytes.set(into, values.storedBytes);
  frame.recordLength.set(into, values.length);
  frame.object.set(into, values.object);
  frame.file.set(into, values.file);
  frame.chain.set(into, values.chain);
  frame.payloadChecksum.set(into, values.payloadChecksum);
  frame.session.set(into, values.session);
  const checksum = crc32c(into.subarray(0, CHECKED_BYTES));
  frame.checksum.set(into, checksum);
  return checksum;
}

/** Whether these 48 bytes are a frame header at all. */
export function isFrame(header: Buffer): boolean {
  const type = frame.type.get(header);
  return (
    frame.magic.get(header) === FRAME_MAGIC &&
    type >= RECORD &&
    type <= TRAILER &&
    (type === FILEMARK) === (frame.storedBytes.get(header) === 0) &&
    frame.checksum.get(header) === crc32c(header.subarray(0, CHECKED_BYTES))
  );
}

/** What a frame must continue. */
export interface FramePlace {
  readonly object: number;
  readonly file: number;
}

/** Whether a frame belongs in that place. */
export const fits = (header: Buffer, { object, file }: FramePlace, chain: number): boolean =>
  frame.object.get(header) === object && frame.file.get(header) === file && frame.chain.get(header) === chain;
