/** Bytes of a medium, from `from` up to `to`. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** What is preserved at a time, whatever is written of it; logical blocks are no longer. */
export const GRANULE_BYTES = 4096;

/** What an entry costs beside its bytes. */
const ENTRY_BYTES = 128;

/** Memory that several points in time share, and how many they may be: each is looked at with every write. */
export class PreservationRoom {
  readonly #limitBytes: number;
  readonly #mostPoints: number;
  readonly #whole: PreservationRoom | undefined;
  #used = 0;
  #points = 0;

  /** `whole`: what this is one user's part of. */
  constructor(limitBytes: number, mostPoints: number, whole?: PreservationRoom) {
    this.#limitBytes = limitBytes;
    this.#mostPoints = mostPoints;
    this.#whole = whole;
  }

  /** False: there are as many as there may be. */
  enter(): boolean {
    if (this.#points === this.#mostPoints || this.#whole?.enter() === false) return false;
    this.#points++;
    return true;
  }

  leave(): void {
    this.#points--;
    this.#whole?.leave();
  }

  get unused(): boolean {
    return this.#points === 0;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** False: there is no room for so much. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#limitBytes || this.#whole?.take(bytes) === false) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    this.#whole?.give(bytes);
  }
}

/** How much a point in time may preserve. */
export interface Preservation {
  readonly room: PreservationRoom;
  /** Of one point in time. */
  readonly limitBytes: number;
  /** Room for all of it is taken at once, so that no write can make it lost. */
  readonly reserve: boolean;
}

/**
 * Ranges of a disk as they were when it was taken (SPC-4 5.17.6.2.3): what has been written since is kept here as it was
 * before, all else is still on the medium. When there is no room to keep what is about to be written it is lost, which
 * whoever reads it must ask for; the write is not held up.
 */
export class PointInTime {
  /** Granules, in order, none twice. */
  readonly #runs: readonly ByteRange[];
  /** By granule; undefined for one that was zeros. */
  readonly #kept = new Map<number, Buffer | undefined>();
  readonly #preservation: Preservation;
  readonly #ended: (point: PointInTime) => void;
  #charged = 0;
  #lost = false;

  constructor(runs: readonly ByteRange[], preservation: Preservation, ended: (point: PointInTime) => void) {
    this.#runs = runs;
    this.#preservation = preservation;
    this.#ended = ended;
    if (!preservation.room.enter()) this.#lost = true;
    else if (preservation.reserve) this.#charge(worstCaseBytes(runs));
  }

  /** What was to be read of it is not known any more; also when it has been released. */
  get lost(): boolean {
    return this.#lost;
  }

  /** The first granule from `from` up to `to` that has to be preserved before it is written; undefined when there is none. */
  next(from: number, to: number): number | undefined {
    const runs = this.#runs;
    let low = 0;
    for (let high = runs.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (runs[middle]!.to <= from) low = middle + 1;
      else high = middle;
    }
    for (; low < runs.length && runs[low]!.from < to; low++) {
      const end = Math.min(runs[low]!.to, to);
      for (let granule = Math.max(runs[low]!.from, from); granule < end; granule++) {
        if (!this.#kept.has(granule)) return granule;
      }
    }
    return undefined;
  }

  /** A granule as it is before it is written; undefined: zeros. */
  keep(granule: number, bytes: Buffer | undefined): void {
    if (this.#lost) return;
    if (!this.#preservation.reserve && !this.#charge(ENTRY_BYTES + (bytes?.length ?? 0))) return;
    this.#kept.set(granule, bytes);
  }

  #charge(bytes: number): boolean {
    const { room, limitBytes } = this.#preservation;
    if (this.#charged + bytes <= limitBytes && room.take(bytes)) {
      this.#charged += bytes;
      return true;
    }
    this.release();
    return false;
  }

  /**
   * Makes what was read from `offset` on what it was at the time. Only what has been asked to be preserved is: the bytes lie in
   * the ranges. Told of each read when it has ended: what was written meanwhile had been preserved before.
   */
  restore(read: Buffer, offset: number): void {
    if (this.#kept.size === 0) return;
    const end = offset + read.length;
    for (let granule = Math.floor(offset / GRANULE_BYTES); granule * GRANULE_BYTES < end; granule++) {
      if (!this.#kept.has(granule)) continue;
      const start = granule * GRANULE_BYTES;
      const from = Math.max(start, offset);
      const to = Math.min(start + GRANULE_BYTES, end);
      const bytes = this.#kept.get(granule);
      if (bytes === undefined) read.fill(0, from - offset, to - offset);
      else bytes.copy(read, from - offset, from - start, to - start);
    }
  }

  /** The parts of the range of which nothing is preserved. */
  untouched({ from, to }: ByteRange): ByteRange[] {
    const parts: ByteRange[] = [];
    let at = from;
    for (const granule of this.#keptWithin(Math.floor(from / GRANULE_BYTES), Math.ceil(to / GRANULE_BYTES))) {
      if (granule * GRANULE_BYTES > at) parts.push({ from: at, to: granule * GRANULE_BYTES });
      at = (granule + 1) * GRANULE_BYTES;
    }
    if (at < to) parts.push({ from: at, to });
    return parts;
  }

  /** In order. Whichever is less is gone through: the granules, or what is kept. */
  #keptWithin(from: number, to: number): number[] {
    const inside: number[] = [];
    if (to - from < this.#kept.size) {
      for (let granule = from; granule < to; granule++) if (this.#kept.has(granule)) inside.push(granule);
      return inside;
    }
    for (const granule of this.#kept.keys()) if (granule >= from && granule < to) inside.push(granule);
    return inside.sort((a, b) => a - b);
  }

  /** Nobody reads it any more. */
  release(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#kept.clear();
    this.#preservation.room.give(this.#charged);
    this.#preservation.room.leave();
    this.#charged = 0;
    this.#ended(this);
  }
}

const worstCaseBytes = (runs: readonly ByteRange[]): number =>
  runs.reduce((sum, { from, to }) => sum + (to - from) * (GRANULE_BYTES + ENTRY_BYTES), 0);

/** Ranges in granules, in order and none twice. */
export function granules(ranges: readonly ByteRange[]): ByteRange[] {
  const runs: { from: number; to: number }[] = [];
  const sorted = ranges.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from);
  for (const range of sorted) {
    const from = Math.floor(range.from / GRANULE_BYTES);
    const to = Math.ceil(range.to / GRANULE_BYTES);
    const last = runs.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else runs.push({ from, to });
  }
  return runs;
}
