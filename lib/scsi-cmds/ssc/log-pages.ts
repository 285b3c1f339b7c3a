import { nonMediumErrors, readErrors, selfTestResults, writeErrors } from '../spc/unit-log-pages.ts';
import { binary, counter, logPage } from '../spc/log-pages.ts';
import type { TapeUnit } from './tape-unit.ts';

const TAPE_ALERT_FLAGS = 64;

/** Sequential-access device (SSC-4 8.2.2): as it came, as it was written, as it was read and as it went. */
const sequentialAccess = logPage<TapeUnit>({
  code: 0x0c,
  parameters: ({ statistics: { counted } }) => [
    counter(0x0000, counted.hostWritten, value => void (counted.hostWritten = value)),
    counter(0x0001, counted.mediumWritten, value => void (counted.mediumWritten = value)),
    counter(0x0002, counted.mediumRead, value => void (counted.mediumRead = value)),
    counter(0x0003, counted.hostRead, value => void (counted.hostRead = value)),
  ],
  reset: ({ statistics: { counted } }) => {
    counted.hostWritten = 0;
    counted.mediumWritten = 0;
    counted.mediumRead = 0;
    counted.hostRead = 0;
  },
});

/** TapeAlert (SSC-4 8.2.3): nothing ever wears here. */
const tapeAlert = logPage<TapeUnit>({
  code: 0x2e,
  parameters: () => Array.from({ length: TAPE_ALERT_FLAGS }, (_, i) => binary(i + 1, 0)),
});

export const tapeLogPages = [
  writeErrors,
  readErrors,
  nonMediumErrors,
  sequentialAccess,
  selfTestResults,
  tapeAlert,
];
