import type { LogicalUnit } from '../logical-unit.ts';
import type { Tally } from '../tally.ts';
import { binary, counter, type LogPage, logPage } from './log-pages.ts';

/**
 * Error counters (SPC-4 7.3): what was corrected, which is nothing as media here do not guess, bytes processed, and
 * errors that could not be corrected.
 */
const errorCounters = (code: number, of: 'read' | 'write' | 'verify'): LogPage<LogicalUnit> =>
  logPage<LogicalUnit>({
    code,
    parameters: unit => {
      const tally: Tally = unit.tallies[of];
      return [
        counter(0x0003, 0),
        counter(0x0005, tally.bytes, value => void (tally.bytes = value)),
        counter(0x0006, tally.failed, value => void (tally.failed = value)),
      ];
    },
    reset: unit => unit.tallies[of].reset(),
  });

export const writeErrors = errorCounters(0x02, 'write');
export const readErrors = errorCounters(0x03, 'read');
export const verifyErrors = errorCounters(0x05, 'verify');

/** Failures of commands that neither read, write nor verify. */
export const nonMediumErrors = logPage<LogicalUnit>({
  code: 0x06,
  parameters: ({ tallies }) => [
    counter(0x0000, tallies.nonMedium, value => void (tallies.nonMedium = value)),
  ],
  reset: ({ tallies }) => {
    tallies.nonMedium = 0;
  },
});

/** Self-test results (SPC-4 7.3): twenty, zeros where there were fewer. */
export const selfTestResults = logPage<LogicalUnit>({
  code: 0x10,
  parameters: unit => unit.selfTests.results.map((result, i) => binary(i + 1, ...result)),
});

/** No reading, and no threshold in the vendor-specific byte that clients look for one in. */
const NO_TEMPERATURE = 0xff;

/** Informational exceptions (SPC-4 7.3): none, and no temperature is known. */
export const informationalExceptions = logPage<LogicalUnit>({
  code: 0x2f,
  parameters: () => [binary(0x0000, 0x00, 0x00, NO_TEMPERATURE, NO_TEMPERATURE)],
});
