import { payloads } from '../bytes/buffers.ts';
import type { Command } from './command.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { Nexus } from './nexus.ts';
import { Status } from './status.ts';

/** SAM-5 8.9. */
export const Attribute = { SIMPLE: 1, ORDERED: 2, HEAD_OF_QUEUE: 3, ACA: 4 } as const;

/**
 * Who carries a task's data and waits for its end: an iSCSI session, or the copy manager. The northern waist: any
 * transport, any logical unit.
 */
export interface Carrier {
  /**
   * Brings `task.wantedOut` bytes of data-out, fewer when the initiator announced fewer, then calls `task.arrived`.
   * May call it at once.
   */
  pull(task: Task): void;
  /**
   * The task has ended: `status`, `sense`, `dataIn` and the counts are final. The carrier sends them and then calls
   * `task.release`. Called exactly once for each task submitted, also for an aborted one (`task.aborted`), which gets
   * no response.
   */
  ended(task: Task): void;
}

const NO_BYTES = Buffer.alloc(0);

/**
 * One SCSI command on its way through the target: the currency between the rooms. The carrier fills in the upper part,
 * the logical unit and its command the lower.
 */
export class Task {
  // What the initiator asked.
  readonly carrier: Carrier;
  nexus!: Nexus;
  lun = 0;
  cdb: Buffer = Buffer.alloc(16);
  attribute: number = Attribute.SIMPLE;
  /** Initiator task tag (ITT). */
  tag = 0;
  /** Bytes that the initiator is ready to receive. */
  expectedIn = 0;
  /** Bytes that the initiator is ready to send. */
  expectedOut = 0;

  /** It came by a view that may not write. */
  readOnly = false;

  // What the unit made of it.
  unit: LogicalUnit | undefined;
  command: Command<never> | undefined;
  /** Bytes of data-out that the command wants; the residual of a write is counted from it. */
  wantedOut = 0;
  /** What has arrived of `wantedOut`. */
  dataOut: Buffer = NO_BYTES;
  /** What goes to the initiator; at most `expectedIn` bytes of it are sent. */
  dataIn: Buffer = NO_BYTES;
  /** Bytes the command had to send; more than `expectedIn` makes a residual overflow. */
  totalIn = 0;
  status: Status = Status.GOOD;
  /** Encoded sense data, empty unless the status is CHECK CONDITION. */
  sense: Buffer = NO_BYTES;
  aborted = false;
  /** Aborted for another nexus with TAS = 1: it ends with TASK ABORTED, which is sent (SAM-5 5.3.1). */
  tellsAborted = false;

  // Where it stands in the unit's task set; see task-set.ts and logical-unit.ts.
  phase: 'idle' | 'waiting' | 'running' | 'ended' = 'idle';
  hasTurn = false;
  hasData = false;
  /** Something that admission looked at has changed since: it is looked at again before `run`. */
  recheck = false;
  /** Index among the unit's tasks. */
  place = 0;

  readonly #taken: Buffer[] = [];

  constructor(carrier: Carrier) {
    this.carrier = carrier;
  }

  /** A pooled buffer of exactly `bytes`, not zeroed, that goes back when the task is released. */
  take(bytes: number): Buffer {
    const whole = payloads.take(bytes);
    this.#taken.push(whole);
    return whole.length === bytes ? whole : whole.subarray(0, bytes);
  }

  /** The carrier has brought the data-out. */
  arrived(data: Buffer): void {
    this.dataOut = data;
    this.hasData = true;
    this.unit!.dataArrived(this);
  }

  /** Ends the task with GOOD. `totalIn` is what the command had, where `data` was cut to what was asked for. */
  good(data?: Buffer, totalIn = data?.length ?? 0): void {
    if (data !== undefined) {
      this.dataIn = data;
      this.totalIn = totalIn;
    }
    this.end(Status.GOOD);
  }

  /** Ends the task with CHECK CONDITION, or with what the error means. */
  fail(error: unknown): void {
    this.unit!.fail(this, error);
  }

  /** Ends the task; once. */
  end(status: Status): void {
    if (this.phase === 'ended') throw new Error(`task ${this.tag} ended twice`);
    const unit = this.unit!;
    this.status = status;
    if (this.tellsAborted) this.#endAborted();
    unit.leave(this);
    this.phase = 'ended';
    this.carrier.ended(this); // may release it
    unit.resume();
  }

  /** To the carrier it is a task that ends with a status. */
  #endAborted(): void {
    this.tellsAborted = false;
    this.aborted = false;
    this.status = Status.TASK_ABORTED;
    this.dataIn = NO_BYTES;
    this.totalIn = 0;
    this.sense = NO_BYTES;
  }

  /** The carrier is done with it: buffers go back, and it may be used for another command. */
  release(): void {
    for (let i = 0; i < this.#taken.length; i++) payloads.give(this.#taken[i]!);
    this.#taken.length = 0;
    this.unit = undefined;
    this.command = undefined;
    this.wantedOut = 0;
    this.dataOut = NO_BYTES;
    this.dataIn = NO_BYTES;
    this.totalIn = 0;
    this.status = Status.GOOD;
    this.sense = NO_BYTES;
    this.aborted = false;
    this.tellsAborted = false;
    this.phase = 'idle';
    this.hasTurn = false;
    this.hasData = false;
    this.readOnly = false;
    this.recheck = false;
  }
}
