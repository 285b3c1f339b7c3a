import { serialAdd, serialBefore, serialDistance } from '../bytes/serial.ts';
import { dataIn } from '../iscsi/pdu/data.ts';
import { common, NO_TAG, Opcode, responseNumbers } from '../iscsi/pdu/header.ts';
import type { LoginResult } from './login.ts';

/** CmdSN and its window, and ExpStatSN, of a session of one connection (RFC 7143 4.2.2). */
export class SequenceNumbers {
  /** Of the next command. */
  cmdSN = 1;
  expStatSN = 0;
  #expCmdSN = 1;
  #maxCmdSN = 1;

  /** What the login left. */
  start(from: LoginResult): void {
    this.cmdSN = from.cmdSN;
    this.expStatSN = from.expStatSN;
    this.#expCmdSN = from.expCmdSN;
    this.#maxCmdSN = from.maxCmdSN;
  }

  /** The window lets a command through (RFC 7143 4.2.2.1). */
  get open(): boolean {
    return !serialBefore(this.#maxCmdSN, this.cmdSN);
  }

  /** The CmdSN of a command that is sent now. */
  take(): number {
    const { cmdSN } = this;
    this.cmdSN = serialAdd(cmdSN, 1);
    return cmdSN;
  }

  /** StatSN, ExpCmdSN and MaxCmdSN of a PDU that has come. */
  advance(header: Buffer): void {
    const opcode = common.opcode.get(header);
    const counts =
      opcode === Opcode.DATA_IN
        ? dataIn.hasStatus.get(header)
        : opcode !== Opcode.R2T &&
          !(opcode === Opcode.NOP_IN && common.initiatorTaskTag.get(header) === NO_TAG);
    if (counts) this.expStatSN = serialAdd(responseNumbers.statSN.get(header), 1);
    const expCmdSN = responseNumbers.expCmdSN.get(header);
    const maxCmdSN = responseNumbers.maxCmdSN.get(header);
    // RFC 7143 4.2.2.1: a pair with MaxCmdSN below ExpCmdSN - 1 is ignored, and so are values that go back.
    if (serialDistance(maxCmdSN, serialAdd(expCmdSN, -1)) < 0) return;
    if (serialBefore(this.#maxCmdSN, maxCmdSN)) this.#maxCmdSN = maxCmdSN;
    if (serialBefore(this.#expCmdSN, expCmdSN)) this.#expCmdSN = expCmdSN;
  }
}
