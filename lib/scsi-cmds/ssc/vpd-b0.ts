import type { VpdPage } from '../spc/vpd.ts';

/** Sequential-access device capabilities (SSC-4 8.4.2): WORM = 0. */
export const sequentialCapabilities: VpdPage = {
  code: 0xb0,
  body: () => new Uint8Array(2),
};
