import type { End } from '../cscd/resolve.ts';
import type { DataQueue } from '../data-queue.ts';
import type { PumpOrder, PumpResult } from '../pump.ts';
import type { CopyAbort } from '../sense.ts';

/** What a segment type wants of a CSCD (SPC-4 table 134): block devices, or stream devices. */
export type Role = 'block' | 'stream';

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
  readonly cat: boolean;
  readonly destinationCount: boolean;
  /** The copy sources and destinations that its type has roles for. */
  readonly source: End | undefined;
  readonly destination: End | undefined;
}

export interface MoveOrder extends Omit<PumpOrder, 'sourceData' | 'destinationData' | 'wrote'> {
  readonly silent?: boolean;
}

/** What an executor works with: the job, as far as it is a segment's business. */
export interface Work {
  /** Residual data of earlier segments, whatever their CSCDs (SPC-4 5.17.7.2). */
  readonly sourceData: DataQueue;
  readonly destinationData: DataQueue;
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

/** A segment descriptor type: a row of segments/registry.ts. */
export interface SegmentType {
  readonly code: number;
  /** SPC-4 6.4.6.1 table 146. */
  readonly name: string;
  /** The whole descriptor. Its length is the only one allowed. */
  readonly layout: { readonly length: number; readonly usage: Uint8Array };
  readonly source?: Role;
  readonly destination?: Role;
  /**
   * A CSCD of the wrong role: `refuse` with UNSUPPORTED SEGMENT DESCRIPTOR TYPE CODE before any segment is processed,
   * or `abort` with INVALID OPERATION FOR COPY SOURCE OR DESTINATION when this one is.
   */
  readonly wrongRole: 'refuse' | 'abort';
  /** STREAM DEVICE TRANSFER LENGTH of the source or the destination, whichever is the stream. */
  readonly streamTransfer?: {
    readonly of: 'source' | 'destination';
    length(bytes: Uint8Array): number;
    readonly at: number;
  };
  /** Does it; throws SegmentFailure or CopyAbort. */
  run(segment: Segment, work: Work): Promise<void>;
}
