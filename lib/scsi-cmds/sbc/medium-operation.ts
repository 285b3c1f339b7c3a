import { setTimeout as delay } from 'node:timers/promises';
import type { Section } from '../../state/unit-state.ts';
import { CheckCondition, SenseKey } from '../sense.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { STEP_BYTES } from './limits.ts';

/** What FORMAT UNIT or SANITIZE is to do with the whole medium; kept until it is done, so that a restart finds it. */
export interface MediumWork {
  readonly kind: 'format' | 'sanitize';
  /** Absent: every block is unmapped and reads as zero. */
  readonly overwrite?: {
    readonly pattern: Uint8Array;
    readonly passes: number;
    /** The pattern is inverted from pass to pass; the last one leaves it as it is. */
    readonly invert: boolean;
  };
  /** AUSE: EXIT FAILURE MODE may make good what failed. */
  readonly unrestricted: boolean;
  /** It ended with an error, and nothing has made that good. */
  readonly failed: boolean;
}

const wants = (right: boolean, what: string): void => {
  if (!right) throw new Error(`${what} is missing or wrong`);
};

export const mediumWork: Section<MediumWork> = {
  name: 'medium-work',
  parse(body) {
    const work = body as MediumWork;
    wants(work.kind === 'format' || work.kind === 'sanitize', 'kind');
    wants(typeof work.failed === 'boolean' && typeof work.unrestricted === 'boolean', 'failed');
    const { overwrite } = work;
    if (overwrite !== undefined) {
      wants(overwrite.pattern instanceof Uint8Array && overwrite.pattern.length > 0, 'pattern');
      wants(Number.isInteger(overwrite.passes) && overwrite.passes > 0, 'passes');
    }
    return work;
  },
};

/** What a kind of work says of itself while it is at work, and once it has failed; and who may make that good. */
const KINDS = {
  format: {
    running: { key: SenseKey.NOT_READY, code: 0x0404 }, // LOGICAL UNIT NOT READY, FORMAT IN PROGRESS
    failed: { key: SenseKey.MEDIUM_ERROR, code: 0x3100 }, // MEDIUM FORMAT CORRUPTED
    remedies: ['FORMAT UNIT', 'SANITIZE'],
  },
  sanitize: {
    running: { key: SenseKey.NOT_READY, code: 0x041b }, // LOGICAL UNIT NOT READY, SANITIZE IN PROGRESS
    failed: { key: SenseKey.MEDIUM_ERROR, code: 0x3103 }, // SANITIZE COMMAND FAILED
    remedies: ['SANITIZE'],
  },
} as const;

/** PROGRESS INDICATION counts to this. */
const PROGRESS_END = 0x1_0000;

/**
 * FORMAT UNIT or SANITIZE at work, or failed. It outlives its command, aborts and resets (SBC-3 4.11, 5.3), and a unit that
 * is closed meanwhile: what is kept of it is begun again when the unit is next opened.
 */
export class MediumOperation {
  readonly #unit: DiskUnit;
  #work: MediumWork;
  /** The command that waits for the end; none with IMMED, or once it was aborted. */
  #waiting: Task | undefined;
  #progress = 0;
  readonly #stopping = new AbortController();
  #ended: Promise<void> | undefined;

  constructor(unit: DiskUnit, work: MediumWork) {
    this.#unit = unit;
    this.#work = work;
  }

  get work(): MediumWork {
    return this.#work;
  }

  /** Why another command is refused (SBC-3 4.11.2, 4.31). */
  refusal(): CheckCondition {
    const { running, failed } = KINDS[this.#work.kind];
    return new CheckCondition(this.#work.failed ? failed : { ...running, progress: this.#progress });
  }

  /** Whether a command of that name may make good what failed. */
  mayBeMendedBy(name: string): boolean {
    return this.#work.failed && KINDS[this.#work.kind].remedies.some(remedy => name.startsWith(remedy));
  }

  /** Begins; `waiting` is told of the end, or with `immediate` that the work is kept and will be done. */
  start(waiting?: Task, immediate = false): void {
    this.#waiting = waiting;
    this.#ended = this.#run(immediate);
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** The command ends, and the work goes on: it was aborted, or wanted no more. */
  forget(): void {
    const task = this.#waiting;
    this.#waiting = undefined;
    task?.good();
  }

  /** Stops where it is, to be begun again when the unit is opened again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #run(immediate: boolean): Promise<void> {
    const unit = this.#unit;
    let failure: unknown;
    try {
      await unit.keepWork(this.#work);
      if (immediate) this.forget();
      await (this.#work.overwrite === undefined ? this.#unmap() : this.#overwrite(this.#work.overwrite));
      if (this.#stopped) return;
      await unit.backend.flush();
      await unit.keepWork(undefined);
      unit.operation = undefined;
    } catch (error) {
      failure = error;
      unit.log.error({ err: error, unit: unit.identity.name }, `${this.#work.kind} failed`);
      this.#work = { ...this.#work, failed: true };
      await unit.keepWork(this.#work).catch(() => undefined); // the one before says as much
    }
    const task = this.#waiting;
    this.#waiting = undefined;
    if (failure === undefined) task?.good();
    else task?.fail(this.refusal());
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  async #unmap(): Promise<void> {
    const { backend, bytes } = this.#unit;
    // What the map calls mapped is made zero, which is all that there ever was to be seen.
    for (let at = 0; at < bytes && !this.#stopped;) {
      const extent = await backend.extent(at, Math.min(bytes - at, UNMAP_STEP_BYTES));
      if (extent.mapped) await backend.unmap(at, extent.bytes);
      at += extent.bytes;
      this.#progress = Math.floor((at / bytes) * (PROGRESS_END - 1));
      await this.#pause(0);
    }
  }

  async #overwrite({ pattern, passes, invert }: NonNullable<MediumWork['overwrite']>): Promise<void> {
    const { backend, bytes, blockSize, operationBytesPerSecond } = this.#unit;
    const begun = performance.now();
    let done = 0;
    for (let pass = 0; pass < passes; pass++) {
      const block = Buffer.alloc(blockSize).fill(pattern);
      // SBC-3 5.24.3: the passes that an even number of others follow have the pattern as it is.
      if (invert && (passes - 1 - pass) % 2 === 1) for (let i = 0; i < block.length; i++) block[i]! ^= 0xff;
      const from = Buffer.alloc(STEP_BYTES).fill(block);
      for (let at = 0; at < bytes && !this.#stopped; at += STEP_BYTES) {
        const step = Math.min(STEP_BYTES, bytes - at);
        await backend.write(step === STEP_BYTES ? from : from.subarray(0, step), at);
        done += step;
        this.#progress = Math.floor((done / (bytes * passes)) * (PROGRESS_END - 1));
        const due = begun + (done / operationBytesPerSecond) * 1000;
        await this.#pause(Math.max(due - performance.now(), 0));
      }
      // Each pass reaches the medium, not only a cache.
      if (!this.#stopped) await backend.flush();
    }
  }
}

/** A turn of the event loop is given back after so much. */
const UNMAP_STEP_BYTES = 64 * STEP_BYTES;
