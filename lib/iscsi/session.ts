import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import type { Carrier, Task } from '../scsi-cmds/task.ts';
import { Allegiances } from './allegiance.ts';
import { CommandWindow } from './command-window.ts';
import type { Connection } from './connection.ts';
import { respond } from './data-in.ts';
import { pull, pullElsewhere } from './data-out.ts';
import { QUEUE_DEPTH, SESSION_PAYLOAD_BYTES } from './limits.ts';
import type { Parameters } from './login/keys.ts';
import type { Creditor, PayloadBudget } from './payload-budget.ts';
import { NO_TAG } from './pdu/header.ts';
import { ScsiTask } from './scsi-task.ts';

const TASKS_KEPT = QUEUE_DEPTH + 16;
/** What a command without data is charged: its task and its response. */
const LEAST_CREDIT = 1024;

/**
 * One session (RFC 7143 4.3) over one connection or several: commands in CmdSN order, their tasks by ITT, the credit for their payload. With `device`
 * it is a normal session and one I_T nexus; without, a discovery session.
 */
export class Session implements Carrier, Creditor {
  readonly tsih: number;
  readonly parameters: Parameters;
  readonly nexus: Nexus;
  readonly device: TargetDevice | undefined;
  readonly window: CommandWindow;
  readonly connections = new Set<Connection>();
  /** Those that are gone, and what is kept of them. */
  readonly allegiances: Allegiances = new Allegiances(this);
  /** Tasks that have no response yet, by ITT. */
  readonly tasks = new Map<number, ScsiTask>();
  /** Tasks that wait for data-out; looked at when it does not come. */
  readonly pulling = new Set<ScsiTask>();
  /** Logins of connections more that are nearly done. */
  joining = 0;
  /** Immediate commands under way. */
  immediates = 0;
  /** Bytes of requests that came before their turn and are no SCSI commands. */
  earlyBytes = 0;
  readonly budget: PayloadBudget;
  /** Settles when the last task has stopped and the nexus is gone. */
  readonly closed: Promise<void>;

  #resolveClosed!: () => void;
  #closing = false;
  #lastTag = 0;
  #payloadBytes = 0;
  /** Commands that wait for payload credit; those behind them wait too, so that order is kept. */
  readonly #held: ScsiTask[] = [];
  readonly #idle: ScsiTask[] = [];

