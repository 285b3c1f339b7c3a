import { bytes } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { type Log, silent } from '../log.ts';
import type { UnitState } from '../state/unit-state.ts';
import { admit } from './admission.ts';
import { type BackgroundWork, BackgroundWorks } from './background-work.ts';
import { type Command, command, CommandTable } from './command.ts';
import { DeferredErrors } from './deferred-errors.ts';
import type { Identity } from './identity.ts';
import { senseOf } from './medium-sense.ts';
import type { Nexus } from './nexus.ts';
import { Reservations } from './reservations.ts';
import {
  encodeDescriptor,
  encodeFixed,
  type SenseFacts,
  SenseKey,
  unitNotSupported,
  writeProtected,
} from './sense.ts';
import type { VpdPage } from './spc/vpd.ts';
import { DeviceBuffers } from './spc/buffers.ts';
import { IdentifyingInformation } from './spc/identifying-information.ts';
import { LogPages } from './spc/log-pages.ts';
import { AttentionInterlock, type ModePages, QueueError } from './spc/mode-pages.ts';
import { type SelfTestRun, SelfTests } from './spc/self-test.ts';
import { DeviceClock } from './spc/timestamp.ts';
import { Status } from './status.ts';
import type { TargetDevice } from './target-device.ts';
import { TargetPortGroups } from './target-port-groups.ts';
import { Tallies } from './tally.ts';
import { type Carrier, Task } from './task.ts';
import { TaskSet } from './task-set.ts';
import { Attention, UnitAttentions } from './unit-attention.ts';
import { UnitTasks } from './unit-tasks.ts';

/** PERIPHERAL DEVICE TYPE (SPC-4 6.6.2). */
export const DeviceType = { DISK: 0x00, TAPE: 0x01, CHANGER: 0x08, WELL_KNOWN: 0x1e, UNKNOWN: 0x1f } as const;

export type { BackgroundWork } from './background-work.ts';

/** Carries what is no command of an initiator. */
const NOBODY: Carrier = { pull: () => undefined, ended: () => undefined };

/** A turn at the medium that is no command: in no table. */
const turnAlone = command<LogicalUnit>({
  name: 'a change of the unit',
  opcode: 0,
  cdb: layout(16, { cdb: bytes(0, 16) }),
  access: 'always',
  ordering: 'exclusive',
  run: () => undefined,
});

/**
 * A logical unit: admits tasks, read from their command's row, and ends them. What it can do is in its tables; disk,
 * tape and changer differ in those and in their medium (sbc/disk-unit.ts, ssc/tape-unit.ts).
 *
 * Order: `admission`, medium, write protection, then its turn in the task set and its data-out, then `run`.
 */
export abstract class LogicalUnit {
  readonly identity: Identity;
  readonly log: Log;
  /** What outlives the process, in sections; undefined when nothing does. Closed before the medium. */
  readonly state: UnitState | undefined;
  abstract readonly deviceType: number;
  /** Write protection that is not the medium's: whoever serves the unit wants it so. */
  protection = false;
  /** RMB of standard INQUIRY data. */
  abstract readonly removable: boolean;
  readonly commands = new CommandTable();
  /** By page code, each building its page when asked. */
  readonly vpd = new Map<number, VpdPage>();
  abstract readonly modePages: ModePages;
  readonly logs = new LogPages();
  readonly attentions = new UnitAttentions();
  readonly deferred = new DeferredErrors();
  readonly tallies = new Tallies();
  readonly reservations: Reservations;
  readonly buffers = new DeviceBuffers();
  readonly clock = new DeviceClock();
  readonly information: IdentifyingInformation;
  readonly selfTests: SelfTests = new SelfTests(this);
  readonly portGroups: TargetPortGroups = new TargetPortGroups(this);
  /** PROTECT of standard INQUIRY data. */
  readonly protectsBlocks: boolean = false;
  /** 3PC of standard INQUIRY data; set with the 83h and 84h rows. */
  thirdPartyCopy = false;
  /** LOGICAL UNIT RESETs so far: what goes with one, and is kept elsewhere, is dated by this. */
  resets = 0;
  readonly background = new BackgroundWorks();
  /** Set when the unit is put into a device. */
  device: TargetDevice | undefined;
  /** By which the device knows it; what a nexus calls it is in the task. */
  lun = -1;

