/**
 * The times between which the last write of ours to a file lies, kept on disk beside it: whoever finds the file after kill -9
 * sees from its modification time whether somebody else has written to it since.
 *
 * While there are writes the later time lies ahead, so that a write costs no look at the clock; once there are none, both
 * are the file's own. What is left is a write by somebody else within LEASE_MS of our last one, which is taken for ours.
 * All else that can go wrong (a clock set, a loop held up, a time that could not be kept) makes our own write look
 * foreign, which is the safe side.
 */
export interface LeaseKeeper {
  /** The file's modification time in ns. */
  modified(): bigint;
  /** Writes are under way. */
  busy(): boolean;
  keep(fromNs: bigint, untilNs: bigint): void;
}

/** How often it is looked after while there are writes. */
const LOOK_MS = 500;
/** Twice that and more: a timer may be late on a busy loop. */
const LEASE_MS = 1500;
const NS_PER_MS = 1_000_000n;

export class WriteLease {
  readonly #keeper: LeaseKeeper;
  /** Runs while there are writes; the file's own time is kept when there is none. */
  #timer: NodeJS.Timeout | undefined;
  /** Since it was last looked after. */
  #used = false;

  constructor(keeper: LeaseKeeper) {
    this.#keeper = keeper;
  }

  /** Before every write. */
  use(): void {
    this.#used = true;
    if (this.#timer === undefined) this.#begin();
  }

  #begin(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#keep(LEASE_MS);
  }

  #look(): void {
    if (this.#used || this.#keeper.busy()) this.#keep(LEASE_MS);
    else if (this.#keep(0)) this.end();
    this.#used = false;
  }

  /** False when it could not be kept. The older one counts then: a later write looks foreign. */
  #keep(aheadMs: number): boolean {
    try {
      const modified = this.#keeper.modified();
      this.#keeper.keep(modified, aheadMs === 0 ? modified : BigInt(Date.now() + aheadMs) * NS_PER_MS);
      return true;
    } catch {
      return false;
    }
  }

  /** Nothing is kept from now on until the next use. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
