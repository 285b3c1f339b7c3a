import type { MaybePromise } from '../bytes/maybe-promise.ts';

/** Goes on with an outcome: at once when it is there, later when it is promised. */
export function after<T, U>(outcome: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return outcome instanceof Promise ? outcome.then(next) : next(outcome);
}
