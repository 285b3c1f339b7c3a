import { ALL_PAGES, ALL_SUBPAGES } from './mode-pages.ts';
import type { VpdPage } from './vpd.ts';

/** MODE PAGE POLICY: shared by all nexuses. */
const SHARED = 0x00;

/** Mode page policy (SPC-4 7.8): one descriptor for all pages, which no two units share. */
export const modePagePolicy: VpdPage = {
  code: 0x87,
  body: () => Uint8Array.of(ALL_PAGES, ALL_SUBPAGES, SHARED, 0),
};
