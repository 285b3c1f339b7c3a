/** What a medium answers with: at once when it can, later when it must. Callers write one path with `settle`. */
export type MaybePromise<T> = T | Promise<T>;

/** Calls `done` at once for a value and later for a promise; `failed` likewise gets what was thrown or rejected. */
export function settle<T>(
  work: () => MaybePromise<T>,
  done: (value: T) => void,
  failed: (error: unknown) => void,
): void {
  let outcome: MaybePromise<T>;
  try {
    outcome = work();
  } catch (error) {
    failed(error);
    return;
  }
  if (outcome instanceof Promise) outcome.then(done, failed).catch(failed);
  else done(outcome);
}

/** Goes on with an outcome: at once when it is there, later when it is promised. */
export function after<T, U>(outcome: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return outcome instanceof Promise ? outcome.then(next) : next(outcome);
}
