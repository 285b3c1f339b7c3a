import { bit, bits, u32, u64, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { decodeSense, SenseKey } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import {
  type BlockCscd,
  carryOut,
  type CommandAs,
  deviceFailure,
  type Outcome,
  type Sink,
  type Source,
} from './end.ts';
import { holesIn, type Run } from './holes.ts';
import type { Errand, Initiator } from './initiator.ts';
import { CHUNK_BYTES, COMMANDS_AHEAD, LEAST_HOLE_BYTES } from './limits.ts';
import { CopyAbort, CopyCode, type CopyPointer } from './sense.ts';
import { isZeros } from './zeros.ts';

/** READ(16), WRITE(16), WRITE SAME(16) (SBC-3 5.13, 5.35, 5.44). */
const transferCdb = layout(16, {
  opcode: u8(0),
  noData: bit(1, 0),
  unmap: bit(1, 3),
  lba: u64(2),
  blocks: u32(10),
});
const WRITE_SAME = 0x93;
/** READ CAPACITY(16) (SBC-3 5.16). */
const capacityCdb = layout(16, { opcode: u8(0), action: bits(1, 0, 5), allocationLength: u32(10) });
const capacityData = layout(32, {
  lastLba: u64(0),
  blockBytes: u32(8),
  provisioning: bit(14, 7),
  readsZeros: bit(14, 6),
});

/** Byte of the capacity data after the one that tells of thin provisioning. */
const THIN_AT = 15;
const NO_HOLES: readonly Run[] = [];

const cdbOf = (opcode: number, lba: number, blocks: number): Buffer => {
  const cdb = Buffer.alloc(16);
  transferCdb.opcode.set(cdb, opcode);
  transferCdb.lba.set(cdb, lba);
  transferCdb.blocks.set(cdb, blocks);
  return cdb;
};

/** Makes the blocks zeros, unmapped where that can be, without any data. */
const zeroCdb = (lba: number, blocks: number): Buffer => {
  const cdb = cdbOf(WRITE_SAME, lba, blocks);
  transferCdb.noData.set(cdb, true);
  transferCdb.unmap.set(cdb, true);
  return cdb;
};

const recovered = (errand: Errand): boolean =>
  errand.outcome === Status.CHECK_CONDITION && decodeSense(errand.sense)?.key === SenseKey.RECOVERED_ERROR;

/** A block device as copy source or destination. */
export class BlockEnd implements BlockCscd {
  readonly kind = 'block';
  readonly initiator: Initiator;
  readonly lun: number;
  readonly pad: boolean;
  readonly blockBytes: number;
  readonly blocks: number;
  /** It says which blocks are unmapped, those read as zeros, and it unmaps what it is told to. */
  readonly thin: boolean;
  /** The CSCD that names it. */
  readonly pointer: CopyPointer;

  constructor(
    initiator: Initiator,
    lun: number,
    as: { pad: boolean; blockBytes: number; blocks: number; thin: boolean; pointer: CopyPointer },
  ) {
    this.initiator = initiator;
    this.lun = lun;
    this.pad = as.pad;
    this.blockBytes = as.blockBytes;
    this.blocks = as.blocks;
    this.thin = as.thin;
    this.pointer = as.pointer;
  }

  /** Asks for capacity and block length. */
  static async open(
    initiator: Initiator,
    lun: number,
    as: { pad: boolean; role: 'source' | 'destination'; pointer: CopyPointer },
  ): Promise<BlockEnd> {
    const cdb = Buffer.alloc(16);
    capacityCdb.opcode.set(cdb, 0x9e);
    capacityCdb.action.set(cdb, 0x10);
    capacityCdb.allocationLength.set(cdb, capacityData.length);
    const { status, data, sense } = await initiator.ask(lun, cdb, capacityData.length);
    if (status !== Status.GOOD) throw deviceFailure(as.role, { outcome: status, sense }, as.pointer);
    if (data.length < 12) throw new CopyAbort(CopyCode.UNDERRUN, as.pointer);
    return new BlockEnd(initiator, lun, {
      pad: as.pad,
      blockBytes: capacityData.blockBytes.get(data),
      blocks: capacityData.lastLba.get(data) + 1,
      thin:
        data.length >= THIN_AT && capacityData.provisioning.get(data) && capacityData.readsZeros.get(data),
      pointer: as.pointer,
    });
  }

  #outcome(errand: Errand, role: 'source' | 'destination', wanted: number, moved: number): Outcome {
    if (errand.outcome !== Status.GOOD && !recovered(errand)) {
      return { bytes: 0, abort: deviceFailure(role, errand, this.pointer) };
    }
    if (moved === wanted) return { bytes: wanted, abort: undefined };
    const code = moved < wanted ? CopyCode.UNDERRUN : CopyCode.OVERRUN;
    return { bytes: 0, abort: new CopyAbort(code, this.pointer) };
  }

  holes(lba: number, bytes: number): MaybePromise<readonly Run[]> {
    if (!this.thin || bytes < LEAST_HOLE_BYTES) return NO_HOLES;
    const { blockBytes } = this;
    const range = { from: lba, to: lba + Math.ceil(bytes / blockBytes) };
    return holesIn(this.initiator, this.lun, range, blockBytes);
  }

  async command(cdb: Buffer, as?: CommandAs): Promise<void> {
    await carryOut(this, cdb, as);
  }

  async block(lba: number): Promise<Buffer> {
    const { status, data, sense } = await this.initiator.ask(this.lun, cdbOf(0x88, lba, 1), this.blockBytes);
    if (status !== Status.GOOD) throw deviceFailure('destination', { outcome: status, sense }, this.pointer);
    if (data.length < this.blockBytes) throw new CopyAbort(CopyCode.UNDERRUN, this.pointer);
    return data;
  }

  /** No read goes over the edge of a hole, and in a hole there is none: zeros take its place. */
  source(lba: number, unit: number, holes: readonly Run[] = NO_HOLES): Source {
    const { blockBytes } = this;
    const whole = unit <= CHUNK_BYTES ? CHUNK_BYTES - (CHUNK_BYTES % unit) : CHUNK_BYTES;
    const chunk = whole % blockBytes === 0 ? whole : CHUNK_BYTES;
    let passed = 0;
    /** The hole that `lba` is in or comes to next. */
    const ahead = (): Run | undefined => {
      while (passed < holes.length && holes[passed]!.to <= lba) passed++;
      return holes[passed];
    };
    return {
      depth: COMMANDS_AHEAD,
      next: missing => {
        const bytes = Math.min(chunk, Math.ceil(missing / blockBytes) * blockBytes);
        const hole = ahead();
        if (hole === undefined) return bytes;
        return Math.min(bytes, ((lba < hole.from ? hole.from : hole.to) - lba) * blockBytes);
      },
      read: (bytes, done) => {
        const blocks = bytes / blockBytes;
        const at = lba;
        const hole = ahead();
        lba += blocks;
        if (hole !== undefined && hole.from <= at) this.initiator.readZeros(bytes, done);
        else this.initiator.read(this.lun, cdbOf(0x88, at, blocks), bytes, done);
      },
      outcome: errand => this.#outcome(errand, 'source', errand.expectedIn, errand.totalIn),
    };
  }

  /** Writes from `lba` on; what a hole was read as becomes a hole again. */
  sink(lba: number): Sink {
    const { blockBytes } = this;
    return {
      depth: COMMANDS_AHEAD,
      unit: blockBytes,
      most: CHUNK_BYTES - (CHUNK_BYTES % blockBytes),
      write: (from, done) => {
        const blocks = from.length / blockBytes;
        const at = lba;
        lba += blocks;
        if (this.thin && isZeros(from)) this.initiator.read(this.lun, zeroCdb(at, blocks), 0, done);
        else this.initiator.write(this.lun, cdbOf(0x8a, at, blocks), from, done);
      },
      outcome: errand => {
        const wanted = transferCdb.blocks.get(errand.cdb) * blockBytes;
        const moved = errand.cdb[0] === WRITE_SAME ? wanted : errand.wantedOut;
        return this.#outcome(errand, 'destination', wanted, moved);
      },
    };
  }
}