  readonly #set = new TaskSet(task => this.#proceed(task));
  readonly #tasks = new UnitTasks();
  #retired = false;

  constructor(identity: Identity, log: Log = silent, state?: UnitState) {
    this.identity = identity;
    this.log = log;
    this.state = state;
    this.reservations = new Reservations(this);
    this.information = new IdentifyingInformation(this);
  }

  /** Throws NOT READY when there is no medium to work on. */
  abstract requireMedium(): void;
  /** Throws NOT READY when the command cannot be taken now. */
  protected requireReady(row: Command<never>): void {
    if (row.medium === true) this.requireMedium();
  }

  abstract readonly writeProtected: boolean;
  /** Bytes that one step of sense INFORMATION stands for in medium errors; 0 for none. */
  abstract readonly grain: number;
  /** Descriptor-format sense data wanted (D_SENSE of the control mode page). */
  get descriptorSense(): boolean {
    return this.modePages.descriptorSense;
  }

  /** Tasks that have not ended. */
  get tasks(): readonly Task[] {
    return this.#tasks.all;
  }

  /** Takes a task in. It ends by `task.carrier.ended`, now or later. */
  submit(task: Task): void {
    task.unit = this;
    task.phase = 'waiting';
    this.#tasks.add(task);
    try {
      this.#admit(task);
    } catch (error) {
      this.fail(task, error);
    }
  }

  #admit(task: Task): void {
    if (this.#retired) throw unitNotSupported(); // whoever still knows it: a copy whose nexus has gone
    const known = admit(this, task);
    if (known === undefined) return;
    this.requireReady(known);
    this.#requireWritable(known, task);
    task.command = known;
    const turn = this.#set.enter(task);
    if (known.dataOut === undefined) {
      task.hasData = true;
    } else {
      task.wantedOut = known.dataOut(this as never, task);
      if (task.wantedOut === 0) task.hasData = true;
      else {
        task.carrier.pull(task); // calls dataArrived, perhaps at once
        return;
      }
    }
    if (turn) this.#run(task);
  }

