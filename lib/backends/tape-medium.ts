import type { MaybePromise } from '../bytes/maybe-promise.ts';

/** A place on the tape, as READ POSITION tells it (SSC-4 7.7). */
export interface TapePosition {
  /** Logical object number: records and filemarks before this place. 0 is the beginning of the partition. */
  readonly object: number;
  /** Filemarks before this place: the logical file identifier. */
  readonly file: number;
}

/** What lies next on the tape. */
export type TapeObject =
  | { readonly kind: 'record'; readonly length: number }
  | { readonly kind: 'filemark' }
  | { readonly kind: 'end-of-data' };

/** What stopped a space or locate before its count was done; `none` when nothing did. */
export type SpaceStop = 'none' | 'filemark' | 'end-of-data' | 'beginning';

export interface SpaceOutcome {
  /** Objects of the asked kind that were passed, always positive. */
  readonly moved: number;
  readonly stop: SpaceStop;
}

/** `early-warning`: it was written, and the end is near. `end-of-medium`: it was not written, nothing more fits. */
export type TapeWriteOutcome = 'written' | 'early-warning' | 'end-of-medium';

/**
 * A cartridge in a drive: records and filemarks, a position, and nothing of SCSI. Verbs move the position; outcomes are
 * values, trouble is a MediumError. One verb at a time: the task set of a tape runs its commands in order.
 *
 * Anything written survives kill -9 once it has been answered, and a loss of power once a later `sync` has been answered.
 */
export interface TapeMedium {
  readonly writeProtected: boolean;
  /** Bytes of records that fit, 0 for no limit. */
  readonly capacityBytes: number;
  /** Bytes of records before end of data. */
  readonly usedBytes: number;
  readonly position: TapePosition;
  /** Where end of data lies. */
  readonly end: TapePosition;
  readonly atBeginning: boolean;
  /** The position lies past the early warning point. */
  readonly pastEarlyWarning: boolean;

  /** What lies at the position; does not move. */
  peek(): MaybePromise<TapeObject>;
  /**
   * Moves over the object at the position. For a record copies its first bytes into `into`, as many as fit, once its
   * checksum has been verified over the whole record (MediumError `corrupt` with the position after it otherwise). Over
   * a filemark it moves to its far side; at end of data it does not move.
   */
  read(into: Buffer): MaybePromise<TapeObject>;
  /** Writes one record here; end of data is then behind it. The caller may reuse `from` once this is answered. */
  write(from: Buffer): MaybePromise<TapeWriteOutcome>;
  /** Writes `count` filemarks here; end of data is then behind them. A count of 0 writes nothing and erases nothing. */
  writeFilemarks(count: number): MaybePromise<TapeWriteOutcome>;
  /** Everything answered so far is on stable storage when this is answered. */
  sync(): MaybePromise<void>;

  /**
   * Over `count` records, backwards when negative. A filemark stops it: forwards on its far side, backwards on its near
   * side (towards the beginning), SSC-4 7.9.
   */
  spaceRecords(count: number): MaybePromise<SpaceOutcome>;
  /** Over `count` filemarks; backwards it ends on the beginning side of the last one. */
  spaceFilemarks(count: number): MaybePromise<SpaceOutcome>;
  spaceEndOfData(): MaybePromise<void>;
  /** To the object of that number; stops at end of data (`end-of-data`) when there are fewer. */
  locate(object: number): MaybePromise<SpaceStop>;
  rewind(): MaybePromise<void>;
  /** End of data becomes the position; what lay behind it is gone. */
  erase(): MaybePromise<void>;
  close(): MaybePromise<void>;
}
