import type { BlockBackend, Extent } from '../../backends/block-backend.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { type ByteRange, GRANULE_BYTES, granules, PointInTime, type Preservation } from './point-in-time.ts';

/** Read at a time before it is written. */
const PIECE_GRANULES = 256;

/**
 * A medium while there are points in time of it: what one of them needs is read before it is written, zeroed or unmapped.
 * A disk has this in front of its medium only for as long, so that it costs nothing otherwise.
 *
 * A point in time is taken when no write is under way. So a granule that is being written has been preserved, and what is
 * read to be preserved is what it was.
 */
export class CopyOnWrite implements BlockBackend {
  readonly blockSize: number;
  readonly allocationLimitBytes: number | undefined;
  readonly writeAtomic?: (from: Buffer, offset: number) => Promise<void>;
  readonly anchor?: (offset: number, length: number) => MaybePromise<void>;
  readonly resize?: (bytes: number | undefined) => MaybePromise<void>;
  readonly #medium: BlockBackend;
  readonly #points = new Set<PointInTime>();
  readonly #unused: () => void;

  /** `unused` is called when the last point in time is gone. */
  constructor(medium: BlockBackend, unused: () => void) {
    this.#medium = medium;
    this.#unused = unused;
    this.blockSize = medium.blockSize;
    this.allocationLimitBytes = medium.allocationLimitBytes;
    if (medium.writeAtomic !== undefined) {
      this.writeAtomic = async (from, offset) => {
        await this.#preserve(offset, from.length, false);
        await medium.writeAtomic!(from, offset);
      };
    }
    if (medium.anchor !== undefined) {
      this.anchor = async (offset, length) => {
        await this.#preserve(offset, length, true);
        await medium.anchor!(offset, length);
      };
    }
    if (medium.resize !== undefined) this.resize = bytes => medium.resize!(bytes);
  }

  get readOnly(): boolean {
    return this.#medium.readOnly;
  }

  get bytes(): number {
    return this.#medium.bytes;
  }

  get mappedBytes(): number {
    return this.#medium.mappedBytes;
  }

  /** The ranges as they are now. No write may be under way. Lost from the start: there was no room to reserve. */
  take(ranges: readonly ByteRange[], preservation: Preservation): PointInTime {
    const point = new PointInTime(granules(ranges), preservation, ended => {
      if (this.#points.delete(ended) && this.#points.size === 0) this.#unused();
    });
    if (!point.lost) this.#points.add(point);
    if (this.#points.size === 0) this.#unused();
    return point;
  }

  /** The points in time are lost: what comes is no change that they could outlive. */
  clear(): void {
    for (const point of [...this.#points]) point.release();
  }

  read(into: Buffer, offset: number): MaybePromise<void> {
    return this.#medium.read(into, offset);
  }

  write(from: Buffer, offset: number): MaybePromise<void> {
    const later = this.#preserve(offset, from.length, false);
    return later === undefined
      ? this.#medium.write(from, offset)
      : later.then(() => this.#medium.write(from, offset));
  }

  unmap(offset: number, length: number): MaybePromise<void> {
    const later = this.#preserve(offset, length, true);
    return later === undefined
      ? this.#medium.unmap(offset, length)
      : later.then(() => this.#medium.unmap(offset, length));
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    return this.#medium.extent(offset, length);
  }

  flush(): MaybePromise<void> {
    return this.#medium.flush();
  }

  close(): MaybePromise<void> {
    this.clear();
    return this.#medium.close();
  }

  #preserve(offset: number, length: number, unmapping: boolean): Promise<void> | undefined {
    const from = Math.floor(offset / GRANULE_BYTES);
    const to = Math.ceil((offset + length) / GRANULE_BYTES);
    return this.#next(from, to) === undefined ? undefined : this.#save(from, to, unmapping);
  }

  /** The first granule that some point in time needs. */
  #next(from: number, to: number): number | undefined {
    let first: number | undefined;
    for (const point of this.#points) {
      const next = point.next(from, first ?? to);
      if (next === from) return next;
      first = next ?? first;
    }
    return first;
  }

  /** Never rejects. Of two that preserve the same granule the first counts: neither has written before that. */
  async #save(from: number, to: number, unmapping: boolean): Promise<void> {
    for (let at = this.#next(from, to); at !== undefined;) {
      at = this.#next(await this.#savePiece(at, to, unmapping), to);
    }
  }

  /** Preserves granules from `at` on; gives back the first that has still to be looked at. */
  async #savePiece(at: number, to: number, unmapping: boolean): Promise<number> {
    const start = at * GRANULE_BYTES;
    const end = Math.min(to * GRANULE_BYTES, this.bytes);
    try {
      const { mapped, bytes } = await this.#medium.extent(start, end - start);
      const whole = start + bytes === end ? to - at : Math.floor(bytes / GRANULE_BYTES);
      if (!mapped && whole > 0) {
        // Zeros that are to be zeros again need not be kept.
        if (unmapping) return at + whole;
        const count = Math.min(PIECE_GRANULES, whole);
        this.#keep(at, count);
        return at + count;
      }
      const count = Math.min(PIECE_GRANULES, to - at);
      const piece = Buffer.allocUnsafe(Math.min(count * GRANULE_BYTES, end - start));
      await this.#medium.read(piece, start);
      this.#keep(at, count, piece);
      return at + count;
    } catch {
      // What cannot be read cannot be preserved: whoever needs it learns that it is lost.
      for (const point of [...this.#points]) if (point.next(at, at + 1) !== undefined) point.release();
      return at;
    }
  }

  /** Each granule in memory of its own: one that is needed longer than its neighbours keeps none of them. */
  #keep(first: number, count: number, piece?: Buffer): void {
    for (let i = 0; i < count; i++) {
      let copy: Buffer | undefined;
      for (const point of [...this.#points]) {
        if (point.next(first + i, first + i + 1) === undefined) continue;
        if (piece !== undefined)
          copy ??= Buffer.from(piece.subarray(i * GRANULE_BYTES, (i + 1) * GRANULE_BYTES));
        point.keep(first + i, copy);
      }
    }
  }
}
