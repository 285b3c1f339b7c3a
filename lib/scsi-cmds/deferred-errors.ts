import type { SenseFacts } from './sense.ts';

/** A nexus that has not been heard from since has this many at most: the first ones say what went wrong. */
const MOST_PENDING = 4;

/**
 * Failures of work that had been answered with GOOD before, by the nexus that asked for it: told with response code 71h
 * or 73h to its next command, which is not carried out (SPC-4 4.5.7).
 */
export class DeferredErrors {
  readonly #pending = new Map<string, SenseFacts[]>();

  get any(): boolean {
    return this.#pending.size > 0;
  }

  add(nexusId: string, facts: SenseFacts): void {
    const pending = this.#pending.get(nexusId) ?? [];
    if (pending.length < MOST_PENDING) pending.push({ ...facts, deferred: true });
    this.#pending.set(nexusId, pending);
  }

  /** The oldest one, taken off; undefined when none is pending. */
  take(nexusId: string): SenseFacts | undefined {
    const pending = this.#pending.get(nexusId);
    const facts = pending?.shift();
    if (pending?.length === 0) this.#pending.delete(nexusId);
    return facts;
  }

  forget(nexusId: string): void {
    this.#pending.delete(nexusId);
  }
}
