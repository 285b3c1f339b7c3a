import { nonMediumErrors, readErrors, selfTestResults, writeErrors } from '../spc/unit-log-pages.ts';
import { binary, counter, logPage } from '../spc/log-pages.ts';
import type { TapeUnit } from './tape-unit.ts';

const TAPE_ALERT_FLAGS = 64;

/** Sequential-access device (SSC-4 8.2.2): data before and after compression are the same here. */
const sequentialAccess = logPage<TapeUnit>({
  code: 0x0c,
  parameters: ({ counters }) => {
    const written = (value: number): void => void (counters.written = value);
    const read = (value: number): void => void (counters.read = value);
    return [
      counter(0x0000, counters.written, written),
      counter(0x0001, counters.written, written),
      counter(0x0002, counters.read, read),
      counter(0x0003, counters.read, read),
    ];
  },
  reset: ({ counters }) => {
    counters.written = 0;
    counters.read = 0;
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
