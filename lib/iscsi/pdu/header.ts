import { bit, bits, bytes, u24, u32, u8 } from '../../bytes/fields.ts';

/** Basic header segment (RFC 7143 11.2.1). */
export const BHS_LENGTH = 48;

/** Operation codes, RFC 7143 11.2.1.2. Initiator to target below 20h, target to initiator from 20h. */
export const Opcode = {
  NOP_OUT: 0x00,
  SCSI_COMMAND: 0x01,
  TASK_MANAGEMENT_REQUEST: 0x02,
  LOGIN_REQUEST: 0x03,
  TEXT_REQUEST: 0x04,
  DATA_OUT: 0x05,
  LOGOUT_REQUEST: 0x06,
  SNACK: 0x10,
  NOP_IN: 0x20,
  SCSI_RESPONSE: 0x21,
  TASK_MANAGEMENT_RESPONSE: 0x22,
  LOGIN_RESPONSE: 0x23,
  TEXT_RESPONSE: 0x24,
  DATA_IN: 0x25,
  LOGOUT_RESPONSE: 0x26,
  R2T: 0x31,
  ASYNC_MESSAGE: 0x32,
  REJECT: 0x3f,
} as const;

/** A task tag that names no task (RFC 7143 11.2.1.8). */
export const NO_TAG = 0xffff_ffff;

/** Fields that every PDU has. */
export const common = {
  immediate: bit(0, 6),
  opcode: bits(0, 0, 6),
  final: bit(1, 7),
  totalAhsLength: u8(4),
  dataSegmentLength: u24(5),
  initiatorTaskTag: u32(16),
} as const;

/** Fields that most PDUs have at the same place. */
export const lun = bytes(8, 8);
export const targetTransferTag = u32(20);
/** Requests carry CmdSN and ExpStatSN … */
export const requestNumbers = { cmdSN: u32(24), expStatSN: u32(28) } as const;
/** … responses StatSN, ExpCmdSN and MaxCmdSN. */
export const responseNumbers = { statSN: u32(24), expCmdSN: u32(28), maxCmdSN: u32(32) } as const;

/** A zeroed header: unsafe ones would put old memory on the wire. */
export const newHeader = (): Buffer => Buffer.alloc(BHS_LENGTH);

/** Data segments and header segments are padded to four bytes (RFC 7143 11.2.2). */
export const padded = (length: number): number => (length + 3) & ~3;

/** Byte 5 to 7 without the handle's closure; the hot path. */
export function setDataLength(header: Buffer, length: number): void {
  header[5] = length >>> 16;
  header[6] = length >>> 8;
  header[7] = length;
}
