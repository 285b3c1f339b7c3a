import type { MaybePromise } from '../../bytes/maybe-promise.ts';

/** An end of a log: the offset, and the checksum of the last frame header before it. */
export interface LogEnd {
  readonly offset: number;
  readonly chain: number;
}

/** Where a cartridge keeps its objects: something that only grows at its end, or is cut. Trouble is a MediumError. */
export interface TapeLog {
  /** Bytes before each object that hold its header; 0 when there are none and nothing is checked. */
  readonly headerBytes: number;
  read(into: Buffer, offset: number): MaybePromise<void>;
  /** Writes at the end, which is `offset`: headers, then the record when there is one. */
  append(headers: Buffer, record: Buffer | undefined, offset: number): MaybePromise<void>;
  /** Makes that the end. */
  cut(end: LogEnd): MaybePromise<void>;
  /** Gives up what an append that failed may have left behind `offset`. Never throws. */
  discard(offset: number): void;
  /** Everything before `end` is on stable storage when this is answered. */
  sync(end: LogEnd): MaybePromise<void>;
  close(end: LogEnd): MaybePromise<void>;
}
