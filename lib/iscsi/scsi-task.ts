import type { SenseFacts } from '../scsi-cmds/sense.ts';
import { Task } from '../scsi-cmds/task.ts';
import type { Connection } from './connection.ts';

/** A part of a write that the target has asked for and that is coming (RFC 7143 11.8). */
export interface Solicited {
  readonly targetTransferTag: number;
  readonly end: number;
  /** Offset that the next Data-Out must have. */
  next: number;
  dataSN: number;
}

const NO_BUFFER: Buffer = Buffer.alloc(0);

/** A SCSI command of a session: a task, and how far its data has come. Kept and used again. */
export class ScsiTask extends Task {
  /** Responses go where the command came from (connection allegiance, RFC 7143 4.2.5). */
  connection!: Connection;
  /** Takes no place in the command window. */
  immediate = false;
  /** The LUN field as it came, for R2T. */
  readonly lunField = Buffer.alloc(8);
  /** Payload bytes it is charged for while it is under way. */
  credit = 0;
  /** `credit` has been taken from the session and the budget. */
  charged = false;
  /** Set when the command cannot be carried out for a reason of the transport's; answered instead of submitted. */
  refusal: SenseFacts | undefined = undefined;

  /** Where data-out lands; grows once from what may come unasked to what the command wants. */
  buffer = NO_BUFFER;
  /** Bytes from the start of `buffer` that have arrived. */
  received = 0;
  /** The unit waits for `want` bytes. */
  pulling = false;
  want = 0;
  /** Data-Out without being asked may still come (F bit not seen), up to this offset. */
  unsolicitedOpen = false;
  unsolicitedEnd = 0;
  unsolicitedDataSN = 0;
  /** Offset of the next R2T, and the ones that are out. */
  nextR2T = 0;
  r2tSN = 0;
  readonly solicited: Solicited[] = [];
  /** When data last moved, for the data-out timeout. */
  movedAtMs = 0;

  override release(): void {
    super.release();
    // The buffer may be another task's from now on: what is still coming in goes nowhere.
    const { connection } = this;
    if (connection.landingFor === this) {
      connection.landingFor = undefined;
      connection.framer.into = undefined;
    }
    this.buffer = NO_BUFFER;
    this.refusal = undefined;
    this.received = 0;
    this.pulling = false;
    this.want = 0;
    this.unsolicitedOpen = false;
    this.unsolicitedDataSN = 0;
    this.nextR2T = 0;
    this.r2tSN = 0;
    this.solicited.length = 0;
  }
}
