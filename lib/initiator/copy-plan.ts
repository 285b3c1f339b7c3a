import type { CopyEnd } from './copy-end.ts';
import type { CopyLimits } from './copy-limits.ts';
import { CSCD_BYTES, MOST_SEGMENT_BLOCKS, MOST_TRANSFER_BYTES, type Segment } from './copy-list.ts';
import { segmentBytes, SegmentType } from './copy-segments.ts';
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
  readonly residue?: ResidueChoice;
}

/** What becomes of data that fills no whole record or block of the destination (SPC-4 5.17.7.2 table 116). */
export interface ResidueChoice {
  /** It goes from one segment to the next; what is left of the last one is thrown away, unless `pad`. */
  readonly cat?: boolean | undefined;
  /** Zeros fill it up at the end. */
  readonly pad?: boolean | undefined;
}

export const choosesResidue = ({ cat = false, pad = false }: ResidueChoice = {}): boolean => cat || pad;

/** What the destination takes as a whole. */
const destinationGrain = ({ type, record, destinationBlockSize }: CopyExtent): number =>
  type === SegmentType.BLOCK_TO_STREAM ? record : destinationBlockSize;

/** Bytes of zeros behind `bytes` of data, and of those bytes the ones that are thrown away. */
export function residueOf(extent: CopyExtent, bytes: number): { padding: number; leftOver: number } {
  const grain = destinationGrain(extent);
  const rest = choosesResidue(extent.residue) ? bytes % grain : 0;
  if (rest === 0) return { padding: 0, leftOver: 0 };
  return extent.residue?.pad === true
    ? { padding: grain - rest, leftOver: 0 }
    : { padding: 0, leftOver: rest };
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
  if ((type === SegmentType.STREAM_TO_BLOCK || extent.residue?.cat === true) && most > 0) return most;
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
  const { cat = false, pad = false } = extent.residue ?? {};
  const whole = toTape && !cat && !pad ? blocks - (blocks % recordBlocks) : blocks;
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
      concatenate: type === SegmentType.STREAM_TO_BLOCK || (cat && !(pad && at + count === blocks)),
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
      const last = command.pop()!;
      if (last.concatenate && extent.residue?.cat === true && last.bytes % destinationGrain(extent) !== 0) {
        throw new InitiatorError(
          'usage',
          'what is left over cannot go on from one EXTENDED COPY to the next',
        );
      }
      // Nothing goes over from one command to the next: what would be lost in between is an error instead.
      command.push({ ...last, concatenate: false });
      yield command;
      command = [];
    }
    command.push(segment);
  }
  yield command;
}

/** Whether records of that length can be copied; throws InitiatorError `usage` otherwise. */
export function checkRecord(
  record: number,
  toTape: boolean,
  blockSize: number,
  limits: CopyLimits,
  residue: ResidueChoice = {},
): void {
  const most = Math.min(MOST_TRANSFER_BYTES, limits.maxStreamTransferBytes);
  if (record > most) {
    throw new InitiatorError(
      'usage',
      `records of ${record} bytes are too long: this copy manager moves up to ${most}`,
    );
  }
  if (toTape && record % blockSize !== 0 && !choosesResidue(residue)) {
    throw new InitiatorError(
      'usage',
      `records of ${record} bytes are no multiple of the disk's blocks of ${blockSize}: give --cat or --pad`,
    );
  }
}

/** Of a copy of which one end is a disk. */
export interface ExtentRequest extends ResidueChoice {
  /** Of the disk; of the source where both are disks. Default: all there is. */
  readonly blocks?: number | undefined;
  /** First block of a source disk. */
  readonly skip?: number | undefined;
  /** First block of a destination disk. */
  readonly seek?: number | undefined;
  /** Bytes of a tape record. Default 64 KiB. */
  readonly record?: number | undefined;
}

const DEFAULT_RECORD = 64 * 1024;

/** What is to be copied between two ends; throws InitiatorError `usage`. */
export function extentOf(
  type: number,
  from: CopyEnd,
  to: CopyEnd,
  limits: CopyLimits,
  request: ExtentRequest,
): CopyExtent {
  const { blocks: wanted, skip, seek, record = DEFAULT_RECORD, cat, pad } = request;
  const usage = (why: string): InitiatorError => new InitiatorError('usage', why);
  if (skip !== undefined && from.type === 'tape')
    throw usage('a tape is read from its present position; --skip is for disks');
  if (seek !== undefined && to.type === 'tape')
    throw usage('a tape is written at its present position; --seek is for disks');
  const disk = from.type === 'disk' ? from : to;
  if (from.type === 'tape' || to.type === 'tape')
    checkRecord(record, to.type === 'tape', disk.blockSize, limits, { cat, pad });
  const first = { skip: skip ?? 0, seek: seek ?? 0 };
  const left = disk.blocks - (from.type === 'disk' ? first.skip : first.seek);
  const blocks = wanted ?? Math.max(0, left);
  const { lun } = disk.unit;
  if (left <= 0)
    throw usage(`LUN ${lun} ends before that block: it has ${disk.blocks} blocks of ${disk.blockSize} bytes`);
  if (blocks > left) throw usage(`${blocks} blocks are more than the ${left} that LUN ${lun} has there`);
  const residue = { cat, pad };
  const extent = { type, blocks, blockSize: disk.blockSize, ...first, record, residue };
  if (to.type === 'tape') return { ...extent, destinationBlockSize: disk.blockSize };
  if (from.type === 'disk') checkDisks(from, to, blocks, { ...first, cat, pad });
  return { ...extent, destinationBlockSize: to.blockSize };
}

function checkDisks(
  from: CopyEnd,
  to: CopyEnd,
  blocks: number,
  { skip, seek, cat, pad }: { skip: number; seek: number } & ResidueChoice,
): void {
  const bytes = blocks * from.blockSize;
  if (bytes % to.blockSize !== 0 && !choosesResidue({ cat, pad })) {
    throw new InitiatorError(
      'usage',
      `${bytes} bytes are no whole number of the destination's blocks of ${to.blockSize}: give --cat or --pad`,
    );
  }
  const needed = (pad === true ? Math.ceil : Math.floor)(bytes / to.blockSize);
  if (needed > to.blocks - seek) {
    const room = Math.max(0, to.blocks - seek);
    throw new InitiatorError(
      'usage',
      `${needed} blocks do not fit LUN ${to.unit.lun}, which has ${room} there`,
    );
  }
  if (from.unit.lun === to.unit.lun && Math.abs(skip - seek) < blocks) {
    throw new InitiatorError('usage', 'a disk is not copied onto itself where the two parts overlap');
  }
}
