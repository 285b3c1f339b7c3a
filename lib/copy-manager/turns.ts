import { SLICE_MS } from './limits.ts';

/**
 * The copies' share of the event loop: together they work SLICE_MS a turn, one after the other, so that a copy between
 * media that answer at once holds up neither ordinary commands nor its own RECEIVE COPY STATUS.
 */
export class Turns {
  #began = 0;
  #waiting: (() => void)[] = [];

  /** This turn's share is used up: whoever asks goes on by `later`. */
  over(): boolean {
    const now = performance.now();
    if (this.#began === 0) {
      this.#began = now;
      setImmediate(() => {
        this.#began = 0;
      });
    }
    return now - this.#began > SLICE_MS;
  }

  /** Goes on in a later turn of the event loop; the longest waiting first. */
  later(go: () => void): void {
    this.#waiting.push(go);
    if (this.#waiting.length === 1) setImmediate(this.#next);
  }

  /** For those who wait between segments. */
  async rest(): Promise<void> {
    if (this.over()) await new Promise<void>(resolve => this.later(resolve));
  }

  readonly #next = (): void => {
    const go = this.#waiting.shift();
    if (this.#waiting.length > 0) setImmediate(this.#next);
    go?.();
  };
}
