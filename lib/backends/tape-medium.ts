import type { MaybePromise } from '../bytes/maybe-promise.ts';

/** A place on the tape, as READ POSITION tells it (SSC-4 7.7). */
export interface TapePosition {
  readonly partition: number;
  /** Logical object number: records and filemarks before this place. 0 is the beginning of the partition. */
  readonly object: number;
  /** Filemarks before this place: the logical file identifier. */
  readonly file: number;
}

/** A record as it lies on the tape. */
export interface TapeRecord {
  readonly kind: 'record';
  /** Bytes of the record as the initiator wrote it. */
  readonly length: number;
  /** Bytes that are kept of it. */
  readonly storedBytes: number;
  /** How the stored bytes give the record: the drive's business, which the medium only keeps. 0: they are the record. */
  readonly coding: number;
}

/** What lies next on the tape. */
export type TapeObject = TapeRecord | { readonly kind: 'filemark' } | { readonly kind: 'end-of-data' };

/** How a record is kept that is not kept as it came. */
export interface RecordForm {
  readonly length: number;
  /** 0 to 255. */
  readonly coding: number;
}

/** What stopped a space or locate before its count was done; `none` when nothing did. */
export type SpaceStop = 'none' | 'filemark' | 'end-of-data' | 'beginning';

export interface SpaceOutcome {
  /** Objects of the asked kind that were passed, always positive. */
  readonly moved: number;
  readonly stop: SpaceStop;
}

/** `early-warning`: it was written, and the end is near. `end-of-medium`: it was not written, nothing more fits. */
export type TapeWriteOutcome = 'written' | 'early-warning' | 'end-of-medium';

/** SSC-4 4.2.7: what the medium partition page and LTFS go by. */
export const MAX_PARTITIONS = 4;

export interface TapePartition {
  /** Stored bytes that fit, 0 for no limit. */
  readonly capacityBytes: number;
  /** Stored bytes before end of data. */
  readonly usedBytes: number;
  /** Where end of data lies. */
  readonly end: TapePosition;
}

/** What is written on a cartridge. */
export interface CartridgeLabel {
  /** 32 hexadecimal digits; never changes. */
  readonly uuid: string;
  readonly barcode: string;
  /** As SET CAPACITY left it; 0 for no limit. */
  readonly capacityBytes: number;
  /** What is written can be appended to but not written over. */
  readonly worm: boolean;
  /** Such as 'LTO-6'; '' for none in particular. */
  readonly mediaType: string;
}

/** An attribute of the medium auxiliary memory (SPC-4 7.4); what it means is the drive's business. */
export interface MediumAttribute {
  /** 0 to FFFFh. */
  readonly id: number;
  /** FORMAT: binary, ASCII or text. */
  readonly format: number;
  readonly readOnly?: boolean;
  /** An attribute that is set to nothing is gone. */
  readonly value: Uint8Array;
}

/** The partition number under which attributes of the whole medium are kept. */
export const WHOLE_MEDIUM = -1;

export interface MediumAttributes {
  get(partition: number, id: number): MediumAttribute | undefined;
  /** In the order of their identifiers. */
  entries(partition: number): readonly MediumAttribute[];
  /**
   * All of the changes or none, and on stable storage when this is answered. MediumError `no-space` when they do not fit,
   * `write-protected` when the cartridge is.
   */
  set(partition: number, changes: readonly MediumAttribute[]): MaybePromise<void>;
}

/**
 * A cartridge in a drive: records and filemarks, a position, and nothing of SCSI. Verbs move the position; outcomes are
 * values, trouble is a MediumError. One verb at a time: the task set of a tape runs its commands in order.
 *
 * Anything written survives kill -9 once it has been answered, and a loss of power once a later `sync` has been answered.
 * What cuts the tape of a WORM cartridge fails with `worm`, unless only filemarks before end of data would go.
 */
export interface TapeMedium {
  readonly label: CartridgeLabel;
  readonly attributes: MediumAttributes;
  readonly writeProtected: boolean;
  /** The most that SET CAPACITY can give back, 0 for no limit. */
  readonly nativeCapacityBytes: number;
  readonly partitions: readonly TapePartition[];

  readonly position: TapePosition;
  /* Of the partition where the position is: */
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly end: TapePosition;
  readonly atBeginning: boolean;
  /** Bytes between the position and the end of the partition; Infinity when there is no limit. */
  readonly leftBytes: number;
  /** Early warning is where so many bytes are left. */
  readonly earlyWarningBytes: number;
  readonly pastEarlyWarning: boolean;

  /** What lies at the position; does not move. */
  peek(): MaybePromise<TapeObject>;
  /**
   * Moves over the object at the position. For a record copies its first stored bytes into `into`, as many as fit, once its
   * checksum has been verified over the whole record (MediumError `corrupt` with the position after it otherwise). Over
   * a filemark it moves to its far side; at end of data it does not move.
   */
  read(into: Buffer): MaybePromise<TapeObject>;
  /**
   * Writes one record here, as it came or in the form told; end of data is then behind it. The caller may reuse `from` once
   * this is answered.
   */
  write(from: Buffer, as?: RecordForm): MaybePromise<TapeWriteOutcome>;
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
  /** To the object of that number, of this partition unless told; stops at end of data (`end-of-data`) when there are fewer. */
  locate(object: number, partition?: number): MaybePromise<SpaceStop>;
  /** To the beginning of a partition. */
  changePartition(partition: number): MaybePromise<void>;
  /** To the beginning of this partition. */
  rewind(): MaybePromise<void>;
  /** End of data of this partition becomes the position; what lay behind it is gone. */
  erase(): MaybePromise<void>;

  /**
   * Makes a partition for each capacity (0 for no limit, with one partition only), durably; everything is erased, and the
   * position is the beginning of partition 0. Together they are no more than the capacity of the label.
   */
  format(capacities: readonly number[]): MaybePromise<void>;
  /** SET CAPACITY: everything is erased, durably, and there is one partition of that many bytes, 0 for the native capacity. */
  setCapacity(bytes: number): MaybePromise<void>;
  close(): MaybePromise<void>;
}
