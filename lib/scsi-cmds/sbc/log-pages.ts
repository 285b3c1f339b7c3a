import { binary, counters, logPage } from '../spc/log-pages.ts';
import {
  informationalExceptions,
  nonMediumErrors,
  readErrors,
  selfTestResults,
  verifyErrors,
  writeErrors,
} from '../spc/unit-log-pages.ts';
import type { DiskUnit } from './disk-unit.ts';

/** Times are not measured: their fields are 0, and so is the interval that they would be counted in. */
const NOT_MEASURED = 0;

/** General statistics and performance (SPC-4 7.3): commands, and logical blocks received and transmitted. */
const generalStatistics = logPage<DiskUnit>({
  code: 0x19,
  parameters: ({ tallies: { read, write }, blockSize }) => [
    counters(
      0x0001,
      read.commands,
      write.commands,
      Math.floor(write.bytes / blockSize),
      Math.floor(read.bytes / blockSize),
      NOT_MEASURED,
      NOT_MEASURED,
      NOT_MEASURED,
      NOT_MEASURED,
    ),
    counters(0x0002, NOT_MEASURED), // idle time
    binary(0x0003, ...new Uint8Array(8)), // time interval descriptor
  ],
});

export const diskLogPages = [
  writeErrors,
  readErrors,
  verifyErrors,
  nonMediumErrors,
  selfTestResults,
  generalStatistics,
  informationalExceptions,
];
