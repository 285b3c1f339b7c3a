import { bits, u32, u64, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { decodeSense, SenseKey } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import { deviceFailure, type Outcome, type Sink, type Source } from './end.ts';
import type { Errand, Initiator } from './initiator.ts';
import { CHUNK_BYTES, COMMANDS_AHEAD } from './limits.ts';
import { CopyAbort, CopyCode, type CopyPointer } from './sense.ts';

/** READ(16), WRITE(16) (SBC-3 5.15, 5.35). */
const transferCdb = layout(16, { opcode: u8(0), lba: u64(2), blocks: u32(10) });
/** READ CAPACITY(16) (SBC-3 5.21). */
const capacityCdb = layout(16, { opcode: u8(0), action: bits(1, 0, 5), allocationLength: u32(10) });
const capacityData = layout(32, { lastLba: u64(0), blockBytes: u32(8) });

const cdbOf = (opcode: number, lba: number, blocks: number): Buffer => {
  const cdb = Buffer.alloc(16);
  transferCdb.opcode.set(cdb, opcode);
  transferCdb.lba.set(cdb, lba);
  transferCdb.blocks.set(cdb, blocks);
  return cdb;
};

const recovered = (errand: Errand): boolean =>
  errand.outcome === Status.CHECK_CONDITION && decodeSense(errand.sense)?.key === SenseKey.RECOVERED_ERROR;

/** A block device as copy source or destination. */
export class BlockEnd {
  readonly kind = 'block';
  readonly initiator: Initiator;
  readonly lun: number;
  readonly pad: boolean;
  readonly blockBytes: number;
  readonly blocks: number;
  /** The CSCD that names it. */
  readonly pointer: CopyPointer;

  constructor(
    initiator: Initiator,
    lun: number,
    as: { pad: boolean; blockBytes: number; blocks: number; pointer: CopyPointer },
  ) {
    this.initiator = initiator;
    this.lun = lun;
    this.pad = as.pad;
    this.blockBytes = as.blockBytes;
    this.blocks = as.blocks;
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

  /** Reads from `lba` on. `unit`: what is written at a time, so that reads end where writes do. */
  source(lba: number, unit: number): Source {
    const { blockBytes } = this;
    const whole = unit <= CHUNK_BYTES ? CHUNK_BYTES - (CHUNK_BYTES % unit) : CHUNK_BYTES;
    const chunk = whole % blockBytes === 0 ? whole : CHUNK_BYTES;
    return {
      depth: COMMANDS_AHEAD,
      next: missing => Math.min(chunk, Math.ceil(missing / blockBytes) * blockBytes),
      read: (bytes, done) => {
        const blocks = bytes / blockBytes;
        const at = lba;
        lba += blocks;
        this.initiator.read(this.lun, cdbOf(0x88, at, blocks), bytes, done);
      },
      outcome: errand => this.#outcome(errand, 'source', errand.expectedIn, errand.totalIn),
    };
  }

  /** Writes from `lba` on. */
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
        this.initiator.write(this.lun, cdbOf(0x8a, at, blocks), from, done);
      },
      outcome: errand => this.#outcome(errand, 'destination', errand.out.length, errand.wantedOut),
    };
  }
}
