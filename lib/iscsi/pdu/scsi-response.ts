import { bit, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, responseNumbers } from './header.ts';

/** RFC 7143 11.4. Its data segment is the sense data with a two-byte length before it (11.4.7). */
export const scsiResponse = layout(BHS_LENGTH, {
  ...common,
  bidirectionalOverflow: bit(1, 4),
  bidirectionalUnderflow: bit(1, 3),
  overflow: bit(1, 2),
  underflow: bit(1, 1),
  response: u8(2),
  status: u8(3),
  snackTag: u32(20),
  ...responseNumbers,
  expDataSN: u32(36),
  bidirectionalResidualCount: u32(40),
  residualCount: u32(44),
});

/** RFC 7143 11.4.3. */
export const CommandResponse = { COMPLETED_AT_TARGET: 0, TARGET_FAILURE: 1 } as const;
