import { CheckCondition, type SenseFacts, SenseKey } from '../scsi-cmds/sense.ts';
import { decodeLun } from '../scsi-cmds/lun.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { Connection } from './connection.ts';
import { dataCount, numbers, resegment, senseSegment } from './data-in.ts';
import { TransportSense } from './data-out.ts';
import { MOST_LOST_CONNECTIONS, MOST_RETAINED_MS } from './limits.ts';
import { Opcode, newHeader } from './pdu/header.ts';
import { scsiResponse } from './pdu/scsi-response.ts';
import { TaskFunctionResponse, taskManagementRequest as request } from './pdu/task-management.ts';
import type { Kept } from './retransmission.ts';
import type { Session } from './session.ts';

/** A connection that is gone, while its tasks are kept. */
interface Lost {
  readonly connection: Connection;
  /** The initiator has logged it out for recovery, or put another one in its place: its tasks may be reassigned. */
  removed: boolean;
  timer: NodeJS.Timeout;
}

/**
 * What becomes of tasks whose connection ends (RFC 7143 4.2.5.1, 7.2.2). Below ErrorRecoveryLevel 2 they end with it. At
 * level 2 they go on, their responses wait, and another connection of the session may take them over, for
 * DefaultTime2Wait and DefaultTime2Retain. The session itself is kept as long when its last connection is gone.
 */
