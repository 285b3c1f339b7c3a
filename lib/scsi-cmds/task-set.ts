import type { Task } from './task.ts';
import { Attribute } from './task.ts';

/**
 * Who runs now and who waits (SAM-5 clause 8). Parallel tasks run together, an exclusive one alone; a waiting exclusive
 * one holds back what came after it. ORDERED makes a task exclusive, HEAD OF QUEUE puts it in front.
 */
export class TaskSet {
  readonly #start: (task: Task) => void;
  #waiting: Task[] = [];
  #active = 0;
  #alone = false;
  #starting = false;

  /** `start` is called when a task that had to wait gets its turn. */
  constructor(start: (task: Task) => void) {
    this.#start = start;
  }

  get idle(): boolean {
    return this.#active === 0 && this.#waiting.length === 0;
  }

  /** True when the task has its turn now; otherwise it waits for `start`. */
  enter(task: Task): boolean {
    if (task.command!.ordering === 'free') {
      task.hasTurn = true;
      return true;
    }
    const alone = isExclusive(task);
    if (this.#waiting.length === 0 && !this.#alone && (!alone || this.#active === 0)) {
      this.#active++;
      this.#alone = alone;
      task.hasTurn = true;
      return true;
    }
    if (task.attribute === Attribute.HEAD_OF_QUEUE) this.#waiting.unshift(task);
    else this.#waiting.push(task);
    return false;
  }

  /** The task has ended or was given up, whether it had its turn or still waited. */
  leave(task: Task): void {
    if (task.command === undefined || task.command.ordering === 'free') return;
    if (!task.hasTurn) {
      const at = this.#waiting.indexOf(task);
      if (at >= 0) this.#waiting.splice(at, 1);
    } else {
      this.#active--;
      if (this.#alone && this.#active === 0) this.#alone = false;
    }
  }

  /**
   * Gives turns to those who may now have one; to be called after `leave`. A task that ends while it is being started
   * only updates the counts: the loop below goes on, so that a long queue does not become a deep stack.
   */
  next(): void {
    if (this.#waiting.length === 0 || this.#starting) return;
    this.#starting = true;
    while (this.#waiting.length > 0 && !this.#alone) {
      const task = this.#waiting[0]!;
      const alone = isExclusive(task);
      if (alone && this.#active > 0) break;
      this.#waiting.shift();
      this.#active++;
      this.#alone = alone;
      task.hasTurn = true;
      this.#start(task);
    }
    this.#starting = false;
  }
}

const isExclusive = (task: Task): boolean =>
  task.command!.ordering === 'exclusive' || task.attribute === Attribute.ORDERED;
