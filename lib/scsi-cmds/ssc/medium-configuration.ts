import { bit, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { ModePage } from '../spc/mode-pages.ts';
import type { TapeUnit } from './tape-unit.ts';

/** Medium configuration (SSC-4 8.3.7). */
const page = layout(32, {
  code: u8(0),
  pageLength: u8(1),
  worm: bit(2, 0),
  labels: u8(4),
  filemarks: u8(5),
});

const MEDIUM_CONFIGURATION = 0x1d;
/** WORM MODE LABEL RESTRICTIONS: no label may be written over. */
const NO_LABELS = 0x01;
/** WORM MODE FILEMARKS RESTRICTIONS: any number of filemarks that lie right before end of data may be. */
const FILEMARKS_AT_END = 0x02;

export function mediumConfigurationPage(unit: TapeUnit): ModePage {
  const defaults = new Uint8Array(page.length);
  page.code.set(defaults, MEDIUM_CONFIGURATION);
  page.pageLength.set(defaults, page.length - 2);
  return {
    code: MEDIUM_CONFIGURATION,
    defaults,
    changeable: new Uint8Array(page.length),
    current(stored) {
      if (!unit.loaded || !unit.medium.label.worm) return stored;
      const now = stored.slice();
      page.worm.set(now, true);
      page.labels.set(now, NO_LABELS);
      page.filemarks.set(now, FILEMARKS_AT_END);
      return now;
    },
  };
}
