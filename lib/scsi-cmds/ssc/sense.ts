import { CheckCondition, SenseKey, type SenseFacts } from '../sense.ts';

/** What a tape says beside GOOD. The residual goes into INFORMATION (SSC-4, error reporting). */

/** A filemark was met (00h/01h). */
export const filemarkDetected = (residual: number): SenseFacts => ({
  key: SenseKey.NO_SENSE,
  code: 0x0001,
  filemark: true,
  information: residual,
});

/** A record of another length than asked for; negative when it is longer. */
export const incorrectLength = (residual: number): SenseFacts => ({
  key: SenseKey.NO_SENSE,
  code: 0x0000,
  incorrectLength: true,
  information: residual,
});

/** End of data (00h/05h), with EOM when it lies past early warning. LOCATE has no residual. */
export const endOfData = (pastEarlyWarning: boolean, residual?: number): SenseFacts => ({
  key: SenseKey.BLANK_CHECK,
  code: 0x0005,
  endOfMedium: pastEarlyWarning,
  ...(residual === undefined ? {} : { information: residual }),
});

/** Spacing backwards met the beginning of the partition (00h/04h). */
export const beginningOfPartition = (residual: number): SenseFacts => ({
  key: SenseKey.NO_SENSE,
  code: 0x0004,
  endOfMedium: true,
  information: residual,
});

/** All was written, and the end is near (00h/02h). */
export const earlyWarning = (): SenseFacts => ({
  key: SenseKey.NO_SENSE,
  code: 0x0002,
  endOfMedium: true,
  information: 0,
});

/** All was written, and the programmable early warning zone was come upon (00h/07h). */
export const programmableEarlyWarning = (): SenseFacts => ({
  key: SenseKey.NO_SENSE,
  code: 0x0007,
  endOfMedium: true,
  information: 0,
});

/** Not all was written: nothing more fits. */
export const volumeOverflow = (residual: number): SenseFacts => ({
  key: SenseKey.VOLUME_OVERFLOW,
  code: 0x0002,
  endOfMedium: true,
  information: residual,
});

/** Of what is written already something would go: append-only mode says no, as a WORM cartridge does. */
export const overwriteAttempted = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.DATA_PROTECT, code: 0x300c });

/** POSITION PAST BEGINNING OF MEDIUM. */
export const POSITION_PAST_BEGINNING = 0x3b0c;
/** SEQUENTIAL POSITIONING ERROR. */
export const SEQUENTIAL_POSITIONING_ERROR = 0x3b00;

/** MEDIUM REMOVAL PREVENTED. */
export const REMOVAL_PREVENTED = 0x5302;
