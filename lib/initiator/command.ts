import type { Parameters } from '../iscsi/login/keys.ts';
import { dataIn, dataOut, r2t } from '../iscsi/pdu/data.ts';
import { newHeader, NO_TAG, Opcode } from '../iscsi/pdu/header.ts';
import { CommandAttribute, scsiCommand } from '../iscsi/pdu/scsi-command.ts';
import { CommandResponse, scsiResponse } from '../iscsi/pdu/scsi-response.ts';
import { InitiatorError } from './initiator-error.ts';
import { lunBytes } from './lun.ts';

export interface CommandOptions {
  readonly dataOut?: Uint8Array;
  /** Bytes to be ready for, or a buffer that they land in. */
  readonly dataIn?: number | Buffer;
  /** Default SIMPLE. */
  readonly attribute?: number;
  /** After this the task is aborted and the command fails. Default: the session's. */
  readonly timeoutMs?: number;
  /** Aborts the task at the target. */
  readonly signal?: AbortSignal;
}

/** What the target said, whatever it said: CHECK CONDITION is an answer, not an error. */
export interface CommandResult {
  readonly status: number;
  readonly data: Buffer;
  readonly sense: Buffer;
  /** Bytes expected and not transferred; negative: bytes that would have been and found no room. */
  readonly residual: number;
}

/** RFC 7143 10.4.1: CDBs longer than 16 bytes go in an extended header, which no command of ours needs. */
const LONGEST_CDB = 16;
const NO_BYTES = Buffer.alloc(0);

/** Sends one PDU; the command knows what is in it, the session what its numbers are. */
export type SendPdu = (header: Buffer, data?: Uint8Array) => void;

/** One SCSI command on its way: what goes out, what has come in. Knows nothing of sockets and sequence numbers. */
export class Command {
  readonly tag: number;
  readonly lun: number;
  readonly cdb: Uint8Array;
  readonly attribute: number;
  readonly out: Uint8Array;
  readonly answer: Promise<CommandResult>;
  /** Set when it is sent. */
  cmdSN: number | undefined;
  settled = false;

  readonly #in: Buffer;
  #received = 0;
  #resolve!: (result: CommandResult) => void;
  #reject!: (error: InitiatorError) => void;

  constructor(tag: number, lun: number, cdb: Uint8Array, options: CommandOptions) {
    if (cdb.length > LONGEST_CDB) throw new InitiatorError('usage', `a CDB of ${cdb.length} bytes`);
    this.tag = tag;
    this.lun = lun;
    this.cdb = cdb;
    this.attribute = options.attribute ?? CommandAttribute.SIMPLE;
    this.out = options.dataOut ?? NO_BYTES;
    this.#in =
      typeof options.dataIn === 'number'
        ? Buffer.allocUnsafeSlow(options.dataIn)
        : (options.dataIn ?? NO_BYTES);
    if (this.out.length > 0 && this.#in.length > 0) {
      throw new InitiatorError('usage', 'a command sends data or receives data, not both');
    }
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.answer.catch(() => undefined); // whoever does not wait for it does not want to hear of it
  }

