import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { TapeRecord } from '../../backends/tape-medium.ts';

/** What the drive made of a record before it was kept. */
export interface Coding {
  readonly compressed: boolean;
  readonly encrypted: boolean;
}

export function codingOf(coding: number): Coding | undefined {
  return coding === 0 ? { compressed: false, encrypted: false } : undefined;
}

export function decoded(stored: Buffer, record: TapeRecord): MaybePromise<Buffer> {
  if (record.coding === 0) return stored;
  throw new Error('is kept in a way that is not known here');
}
