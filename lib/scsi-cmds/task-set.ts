import type { Task } from './task.ts';
import { Attribute } from './task.ts';

/**
 * Who runs now and who waits (SAM-5 clause 8). Parallel tasks run together, an exclusive one alone; a waiting exclusive
 * one holds back what came after it. ORDERED waits for all that came before it and holds back all that comes after it;
 * HEAD OF QUEUE goes before whoever waits, and beside an ORDERED one that runs.
 */
export class TaskSet {
  readonly #start: (task: Task) => void;
  #waiting: Task[] = [];
  #active = 0;
  /** What is active is an exclusive command. */
  #alone = false;
  /** What is active came with ORDERED, and perhaps HEAD OF QUEUE tasks beside it. */
  #ordered = false;
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
    const first = task.attribute === Attribute.HEAD_OF_QUEUE;
    if ((first || this.#waiting.length === 0) && this.#may(task)) {
      this.#take(task);
      return true;
    }
    if (first) this.#waiting.unshift(task);
    else this.#waiting.push(task);
    return false;
  }

  #may(task: Task): boolean {
    if (this.#active === 0) return true;
    if (this.#alone || task.command!.ordering === 'exclusive') return false;
    return task.attribute === Attribute.SIMPLE ? !this.#ordered : task.attribute === Attribute.HEAD_OF_QUEUE;
  }

  #take(task: Task): void {
    this.#active++;
    this.#alone = task.command!.ordering === 'exclusive';
    if (task.attribute === Attribute.ORDERED) this.#ordered = true;
    task.hasTurn = true;
  }

  /** The task has ended or was given up, whether it had its turn or still waited. */
  leave(task: Task): void {
    if (task.command === undefined || task.command.ordering === 'free') return;
    if (!task.hasTurn) {
      const at = this.#waiting.indexOf(task);
      if (at >= 0) this.#waiting.splice(at, 1);
    } else {
      this.#active--;
      if (this.#active === 0) this.#alone = false;
      if (task.attribute === Attribute.ORDERED) this.#ordered = false;
    }
  }

  /**
   * Gives turns to those who may now have one; to be called after `leave`. A task that ends while it is being started
   * only updates the counts: the loop below goes on, so that a long queue does not become a deep stack.
   */
  next(): void {
    if (this.#waiting.length === 0 || this.#starting) return;
    this.#starting = true;
    while (this.#waiting.length > 0 && this.#may(this.#waiting[0]!)) {
      const task = this.#waiting.shift()!;
      this.#take(task);
      this.#start(task);
    }
    this.#starting = false;
  }
}
