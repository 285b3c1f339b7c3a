import { bits, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, lun, targetTransferTag } from './header.ts';

/** RFC 7143 11.16. */
export const snack = layout(BHS_LENGTH, {
  ...common,
  type: bits(1, 0, 4),
  lun,
  targetTransferTag,
  expStatSN: u32(28),
  begRun: u32(40),
  runLength: u32(44),
});

/** RFC 7143 11.16.1. */
export const SnackType = { DATA_OR_R2T: 0, STATUS: 1, DATA_ACK: 2, R_DATA: 3 } as const;
