import { Status } from '../scsi-cmds/status.ts';
import type { Errand } from './initiator.ts';
import { CopyAbort, CopyCode, type CopyPointer } from './sense.ts';

/* A copy source or copy destination as the pump sees it: reads or writes of whole blocks, and what came of each. */

/** What a finished command came to. */
export interface Outcome {
  /** Bytes that were read, or written for good. */
  readonly bytes: number;
  /** Why nothing goes on after it. */
  readonly abort: CopyAbort | undefined;
}

export interface Source {
  /** Commands that may be under way at once. */
  readonly depth: number;
  /** Bytes of the next read when `missing` more are wanted; whole blocks. */
  next(missing: number): number;
  read(bytes: number, done: (errand: Errand) => void): void;
  outcome(errand: Errand): Outcome;
}

export interface Sink {
  readonly depth: number;
  /** A whole-block transfer: the least that can be written. */
  readonly unit: number;
  /** The most that one command writes, a multiple of `unit`. */
  readonly most: number;
  write(from: Buffer, done: (errand: Errand) => void): void;
  outcome(errand: Errand): Outcome;
}

/** The command of a copy source or destination failed (SPC-4 5.17.7.4). */
export const deviceFailure = (
  from: 'source' | 'destination',
  errand: { readonly outcome: number; readonly sense: Buffer },
  pointer: CopyPointer,
): CopyAbort =>
  new CopyAbort(CopyCode.DEVICE_FAILURE, pointer, {
    from,
    status: errand.outcome,
    sense: errand.outcome === Status.CHECK_CONDITION ? errand.sense : Buffer.alloc(0),
  });
