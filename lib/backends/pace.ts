export interface Pacing {
  /** Whether a request of that many bytes may be made synchronously. */
  maySync(bytes: number): boolean;
  /** Tells how long a synchronous request took. */
  took(bytes: number, ms: number): void;
}

/** For a program that serves nobody meanwhile: the thread pool would only cost. */
export const AT_ONCE: Pacing = { maySync: () => true, took: () => undefined };

/**
 * Decides whether the next request to a file is made on the event loop or through the thread pool.
 *
 * A request that the page cache answers takes 2-4 µs when made synchronously and 55-75 µs through the pool, but one that
 * must wait for a device would hold up every session. So: synchronous for as long as that has been quick; after two slow
 * ones in a row a stretch of asynchronous requests, then one synchronous probe. Each slow probe doubles the stretch, so that a
 * device that stays slow stops the loop for one request in a thousand.
 */
export class Pace implements Pacing {
  /** Requests still to be made asynchronously before the next probe. */
  #left = 0;
  #stretch = FIRST_STRETCH;
  /** The last one was slow. Once may be the scheduler's doing; a device that is slow is slow again. */
  #slow = false;
  /** Quick requests since the last slow one. */
  #quick = 0;

  maySync(bytes: number): boolean {
    if (bytes > SYNC_LIMIT_BYTES) return false;
    if (this.#left === 0) return true;
    this.#left--;
    return false;
  }

  took(bytes: number, ms: number): void {
    if (ms <= PATIENCE_MS + bytes * PATIENCE_MS_PER_BYTE) {
      this.#slow = false;
      if (++this.#quick === TRUST_AFTER) this.#stretch = FIRST_STRETCH;
      return;
    }
    const again = this.#slow || this.#stretch > FIRST_STRETCH;
    this.#slow = true;
    this.#quick = 0;
    if (!again) return;
    this.#left = this.#stretch;
    this.#stretch = Math.min(this.#stretch * 2, LAST_STRETCH);
  }
}

/** Longer than the page cache needs even when the processor is shared, shorter than most devices. */
const PATIENCE_MS = 0.3;
/** 1 GB/s: a slow copy from the page cache. */
const PATIENCE_MS_PER_BYTE = 1e-6;
const FIRST_STRETCH = 8;
const LAST_STRETCH = 1024;
/** After so many quick requests in a row what was slow before is forgotten. */
const TRUST_AFTER = 64;
/** Above this the copy itself holds up the loop for longer than the thread pool costs. */
export const SYNC_LIMIT_BYTES = 256 * 1024;
