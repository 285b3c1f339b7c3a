import type { MaybePromise } from '../../bytes/maybe-promise.ts';

/** A place in a partition, and what lies before it. */
export interface Place {
  readonly object: number;
  readonly file: number;
  /** Where the object begins, in bytes from the partition's beginning. */
  readonly offset: number;
  /** Stored bytes of the records before it. */
  readonly bytes: number;
}

/** An end of a log, with all that is needed to go on from there. */
export interface LogPoint extends Place {
  /** Checksum of the last frame header before it. */
  readonly chain: number;
  /** Offset of the last index frame before it; 0 when there is none. */
  readonly head: number;
}

/**
 * Where a partition keeps its objects: something that only grows at its end, or is cut. Offsets count from the beginning of
 * the partition. Trouble is a MediumError.
 */
export interface TapeLog {
  /** Frames have checksums, which are looked at; memory needs none. */
  readonly checked: boolean;
  read(into: Buffer, offset: number): MaybePromise<void>;
  /** Fills both, one from behind the other. */
  readPair(first: Buffer, second: Buffer, offset: number): MaybePromise<void>;
  /** Writes at the end, which is `offset`: headers, then the record when there is one. */
  append(headers: Buffer, record: Buffer | undefined, offset: number): MaybePromise<void>;
  /** Makes that the end. */
  cut(end: LogPoint): MaybePromise<void>;
  /** Gives up what an append that failed may have left behind `offset`. Never throws. */
  discard(offset: number): void;
  /** Everything before `end` has been answered: who finds the log after kill -9 may begin there. Never throws. */
  reached(end: LogPoint): void;
  /** Everything before `end` is on stable storage when this is answered. */
  sync(end: LogPoint): MaybePromise<void>;
  /** `trailer` goes behind the end. */
  close(end: LogPoint, trailer: Buffer): MaybePromise<void>;
}
