import type { End } from '../end.ts';
import type { DataQueue } from '../data-queue.ts';
import type { Errand } from '../initiator.ts';
import type { ParameterList } from '../parameter-list.ts';
import type { PumpOrder, PumpResult } from '../pump.ts';
import type { CopyAbort } from '../sense.ts';
import type { BlockRange } from '../tokens/rod.ts';

/** What a segment type wants of a CSCD (SPC-4 table 134): block devices, stream devices, or whichever there is. */
export type Role = 'block' | 'stream' | 'any';

/** PERIPHERAL DEVICE TYPE of each role, and which of them there are ends for. */
export const roleOf = (deviceType: number): Role | undefined => ROLES.get(deviceType);

const ROLES: ReadonlyMap<number, Role> = new Map([
  [0x00, 'block'],
  [0x04, 'block'],
  [0x05, 'block'],
  [0x07, 'block'],
  [0x0e, 'block'],
  [0x01, 'stream'],
  [0x03, 'stream'],
]);

/** A segment descriptor whose time has come. */
export interface Segment {
  readonly bytes: Buffer;
  /** Its number in the list, from 0. */
  readonly number: number;
  readonly cat: boolean;
  readonly destinationCount: boolean;
  /** The copy sources and destinations that its type has roles for. */
  readonly source: End | undefined;
  readonly destination: End | undefined;
}

export interface MoveOrder extends Omit<PumpOrder, 'sourceData' | 'destinationData' | 'wrote' | 'processed'> {
  /** Instead of what earlier segments left. */
  readonly sourceData?: DataQueue;
  readonly destinationData?: DataQueue;
  readonly silent?: boolean;
}

/** What an executor works with: the job, as far as it is a segment's business. */
export interface Work {
  /** Residual data of earlier segments, whatever their CSCDs (SPC-4 5.17.7.2). */
  readonly sourceData: DataQueue;
  readonly destinationData: DataQueue;
  readonly inline: Buffer;
  /** As a write that ends well, to nothing. */
  writeNothing(from: Buffer, done: (errand: Errand) => void): void;
  /** Adds blocks of the unit that the command was sent to to the ROD of a CSCD; throws CopyAbort, and CheckCondition where SPC-4 wants ILLEGAL REQUEST. */
  populate(id: number, ranges: readonly BlockRange[]): Promise<void>;
  /** To be done after all other segments, also when one of them fails (15h); throws CopyAbort. */
  afterAll(segment: Segment, last: () => Promise<void>): void;
  /** Gives the event loop its turn when the copies have had theirs. */
  rest(): Promise<void>;
  /** Nothing more is to be sent. */
  readonly stopped: boolean;
  /** `silent`: what is written is told by `wrote` later. */
  pump(order: MoveOrder): Promise<PumpResult>;
  /** Bytes that are now written, in order. */
  wrote(bytes: number): void;
}

/** A segment that failed. `residual` in bytes or blocks as SPC-4 5.17.7.4 c) has it; absent when nothing was written. */
export class SegmentFailure {
  readonly abort: CopyAbort;
  readonly residual: number | undefined;

  constructor(abort: CopyAbort, residual?: number) {
    this.abort = abort;
    this.residual = residual;
  }
}

export interface StreamTransfer {
  readonly of: 'source' | 'destination';
  readonly field: { readonly offset: number; get(bytes: Uint8Array): number };
}

/** A segment descriptor type: a row of segments/registry.ts. */
export interface SegmentType {
  readonly code: number;
  /** SPC-4 6.4.6.1 table 146. */
  readonly name: string;
  /** The whole descriptor. Its length is the only one allowed, or the least one when it is variable. */
  readonly layout: { readonly length: number; readonly usage: Uint8Array };
  readonly variable?: boolean;
  /** What it processes is held for RECEIVE COPY DATA (SPC-4 5.17.4.5). */
  readonly holds?: boolean;
  /** The blocks that it adds to a ROD, and where in the descriptor they begin to be named. */
  readonly ranges?: (bytes: Buffer) => readonly BlockRange[];
  /** Refuses what can be told before any segment is processed: gives back the byte that is wrong. */
  wrong?(bytes: Uint8Array, list: ParameterList, ownDeviceType: number): number | undefined;
  readonly source?: Role;
  readonly destination?: Role;
  /**
   * A CSCD of the wrong role: `refuse` with UNSUPPORTED SEGMENT DESCRIPTOR TYPE CODE before any segment is processed,
   * or `abort` with INVALID OPERATION FOR COPY SOURCE OR DESTINATION when this one is.
   */
  readonly wrongRole: 'refuse' | 'abort';
  /** STREAM DEVICE TRANSFER LENGTH of each end that is a stream, and where it stands. */
  readonly streamTransfers?: readonly StreamTransfer[];
  /** Does it; throws SegmentFailure or CopyAbort. */
  run(segment: Segment, work: Work): Promise<void>;
}
