import type { Log } from '../log.ts';
import { MediumError } from '../backends/medium-error.ts';
import { CheckCondition, SenseKey, internalFailure, writeProtected } from './sense.ts';

/**
 * The one place where trouble becomes sense. A CheckCondition is what a command meant to say; a MediumError is told by
 * its fault; anything else is a mistake of ours, logged with its stack, and HARDWARE ERROR to the initiator.
 *
 * `grain` is what a MediumError's offset is divided by to give INFORMATION: the block length of a disk, 0 for none.
 */
export function senseOf(
  error: unknown,
  log: Log,
  facts: { unit: string; command: string; grain: number; writing: boolean },
): CheckCondition {
  if (error instanceof CheckCondition) return error;
  if (error instanceof MediumError) {
    // That a thin disk is full is no error of ours, and an initiator may ask again and again.
    const level = error.fault === 'no-space' ? 'warn' : 'error';
    log[level]({ ...facts, err: error, cause: error.cause }, 'medium error');
    const information = facts.grain > 0 ? Math.floor(error.offset / facts.grain) : undefined;
    const where = information === undefined ? {} : { information };
    switch (error.fault) {
      case 'write-protected':
        return writeProtected();
      case 'worm':
        // SSC-4 4.2.20: WORM MEDIUM - OVERWRITE ATTEMPTED.
        return new CheckCondition({ key: SenseKey.DATA_PROTECT, code: 0x300c, ...where });
      case 'no-space':
        // SBC-3 4.7.3.6: SPACE ALLOCATION FAILED WRITE PROTECT.
        return new CheckCondition({ key: SenseKey.DATA_PROTECT, code: 0x2707, ...where });
      case 'corrupt':
        return new CheckCondition({ key: SenseKey.MEDIUM_ERROR, code: 0x1100, ...where });
      case 'io':
        return new CheckCondition({
          key: SenseKey.MEDIUM_ERROR,
          code: facts.writing ? 0x0c00 : 0x1100,
          ...where,
        });
    }
  }
  log.error({ ...facts, err: error }, 'unexpected failure');
  return internalFailure();
}
