import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { type Carrier, Task } from '../scsi-cmds/task.ts';
import type { Run } from './holes.ts';
import { BUSY_RETRIES, BUSY_WAIT_MS } from './limits.ts';
import { zeros } from './zeros.ts';

const NO_BYTES = Buffer.alloc(0);

/** One command of the copy manager to a copy source or destination. Whoever sent it releases it. */
export class Errand extends Task {
  /** What it writes. */
  out: Buffer = NO_BYTES;
  tries = 0;
  done!: (errand: Errand) => void;

  /** Status as it came, TASK ABORTED for one that was stopped. */
  get outcome(): number {
    return this.aborted ? Status.TASK_ABORTED : this.status;
  }

  /** What it read, no more than it asked for. */
  get read(): Buffer {
    return this.dataIn.length > this.expectedIn ? this.dataIn.subarray(0, this.expectedIn) : this.dataIn;
  }
}

export interface Reply {
  readonly status: number;
  readonly data: Buffer;
  readonly sense: Buffer;
}

/**
 * The initiator inside the target. Its commands take the road of all others (`device.submit`), so reservations,
 * readiness and write protection hold for copies without a line of their own. It has the rights of the nexus that asked
 * for the copy, and leaves that nexus's unit attentions for it to meet.
 */
export class Initiator implements Carrier {
  readonly device: TargetDevice;
  readonly #nexus: Nexus;
  /** By LUN, blocks that GET LBA STATUS has once told as mapped: holes.ts. */
  readonly mappedRuns = new Map<number, Run>();
  readonly #units = new Map<number, LogicalUnit>();
  #stopped = false;
  #tag = 0;

  constructor(device: TargetDevice, onBehalfOf: Nexus) {
    this.device = device;
    // An object of its own: task management of the requester's nexus picks its tasks by theirs.
    this.#nexus = { ...onBehalfOf, thirdParty: true };
  }

  /** No retries any more. */
  stop(): void {
    this.#stopped = true;
  }

  read(lun: number, cdb: Buffer, bytes: number, done: (errand: Errand) => void): void {
    this.#send(lun, cdb, bytes, NO_BYTES, done);
  }

  /** As a read of unmapped blocks ends, without one. */
  readZeros(bytes: number, done: (errand: Errand) => void): void {
    const errand = new Errand(this);
    errand.expectedIn = bytes;
    errand.totalIn = bytes;
    errand.dataIn = zeros(bytes);
    done(errand);
  }

  /** As a write that ends well, without one: to what is nothing. */
  writeNothing(out: Buffer, done: (errand: Errand) => void): void {
    const errand = new Errand(this);
    errand.out = out;
    errand.wantedOut = out.length;
    done(errand);
  }

  /** `out` is the command's until it is done; it is not copied. */
  write(lun: number, cdb: Buffer, out: Buffer, done: (errand: Errand) => void): void {
    this.#send(lun, cdb, 0, out, done);
  }

  /** For what is asked once. */
  ask(lun: number, cdb: Buffer, bytes: number): Promise<Reply> {
    return new Promise(resolve => {
      this.read(lun, cdb, bytes, errand => {
        const reply = { status: errand.outcome, data: Buffer.from(errand.read), sense: errand.sense };
        errand.release();
        resolve(reply);
      });
    });
  }

  /** The same for a command that brings a parameter list, or nothing. */
  tell(lun: number, cdb: Buffer, out: Buffer): Promise<Reply> {
    return new Promise(resolve => {
      this.write(lun, cdb, out, errand => {
        const reply = { status: errand.outcome, data: NO_BYTES, sense: errand.sense };
        errand.release();
        resolve(reply);
      });
    });
  }

  #send(lun: number, cdb: Buffer, expectedIn: number, out: Buffer, done: (errand: Errand) => void): void {
    const errand = new Errand(this);
    errand.nexus = this.#nexus;
    errand.lun = lun;
    errand.cdb = cdb;
    errand.tag = ++this.#tag;
    errand.expectedIn = expectedIn;
    errand.expectedOut = out.length;
    errand.out = out;
    errand.done = done;
    this.#submit(errand);
  }

  /** A LUN that has become another unit's since the copy first came to it is not written to: there is nothing for it. */
  #submit(errand: Errand): void {
    let unit = this.#units.get(errand.lun);
    if (unit === undefined) {
      unit = this.device.unit(this.#nexus, errand.lun);
      this.#units.set(errand.lun, unit);
    }
    this.device.submitTo(unit, errand);
  }

  pull(task: Task): void {
    const { out } = task as Errand;
    task.arrived(task.wantedOut < out.length ? out.subarray(0, task.wantedOut) : out);
  }

  ended(task: Task): void {
    const errand = task as Errand;
    const busy = errand.status === Status.BUSY || errand.status === Status.TASK_SET_FULL;
    if (busy && !errand.aborted && !this.#stopped && errand.tries < BUSY_RETRIES) {
      errand.tries++;
      setTimeout(() => this.#again(errand), BUSY_WAIT_MS * errand.tries);
      return;
    }
    errand.done(errand);
  }

  #again(errand: Errand): void {
    if (this.#stopped) {
      errand.done(errand);
      return;
    }
    errand.release();
    this.#submit(errand);
  }
}
