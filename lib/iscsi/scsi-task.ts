import type { SenseFacts } from '../scsi-cmds/sense.ts';
import { Task } from '../scsi-cmds/task.ts';
import type { Connection } from './connection.ts';
import type { Session } from './session.ts';

/** A part of a write that the target has asked for and that is coming (RFC 7143 11.8). */
export interface Solicited {
  readonly targetTransferTag: number;
  readonly r2tSN: number;
  readonly start: number;
  readonly end: number;
  /** Offset that the next Data-Out must have. */
  next: number;
  dataSN: number;
}

const NO_BUFFER: Buffer = Buffer.alloc(0);

/** A SCSI command of a session: a task, and how far its data has come. Kept and used again. */
export class ScsiTask extends Task {
  /** Responses go where the command came from (connection allegiance, RFC 7143 4.2.5.1). */
  connection!: Connection;
  /** Takes no place in the command window. */
  immediate = false;
  /** The LUN field as it came, for R2T and for Data-In that asks for an acknowledgement. */
  readonly lunField = Buffer.alloc(8);
  /** Payload bytes it is charged for while it is under way. */
  credit = 0;
  /** `credit` has been taken from the session and the budget. */
  charged = false;
  /** Set when the command cannot be carried out for a reason of the transport's; answered instead of submitted. */
  refusal: SenseFacts | undefined = undefined;

  /** What a bidirectional command, which is always refused, would have read. */
  bidirectionalIn = 0;

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
  /** Why the write cannot be carried out, once all that is under way of its data has come; 0: nothing is wrong. */
  spoiltBy = 0;
  /** When data last moved, for the data-out timeout. */
  movedAtMs = 0;
  /** When its data was first asked for. */
  pullingSinceMs = 0;
  /** Tags of sequences that were asked for anew, NO_TAG for the unsolicited one: what still comes of them is dropped. */
  readonly retired: number[] = [];
  recoveries = 0;

  /** It has ended, and its connection was gone: the response waits for TASK REASSIGN (RFC 7143 7.2.2). */
  answered = false;
  /** StatSN of its response. */
  statSN = 0;
  /** Bytes in a Data-In PDU, from this DataSN at this offset on. */
  segmentBytes = 0;
  firstDataSN = 0;
  firstOffset = 0;
  /** The first DataSN that the initiator has not acknowledged (RFC 7143 11.16.2). */
  ackedDataSN = 0;
  /** By which it acknowledges; 0 when it was not asked to. */
  dataTag = 0;
  /** Copied from an R-Data SNACK; the status goes in a response of its own then (RFC 7143 11.16.3). */
  snackTag = 0;
  /** The transport has let go of its response, which is not kept: made once, as each command ends with it. */
  readonly sent: () => void;
  /** Times that its buffers are queued on an outbox. */
  sends = 0;
  /** Its response has not been acknowledged. */
  kept = false;

  constructor(session: Session) {
    super(session);
    this.sent = () => session.free(this);
  }

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
    this.bidirectionalIn = 0;
    this.received = 0;
    this.pulling = false;
    this.want = 0;
    this.unsolicitedOpen = false;
    this.unsolicitedDataSN = 0;
    this.spoiltBy = 0;
    this.nextR2T = 0;
    this.r2tSN = 0;
    this.solicited.length = 0;
    if (this.retired.length > 0) this.retired.length = 0;
    this.recoveries = 0;
    this.answered = false;
    this.firstDataSN = 0;
    this.firstOffset = 0;
    this.ackedDataSN = 0;
    this.dataTag = 0;
    this.snackTag = 0;
  }
}