export class Allegiances {
  readonly #session: Session;
  readonly #lost = new Set<Lost>();
  #sessionTimer: NodeJS.Timeout | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  get #keepsTasks(): boolean {
    return this.#session.parameters.errorRecoveryLevel === 2 && this.#retains;
  }

  /** RFC 7143 13.16: 0 keeps nothing. Discovery sessions have no state worth keeping (7.4). */
  get #retains(): boolean {
    return this.#session.parameters.defaultTime2Retain > 0 && this.#session.device !== undefined;
  }

  get #keptMs(): number {
    const { defaultTime2Wait, defaultTime2Retain } = this.#session.parameters;
    return Math.min((defaultTime2Wait + defaultTime2Retain) * 1000, MOST_RETAINED_MS);
  }

  /**
   * A connection has ended. `loggedOut`: by a Logout, so that nothing of it is kept. True: the session has come to its end,
   * too; otherwise `expired` is called when its time is over without another connection.
   */
  ended(connection: Connection, loggedOut: boolean, expired: () => void): boolean {
    const session = this.#session;
    session.window.forget(connection);
    const alone = session.connections.size === 0;
    if (alone && session.joining === 0 && (loggedOut || !this.#retains)) return true;
    if (!loggedOut && this.#keepsTasks) this.#keep(connection);
    else session.terminate(connection, () => {});
    if (alone && this.#retains) {
      clearTimeout(this.#sessionTimer);
      this.#sessionTimer = setTimeout(expired, this.#keptMs);
      this.#sessionTimer.unref();
    }
    return false;
  }

  /** The session waits for a connection to come back. */
  get waits(): boolean {
    return this.#sessionTimer !== undefined;
  }

  /** The session has a connection (again). */
  joined(): void {
    clearTimeout(this.#sessionTimer);
    this.#sessionTimer = undefined;
  }

  #keep(connection: Connection): void {
    if (this.#lost.size >= MOST_LOST_CONNECTIONS) this.#discard([...this.#lost][0]!);
    const lost: Lost = { connection, removed: connection.removed, timer: this.#timer(() => lost) };
    this.#lost.add(lost);
  }

  #timer(which: () => Lost): NodeJS.Timeout {
    return setTimeout(() => this.#discard(which()), this.#keptMs).unref();
  }

  #discard(lost: Lost): void {
    clearTimeout(lost.timer);
    this.#lost.delete(lost);
    this.#session.terminate(lost.connection, () => {});
  }

  #find(cid: number): Lost | undefined {
    return [...this.#lost].find(({ connection, removed }) => connection.cid === cid && !removed);
  }

  /** Is a connection with this CID gone that has not been logged out? */
  has(cid: number): boolean {
    return this.#find(cid) !== undefined;
  }

  /** Logout for recovery of a connection that is gone; `expStatSN` is the last one for it (RFC 7143 11.14.4). */
  remove(cid: number, expStatSN: number): void {
    for (const lost of this.#lost) {
      if (lost.connection.cid !== cid || lost.removed) continue;
      lost.connection.kept!.acknowledge(expStatSN);
      lost.removed = true;
      clearTimeout(lost.timer);
      lost.timer = this.#timer(() => lost);
    }
  }

  /** Logout that closes a connection that is gone: its tasks end; `done` when they have stopped. */
  drop(cid: number, done: () => void): void {
    const lost = this.#find(cid)!;
    clearTimeout(lost.timer);
    this.#lost.delete(lost);
    this.#session.terminate(lost.connection, done);
  }

  /** TASK REASSIGN (RFC 7143 7.2.2, 11.5): the answer leaves before what the task has to send. */
  reassign(connection: Connection, header: Buffer, answer: (response: number) => void): void {
    const session = this.#session;
    if (session.parameters.errorRecoveryLevel < 2) {
      answer(TaskFunctionResponse.REASSIGNMENT_NOT_SUPPORTED);
      return;
    }
    const tag = request.referencedTaskTag.get(header);
    const expDataSN = request.expDataSN.get(header);
    const task = session.tasks.get(tag);
    if (task !== undefined) {
      const lost = [...this.#lost].find(each => each.connection === task.connection);
      if (lost?.removed !== true) answer(TaskFunctionResponse.TASK_STILL_ALLEGIANT);
      else if (task.lun !== decodeLun(header, 8)) answer(TaskFunctionResponse.NO_SUCH_TASK);
      else {
        answer(TaskFunctionResponse.COMPLETE);
        session.resume(task, connection, expDataSN);
      }
      return;
    }
    for (const { connection: gone, removed } of this.#lost) {
      const entry = gone.kept!.find(tag);
      if (entry === undefined) continue;
      if (!removed) answer(TaskFunctionResponse.TASK_STILL_ALLEGIANT);
      else {
        answer(TaskFunctionResponse.COMPLETE);
        const unit = session.device!.unit(session.nexus, decodeLun(header, 8) ?? 0);
        adopt(gone, entry, connection, expDataSN, facts => unit.encodeSense(facts));
      }
      return;
    }
    const live = [...session.connections].some(each => each.kept!.find(tag) !== undefined);
    answer(live ? TaskFunctionResponse.TASK_STILL_ALLEGIANT : TaskFunctionResponse.NO_SUCH_TASK);
  }

  /** The session ends. */
  close(): void {
    clearTimeout(this.#sessionTimer);
    for (const lost of this.#lost) {
      clearTimeout(lost.timer);
      lost.connection.kept?.close();
    }
    this.#lost.clear();
  }
}

/** A response that was sent and not acknowledged goes out on another connection, with the data from `expDataSN` on. */
function adopt(
  gone: Connection,
  entry: Kept,
  connection: Connection,
  expDataSN: number,
  encodeSense: (facts: SenseFacts) => Buffer,
): void {
  gone.kept!.take(entry);
  const { task } = entry;
  if (task !== undefined) {
    // RFC 7143 11.5.6: 0 says nothing new, and nothing that was not sent can be acknowledged.
    const from = expDataSN > task.ackedDataSN && expDataSN <= dataCount(task) ? expDataSN : task.ackedDataSN;
    resegment(task, connection, from);
    task.ackedDataSN = from;
    task.kept = false;
    task.dataTag = 0;
    task.snackTag = 0;
    connection.kept!.answer(task);
    return;
  }
  const header = newHeader();
  let data = entry.data;
  if (entry.header === undefined) {
    // The data was let go. RFC 7143 11.4.7.2: SNACK rejected.
    const { facts } = new CheckCondition({
      key: SenseKey.ABORTED_COMMAND,
      code: TransportSense.SNACK_REJECTED,
    });
    header[0] = Opcode.SCSI_RESPONSE;
    header[1] = 0x80;
    header[3] = Status.CHECK_CONDITION;
    scsiResponse.initiatorTaskTag.set(header, entry.tag);
    data = senseSegment(encodeSense(facts));
  } else entry.header.copy(header);
  scsiResponse.snackTag.set(header, 0);
  scsiResponse.statSN.set(header, connection.nextStatSN());
  numbers(connection, header);
  connection.reply(header, data);
}
