import { u64 } from '../../bytes/fields.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { BlockEnd } from '../block-end.ts';
import type { BlockCscd, CommandAs, Outcome, Sink, Source } from '../end.ts';
import type { Run } from '../holes.ts';
import type { Errand } from '../initiator.ts';
import { COMMANDS_AHEAD, LEAST_HOLE_BYTES } from '../limits.ts';
import { CopyAbort, CopyCode, type CopyPointer } from '../sense.ts';
import { isZeros } from '../zeros.ts';
import type { Rod } from './rod.ts';

/** LOGICAL BLOCK ADDRESS of READ(16) (SBC-3 5.13). */
const lbaRead = u64(2);

/**
 * A ROD as copy source: a block device of which the blocks count from 0 (SPC-4 5.17.7.6). They are read from the unit that it
 * represents blocks of, as a copy source itself, and what has been written there since a point in time is put back.
 */
export class RodEnd implements BlockCscd {
  readonly kind = 'block';
  /** It is no unit: nothing is written to it, and so nothing onto itself. */
  readonly lun = undefined;
  readonly pad: boolean;
  readonly blockBytes: number;
  readonly rod: Rod;
  readonly #disk: BlockEnd;
  readonly #pointer: CopyPointer;

  constructor(rod: Rod, disk: BlockEnd, as: { pad: boolean; pointer: CopyPointer }) {
    this.rod = rod;
    this.#disk = disk;
    this.pad = as.pad;
    this.#pointer = as.pointer;
    this.blockBytes = rod.blockBytes;
  }

  /** The same of another ROD with the same blocks. */
  of(rod: Rod): RodEnd {
    return new RodEnd(rod, this.#disk, { pad: this.pad, pointer: this.#pointer });
  }

  get blocks(): number {
    return this.rod.blocks;
  }

  holes(lba: number, bytes: number): MaybePromise<readonly Run[]> {
    return bytes < LEAST_HOLE_BYTES ? [] : this.#holes(lba, lba + Math.ceil(bytes / this.blockBytes));
  }

  async #holes(from: number, to: number): Promise<Run[]> {
    const { blockBytes, rod } = this;
    const found: Run[] = [];
    for (let at = from; at < Math.min(to, rod.blocks);) {
      const { lba, blocks, at: begins, point } = rod.rangeAt(at);
      const end = Math.min(begins + blocks, to);
      const toRod = begins - lba;
      for (const hole of await this.#disk.holes(at - toRod, (end - at) * blockBytes)) {
        const parts = point?.untouched({ from: hole.from * blockBytes, to: hole.to * blockBytes });
        const still = parts?.map(part => ({
          from: Math.ceil(part.from / blockBytes),
          to: Math.floor(part.to / blockBytes),
        })) ?? [hole];
        for (const part of still) {
          if ((part.to - part.from) * blockBytes < LEAST_HOLE_BYTES) continue;
          found.push({ from: part.from + toRod, to: part.to + toRod });
        }
      }
      at = end;
    }
    return found;
  }

  source(lba: number, unit: number, holes: readonly Run[] = []): Source {
    const { blockBytes, rod } = this;
    /** Behind the last block of the range that is being read, and its source. */
    let rangeEnd = lba;
    let inner: Source | undefined;
    const enter = (): Source => {
      if (inner !== undefined && lba < rangeEnd) return inner;
      const range = rod.rangeAt(lba);
      const toUnit = range.lba - range.at;
      rangeEnd = range.at + range.blocks;
      const own = holes
        .filter(({ from, to }) => from < rangeEnd && to > lba)
        .map(({ from, to }) => ({ from: from + toUnit, to: to + toUnit }));
      inner = this.#disk.source(lba + toUnit, unit, own);
      return inner;
    };
    return {
      depth: COMMANDS_AHEAD,
      next: missing => enter().next(Math.min(missing, (rangeEnd - lba) * blockBytes)),
      read: (bytes, done) => {
        const from = enter();
        lba += bytes / blockBytes;
        from.read(bytes, done);
      },
      outcome: errand => this.#outcome(inner!, errand),
    };
  }

  /** Whichever range it was read from: an outcome is told by the errand alone. */
  #outcome(inner: Source, errand: Errand): Outcome {
    const outcome = inner.outcome(errand);
    if (outcome.abort !== undefined) return outcome;
    if (!isZeros(errand.read)) this.rod.restore(errand.read, lbaRead.get(errand.cdb));
    return this.rod.lost ? { bytes: 0, abort: new CopyAbort(CopyCode.UNREACHABLE, this.#pointer) } : outcome;
  }

  /** Only a source is ever asked for. */
  sink(): Sink {
    throw new Error('a ROD is not written to');
  }

  block(lba: number): Promise<Buffer> {
    return Promise.reject(new Error(`block ${lba} of a ROD is not changed`));
  }

  command(cdb: Buffer, as?: CommandAs): Promise<void> {
    return this.#disk.command(cdb, as);
  }
}
