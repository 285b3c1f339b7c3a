/** What ended a copy: the count that was asked for, the end of a disk, or what the tape said. */
export type CopyStop =
  | 'count'
  | 'end of the disk'
  | 'full disk'
  | 'filemark'
  | 'filemarks or end of data'
  | 'end of data'
  | 'end of the list';

export interface CopyOutcome {
  /** Of a disk. */
  readonly blocks: number | undefined;
  readonly bytes: number;
  /** Zeros behind the data that fill up the last block or record. */
  readonly padding: number;
  /**
   * Read, and not copied: of a tape's last record what lies behind the last block that was wanted or had room, of a disk
   * what fills no whole record or block of the destination.
   */
  readonly leftOver: number;
  readonly stop: CopyStop;
  readonly segments: number;
  readonly commands: number;
  readonly elapsedMs: number;
  /** Bytes on the wire, both ways, for all of it. */
  readonly carriedBytes: number;
}

/** A copy that has been checked against the limits of the copy manager and can run, in one of two ways. */
export interface PreparedCopy {
  /** `disk to tape` */
  readonly kind: string;
  /** What will be copied, at most; undefined when only the tape knows. */
  readonly bytes: number | undefined;
  readonly record: number | undefined;
  /** The command that does it: EXTENDED COPY unless told. */
  readonly command?: string;
  /** Does it. Rejects with InitiatorError or ScsiError; a tape that ends is no error. */
  run(onProgress?: (bytes: number) => void, signal?: AbortSignal): Promise<CopyOutcome>;
  /** Begins it in the background, as one EXTENDED COPY(LID4), and resolves to its list identifier. */
  begin(): Promise<number>;
}
