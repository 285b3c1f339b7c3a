/**
 * Joins flushes. One that is asked for while another runs must not share that one's outcome, because writes may have been
 * answered since it began: it waits for the next, and so does everyone else who asks meanwhile.
 */
export class Flusher {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `work` covers whatever has been answered by the time it is called. */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  flush(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  /** When none runs and none waits; never rejects. */
  async settled(): Promise<void> {
    for (let last = this.#next ?? this.#running; last !== undefined; last = this.#next ?? this.#running) {
      await last.catch(() => undefined);
    }
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const running = this.#work().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
