import { bit, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import { binary, logPage } from '../../spc/log-pages.ts';
import { MOST_ALERTS } from '../tape-alerts.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { text, uint } from './parameters.ts';

/** VERY HIGH FREQUENCY DATA of the DT device status log page (ADC-3 6.1.2.2). */
const veryHighFrequency = layout(4, {
  prevented: bit(0, 7),
  hostInitiated: bit(0, 6),
  auxiliaryMemory: bit(0, 5),
  compresses: bit(0, 4),
  writeProtected: bit(0, 3),
  cleaningRequested: bit(0, 2),
  cleaningRequired: bit(0, 1),
  initialized: bit(0, 0),
  inTransition: bit(1, 7),
  robotAccess: bit(1, 5),
  mediumPresent: bit(1, 4),
  seated: bit(1, 2),
  threaded: bit(1, 1),
  mounted: bit(1, 0),
  activity: u8(2),
  alertChanged: bit(3, 0),
});

/** Milliseconds after which the automation may ask again. */
const POLLING_DELAY_MS = 1000;

/** DT device status (SSC-4 8.2.1, ADC-3): what a library asks of a drive. */
export const deviceStatus = logPage<TapeUnit>({
  code: 0x11,
  parameters(unit) {
    const data = Buffer.alloc(veryHighFrequency.length);
    const { loaded, cartridge } = unit;
    const present = cartridge !== undefined;
    veryHighFrequency.prevented.set(data, unit.removal.prevented);
    veryHighFrequency.auxiliaryMemory.set(data, loaded);
    veryHighFrequency.compresses.set(data, unit.compression);
    veryHighFrequency.writeProtected.set(data, loaded && unit.writeProtected);
    veryHighFrequency.initialized.set(data, true);
    veryHighFrequency.robotAccess.set(data, !loaded);
    veryHighFrequency.mediumPresent.set(data, present);
    veryHighFrequency.seated.set(data, present);
    veryHighFrequency.threaded.set(data, loaded);
    veryHighFrequency.mounted.set(data, loaded);
    return [binary(0x0000, ...data), uint(0x0001, 2, POLLING_DELAY_MS)];
  },
});

/** TapeAlert response (SSC-4 8.2.1): all flags in one parameter. */
export const tapeAlertResponse = logPage<TapeUnit>({
  code: 0x12,
  parameters: unit => [binary(0x0000, ...unit.alerts.bits)],
});

/** TapeAlert (SSC-4 8.2.3): a parameter a flag. */
export const tapeAlert = logPage<TapeUnit>({
  code: 0x2e,
  parameters: unit =>
    Array.from({ length: MOST_ALERTS }, (_, i) => binary(i + 1, unit.alerts.isRaised(i + 1) ? 1 : 0)),
  reset: unit => unit.alerts.clear(),
});

const HOUR_MS = 3_600_000;

/** Device statistics (SSC-4 8.2.4): the life of the drive is that of the process. */
export const deviceStatistics = logPage<TapeUnit>({
  code: 0x14,
  parameters(unit) {
    const { statistics, tallies, identity } = unit;
    const hours = (Date.now() - statistics.startedAt) / HOUR_MS;
    return [
      uint(0x0000, 4, statistics.loads), // LIFETIME MEDIA LOADS
      uint(0x0001, 4, 0), // LIFETIME CLEANING OPERATIONS
      uint(0x0002, 4, hours), // LIFETIME POWER ON HOURS
      uint(0x000c, 4, 1), // LIFETIME POWER CYCLES
      uint(0x000d, 4, statistics.loadsCounted), // VOLUME LOADS SINCE LAST PARAMETER RESET
      uint(0x000e, 4, tallies.write.failed), // HARD WRITE ERRORS
      uint(0x000f, 4, tallies.read.failed), // HARD READ ERRORS
      text(0x0040, 16, identity.serial), // DRIVE MANUFACTURER'S SERIAL NUMBER
      text(0x0041, 16, identity.serial), // DRIVE SERIAL NUMBER
      uint(0x0080, 1, unit.removal.prevented ? 1 : 0), // MEDIUM REMOVAL PREVENTED
      uint(0x0081, 1, 0), // MAXIMUM RECOMMENDED MECHANISM TEMPERATURE EXCEEDED
    ];
  },
  reset(unit) {
    unit.statistics.loadsCounted = 0;
  },
});
