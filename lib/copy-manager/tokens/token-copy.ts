import type { DiskUnit } from '../../scsi-cmds/sbc/disk-unit.ts';
import { Status } from '../../scsi-cmds/status.ts';
import { BlockEnd } from '../block-end.ts';
import { DataQueue } from '../data-queue.ts';
import type { Sink, Source } from '../end.ts';
import { Initiator } from '../initiator.ts';
import { CHUNK_BYTES, COMMANDS_AHEAD, MAX_SEGMENT_BYTES } from '../limits.ts';
import type { CopyOperation, Ending } from '../operation.ts';
import type { Copying } from '../originate.ts';
import { Pump } from '../pump.ts';
import { skipping } from '../segments/byte-range.ts';
import { CopyAbort, CopyCode, copyAborted, type CopyPointer, refused } from '../sense.ts';
import type { Share } from '../turns.ts';
import { type BlockRange, blocksOf, type Rod } from './rod.ts';
import { RodEnd } from './rod-end.ts';
import { lunOf } from './rods.ts';

/** What WRITE USING TOKEN asks for. */
export interface TokenWrite {
  readonly token: Buffer;
  /** Where it stands in the parameter list. */
  readonly tokenAt: number;
  /** It is the block device zero ROD token. */
  readonly zeros: boolean;
  readonly removesToken: boolean;
  /** OFFSET INTO ROD, in blocks of the destination. */
  readonly offsetBlocks: number;
  readonly offsetAt: number;
  readonly ranges: readonly BlockRange[];
  /** Where the first of them stands. */
  readonly rangesAt: number;
}

/** Where the data comes from, from a byte on. */
interface Origin {
  readonly bytes: number;
  source(from: number, bytes: number): Promise<Source>;
}

/** PRIORITY of ordinary commands (SPC-4 6.4.3.3). */
const PRIORITY = 1;

/** One WRITE USING TOKEN under way. */
export class TokenCopy {
  readonly #copying: Copying;
  readonly #operation: CopyOperation;
  readonly #unit: DiskUnit;
  readonly #lun: number;
  readonly #wanted: TokenWrite;
  readonly #initiator: Initiator;
  readonly #share: Share;
  #pump: Pump | undefined;

  constructor(
    copying: Copying,
    operation: CopyOperation,
    { unit, lun }: { unit: DiskUnit; lun: number },
    wanted: TokenWrite,
  ) {
    this.#copying = copying;
    this.#operation = operation;
    this.#unit = unit;
    this.#lun = lun;
    this.#wanted = wanted;
    this.#initiator = new Initiator(unit.device!, operation.nexus);
    this.#share = copying.turns.share(PRIORITY);
    operation.halt = () => {
      this.#initiator.stop();
      this.#pump?.stop();
    };
  }

  /** Resolves when no command is under way any more; rejects with what was wrong before the first. */
  async run(): Promise<Ending> {
    try {
      await (this.#wanted.zeros ? this.#writeZeros() : this.#writeRod());
      return { status: Status.GOOD };
    } catch (error) {
      if (!(error instanceof CopyAbort)) throw error;
      return { status: Status.CHECK_CONDITION, facts: copyAborted(error, 0) };
    }
  }

  /** There are as many as are wanted. */
  #writeZeros(): Promise<void> {
    return this.#write({ bytes: Infinity, source: () => Promise.resolve(this.#zeros()) });
  }

  async #writeRod(): Promise<void> {
    const { token, tokenAt, removesToken } = this.#wanted;
    const { tokens } = this.#copying;
    const use = tokens.use(token, this.#unit.device!, this.#operation.nexus, tokenAt);
    try {
      await this.#writeFrom(use.rod);
    } finally {
      use.end(removesToken);
    }
  }

  async #writeFrom(rod: Rod): Promise<void> {
    const { offsetBlocks, offsetAt, tokenAt, ranges } = this.#wanted;
    if (offsetBlocks * this.#unit.blockSize >= rod.bytes) throw refused(CopyCode.INVALID_FIELD, offsetAt);
    const lun = lunOf(this.#initiator, this.#operation.nexus, rod.unit);
    if (lun === undefined) throw refused(CopyCode.TOKEN_UNKNOWN, tokenAt);
    // What is read upon reference would be read after it has been written over: for this command it is preserved.
    const overItself = rod.type.pointInTime === undefined && rod.touches(this.#unit, ranges);
    const room = this.#copying.tokens.roomOf(this.#operation.nexus);
    const still = overItself ? await rod.preserved(room) : rod;
    const pointer: CopyPointer = { in: 'list', byte: tokenAt };
    try {
      const disk = await BlockEnd.open(this.#initiator, lun, { pad: false, role: 'source', pointer });
      const end = new RodEnd(still, disk, { pad: false, pointer });
      await this.#write({
        bytes: rod.bytes,
        source: async (from, bytes) => {
          const lba = Math.floor(from / rod.blockBytes);
          const skip = from % rod.blockBytes;
          const holes = await end.holes(lba, skip + bytes);
          return skipping(end.source(lba, this.#unit.blockSize, holes), skip);
        },
      });
    } catch (error) {
      if (rod.lost) throw refused(CopyCode.TOKEN_CANCELLED, tokenAt);
      if (still.lost) throw refused(CopyCode.NO_ROOM_FOR_ROD);
      throw error;
    } finally {
      if (overItself) still.release();
    }
  }

  #zeros(): Source {
    const { blockSize } = this.#unit;
    return {
      depth: COMMANDS_AHEAD,
      next: missing => Math.min(CHUNK_BYTES, Math.ceil(missing / blockSize) * blockSize),
      read: (bytes, done) => this.#initiator.readZeros(bytes, done),
      outcome: errand => ({ bytes: errand.expectedIn, abort: undefined }),
    };
  }

  /** As many whole blocks as there is data for; zeros fill up the last one (SBC-3 5.59.2). Rejects with CopyAbort. */
  async #write(from: Origin): Promise<void> {
    const { offsetBlocks, ranges, rangesAt } = this.#wanted;
    const operation = this.#operation;
    const unit = this.#unit.blockSize;
    const offset = offsetBlocks * unit;
    const destination = await BlockEnd.open(this.#initiator, this.#lun, {
      pad: true,
      role: 'destination',
      pointer: { in: 'list', byte: rangesAt },
    });
    const available = Math.ceil((from.bytes - offset) / unit) * unit;
    let done = 0;
    for (const { lba, blocks } of ranges) {
      const begin = done;
      const end = Math.min(begin + blocks * unit, available);
      // Holes are asked for piece by piece: a unit may have more of them than one answer tells.
      while (done < end && !operation.stopped) {
        const piece = Math.min(end - done, MAX_SEGMENT_BYTES);
        const process = Math.min(piece, from.bytes - offset - done);
        const source = await from.source(offset + done, process);
        if (operation.stopped) return;
        await this.#move(source, destination.sink(lba + (done - begin) / unit), process);
        done += piece;
      }
    }
    operation.partial = done < blocksOf(ranges) * unit;
  }

  async #move(source: Source, sink: Sink, process: number): Promise<void> {
    const sourceData = new DataQueue();
    const destinationData = new DataQueue();
    this.#pump = new Pump(
      {
        source,
        sink,
        sourceData,
        destinationData,
        process,
        limit: Infinity,
        pad: true,
        wrote: bytes => this.#operation.wrote(bytes),
      },
      this.#share,
    );
    const { abort } = await this.#pump.start();
    this.#pump = undefined;
    sourceData.clear();
    destinationData.clear();
    if (abort !== undefined) throw abort;
  }
}
