import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Progress } from '../progress.ts';

/** So much is moved between two looks at the clock, the signal and what else goes on. */
const BEAT_BYTES = 8 * 1024 * 1024;
/** A filemark or a short record costs time as well. */
const OBJECT_BYTES = 2048;

/** How long work goes on in one go: it tells how far it is, ends when it is to, and lets the loop do something else. */
export class Pulse {
  readonly #signal: AbortSignal;
  readonly #progress: Progress | undefined;
  #since = 0;
  #bytes = 0;

  constructor(signal: AbortSignal, progress?: Progress) {
    this.#signal = signal;
    this.#progress = progress;
  }

  /** A promise when it is time for a turn; it rejects when the work is to end. */
  moved(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    this.#since += bytes + OBJECT_BYTES;
    return this.#since < BEAT_BYTES ? undefined : this.#turn();
  }

  async #turn(): Promise<void> {
    this.#since = 0;
    this.#progress?.update(this.#bytes);
    await nextTurn();
    this.#signal.throwIfAborted();
  }
}
