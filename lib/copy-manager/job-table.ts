import type { Nexus } from '../scsi-cmds/nexus.ts';
import type { Job } from './job.ts';
import { MAX_COPIES, MAX_COPIES_OF_NEXUS, MAX_RESULTS_OF_NEXUS } from './limits.ts';
import { CopyCode, refused } from './sense.ts';

/**
 * The copies of one target: those that run, and what is known of finished ones until it is fetched. List identifiers
 * belong to the I_T nexus (SPC-4 5.17.4.2); with the nexus goes what was kept for it.
 */
export class JobTable {
  readonly #running = new Set<Job>();
  readonly #known = new WeakMap<Nexus, Map<number, Job>>();
  #idle: (() => void)[] = [];

  get running(): ReadonlySet<Job> {
    return this.#running;
  }

  /** There is no room for one more copy of that nexus. */
  full(nexus: Nexus): boolean {
    if (this.#running.size >= MAX_COPIES) return true;
    let own = 0;
    for (const job of this.#running) if (job.nexus === nexus) own++;
    return own >= MAX_COPIES_OF_NEXUS;
  }

  /** Throws OPERATION IN PROGRESS for a list identifier that is in use (SPC-4 5.17.4.2). */
  requireUnused(nexus: Nexus, listId: number | undefined): void {
    if (listId !== undefined && this.find(nexus, listId)?.running === true) {
      throw refused(CopyCode.OPERATION_IN_PROGRESS);
    }
  }

  /** Results of an earlier copy with the same list identifier are gone. */
  add(job: Job): void {
    this.#running.add(job);
    if (job.listId === undefined) return;
    let known = this.#known.get(job.nexus);
    if (known === undefined) this.#known.set(job.nexus, (known = new Map()));
    known.set(job.listId, job);
  }

  find(nexus: Nexus, listId: number): Job | undefined {
    const job = this.#known.get(nexus)?.get(listId);
    if (job === undefined || job.running || job.resets === job.unit.resets) return job;
    this.forget(job);
    return undefined;
  }

  /** All that was known of the copy has been fetched, or is no longer so. */
  forget(job: Job): void {
    this.#known.get(job.nexus)?.delete(job.listId!);
  }

  finished(job: Job): void {
    this.#running.delete(job);
    const known = this.#known.get(job.nexus);
    if (known !== undefined && job.listId !== undefined) {
      // Behind those that finished before it: the first of them is the oldest.
      known.delete(job.listId);
      known.set(job.listId, job);
      const results = [...known.values()].filter(one => !one.running);
      for (const old of results.slice(0, Math.max(0, results.length - MAX_RESULTS_OF_NEXUS)))
        known.delete(old.listId!);
    }
    if (this.#running.size === 0) {
      const waiting = this.#idle;
      this.#idle = [];
      for (const go of waiting) go();
    }
  }

  /** Resolves when no copy runs. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>(resolve => this.#idle.push(resolve));
  }
}
