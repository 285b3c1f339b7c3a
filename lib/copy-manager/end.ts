import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { decodeSense, SenseKey } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { Run } from './holes.ts';
import type { Errand, Initiator } from './initiator.ts';
import { CopyAbort, CopyCode, type CopyPointer } from './sense.ts';

/* A copy source or copy destination as the pump sees it: reads or writes of whole blocks, and what came of each. */

/** What a finished command came to. */
export interface Outcome {
  /** Bytes of what was read that are passed over before them. */
  readonly skipped?: number;
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

/** A block device as segments see it: a logical unit, or the null one. */
export interface BlockCscd {
  readonly kind: 'block';
  /** Undefined: there is none, and no command may be sent to it. */
  readonly lun: number | undefined;
  readonly pad: boolean;
  readonly blockBytes: number;
  readonly blocks: number;
  /** Unmapped runs of what is to be read that are long enough to be passed over. */
  holes(lba: number, bytes: number): MaybePromise<readonly Run[]>;
  /** Reads from `lba` on. `unit`: what is written at a time, so that reads end where writes do. */
  source(lba: number, unit: number, holes?: readonly Run[]): Source;
  /** Writes from `lba` on. */
  sink(lba: number): Sink;
  /** One block, to be changed in part; throws CopyAbort. */
  block(lba: number): Promise<Buffer>;
  command(cdb: Buffer, as?: CommandAs): Promise<void>;
}

/** What lies next on a tape. */
export type TapeObject =
  | { readonly kind: 'record'; readonly bytes: Buffer; release(): void }
  | { readonly kind: 'filemark' | 'end' };

/** A stream device as segments see it. */
export interface StreamCscd {
  readonly kind: 'stream';
  readonly lun: number | undefined;
  readonly pad: boolean;
  /** STREAM BLOCK LENGTH with FIXED = 1, otherwise 1: what a transfer length and a residual count in. */
  readonly blockBytes: number;
  source(transferLength: number): Source;
  sink(transferLength: number): Sink;
  /** Reads one object, a record whatever its length; throws CopyAbort. */
  object(): Promise<TapeObject>;
  /** Goes back over one object; throws CopyAbort. */
  back(over: 'record' | 'filemark'): Promise<void>;
  /** Writes one record. */
  put(record: Buffer): Promise<Outcome>;
  /** WRITE FILEMARKS(6); throws CopyAbort. */
  filemarks(count: number, immediate: boolean): Promise<void>;
  /** A command that moves no data of the copy; throws CopyAbort. */
  command(cdb: Buffer, as?: CommandAs): Promise<void>;
}

export type End = BlockCscd | StreamCscd;

/** A command's parameter list, and whose failure it tells: the destination's unless told. */
export interface CommandAs {
  readonly out?: Buffer;
  readonly role?: 'source' | 'destination';
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

const NO_BYTES = Buffer.alloc(0);

/** Sends a command that moves no data of the copy; throws CopyAbort when it fails. */
export async function carryOut(
  end: { readonly initiator: Initiator; readonly lun: number; readonly pointer: CopyPointer },
  cdb: Buffer,
  { out = NO_BYTES, role = 'destination' }: CommandAs = {},
): Promise<void> {
  const { status, sense } = await end.initiator.tell(end.lun, cdb, out);
  if (status === Status.GOOD) return;
  if (status === Status.CHECK_CONDITION && decodeSense(sense)?.key === SenseKey.RECOVERED_ERROR) return;
  throw deviceFailure(role, { outcome: status, sense }, end.pointer);
}
