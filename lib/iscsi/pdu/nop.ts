import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, lun, requestNumbers, responseNumbers, targetTransferTag } from './header.ts';

/** RFC 7143 11.18. */
export const nopOut = layout(BHS_LENGTH, { ...common, lun, targetTransferTag, ...requestNumbers });

/** RFC 7143 11.19. */
export const nopIn = layout(BHS_LENGTH, { ...common, lun, targetTransferTag, ...responseNumbers });
