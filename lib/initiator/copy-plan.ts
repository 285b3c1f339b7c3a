import {
  CSCD_BYTES,
  MOST_SEGMENT_BLOCKS,
  MOST_TRANSFER_BYTES,
  type Segment,
  segmentBytes,
  SegmentType,
} from './copy-list.ts';
import type { CopyLimits } from './copy-limits.ts';
import { InitiatorError } from './initiator-error.ts';

/** What is to be copied; blocks are those of the disk, of the source where both ends are disks. */
export interface CopyExtent {
  readonly type: number;
  readonly blocks: number;
  readonly blockSize: number;
  /** First block at the source and at the destination; 0 for a tape. */
  readonly skip: number;
  readonly seek: number;
  /** Block length of the destination, where both ends are disks. */
  readonly destinationBlockSize: number;
  /** Bytes of a tape record. */
  readonly record: number;
}

/** Between disks segments are cut where a 64 KiB record would end, so that both ends see aligned transfers. */
const DISK_GRAIN_BYTES = 64 * 1024;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
const lcm = (a: number, b: number): number => (a / gcd(a, b)) * b;

/** Blocks that a segment may have: as many as fit, cut on a record border. */
function segmentBlocks(extent: CopyExtent, limits: CopyLimits): number {
  const { type, blockSize, record, destinationBlockSize } = extent;
  const most = Math.min(MOST_SEGMENT_BLOCKS, Math.floor(limits.maxSegmentBytes / blockSize));
  const grainBytes =
    type === SegmentType.BLOCK_TO_BLOCK
      ? lcm(DISK_GRAIN_BYTES, destinationBlockSize)
      : lcm(record, blockSize);
  const grain = grainBytes / blockSize;
  if (grain <= most) return Math.floor(most / grain) * grain;
  // What a read of a tape leaves over goes on to the next segment, so that a cut inside a record does no harm there.
  if (type === SegmentType.STREAM_TO_BLOCK && most > 0) return most;
  throw new InitiatorError(
    'usage',
    `records of ${record} bytes are longer than a segment of this copy manager may be`,
  );
}

/** The segments in order; a shorter tail is a segment of its own, and on a tape a shorter record. */
function* segments(extent: CopyExtent, limits: CopyLimits): Generator<Segment, void> {
  const { type, blocks, blockSize, skip, seek, destinationBlockSize, record } = extent;
  const most = segmentBlocks(extent, limits);
  const toTape = type === SegmentType.BLOCK_TO_STREAM;
  const recordBlocks = record / blockSize;
  const whole = toTape ? blocks - (blocks % recordBlocks) : blocks;
  for (let at = 0; at < blocks;) {
    const tail = at === whole;
    const count = Math.min(most, tail ? blocks - at : whole - at);
    yield {
      type,
      blocks: count,
      bytes: count * blockSize,
      sourceLba: skip + at,
      destinationLba: seek + (at * blockSize) / destinationBlockSize,
      transferBytes: tail && toTape ? count * blockSize : record,
      concatenate: type === SegmentType.STREAM_TO_BLOCK,
    };
    at += count;
  }
}

/** The segments of one EXTENDED COPY after the other: one command where the limits permit, more only where they force it. */
export function* copyCommands(extent: CopyExtent, limits: CopyLimits): Generator<Segment[], void> {
  const most = Math.min(
    limits.maxSegments,
    Math.floor((limits.maxDescriptorListBytes - 2 * CSCD_BYTES) / segmentBytes(extent.type)),
  );
  if (most < 1)
    throw new InitiatorError('usage', 'the copy manager takes no list that is long enough for a copy');
  let command: Segment[] = [];
  for (const segment of segments(extent, limits)) {
    if (command.length === most) {
      // Nothing goes over from one command to the next: what would be lost in between is an error instead.
      command.push({ ...command.pop()!, concatenate: false });
      yield command;
      command = [];
    }
    command.push(segment);
  }
  yield command;
}

/** Whether records of that length can be copied; throws InitiatorError `usage` otherwise. */
export function checkRecord(record: number, toTape: boolean, blockSize: number, limits: CopyLimits): void {
  const most = Math.min(MOST_TRANSFER_BYTES, limits.maxStreamTransferBytes);
  if (record > most) {
    throw new InitiatorError(
      'usage',
      `records of ${record} bytes are too long: this copy manager moves up to ${most}`,
    );
  }
  if (toTape && record % blockSize !== 0) {
    throw new InitiatorError(
      'usage',
      `records of ${record} bytes are no multiple of the disk's blocks of ${blockSize}`,
    );
  }
}
