import { ALWAYS_BYTES, PROCESS_KEPT_BYTES, PROCESS_PAYLOAD_BYTES, SESSION_PAYLOAD_BYTES } from './limits.ts';

/** Who waits for payload credit. */
export interface Creditor {
  /** There may be credit now. */
  startHeld(): void;
}

/**
 * Payload bytes under way in all sessions together. A session that has nothing under way may always have one small
 * command, so that peers which take nothing cannot stop the others.
 */
export class PayloadBudget {
  #used = 0;
  #kept = 0;
  readonly #waiting = new Set<Creditor>();

  get used(): number {
    return this.#used;
  }

  /** There is room for `credit` more in a session that has `own` under way. */
  affords(own: number, credit: number): boolean {
    if (own === 0 && credit <= ALWAYS_BYTES) return true;
    if (own > 0 && own + credit > SESSION_PAYLOAD_BYTES) return false;
    return this.#used + credit <= PROCESS_PAYLOAD_BYTES;
  }

  take(credit: number): void {
    this.#used += credit;
  }

  give(credit: number): void {
    this.#used -= credit;
  }

  /** Of what is used, so many bytes more wait for an acknowledgement; fewer when negative. */
  keep(bytes: number): void {
    this.#kept += bytes;
  }

  get keepsTooMuch(): boolean {
    return this.#kept > PROCESS_KEPT_BYTES;
  }

  /** `creditor` has commands that wait; it is asked again when credit has come back. */
  wait(creditor: Creditor): void {
    this.#waiting.add(creditor);
  }

  forget(creditor: Creditor): void {
    this.#waiting.delete(creditor);
  }

  /** Credit has come back: those who wait look again, each in its turn. */
  wake(): void {
    if (this.#waiting.size === 0) return;
    for (const creditor of [...this.#waiting]) {
      this.#waiting.delete(creditor); // it comes back, at the end, when it has to go on waiting
      creditor.startHeld();
    }
  }
}
