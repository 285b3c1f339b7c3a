import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, lun, requestNumbers, responseNumbers, targetTransferTag } from './header.ts';

/** RFC 7143 11.10. */
export const textRequest = layout(BHS_LENGTH, {
  ...common,
  continue: bit(1, 6),
  lun,
  targetTransferTag,
  ...requestNumbers,
});

/** RFC 7143 11.11. */
export const textResponse = layout(BHS_LENGTH, {
  ...common,
  continue: bit(1, 6),
  lun,
  targetTransferTag,
  ...responseNumbers,
});