  /** The command PDU, and the unsolicited data that may follow it (RFC 7143 4.2.4.3). */
  start(cmdSN: number, parameters: Parameters, send: SendPdu): void {
    this.cmdSN = cmdSN;
    const { out } = this;
    const segment = parameters.maxRecvDataSegmentLength;
    const first = Math.min(out.length, parameters.firstBurstLength);
    const immediate = parameters.immediateData ? Math.min(first, segment) : 0;
    const unsolicited = parameters.initialR2T ? immediate : first;
    const header = newHeader();
    scsiCommand.opcode.set(header, Opcode.SCSI_COMMAND);
    scsiCommand.final.set(header, unsolicited <= immediate);
    scsiCommand.read.set(header, this.#in.length > 0);
    scsiCommand.write.set(header, out.length > 0);
    scsiCommand.attribute.set(header, this.attribute);
    scsiCommand.lun.set(header, lunBytes(this.lun));
    scsiCommand.initiatorTaskTag.set(header, this.tag);
    scsiCommand.expectedDataTransferLength.set(header, Math.max(out.length, this.#in.length));
    scsiCommand.cmdSN.set(header, cmdSN);
    scsiCommand.cdb.set(header, this.cdb);
    send(header, out.subarray(0, immediate));
    if (unsolicited > immediate) this.#sendOut(immediate, unsolicited, NO_TAG, NO_BYTES, segment, send);
  }

  /** Data-Out PDUs for `from` to `end`; one sequence (RFC 7143 11.7). */
  #sendOut(from: number, end: number, tag: number, lun: Uint8Array, segment: number, send: SendPdu): void {
    for (let at = from, dataSN = 0; at < end; dataSN++) {
      const next = Math.min(end, at + segment);
      const header = newHeader();
      dataOut.opcode.set(header, Opcode.DATA_OUT);
      dataOut.final.set(header, next === end);
      dataOut.lun.set(header, lun);
      dataOut.initiatorTaskTag.set(header, this.tag);
      dataOut.targetTransferTag.set(header, tag);
      dataOut.dataSN.set(header, dataSN);
      dataOut.bufferOffset.set(header, at);
      send(header, this.out.subarray(at, next));
      at = next;
    }
  }

  /** Answers an R2T at once; they come in order, and so do the answers. */
  ready(header: Buffer, parameters: Parameters, send: SendPdu): void {
    const from = r2t.bufferOffset.get(header);
    const length = r2t.desiredDataTransferLength.get(header);
    if (length === 0 || from + length > this.out.length || length > parameters.maxBurstLength) {
      throw new InitiatorError(
        'protocol',
        `the target asks for ${length} bytes at ${from} of ${this.out.length}`,
      );
    }
    const lun = Buffer.from(r2t.lun.get(header));
    this.#sendOut(
      from,
      from + length,
      r2t.targetTransferTag.get(header),
      lun,
      parameters.maxRecvDataSegmentLength,
      send,
    );
  }

  /** Where a Data-In segment goes. */
  land(header: Buffer, length: number): Buffer {
    const from = dataIn.bufferOffset.get(header);
    if (from !== this.#received || from + length > this.#in.length) {
      throw new InitiatorError(
        'protocol',
        `the target sends ${length} bytes for offset ${from}, where offset ${this.#received} of ${this.#in.length} is due`,
      );
    }
    return this.#in.subarray(from, from + length);
  }

  /** A Data-In PDU is whole; it may carry the status. */
  arrived(header: Buffer, length: number): void {
    this.#received += length;
    if (dataIn.hasStatus.get(header)) {
      this.#end(dataIn.status.get(header), NO_BYTES, residualOf(header));
    }
  }

  /** SCSI Response. */
  responded(header: Buffer, data: Buffer): void {
    if (scsiResponse.response.get(header) !== CommandResponse.COMPLETED_AT_TARGET) {
      this.fail(new InitiatorError('target', 'the target failed inside and could not do the command'));
      return;
    }
    // RFC 7143 11.4.7: sense data stands behind its length.
    const length = data.length < 2 ? 0 : Math.min(data.readUInt16BE(0), data.length - 2);
    this.#end(scsiResponse.status.get(header), Buffer.from(data.subarray(2, 2 + length)), residualOf(header));
  }

  #end(status: number, sense: Buffer, residual: number): void {
    if (this.settled) return;
    this.settled = true;
    this.#resolve({ status, data: this.#in.subarray(0, this.#received), sense, residual });
  }

  fail(error: InitiatorError): void {
    if (this.settled) return;
    this.settled = true;
    this.#reject(error);
  }
}

function residualOf(header: Buffer): number {
  const count = scsiResponse.residualCount.get(header);
  if (scsiResponse.overflow.get(header)) return -count;
  return scsiResponse.underflow.get(header) ? count : 0;
}
