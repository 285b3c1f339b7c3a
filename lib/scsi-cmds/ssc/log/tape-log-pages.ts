import {
  nonMediumErrors,
  readErrors,
  selfTestResults,
  verifyErrors,
  writeErrors,
} from '../../spc/unit-log-pages.ts';
import { counter, type LogParameter, logPage } from '../../spc/log-pages.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { dataCompression, ibmDataCompression } from './compression-pages.ts';
import { deviceStatistics, deviceStatus, tapeAlert, tapeAlertResponse } from './device-pages.ts';
import { uint } from './parameters.ts';
import { tapeCapacity, tapeUsage } from './usage-pages.ts';
import { capacities, used, volumeStatistics } from './volume-statistics.ts';

const MEGABYTE = 1_000_000;

/** Native capacities in megabytes, of the partition that the tape stands in. */
function placesOf(unit: TapeUnit): LogParameter[] {
  if (!unit.loaded) return [];
  const { medium } = unit;
  const { partition } = medium.position;
  const capacity = capacities(unit)[partition]!;
  const here = Number.isFinite(medium.leftBytes) ? capacity - medium.leftBytes : used(unit)[partition]!;
  return [
    uint(0x0004, 8, used(unit)[partition]! / MEGABYTE), // from its beginning to end of data
    uint(0x0005, 8, (capacity - medium.earlyWarningBytes) / MEGABYTE), // to early warning
    uint(0x0006, 8, medium.earlyWarningBytes / MEGABYTE), // from there to its end
    uint(0x0007, 8, here / MEGABYTE), // to the position
  ];
}

/** Sequential-access device (SSC-4 8.2.2): as it came, as it was written, as it was read and as it went; then places. */
const sequentialAccess = logPage<TapeUnit>({
  code: 0x0c,
  parameters: unit => {
    const { counted } = unit.statistics;
    return [
      counter(0x0000, counted.hostWritten, value => void (counted.hostWritten = value)),
      counter(0x0001, counted.mediumWritten, value => void (counted.mediumWritten = value)),
      counter(0x0002, counted.mediumRead, value => void (counted.mediumRead = value)),
      counter(0x0003, counted.hostRead, value => void (counted.hostRead = value)),
      ...placesOf(unit),
      uint(0x0100, 8, 0), // CLEANING REQUESTED: never
    ];
  },
  reset: ({ statistics: { counted } }) => {
    counted.hostWritten = 0;
    counted.mediumWritten = 0;
    counted.mediumRead = 0;
    counted.hostRead = 0;
  },
});

export const tapeLogPages = [
  writeErrors,
  readErrors,
  verifyErrors,
  nonMediumErrors,
  sequentialAccess,
  selfTestResults,
  deviceStatus,
  tapeAlertResponse,
  deviceStatistics,
  volumeStatistics,
  dataCompression,
  tapeAlert,
  tapeUsage,
  tapeCapacity,
  ibmDataCompression,
];