  #requireWritable(row: Command<never>, task: Task): void {
    if (row.writes === true && (task.readOnly || this.writeProtected)) throw writeProtected();
    const alters = row.alters === 'in-part' ? this.deviceType !== DeviceType.TAPE : row.alters === true;
    if (task.readOnly && alters) throw writeProtected();
  }

  /** The carrier has brought what the task wanted. */
  dataArrived(task: Task): void {
    if (task.phase === 'waiting' && task.hasTurn && !task.aborted) this.#begin(task);
  }

  #proceed(task: Task): void {
    if (task.hasData && !task.aborted) this.#begin(task);
  }

  /** What it waited for may have made the unit not ready. */
  #begin(task: Task): void {
    try {
      this.requireReady(task.command!);
    } catch (error) {
      this.fail(task, error);
      return;
    }
    this.#run(task);
  }

  /** A running task lets the others of its unit run, and ends later. */
  protected giveUpTurn(task: Task): void {
    this.#set.leave(task);
    task.hasTurn = false;
    this.resume();
  }

  #run(task: Task): void {
    task.phase = 'running';
    try {
      if (task.recheck) this.#recheck(task);
      const later = task.command!.run(this as never, task);
      if (later instanceof Promise) later.catch((error: unknown) => this.fail(task, error));
    } catch (error) {
      this.fail(task, error);
    }
  }

  /**
   * Tasks that wait are looked at again when they have their turn: the size, the write protection or the unit itself is
   * not what it was when they were admitted.
   */
  protected recheckWaiting(): void {
    for (const task of this.#tasks.all) if (task.phase === 'waiting') task.recheck = true;
  }

  #recheck(task: Task): void {
    task.recheck = false;
    if (this.#retired) throw unitNotSupported();
    const row = task.command!;
    this.#requireWritable(row, task);
    row.dataOut?.(this as never, task);
  }

  /** Runs `work` while no task is at the medium: those under way end first, those that come wait behind it. */
  alone<T>(work: () => MaybePromise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const task = new Task(NOBODY);
      task.unit = this;
      task.hasData = true;
      task.command = {
        ...turnAlone,
        run: async () => {
          try {
            resolve(await work());
          } catch (error) {
            reject(error);
          }
          this.#set.leave(task);
          this.resume();
        },
      };
      if (this.#set.enter(task)) this.#run(task);
    });
  }

  /** Write protects the unit, or no longer; writes under way end first. Every nexus that sees it is told (SPC-4 6.11). */
  async protect(protection: boolean): Promise<void> {
    const changed = await this.alone(() => {
      if (this.protection === protection) return false;
      this.protection = protection;
      this.recheckWaiting();
      return true;
    });
    if (changed) this.attention(Attention.MODE_PARAMETERS_CHANGED);
  }

  /**
   * The unit is gone from its device: tasks that wait end with LOGICAL UNIT NOT SUPPORTED when they have their turn, what
   * is at the medium is let end for `graceMs` and then answered with TASK ABORTED. Resolves when none is left; nothing is
   * submitted any more.
   */
  async retire(graceMs: number): Promise<void> {
    this.#retired = true;
    this.recheckWaiting();
    const stopped = new Promise<void>(resolve => {
      this.stopBackground(() => true, resolve);
    });
    const late = setTimeout(() => {
      for (const task of [...this.#tasks.all]) {
        if (task.unit === this && task.phase === 'waiting') this.fail(task, unitNotSupported());
      }
      this.abort(
        () => true,
        () => undefined,
        'owner',
      );
    }, graceMs);
    await Promise.all([this.#tasks.drained(), stopped]);
    clearTimeout(late);
  }

  /** Ends the task with what the error means as sense. */
  fail(task: Task, error: unknown): void {
    if (task.phase === 'ended') {
      this.log.error({ err: error, unit: this.identity.name }, 'failure after the end of a task');
      return;
    }
    const { facts } = senseOf(error, this.log, {
      unit: this.identity.name,
      command: task.command?.name ?? `opcode ${task.cdb[0]!.toString(16)}h`,
      grain: this.grain,
      writing: task.command?.writes === true,
    });
    if (facts.key === SenseKey.MEDIUM_ERROR || facts.key === SenseKey.HARDWARE_ERROR) {
      const counts = task.command?.counts;
      if (counts !== undefined) this.tallies[counts].failed++;
      else if (facts.key === SenseKey.HARDWARE_ERROR) this.tallies.nonMedium++;
    }
    this.check(task, facts);
  }

  /** What was answered with GOOD has failed since: the nexus is told with its next command (SPC-4 4.5.7). */
  defer(nexus: Nexus, facts: SenseFacts): void {
    for (const { id } of this.device?.nexuses ?? []) if (id === nexus.id) this.deferred.add(id, facts);
  }

  /** Ends the task with RESERVATION CONFLICT, which with UA_INTLCK_CTRL 11b is told by a unit attention too. */
  conflict(task: Task): void {
    const { attentionInterlock } = this.modePages;
    if (attentionInterlock === AttentionInterlock.KEPT_AND_ESTABLISHED && task.nexus.thirdParty !== true) {
      this.attentions.establish(task.nexus.id, Attention.PREVIOUS_RESERVATION_CONFLICT);
    }
    task.end(Status.RESERVATION_CONFLICT);
  }

  /** Ends the task with CHECK CONDITION; data that was read is sent along with it. */
  check(task: Task, facts: SenseFacts): void {
    task.sense = this.encodeSense(facts);
    if (this.modePages.queueError !== QueueError.OTHERS_GO_ON && task.nexus.thirdParty !== true) {
      this.#clearAfter(task); // before its end gives one of them a turn
    }
    task.end(Status.CHECK_CONDITION);
  }

  encodeSense(facts: SenseFacts): Buffer {
    return this.descriptorSense ? encodeDescriptor(facts) : encodeFixed(facts);
  }

  /** Called by `task.end`: the task gives up its place. */
  leave(task: Task): void {
    const counts = task.command?.counts;
    if (counts !== undefined) {
      const tally = this.tallies[counts];
      tally.commands++;
      tally.bytes += task.dataIn.length + task.dataOut.length;
    }
    this.#tasks.remove(task);
    this.#set.leave(task);
  }

  /** Called by `task.end` when the carrier has had the task: others get their turn, waiting functions look again. */
  resume(): void {
    this.#set.next();
    this.#tasks.ended();
  }

  /**
   * Aborts the tasks that `which` picks and calls `done` when the last of them has stopped: one that waits ends at once,
   * one that is at the medium is let finish and then gets no response (SAM-5 7: a function completes after its tasks).
   * With TAS = 1 those of other nexuses than `by` are answered with TASK ABORTED (SPC-4 7.5.8); all of them where it was
   * no nexus but `owner`, who serves the unit.
   */
  abort(which: (task: Task) => boolean, done: () => void, by?: Nexus | 'owner'): void {
    this.#tasks.abort(this, which, done, by);
  }

  /** CLEAR TASK SET (SAM-5 7.6). */
  clearTaskSet(by: Nexus, done: () => void): void {
    this.#clear(() => true, by, done);
  }

  /** Without TAS the others whose commands went are told by a unit attention (SAM-5 5.14.3). */
  #clear(which: (task: Task) => boolean, by: Nexus, done: () => void): void {
    const picked = this.tasks.filter(which);
    const others = new Set(picked.map(task => task.nexus.id).filter(id => id !== by.id));
    const told = this.modePages.taskAbortedStatus;
    this.abort(
      which,
      () => {
        for (const { id } of this.device?.nexuses ?? []) {
          if (!told && others.has(id)) this.attentions.establish(id, Attention.COMMANDS_CLEARED);
        }
        done();
      },
      by,
    );
  }

  /** QERR (SPC-4 7.5.8): those that are the target's own, a copy's, go on. */
  #clearAfter(failed: Task): void {
    const { nexus } = failed;
    const all = this.modePages.queueError === QueueError.ALL_ABORTED;
    this.#clear(
      other => other !== failed && other.nexus.thirdParty !== true && (all || other.nexus === nexus),
      nexus,
      () => undefined,
    );
  }

  /** Stops background work that `which` picks; `done` when it has. */
  stopBackground(which: (work: BackgroundWork) => boolean, done: () => void): void {
    this.background.stop(which, done);
  }

  /** Establishes a unit attention for every nexus, or for all but one. */
  attention(code: number, except?: Nexus): void {
    for (const nexus of this.device?.nexuses ?? []) {
      if (nexus !== except && this.device!.sees(nexus, this)) this.attentions.establish(nexus.id, code);
    }
  }

  /** A nexus has come to be: it meets one unit attention (SAM-5 5.14.1). */
  attach(nexus: Nexus): void {
    this.attentions.establish(nexus.id, Attention.RESET);
  }

  /** The nexus is gone (SAM-5 6.3.4). Its tasks are its carrier's to abort. */
  detach(nexus: Nexus): void {
    this.attentions.forget(nexus.id);
    this.deferred.forget(nexus.id);
    this.buffers.forget(nexus);
    this.reservations.nexusLost(nexus);
  }

  /** LOGICAL UNIT RESET (SAM-5 6.3.3), for `by` where someone asked for it; `done` after every task has stopped. */
  reset(done: () => void, by?: Nexus): void {
    const everything = (): boolean => true;
    const stopped = (): void => {
      this.resets++;
      this.reservations.reset();
      this.onReset();
      this.attention(Attention.RESET);
      done();
    };
    this.abort(everything, () => this.stopBackground(everything, stopped), by);
  }

  /** A reservation of the nexuses that `theirs` picks has been preempted, or is no more. */
  reservationGone(_how: 'preempted' | 'lost', _theirs: (nexus: Nexus) => boolean): void {}

  /** MODE SELECT has changed something; answered when what follows from that is done. */
  modesChanged(): MaybePromise<void> {
    return undefined;
  }

  /** What a kind of unit does besides: mode pages back to saved values, PREVENT lifted. */
  protected onReset(): void {
    this.selfTests.stop();
    this.buffers.reset();
    this.modePages.reset();
  }

  /**
   * Tests the unit, short or extended, without changing anything; rejects with what is wrong. It looks at `run.stopped`
   * between steps that take no longer than a command, and lets others run between them.
   */
  async selfTest(_run: SelfTestRun): Promise<void> {}

  /** How long an extended self-test may take; 0 is not told. */
  get selfTestMinutes(): number {
    return 0;
  }

  /** Lets what it keeps and its medium go. */
  abstract close(): Promise<void>;
}
