import type { Connection } from './connection.ts';
import { landDataOut, receiveDataOut } from './data-out.ts';
import { ProtocolViolation } from './errors.ts';
import { MOST_EARLY_BYTES } from './limits.ts';
import { logout, speaksOfOwn } from './logout.ts';
import { nopOut } from './nop.ts';
import { Opcode, common, requestNumbers } from './pdu/header.ts';
import { RejectReason } from './pdu/reject.ts';
import type { Retransmission } from './retransmission.ts';
import { landScsiCommand, receiveScsiCommand } from './scsi-command.ts';
import { snack } from './snack.ts';
import { taskManagement } from './task-management.ts';

/** Full feature phase (RFC 7143 4.3): a row for each operation code that an initiator may send. */
interface Handler {
  /** May come in a discovery session (RFC 7143 4.3). */
  readonly discovery?: boolean;
  /** Comes in CmdSN order unless it is immediate; the order is kept here, before `run`. */
  readonly ordered?: boolean;
  /** Sets `framer.into` for the data segment; without it the segment lands in a buffer of its own. */
  land?(connection: Connection, header: Buffer, ahs: Buffer | undefined, length: number): void;
  /** `data` is what landed in a buffer of its own. */
  run(connection: Connection, header: Buffer, data: Buffer, ahs: Buffer | undefined, length: number): void;
  /** The data segment is not what was sent; the PDU is rejected after this (RFC 7143 7.8). */
  spoilt?(connection: Connection, header: Buffer, length: number): void;
}

const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [
    Opcode.SCSI_COMMAND,
    {
      land: landScsiCommand,
      run: (connection, header, _data, ahs, length) => receiveScsiCommand(connection, header, ahs, length),
      spoilt: connection => connection.forgetArriving(),
    },
  ],
  [
    Opcode.DATA_OUT,
    {
      land: (connection, header, _ahs, length) => landDataOut(connection, header, length),
      run: (connection, header, _data, _ahs, length) => receiveDataOut(connection, header, length, false),
      spoilt: (connection, header, length) => receiveDataOut(connection, header, length, true),
    },
  ],
  [Opcode.NOP_OUT, { discovery: true, ordered: true, run: nopOut }],
  [Opcode.TASK_MANAGEMENT_REQUEST, { ordered: true, run: taskManagement }],
  [
    Opcode.TEXT_REQUEST,
    {
      discovery: true,
      ordered: true,
      run: (connection, header, data) => connection.text.request(header, data),
    },
  ],
  [Opcode.LOGOUT_REQUEST, { discovery: true, ordered: true, run: logout }],
  [Opcode.SNACK, { run: snack }],
]);

const BY_OPCODE: readonly (Handler | undefined)[] = Array.from({ length: 64 }, (_, opcode) =>
  HANDLERS.get(opcode),
);
const NO_DATA = Buffer.alloc(0);

const handlerOf = (connection: Connection, header: Buffer): Handler | undefined => {
  const handler = BY_OPCODE[header[0]! & 0x3f];
  return connection.session!.device === undefined && handler?.discovery !== true ? undefined : handler;
};

export function landPdu(
  connection: Connection,
  header: Buffer,
  ahs: Buffer | undefined,
  length: number,
): void {
  const handler = handlerOf(connection, header);
  if (handler?.land !== undefined) handler.land(connection, header, ahs, length);
  else if (handler !== undefined && !crowds(connection, handler, header, length)) {
    connection.landing = Buffer.allocUnsafe(length);
    connection.framer.into = connection.landing;
  }
}

export function receivePdu(
  connection: Connection,
  header: Buffer,
  ahs: Buffer | undefined,
  length: number,
  data: Buffer | undefined,
  digestFailed: boolean,
): void {
  const handler = handlerOf(connection, header);
  const { kept } = connection;
  if (kept !== undefined) acknowledge(connection, kept, header);
  if (handler === undefined) {
    const opcode = header[0]! & 0x3f;
    const known = BY_OPCODE[opcode] !== undefined;
    const violation = new ProtocolViolation(
      `opcode ${opcode.toString(16)}h has no place here`,
      known ? RejectReason.PROTOCOL_ERROR : RejectReason.COMMAND_NOT_SUPPORTED,
    );
    if (!known || opcode === Opcode.DATA_OUT || opcode === Opcode.SNACK || common.immediate.get(header))
      throw violation;
    // It had a CmdSN, which is used up: what comes next must not wait for it.
    inOrder(connection, header, () => {
      throw violation;
    });
    return;
  }
  if (digestFailed) {
    handler.spoilt?.(connection, header, length);
    throw new ProtocolViolation('data digest error', RejectReason.DATA_DIGEST_ERROR);
  }
  if (handler.ordered !== true || common.immediate.get(header)) {
    handler.run(connection, header, data ?? NO_DATA, ahs, length);
    return;
  }
  if (length > 0 && data === undefined) {
    inOrder(connection, header, () => {
      throw new ProtocolViolation('too much came before its turn', RejectReason.LONG_OPERATION_REJECT);
    });
    return;
  }
  inOrder(connection, header, kept => handler.run(connection, kept, data ?? NO_DATA, ahs, length), length);
}

/** Its data would have to wait for its turn, and there is too much of that already. */
function crowds(connection: Connection, handler: Handler, header: Buffer, length: number): boolean {
  if (handler.ordered !== true || common.immediate.get(header)) return false;
  const { window, earlyBytes } = connection.session!;
  return !window.isNext(requestNumbers.cmdSN.get(header)) && earlyBytes + length > MOST_EARLY_BYTES;
}

/** ExpStatSN of a request. A SNACK is looked at before, and a Logout may speak of another connection. */
function acknowledge(connection: Connection, kept: Retransmission, header: Buffer): void {
  const opcode = header[0]! & 0x3f;
  if (opcode === Opcode.SNACK || (opcode === Opcode.LOGOUT_REQUEST && !speaksOfOwn(connection, header)))
    return;
  kept.acknowledge(requestNumbers.expStatSN.get(header));
}

/**
 * Runs a request that is no SCSI command when its CmdSN has its turn; its violations are answered then, by its header.
 * `bytes` of data wait with it.
 */
function inOrder(connection: Connection, header: Buffer, run: (header: Buffer) => void, bytes = 0): void {
  const session = connection.session!;
  const { window } = session;
  const cmdSN = requestNumbers.cmdSN.get(header);
  if (!window.takes(cmdSN)) return; // RFC 7143 4.2.2.1: ignored in silence
  const kept = Buffer.from(header);
  const came = (): void => {
    session.earlyBytes -= bytes;
  };
  session.earlyBytes += bytes;
  window.inOrder(
    cmdSN,
    false,
    () => {
      came();
      try {
        run(kept);
      } catch (error) {
        connection.violated(kept, error);
      }
    },
    connection,
    came,
  );
}
