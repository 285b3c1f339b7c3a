import type { LogicalUnit } from './logical-unit.ts';
import type { Nexus } from './nexus.ts';
import { Status } from './status.ts';
import type { Task } from './task.ts';

/** The tasks of one unit that have not ended, and what it takes to end them before their time (SAM-5 clause 7). */
export class UnitTasks {
  /** In no order; each task knows its place, so that it leaves without a search. */
  readonly all: Task[] = [];
  #waiting: (() => void)[] = [];

  add(task: Task): void {
    task.place = this.all.push(task) - 1;
  }

  remove(task: Task): void {
    const last = this.all.pop()!;
    if (last === task) return;
    this.all[task.place] = last;
    last.place = task.place;
  }

  /** A task has ended, and its carrier has had it: who waits for ends looks again. */
  ended(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const check of waiting) check();
  }

  /** Calls `then` when `met` holds, now or after the end of a task. */
  #when(met: () => boolean, then: () => void): void {
    if (met()) then();
    else this.#waiting.push(() => this.#when(met, then));
  }

  /** Resolves when none is left. */
  async drained(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#when(() => this.all.length === 0, resolve);
    });
  }

  /** See LogicalUnit.abort. */
  abort(unit: LogicalUnit, which: (task: Task) => boolean, done: () => void, by?: Nexus | 'owner'): void {
    const picked = this.all.filter(which);
    const tells = by === 'owner' || (by !== undefined && unit.modePages.taskAbortedStatus);
    // All are marked before the first one ends: its end gives a turn to the next, which must not run now.
    for (const task of picked) {
      task.aborted = true;
      task.tellsAborted = tells && (by === 'owner' || task.nexus.id !== by.id);
    }
    const running = picked.filter(task => task.phase === 'running');
    for (const task of running) task.command!.aborting?.(unit as never, task);
    for (const task of picked) if (task.phase === 'waiting') task.end(Status.TASK_ABORTED);
    this.#when(() => !running.some(task => this.all[task.place] === task && task.aborted), done);
  }
}
