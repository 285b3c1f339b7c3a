import { binary, counter, logPage } from '../spc/log-pages.ts';
import { informationalExceptions, nonMediumErrors, selfTestResults } from '../spc/unit-log-pages.ts';
import type { ChangerUnit } from './changer-unit.ts';

/** Media changer statistics (SMC-3 7.2.2). Nothing here has axes, or is tried twice. */
const statistics = logPage<ChangerUnit>({
  code: 0x14,
  parameters: ({ counters, elements, inventory }) => {
    const sum = (of: 'picks' | 'places'): number =>
      elements.all.reduce((total, element) => total + element.counters[of], 0);
    return [
      counter(0x0000, counters.moves),
      counter(0x0001, sum('picks')),
      counter(0x0002, 0), // pick retries
      counter(0x0003, sum('places')),
      counter(0x0004, 0), // place retries
      counter(0x0005, inventory.counters.labels),
      counter(0x0006, inventory.counters.unreadable),
      counter(0x0007, 0), // library door opens
      counter(0x0008, counters.openings),
      counter(0x0009, inventory.counters.scans),
      counter(0x000a, 0), // unrecovered errors of the robot
      counter(0x000b, 0), // recovered ones
    ];
  },
  reset({ counters, elements, inventory }) {
    counters.moves = 0;
    counters.openings = 0;
    Object.assign(inventory.counters, { scans: 0, labels: 0, unreadable: 0 });
    for (const element of elements.all) Object.assign(element.counters, { picks: 0, places: 0 });
  },
});

/** What a page's 16-bit length has room for, at 24 bytes and their header; drives come before slots. */
const MOST_ELEMENTS = 2_000;

const fours = (values: readonly number[]): Buffer => {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => out.writeUInt32BE(value >>> 0, 4 * i));
  return out;
};

/** Element statistics (SMC-3 7.2.3): the parameter code is the element's address. */
const elementStatistics = logPage<ChangerUnit>({
  code: 0x15,
  parameters: ({ elements }) =>
    elements.all.slice(0, MOST_ELEMENTS).map(({ address, counters: { places, picks } }) =>
      // Places, place retries, picks, pick retries, identifiers that were read, identifiers that could not be.
      binary(address, ...fours([places, 0, picks, 0, 0, 0])),
    ),
});

const TAPE_ALERT_FLAGS = 64;

/** TapeAlert (SMC-3 7.2.4): nothing that it could tell of ever happens to this robot. */
const tapeAlert = logPage<ChangerUnit>({
  code: 0x2e,
  parameters: () => Array.from({ length: TAPE_ALERT_FLAGS }, (_, i) => binary(i + 1, 0)),
});

export const changerLogPages = [
  nonMediumErrors,
  selfTestResults,
  statistics,
  elementStatistics,
  tapeAlert,
  informationalExceptions,
];
