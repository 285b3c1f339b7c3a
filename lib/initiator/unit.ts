import type { CommandOptions, CommandResult } from './command.ts';
import { Key, readSense } from './sense.ts';
import { ScsiError, Status } from './scsi-error.ts';
import type { Session } from './session.ts';

/** A new session finds one unit attention or a few; a unit that never runs out of them is broken. */
const MOST_ATTENTIONS = 16;

/** CDB of `length` bytes that begins with `bytes`. */
export function cdbOf(length: 6 | 10 | 12 | 16, ...bytes: readonly number[]): Buffer {
  const cdb = Buffer.alloc(length);
  cdb.set(bytes);
  return cdb;
}

/** One LUN as an initiator sees it: commands that must be GOOD. */
export class Unit {
  readonly session: Session;
  readonly lun: number;

  constructor(session: Session, lun: number) {
    this.session = session;
    this.lun = lun;
  }

  /** Sends a command; rejects with ScsiError unless it ends with GOOD. `name` is for that error. */
  async run(name: string, cdb: Uint8Array, options: CommandOptions = {}): Promise<CommandResult> {
    const result = await this.session.command(this.lun, cdb, options);
    if (result.status !== Status.GOOD) throw new ScsiError(`${name} to LUN ${this.lun}`, result);
    return result;
  }

  /** Reads `bytes` at most. */
  async read(name: string, cdb: Uint8Array, bytes: number): Promise<Buffer> {
    return (await this.run(name, cdb, { dataIn: bytes })).data;
  }

  /** Takes the unit attentions that every new session meets; rejects when the unit is not ready. */
  async awaitReady(): Promise<void> {
    for (let i = 0; ; i++) {
      const result = await this.session.command(this.lun, cdbOf(6)); // TEST UNIT READY
      if (result.status === Status.GOOD) return;
      const attention =
        result.status === Status.CHECK_CONDITION && readSense(result.sense).key === Key.UNIT_ATTENTION;
      if (!attention || i === MOST_ATTENTIONS) throw new ScsiError(`LUN ${this.lun} is not ready`, result);
    }
  }
}
