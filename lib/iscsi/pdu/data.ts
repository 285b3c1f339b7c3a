import { bit, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, lun, responseNumbers, targetTransferTag } from './header.ts';

/** SCSI Data-Out, RFC 7143 11.7. */
export const dataOut = layout(BHS_LENGTH, {
  ...common,
  lun,
  targetTransferTag,
  expStatSN: u32(28),
  dataSN: u32(36),
  bufferOffset: u32(40),
});

/** SCSI Data-In, RFC 7143 11.7. */
export const dataIn = layout(BHS_LENGTH, {
  ...common,
  acknowledge: bit(1, 6),
  overflow: bit(1, 2),
  underflow: bit(1, 1),
  /** S: this PDU carries the status, which makes a SCSI Response unnecessary. */
  hasStatus: bit(1, 0),
  status: u8(3),
  lun,
  targetTransferTag,
  ...responseNumbers,
  dataSN: u32(36),
  bufferOffset: u32(40),
  residualCount: u32(44),
});

/** Ready To Transfer, RFC 7143 11.8. */
export const r2t = layout(BHS_LENGTH, {
  ...common,
  lun,
  targetTransferTag,
  ...responseNumbers,
  r2tSN: u32(36),
  bufferOffset: u32(40),
  desiredDataTransferLength: u32(44),
});
