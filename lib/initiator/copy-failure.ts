import type { CommandResult } from './command.ts';
import { InitiatorError } from './initiator-error.ts';
import { ScsiError } from './scsi-error.ts';
import { Key, type Sense } from './sense.ts';

/** What a copy between two LUNs met that ended it, as a sentence. */
export function copyFailure(
  result: CommandResult,
  { source, destination }: Sense,
  { bytes, record, toTape }: { bytes: number; record: number | undefined; toTape: boolean },
): Error {
  const after = `after ${bytes} bytes`;
  // SSC-4 7.3: a record that is longer than asked for has ILI with a negative residual.
  if (record !== undefined && source?.incorrectLength === true && (source.information ?? 0) < 0) {
    const length = record - source.information!;
    return new InitiatorError(
      'target',
      `the tape has a record of ${length} bytes, longer than --record ${record}, ${after}: give --record ${length}`,
    );
  }
  if (destination !== undefined && toTape) {
    if (destination.key === Key.VOLUME_OVERFLOW || destination.endOfMedium) {
      return new InitiatorError('target', `the tape is full ${after}`);
    }
  }
  return new ScsiError(`the copy failed ${after}`, result);
}

/** SSC-4 7.3: a filemark is NO SENSE with FILEMARK, the end of data BLANK CHECK. */
export function tapeStop(said: Sense): 'filemark' | 'end of data' | undefined {
  if (said.filemark) return 'filemark';
  return said.key === Key.BLANK_CHECK ? 'end of data' : undefined;
}
