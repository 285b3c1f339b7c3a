import type { MaybePromise } from '../bytes/maybe-promise.ts';

/** A run of bytes in one state; what is unmapped or anchored reads as zero. */
export interface Extent {
  readonly mapped: boolean;
  /** Mapped, and nothing has been written since it was anchored. */
  readonly anchored?: boolean;
  /** Bytes from the offset that was asked about; never 0. */
  readonly bytes: number;
}

/**
 * A medium of bytes. Every verb answers at once when it can and with a promise when it must, and throws or rejects with
 * MediumError. Offsets and lengths are multiples of `blockSize` and lie inside `bytes`: the command set has checked that.
 *
 * A write that has been answered is visible to every later read, survives kill -9 of this process, and survives a loss
 * of power once a later `flush` has been answered.
 */
export interface BlockBackend {
  /** Size of the medium. */
  readonly bytes: number;
  /** The grain of the allocation map: the logical block length, 512 or 4096. */
  readonly blockSize: number;
  readonly readOnly: boolean;
  /** Fills the whole of `into`. */
  read(into: Buffer, offset: number): MaybePromise<void>;
  /** The caller may reuse `from` once this is answered. Marks the range mapped before it answers. */
  write(from: Buffer, offset: number): MaybePromise<void>;
  /**
   * As `write`, and the range holds all of it or none of it whenever the process or the machine ends. No other request for
   * the range may run meanwhile. Absent: the backend cannot.
   */
  writeAtomic?(from: Buffer, offset: number): MaybePromise<void>;
  /** Everything answered so far is on stable storage when this is answered. */
  flush(): MaybePromise<void>;
  /** The range reads as zero and is no longer mapped. Length has no limit; the event loop is not held for long. */
  unmap(offset: number, length: number): MaybePromise<void>;
  /**
   * The range reads as zero and is mapped, as far as room goes: a write finds it there. Fails with `no-space`, and then
   * nothing has changed unless other writes took the room meanwhile. Absent: it cannot.
   */
  anchor?(offset: number, length: number): MaybePromise<void>;
  /**
   * The extent that begins at `offset`, at most `length` bytes of it. May end early: the next call goes on from there.
   */
  extent(offset: number, length: number): MaybePromise<Extent>;
  /** Bytes mapped now; what thin provisioning counts. */
  readonly mappedBytes: number;
  /** Most bytes that may be mapped: a write that would map more fails with `no-space`. Absent: all of them. */
  readonly allocationLimitBytes?: number | undefined;
  /**
   * Gives the medium another size, or takes note of the one that it has been given from outside when `bytes` is undefined;
   * a piece of a block at its end does not count. What is new reads as zero and is unmapped, unless others may have
   * written it. No other verb is under way. The size is on stable storage when this is answered. Absent: it cannot.
   */
  resize?(bytes: number | undefined): MaybePromise<void>;
  /** Ends the medium's use of files and locks. Does not flush. Idempotent. */
  close(): MaybePromise<void>;
}
