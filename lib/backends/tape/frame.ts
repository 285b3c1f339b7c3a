import { crc32c } from '../../bytes/crc32c.ts';
import { u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';

/**
 * What stands before every record and makes up every filemark of a cartridge file.
 *
 * `chain` repeats the checksum of the header before (of the cartridge's own block, for the first), so that a header is
 * valid only behind the very one that it was written behind: frames of an earlier recording, which a loss of power may
 * leave behind newer ones, cannot be taken for their continuation.
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
  /** Logical object number. */
  object: u64(16),
  /** Filemarks before this object. */
  file: u64(24),
  chain: u32(32),
  /** CRC32C of the record. */
  payloadChecksum: u32(36),
  /** CRC32C of the bytes before this field. */
  checksum: u32(44),
});

export const FRAME_BYTES = frame.length;
/** 'SLFR' */
const MAGIC = 0x534c_4652;
const CHECKED_BYTES = 44;

export const RECORD = 1;
export const FILEMARK = 2;

export interface FrameValues {
  readonly type: number;
  readonly storedBytes: number;
  readonly length: number;
  readonly coding: number;
  readonly object: number;
  readonly file: number;
  readonly chain: number;
  readonly payloadChecksum: number;
}

/** Fills the 48 bytes of `into`, whose reserved bytes are zero; gives back the header's checksum. */
export function writeFrame(into: Buffer, values: FrameValues): number {
  frame.magic.set(into, MAGIC);
  frame.type.set(into, values.type);
  frame.coding.set(into, values.coding);
  frame.storedBytes.set(into, values.storedBytes);
  frame.recordLength.set(into, values.length);
  frame.object.set(into, values.object);
  frame.file.set(into, values.file);
  frame.chain.set(into, values.chain);
  frame.payloadChecksum.set(into, values.payloadChecksum);
  const checksum = crc32c(into.subarray(0, CHECKED_BYTES));
  frame.checksum.set(into, checksum);
  return checksum;
}

/** What a frame must continue. */
export interface FramePlace {
  readonly object: number;
  readonly file: number;
  readonly chain: number;
}

/** Whether these 48 bytes are a frame that belongs in that place. */
export function isFrame(header: Buffer, { object, file, chain }: FramePlace): boolean {
  const type = frame.type.get(header);
  return (
    frame.magic.get(header) === MAGIC &&
    (type === RECORD
      ? frame.storedBytes.get(header) > 0
      : type === FILEMARK && frame.storedBytes.get(header) === 0) &&
    frame.object.get(header) === object &&
    frame.file.get(header) === file &&
    frame.chain.get(header) === chain &&
    frame.checksum.get(header) === crc32c(header.subarray(0, CHECKED_BYTES))
  );
}
