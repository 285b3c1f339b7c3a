import { serialAdd, serialDistance } from '../bytes/serial.ts';

/** A request that came before one with a smaller CmdSN. */
interface Early {
  /** By whom it came. */
  readonly owner: unknown;
  /** Takes its number and runs it. */
  readonly run: () => void;
  /** Called when it is forgotten. */
  readonly lost: (() => void) | undefined;
}

/**
 * CmdSN order and credit of one session (RFC 7143 4.2.2.1), over all its connections. The room it announces is what it
 * has: a command takes a place when it is admitted and gives it back when its buffers are free, so MaxCmdSN is the
 * backpressure.
 */
export class CommandWindow {
  expCmdSN: number;
  readonly #depth: number;
  #outstanding = 0;
  /** Several connections, or a PDU that was lost to a digest, can bring numbers out of order. */
  readonly #early = new Map<number, Early>();
  /** Who waits until every number before `cmdSN` has come. */
  #waiting: { readonly cmdSN: number; readonly run: () => void }[] = [];

  constructor(firstCmdSN: number, depth: number) {
    this.expCmdSN = firstCmdSN;
    this.#depth = depth;
  }

  get maxCmdSN(): number {
    return serialAdd(this.expCmdSN, this.#depth - 1 - this.#outstanding);
  }

  /** The number is inside the window and has not been seen. Others are ignored in silence (RFC 7143 4.2.2.1). */
  takes(cmdSN: number): boolean {
    const ahead = serialDistance(cmdSN, this.expCmdSN);
    return ahead >= 0 && serialDistance(cmdSN, this.maxCmdSN) <= 0 && !this.#early.has(cmdSN);
  }

  /** It is the next in order. */
  isNext(cmdSN: number): boolean {
    return cmdSN === this.expCmdSN;
  }

  /** The next in order is taken in, and with `holds` keeps a place until `release`. */
  advance(holds: boolean): void {
    this.expCmdSN = serialAdd(this.expCmdSN, 1);
    if (holds) this.#outstanding++;
  }

  release(): void {
    this.#outstanding--;
  }

  /**
   * Runs `then` when the number's turn has come: now, or when those before it are there. With `holds` it keeps a place
   * until `release`. What waits is forgotten with its `owner`, and `lost` is called.
   */
  inOrder(cmdSN: number, holds: boolean, then: () => void, owner?: unknown, lost?: () => void): void {
    if (cmdSN !== this.expCmdSN) {
      const run = (): void => {
        this.advance(holds);
        then();
      };
      this.#early.set(cmdSN, { owner, run, lost });
      return;
    }
    this.advance(holds);
    then();
    this.catchUp();
  }

  /** A number that never comes counts as received (RFC 7143 11.5.5). False: it is not between the next and `before`. */
  skip(cmdSN: number, before: number): boolean {
    if (serialDistance(before, cmdSN) <= 0 || !this.takes(cmdSN)) return false;
    this.inOrder(cmdSN, false, () => {});
    return true;
  }

  /** Every number before `cmdSN` that has not come counts as received. */
  skipTo(cmdSN: number): void {
    for (let at = this.expCmdSN; this.takes(at) || this.#early.has(at); at = serialAdd(at, 1)) {
      if (serialDistance(cmdSN, at) <= 0) return;
      this.skip(at, cmdSN);
    }
  }

  /**
   * Runs `then` when every number before `cmdSN` has come; at once when it is none that can be waited for, or as many wait
   * as there are numbers.
   */
  whenReached(cmdSN: number, then: () => void): void {
    const ahead = serialDistance(cmdSN, this.expCmdSN);
    if (ahead <= 0 || ahead > this.#depth || this.#waiting.length >= this.#depth) then();
    else this.#waiting.push({ cmdSN, run: then });
  }

  /** Those that came early and are now next. */
  catchUp(): void {
    while (this.#early.size > 0) {
      const later = this.#early.get(this.expCmdSN);
      if (later === undefined) break;
      this.#early.delete(this.expCmdSN);
      later.run();
    }
    if (this.#waiting.length === 0) return;
    const reached = this.#waiting.filter(({ cmdSN }) => serialDistance(cmdSN, this.expCmdSN) <= 0);
    if (reached.length === 0) return;
    this.#waiting = this.#waiting.filter(each => !reached.includes(each));
    for (const { run } of reached) run();
  }

  /** What came early by `owner` has not come: it was not acknowledged, and may come again (RFC 7143 7.2.1). */
  forget(owner: unknown): void {
    for (const [cmdSN, early] of this.#early) {
      if (early.owner !== owner) continue;
      this.#early.delete(cmdSN);
      early.lost?.();
    }
  }
}
