import { DeviceType, type LogicalUnit } from '../../scsi-cmds/logical-unit.ts';
import type { DiskUnit } from '../../scsi-cmds/sbc/disk-unit.ts';
import type { PointInTime, PreservationRoom } from '../../scsi-cmds/sbc/point-in-time.ts';
import { MAX_PRESERVED_BYTES_OF_TOKEN } from '../limits.ts';
import { CopyCode, refused } from '../sense.ts';
import { EITHER, POINT_IN_TIME_DEFAULT, type RodType } from './rod-types.ts';

/** Blocks of a disk. */
export interface BlockRange {
  readonly lba: number;
  readonly blocks: number;
}

/** Blocks of the disk, where they begin in the ROD, and what preserves them. */
interface RodRange extends BlockRange {
  readonly at: number;
  readonly point: PointInTime | undefined;
}

/** Two of the ranges have a block in common: gives back the later one of them. */
export function overlapping<R extends BlockRange>(ranges: readonly R[]): R | undefined {
  const sorted = ranges
    .map((range, i) => ({ range, i }))
    .filter(({ range }) => range.blocks > 0)
    .sort((a, b) => a.range.lba - b.range.lba);
  for (let i = 1; i < sorted.length; i++) {
    const [a, b] = [sorted[i - 1]!, sorted[i]!];
    if (a.range.lba + a.range.blocks > b.range.lba) return a.i > b.i ? a.range : b.range;
  }
  return undefined;
}

export const blocksOf = (ranges: readonly BlockRange[]): number =>
  ranges.reduce((sum, { blocks }) => sum + blocks, 0);

/**
 * A representation of data (SPC-4 5.17.6): blocks of one disk, one behind the other, as they are when they are read or as they
 * were when they were added.
 */
export class Rod {
  readonly unit: DiskUnit;
  readonly #renewals: number;
  readonly #asked: RodType;
  #type: RodType;
  readonly #ranges: RodRange[] = [];
  readonly #points: PointInTime[] = [];
  #blocks = 0;
  #released = false;

  constructor(unit: DiskUnit, type: RodType) {
    this.unit = unit;
    this.#asked = type;
    this.#type = type;
    this.#renewals = unit.renewals;
  }

  /** Once there is something in it, never the one that stands for two. */
  get type(): RodType {
    return this.#type;
  }

  get blockBytes(): number {
    return this.unit.blockSize;
  }

  get blocks(): number {
    return this.#blocks;
  }

  get bytes(): number {
    return this.#blocks * this.blockBytes;
  }

  /** What it represented is not there any more, or could not be preserved. */
  get lost(): boolean {
    return this.#released || this.#renewals !== this.unit.renewals || this.#points.some(({ lost }) => lost);
  }

  /** Adds blocks at the end. They lie in the medium and none of them is in it yet. Rejects with INSUFFICIENT RESOURCES TO CREATE ROD. */
  async add(ranges: readonly BlockRange[], room: PreservationRoom): Promise<void> {
    // No blocks need no point in time, of which there are so many.
    if (blocksOf(ranges) === 0) {
      if (this.#type.pointInTime === 'either') this.#type = EITHER.reserved;
      return;
    }
    const point = await this.#preserve(ranges, room);
    if (point !== undefined) this.#points.push(point);
    for (const { lba, blocks } of ranges) {
      if (blocks === 0) continue;
      this.#ranges.push({ lba, blocks, at: this.#blocks, point });
      this.#blocks += blocks;
    }
  }

  async #preserve(ranges: readonly BlockRange[], room: PreservationRoom): Promise<PointInTime | undefined> {
    const { pointInTime } = this.#asked;
    if (pointInTime === undefined) return undefined;
    if (pointInTime === 'limited') return this.#takeLimited(ranges, room);
    const reserved = await this.#take(ranges, room, true);
    if (!reserved.lost) {
      if (this.#type !== EITHER.limited && pointInTime === 'either') this.#type = EITHER.reserved;
      return reserved;
    }
    if (pointInTime === 'reserved') throw refused(CopyCode.NO_ROOM_FOR_ROD);
    this.#type = EITHER.limited;
    return this.#takeLimited(ranges, room);
  }

  async #takeLimited(ranges: readonly BlockRange[], room: PreservationRoom): Promise<PointInTime> {
    const point = await this.#take(ranges, room, false);
    if (point.lost) throw refused(CopyCode.NO_ROOM_FOR_ROD);
    return point;
  }

  #take(ranges: readonly BlockRange[], room: PreservationRoom, reserve: boolean): Promise<PointInTime> {
    const { blockBytes } = this;
    const bytes = ranges.map(({ lba, blocks }) => ({
      from: lba * blockBytes,
      to: (lba + blocks) * blockBytes,
    }));
    return this.unit.pointInTime(bytes, { room, limitBytes: MAX_PRESERVED_BYTES_OF_TOKEN, reserve });
  }

  /** The range in which the ROD's block `at` lies; there is one. */
  rangeAt(at: number): RodRange {
    let low = 0;
    for (let high = this.#ranges.length - 1; low < high;) {
      const middle = (low + high + 1) >>> 1;
      if (this.#ranges[middle]!.at <= at) low = middle;
      else high = middle - 1;
    }
    return this.#ranges[low]!;
  }

  /** Makes what was read of the disk from `lba` on, within one range, what it was when that was added. */
  restore(read: Buffer, lba: number): void {
    if (this.#points.length === 0) return;
    const range = this.#ranges.find(({ lba: first, blocks }) => first <= lba && lba < first + blocks);
    range?.point?.restore(read, lba * this.blockBytes);
  }

  /** Some of the blocks are in it. */
  touches(unit: DiskUnit, ranges: readonly BlockRange[]): boolean {
    return unit === this.unit && overlapping<BlockRange>([...this.#ranges, ...ranges]) !== undefined;
  }

  /** The same blocks as they are now. */
  async preserved(room: PreservationRoom): Promise<Rod> {
    const still = new Rod(this.unit, POINT_IN_TIME_DEFAULT);
    await still.add(this.#ranges, room);
    return still;
  }

  /** Nobody uses it any more. */
  release(): void {
    this.#released = true;
    for (const point of this.#points) point.release();
  }
}

/** RODs represent blocks of disks, and of nothing else here. */
export const isDisk = (unit: LogicalUnit): unit is DiskUnit => unit.deviceType === DeviceType.DISK;
