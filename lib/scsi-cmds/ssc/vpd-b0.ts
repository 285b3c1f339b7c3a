import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { VpdPage } from '../spc/vpd.ts';

const page = layout(2, { tapeStreamMirroring: bit(0, 1), worm: bit(0, 0) });

/** Sequential-access device capabilities (SSC-4 8.4.2): it takes WORM cartridges, and mirrors nothing. */
export const sequentialCapabilities: VpdPage = {
  code: 0xb0,
  body() {
    const body = new Uint8Array(page.length);
    page.worm.set(body, true);
    return body;
  },
};