  constructor(
    tsih: number,
    parameters: Parameters,
    nexus: Nexus,
    device: TargetDevice | undefined,
    firstCmdSN: number,
    budget: PayloadBudget,
  ) {
    this.budget = budget;
    this.tsih = tsih;
    this.parameters = parameters;
    this.nexus = nexus;
    this.device = device;
    this.window = new CommandWindow(firstCmdSN, QUEUE_DEPTH);
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve;
    });
    device?.attach(nexus);
  }

  get closing(): boolean {
    return this.#closing;
  }

  newTask(): ScsiTask {
    return this.#idle.pop() ?? new ScsiTask(this);
  }

  newTransferTag(): number {
    this.#lastTag = (this.#lastTag + 1) >>> 0;
    if (this.#lastTag === NO_TAG) this.#lastTag = 1;
    return this.#lastTag;
  }

  /** A command in CmdSN order. It starts when there is credit for its payload. */
  admit(task: ScsiTask): void {
    if (this.#closing) {
      this.discard(task);
      return;
    }
    if (task.aborted) {
      // Aborted while it waited for its turn.
      this.tasks.delete(task.tag);
      this.#giveBack(task);
      this.discard(task);
      return;
    }
    const expected = task.refusal === undefined ? Math.max(task.expectedIn, task.expectedOut) : 0;
    const credit = Math.max(LEAST_CREDIT, Math.min(expected, SESSION_PAYLOAD_BYTES / 4));
    task.credit = credit;
    if (this.#held.length > 0 || !this.affords(credit)) {
      this.#held.push(task);
      this.budget.wait(this);
    } else this.#start(task);
  }

  /** There is credit for so many payload bytes more. */
  affords(credit: number): boolean {
    return this.budget.affords(this.#payloadBytes, credit);
  }

  #start(task: ScsiTask): void {
    this.#payloadBytes += task.credit;
    this.budget.take(task.credit);
    task.charged = true;
    if (task.refusal === undefined) {
      this.device!.submit(task);
      return;
    }
    task.status = Status.CHECK_CONDITION;
    task.sense = this.device!.unit(this.nexus, task.lun).encodeSense(task.refusal);
    this.#answer(task);
  }

  // Carrier

  pull(task: Task): void {
    pull(task as ScsiTask);
  }

  ended(task: Task): void {
    const mine = task as ScsiTask;
    if (task.aborted || this.#closing) {
      this.tasks.delete(mine.tag);
      this.#giveBack(mine);
      this.discard(mine);
      setImmediate(() => this.budget.wake());
    } else this.#answer(mine);
  }

  #answer(task: ScsiTask): void {
    const { kept } = task.connection;
    if (kept !== undefined && task.connection.ended) {
      task.answered = true; // RFC 7143 7.2.2: for a connection that takes it over
      return;
    }
    this.tasks.delete(task.tag);
    this.#giveBack(task); // before the response, so that it announces the room
    if (kept === undefined) respond(task, task.sent);
    else kept.answer(task);
  }

  /** Another connection has taken the task over (RFC 7143 7.2.2). */
  resume(task: ScsiTask, connection: Connection, expDataSN: number): void {
    task.connection = connection;
    if (task.answered) {
      task.answered = false;
      this.#answer(task);
    } else if (task.expectedOut > 0) pullElsewhere(task, expDataSN);
  }

  #giveBack(task: ScsiTask): void {
    if (task.immediate) this.immediates--;
    else this.window.release();
  }

  /** The transport has let go of the response: buffers are free and another command may have the credit. */
  free(task: ScsiTask): void {
    this.discard(task);
    this.budget.wake();
  }

  /** Commands that waited for credit start, as far as it goes. */
  startHeld(): void {
    const held = this.#held;
    while (held.length > 0 && this.affords(held[0]!.credit)) this.#start(held.shift()!);
    if (held.length > 0) this.budget.wait(this);
  }

  /** The task is done with: its buffers and its credit are free. */
  discard(task: ScsiTask): void {
    if (task.pulling) this.pulling.delete(task);
    if (task.charged) {
      this.#payloadBytes -= task.credit;
      this.budget.give(task.credit);
      task.charged = false;
    }
    task.credit = 0;
    task.release();
    if (this.#idle.length < TASKS_KEPT) this.#idle.push(task);
  }

  /** Stops a task wherever it is; `done` when it has stopped. It gets no response. */
  abort(task: ScsiTask, done: () => void): void {
    const at = this.#held.indexOf(task);
    if (at >= 0) {
      this.#held.splice(at, 1);
      this.tasks.delete(task.tag);
      this.#giveBack(task);
      this.discard(task);
      done();
      return;
    }
    if (task.answered) {
      this.tasks.delete(task.tag);
      this.#giveBack(task);
      this.free(task);
      done();
      return;
    }
    if (task.unit === undefined) {
      task.aborted = true; // its turn has not come; when it comes, nothing is done
      done();
      return;
    }
    task.unit.abort(each => each === task, done);
  }

  /**
   * Those of the session's tasks that are for `unit` and that it does not have are dropped: they wait for credit, or for a
   * connection to be answered on. `told`: with TASK ABORTED (SPC-4 7.5.8). True: there were some.
   */
  dropHeld(unit: LogicalUnit, told: boolean): boolean {
    const theirs = (task: ScsiTask): boolean => this.device!.unit(this.nexus, task.lun) === unit;
    const held = this.#held.filter(theirs);
    for (const task of this.tasks.values()) if (task.answered && theirs(task)) held.push(task);
    for (const task of held) {
      if (told && !task.answered) {
        this.#held.splice(this.#held.indexOf(task), 1);
        task.status = Status.TASK_ABORTED;
        this.#answer(task);
      } else this.abort(task, () => {});
    }
    return held.length > 0;
  }

  /** A command that came before its turn has not come: its connection is gone, and the initiator may send it again. */
  unlearn(task: ScsiTask): void {
    if (this.tasks.get(task.tag) === task) this.tasks.delete(task.tag);
    if (task.immediate) this.immediates--;
    this.discard(task);
  }

  /** Stops every task that came by `connection`, without response; `done` when the last has stopped. */
  terminate(connection: Connection, done: () => void): void {
    this.window.forget(connection);
    connection.kept?.close();
    const mine = [...this.tasks.values()].filter(task => task.connection === connection);
    let left = mine.length;
    if (left === 0) done();
    // One that is aborted gives its turn to the next: all are marked first.
    for (const task of mine) if (task.phase !== 'idle' && task.phase !== 'ended') task.aborted = true;
    for (const task of mine) {
      this.abort(task, () => {
        if (--left === 0) done();
      });
    }
  }

  /** The live connection with this CID. */
  connection(cid: number): Connection | undefined {
    for (const connection of this.connections) if (connection.cid === cid) return connection;
    return undefined;
  }

  /**
   * Ends the session: tasks stop without response, then the nexus is gone. Connections are the caller's to close.
   */
  close(): Promise<void> {
    if (this.#closing) return this.closed;
    this.#closing = true;
    this.budget.forget(this);
    this.allegiances.close();
    for (const connection of this.connections) connection.kept?.close();
    for (const task of this.#held.splice(0)) {
      this.tasks.delete(task.tag);
      this.discard(task);
    }
    for (const task of this.tasks.values()) {
      if (!task.answered) continue;
      this.tasks.delete(task.tag);
      this.discard(task);
    }
    const { device } = this;
    if (device === undefined) this.#resolveClosed();
    else {
      device.abortNexus(this.nexus, () => {
        device.detach(this.nexus);
        this.#resolveClosed();
      });
    }
    return this.closed;
  }
}
