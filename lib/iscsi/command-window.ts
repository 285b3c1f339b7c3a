import { serialAdd, serialDistance } from '../bytes/serial.ts';

/**
 * CmdSN order and credit of one session (RFC 7143 4.2.2.1). The room it announces is what it has: a command takes a
 * place when it is admitted and gives it back when its buffers are free, so MaxCmdSN is the backpressure.
 */
export class CommandWindow {
  expCmdSN: number;
  readonly #depth: number;
  #outstanding = 0;
  /** Requests that came before one with a smaller CmdSN; more than one connection can do that. */
  readonly #early = new Map<number, () => void>();

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
   * until `release`.
   */
  inOrder(cmdSN: number, holds: boolean, then: () => void): void {
    if (cmdSN !== this.expCmdSN) {
      this.#early.set(cmdSN, () => {
        this.advance(holds);
        then();
      });
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

  /** Those that came early and are now next. */
  catchUp(): void {
    while (this.#early.size > 0) {
      const later = this.#early.get(this.expCmdSN);
      if (later === undefined) return;
      this.#early.delete(this.expCmdSN);
      later();
    }
  }
}
