import type { CommandResult } from './command.ts';
import { describeSense, readSense, type Sense } from './sense.ts';

/** SAM-5 5.3.1. */
export const Status = { GOOD: 0x00, CHECK_CONDITION: 0x02 } as const;

const STATUS_NAMES: Readonly<Record<number, string>> = {
  0x04: 'CONDITION MET',
  0x08: 'BUSY',
  0x18: 'RESERVATION CONFLICT',
  0x28: 'TASK SET FULL',
  0x30: 'ACA ACTIVE',
  0x40: 'TASK ABORTED',
};

/** A command that was answered, and not with GOOD. */
export class ScsiError extends Error {
  override readonly name = 'ScsiError';
  readonly status: number;
  readonly sense: Sense;

  constructor(what: string, { status, sense }: CommandResult) {
    const read = readSense(sense);
    super(
      status === Status.CHECK_CONDITION
        ? `${what}: ${describeSense(read)}`
        : `${what}: ${STATUS_NAMES[status] ?? `status ${status.toString(16)}h`}`,
    );
    this.status = status;
    this.sense = read;
  }
}
