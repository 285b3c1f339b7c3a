import { bit, u24, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { SenseKey } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import {
  carryOut,
  type CommandAs,
  deviceFailure,
  type Outcome,
  type Sink,
  type Source,
  type StreamCscd,
  type TapeObject,
} from './end.ts';
import type { Errand, Initiator } from './initiator.ts';
import { CopyAbort, CopyCode, type CopyPointer, readStreamSense, type StreamSense } from './sense.ts';

/** READ(6), WRITE(6), WRITE FILEMARKS(6) of a tape (SSC-4); SILI stays zero (SPC-4 6.4.5.4). */
const transferCdb = layout(6, { opcode: u8(0), fixed: bit(1, 0), transferLength: u24(2) });
/** MODE SENSE(6) of page 00h: header and block descriptor (SPC-4 6.13). */
const MODE_SENSE = Buffer.from('1a0000000c0000000000000000000000', 'hex');
const MODE_DATA_BYTES = 12;
const BLOCK_LENGTH_AT = 9;

/** SPACE(6), one block or one filemark back (SSC-4). */
const BACK_OVER = {
  record: Buffer.from('1100ffffff0000000000000000000000', 'hex'),
  filemark: Buffer.from('1101ffffff0000000000000000000000', 'hex'),
} as const;
const FIRST_RECORD_BYTES = 256 * 1024;

const recordOf = (errand: Errand, bytes: number): TapeObject => ({
  kind: 'record',
  bytes: errand.read.subarray(0, bytes),
  release: () => errand.release(),
});

/** A sequential-access device as copy source or destination. */
export class StreamEnd implements StreamCscd {
  readonly kind = 'stream';
  readonly initiator: Initiator;
  readonly lun: number;
  readonly pad: boolean;
  readonly fixed: boolean;
  /** STREAM BLOCK LENGTH with FIXED = 1, otherwise 1: a transfer length counts in it (SPC-4 6.4.5.4 table 138). */
  readonly blockBytes: number;
  readonly pointer: CopyPointer;
  /** Room for one record of unknown length: what the longest one so far took. */
  #recordBytes = FIRST_RECORD_BYTES;

  constructor(
    initiator: Initiator,
    lun: number,
    as: { pad: boolean; fixed: boolean; blockBytes: number; pointer: CopyPointer },
  ) {
    this.initiator = initiator;
    this.lun = lun;
    this.pad = as.pad;
    this.fixed = as.fixed;
    this.blockBytes = as.fixed ? as.blockBytes : 1;
    this.pointer = as.pointer;
  }

  /** `lengthPointer`: where STREAM BLOCK LENGTH stands. It must be what the drive's fixed blocks are. */
  async verify(role: 'source' | 'destination', lengthPointer: CopyPointer): Promise<this> {
    if (!this.fixed) return this;
    const { status, data, sense } = await this.initiator.ask(this.lun, MODE_SENSE, MODE_DATA_BYTES);
    if (status !== Status.GOOD) throw deviceFailure(role, { outcome: status, sense }, this.pointer);
    if (data.length < MODE_DATA_BYTES || data.readUIntBE(BLOCK_LENGTH_AT, 3) !== this.blockBytes) {
      throw new CopyAbort(CopyCode.INVALID_FIELD, lengthPointer);
    }
    return this;
  }

  #cdb(opcode: number, bytes: number): Buffer {
    const cdb = Buffer.alloc(16);
    transferCdb.opcode.set(cdb, opcode);
    transferCdb.fixed.set(cdb, this.fixed);
    transferCdb.transferLength.set(cdb, bytes / this.blockBytes);
    return cdb;
  }

  /** INFORMATION in bytes; a command that failed without it has moved nothing. */
  #residual(said: StreamSense, wanted: number): number {
    if (said.information === undefined) return wanted;
    return Math.min(Math.max(said.information * this.blockBytes, 0), wanted);
  }

  async command(cdb: Buffer, as?: CommandAs): Promise<void> {
    await carryOut(this, cdb, as);
  }

  back(over: 'record' | 'filemark'): Promise<void> {
    return this.command(Buffer.from(BACK_OVER[over]), { role: 'source' });
  }

  filemarks(count: number, immediate: boolean): Promise<void> {
    const cdb = Buffer.alloc(16);
    transferCdb.opcode.set(cdb, 0x10);
    transferCdb.fixed.set(cdb, immediate); // IMMED has the place of FIXED
    transferCdb.transferLength.set(cdb, count);
    return this.command(cdb);
  }

  async object(): Promise<TapeObject> {
    for (;;) {
      const errand = await this.#readRecord(this.#recordBytes);
      const { outcome, sense } = errand;
      if (outcome === Status.GOOD) return recordOf(errand, errand.read.length);
      const said = outcome === Status.CHECK_CONDITION ? readStreamSense(sense) : undefined;
      if (said?.key === SenseKey.RECOVERED_ERROR) return recordOf(errand, errand.read.length);
      const information = said?.information;
      if (said?.key === SenseKey.NO_SENSE && said.incorrectLength && information !== undefined) {
        if (information > 0) return recordOf(errand, errand.expectedIn - information);
        // A longer one: back to its beginning, and again with room for it.
        errand.release();
        this.#recordBytes -= information;
        await this.back('record');
        continue;
      }
      errand.release();
      if (said?.filemark === true && said.key === SenseKey.NO_SENSE) return { kind: 'filemark' };
      const end = said?.key === SenseKey.BLANK_CHECK || said?.endOfMedium === true;
      if (end) return { kind: 'end' };
      throw deviceFailure('source', { outcome, sense }, this.pointer);
    }
  }

  #readRecord(bytes: number): Promise<Errand> {
    const cdb = Buffer.alloc(16);
    transferCdb.opcode.set(cdb, 0x08);
    transferCdb.transferLength.set(cdb, bytes);
    return new Promise(resolve => this.initiator.read(this.lun, cdb, bytes, resolve));
  }

  put(record: Buffer): Promise<Outcome> {
    const cdb = Buffer.alloc(16);
    transferCdb.opcode.set(cdb, 0x0a);
    transferCdb.transferLength.set(cdb, record.length);
    return new Promise(resolve => {
      this.initiator.write(this.lun, cdb, record, errand => {
        resolve(this.#written(errand));
        errand.release();
      });
    });
  }

  source(transferLength: number): Source {
    const bytes = transferLength * this.blockBytes;
    return {
      depth: 1,
      next: () => bytes,
      read: (length, done) => this.initiator.read(this.lun, this.#cdb(0x08, length), length, done),
      outcome: errand => this.#read(errand),
    };
  }

  #read(errand: Errand): Outcome {
    const wanted = errand.expectedIn;
    const failed = (): CopyAbort => deviceFailure('source', errand, this.pointer);
    if (errand.outcome === Status.GOOD) {
      if (errand.totalIn === wanted) return { bytes: wanted, abort: undefined };
      const code = errand.totalIn < wanted ? CopyCode.UNDERRUN : CopyCode.OVERRUN;
      return { bytes: 0, abort: new CopyAbort(code, this.pointer) };
    }
    if (errand.outcome !== Status.CHECK_CONDITION) return { bytes: 0, abort: failed() };
    const said = readStreamSense(errand.sense);
    if (said.key === SenseKey.RECOVERED_ERROR) return { bytes: errand.read.length, abort: undefined };
    const moved = Math.min(wanted - this.#residual(said, wanted), errand.read.length);
    if (this.fixed) return { bytes: moved, abort: failed() };
    // A shorter record counts as its bytes; of a longer one there is no telling what the rest was.
    const short =
      said.key === SenseKey.NO_SENSE &&
      said.incorrectLength &&
      !said.filemark &&
      (said.information ?? -1) > 0;
    return short ? { bytes: moved, abort: undefined } : { bytes: 0, abort: failed() };
  }

  sink(transferLength: number): Sink {
    const bytes = transferLength * this.blockBytes;
    return {
      depth: 1,
      unit: bytes,
      most: bytes,
      write: (from, done) => this.initiator.write(this.lun, this.#cdb(0x0a, from.length), from, done),
      outcome: errand => this.#written(errand),
    };
  }

  /**
   * CHECK CONDITION ends the copy, early warning too: the initiator must learn of it. What was written counts, EOM or
   * not (SPC-4 5.17.7.4 c).
   */
  #written(errand: Errand): Outcome {
    const wanted = errand.out.length;
    if (errand.outcome === Status.GOOD) {
      if (errand.wantedOut === wanted) return { bytes: wanted, abort: undefined };
      return { bytes: 0, abort: new CopyAbort(CopyCode.OVERRUN, this.pointer) };
    }
    const abort = deviceFailure('destination', errand, this.pointer);
    if (errand.outcome !== Status.CHECK_CONDITION) return { bytes: 0, abort };
    const said = readStreamSense(errand.sense);
    if (said.key === SenseKey.RECOVERED_ERROR) return { bytes: wanted, abort: undefined };
    if (said.key === SenseKey.NO_SENSE && said.endOfMedium) {
      return { bytes: wanted - (said.information === undefined ? 0 : this.#residual(said, wanted)), abort };
    }
    return { bytes: wanted - this.#residual(said, wanted), abort };
  }
}
