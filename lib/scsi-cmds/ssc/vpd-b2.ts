import type { VpdPage } from '../spc/vpd.ts';
import { alertBits, isSupportedAlert } from './tape-alerts.ts';

/** TapeAlert supported flags (SSC-4 8.4.4). */
export const tapeAlertFlags: VpdPage = {
  code: 0xb2,
  body: () => alertBits(isSupportedAlert),
};
