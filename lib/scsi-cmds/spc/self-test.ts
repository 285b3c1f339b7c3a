import type { LogicalUnit } from '../logical-unit.ts';
import { senseOf } from '../medium-sense.ts';
import { CheckCondition, notReady, SenseKey, type SenseFacts } from '../sense.ts';

/** SELF-TEST CODE (SPC-4 6.42). */
export const SelfTestCode = {
  NONE: 0,
  BACKGROUND_SHORT: 1,
  BACKGROUND_EXTENDED: 2,
  ABORT_BACKGROUND: 4,
  FOREGROUND_SHORT: 5,
  FOREGROUND_EXTENDED: 6,
} as const;

/** SELF-TEST RESULTS (SPC-4 7.3.15). */
const Result = {
  PASSED: 0x0,
  ABORTED: 0x1,
  ABORTED_OTHERWISE: 0x2,
  FAILED: 0x7,
  IN_PROGRESS: 0xf,
} as const;

/** What a unit's test is given: how far it is, from 0 to 1, is told, and whether it should stop is asked. */
export interface SelfTestRun {
  readonly extended: boolean;
  progress: number;
  readonly stopped: boolean;
}

/** The twenty most recent ones are kept (SPC-4 7.3.15). */
const KEPT = 20;
const HOUR_SECONDS = 3600;
/** No first failure that has an address. */
const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;

class SelfTest implements SelfTestRun {
  readonly code: number;
  progress = 0;
  result: number = Result.IN_PROGRESS;
  stopped = false;
  hours = 0;
  sense: SenseFacts | undefined;

  constructor(code: number) {
    this.code = code;
  }

  get extended(): boolean {
    return this.code === SelfTestCode.BACKGROUND_EXTENDED || this.code === SelfTestCode.FOREGROUND_EXTENDED;
  }

  get background(): boolean {
    return this.code === SelfTestCode.BACKGROUND_SHORT || this.code === SelfTestCode.BACKGROUND_EXTENDED;
  }

  stop(result: number): void {
    this.stopped = true;
    this.result = result;
  }

  /** Self-test results log parameter, behind its header. */
  encode(): Buffer {
    const out = Buffer.alloc(16);
    out[0] = (this.code << 5) | this.result;
    out[1] = this.result === Result.FAILED ? 1 : 0; // SELF-TEST NUMBER: the medium is the one segment there is
    out.writeUInt16BE(this.hours, 2);
    const address = this.sense?.information;
    out.writeBigUInt64BE(address === undefined ? NO_ADDRESS : BigInt(address), 4);
    out[12] = this.sense?.key ?? 0;
    out.writeUInt16BE(this.sense?.code ?? 0, 13);
    return out;
  }
}

/** LOGICAL UNIT FAILED SELF-TEST. */
const failed = (): CheckCondition => new CheckCondition({ key: SenseKey.HARDWARE_ERROR, code: 0x3e03 });
/** LOGICAL UNIT NOT READY, SELF-TEST IN PROGRESS. */
const IN_PROGRESS = 0x0409;

/** The self-tests of one unit (SPC-4 5.10): the one that runs in the background, if any, and what came of the last ones. */
export class SelfTests {
  readonly #unit: LogicalUnit;
  /** Most recent first. */
  readonly #tests: SelfTest[] = [];

  constructor(unit: LogicalUnit) {
    this.#unit = unit;
  }

  get #running(): SelfTest | undefined {
    return this.#tests.find(test => test.background && test.result === Result.IN_PROGRESS);
  }

  get inBackground(): boolean {
    return this.#running !== undefined;
  }

  /** What REQUEST SENSE tells while a test runs in the background (SPC-4 5.10.4). */
  get progress(): SenseFacts | undefined {
    const test = this.#running;
    if (test === undefined) return undefined;
    const progress = Math.min(0xffff, Math.floor(test.progress * 0x1_0000));
    return { key: SenseKey.NOT_READY, code: IN_PROGRESS, progress };
  }

  /** Bodies of the parameters of log page 10h. */
  get results(): readonly Buffer[] {
    return Array.from({ length: KEPT }, (_, i) => this.#tests[i]?.encode() ?? Buffer.alloc(16));
  }

  /** Throws NOT READY while one runs in the background: there is one at a time. */
  requireIdle(): void {
    if (this.inBackground) throw notReady(IN_PROGRESS);
  }

  /** Runs the test in the foreground; `aborted` is asked between its steps. Rejects when the unit fails it. */
  async foreground(code: number, aborted: () => boolean): Promise<void> {
    const test = this.#begin(code);
    const run: SelfTestRun = {
      extended: test.extended,
      progress: 0,
      get stopped() {
        return test.stopped || aborted();
      },
    };
    await this.#carryOut(test, run);
    if (test.result === Result.FAILED) throw failed();
  }

  /** Begins a test that goes on after the command has ended. */
  background(code: number): void {
    const test = this.#begin(code);
    void this.#carryOut(test, test);
  }

  /** SEND DIAGNOSTIC asks for the end of the background test; false when there is none. */
  abort(): boolean {
    const test = this.#running;
    test?.stop(Result.ABORTED);
    return test !== undefined;
  }

  /** A reset or the end of the unit. */
  stop(): void {
    for (const test of this.#tests) {
      if (test.result === Result.IN_PROGRESS) test.stop(Result.ABORTED_OTHERWISE);
    }
  }

  #begin(code: number): SelfTest {
    const test = new SelfTest(code);
    this.#tests.unshift(test);
    this.#tests.length = Math.min(this.#tests.length, KEPT);
    return test;
  }

  async #carryOut(test: SelfTest, run: SelfTestRun): Promise<void> {
    try {
      await this.#unit.selfTest(run);
      if (test.result === Result.IN_PROGRESS)
        test.result = run.stopped ? Result.ABORTED_OTHERWISE : Result.PASSED;
    } catch (error) {
      const { identity, log, grain } = this.#unit;
      const of = { unit: identity.name, command: 'self-test', grain, writing: false };
      const { facts } = senseOf(error, log, of);
      if (test.result === Result.IN_PROGRESS) {
        test.result = Result.FAILED;
        test.sense = facts;
      }
    }
    test.hours = Math.min(0xffff, Math.floor(process.uptime() / HOUR_SECONDS));
  }
}
