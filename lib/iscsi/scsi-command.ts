import { decodeLun } from '../scsi-cmds/lun.ts';
import { Attribute } from '../scsi-cmds/task.ts';
import type { Connection } from './connection.ts';
import { TransportSense, transportError } from './data-out.ts';
import { ProtocolViolation } from './errors.ts';
import { MOST_IMMEDIATE, MOST_TRANSFER_BYTES } from './limits.ts';
import { NO_TAG, common, requestNumbers } from './pdu/header.ts';
import { RejectReason } from './pdu/reject.ts';
import { AhsType, CommandAttribute, scsiCommand } from './pdu/scsi-command.ts';
import type { ScsiTask } from './scsi-task.ts';

/** SCSI Command (RFC 7143 11.3): from the header to a task that is admitted in CmdSN order. */

const ATTRIBUTES: readonly number[] = (() => {
  const table = Array.from({ length: 8 }, () => Attribute.SIMPLE as number);
  table[CommandAttribute.ORDERED] = Attribute.ORDERED;
  table[CommandAttribute.HEAD_OF_QUEUE] = Attribute.HEAD_OF_QUEUE;
  table[CommandAttribute.ACA] = Attribute.ACA;
  return table;
})();

/** Rejected for a reason, or ignored as its CmdSN is outside the window. */
export type Refusal = RejectReason | 'ignored';

/** A LUN in a form that names nothing here: above every real one, so that it is answered as absent. */
const NO_LUN = 0x1_0000;

/** The header of a command with immediate data is whole: its data lands in the task's own buffer. */
export function landScsiCommand(
  connection: Connection,
  header: Buffer,
  ahs: Buffer | undefined,
  length: number,
): void {
  connection.refused = refusal(connection, header);
  if (connection.refused !== undefined) return;
  const task = begin(connection, header, ahs, length);
  connection.arriving = task;
  if (task.refusal === undefined) connection.framer.into = task.buffer;
}

export function receiveScsiCommand(
  connection: Connection,
  header: Buffer,
  ahs: Buffer | undefined,
  length: number,
): void {
  let task = connection.arriving;
  connection.arriving = undefined;
  if (task === undefined) {
    // Data that was refused when it began to come has gone nowhere, whatever has changed since.
    const refused = length > 0 ? connection.refused : refusal(connection, header);
    if (refused === 'ignored') return; // RFC 7143 4.2.2.1
    if (refused !== undefined) {
      refuse(connection, header, refused);
      return;
    }
    task = begin(connection, header, ahs, length);
  }
  const session = connection.session!;
  session.tasks.set(task.tag, task);
  if (task.immediate) {
    session.immediates++;
    session.admit(task);
    return;
  }
  const cmdSN = scsiCommand.cmdSN.get(header);
  if (session.window.isNext(cmdSN)) {
    session.window.advance(true);
    session.admit(task);
    session.window.catchUp();
  } else {
    const kept = task;
    session.window.inOrder(
      cmdSN,
      true,
      () => session.admit(kept),
      connection,
      () => session.unlearn(kept),
    );
  }
}

/** Rejects the command. Its CmdSN is used up, since it will not come again: what follows must not wait for it. */
function refuse(connection: Connection, header: Buffer, reason: RejectReason): void {
  if (common.immediate.get(header)) throw new ProtocolViolation('SCSI command refused', reason);
  const { window } = connection.session!;
  const cmdSN = requestNumbers.cmdSN.get(header);
  if (!window.takes(cmdSN)) return;
  const kept = Buffer.from(header);
  window.inOrder(cmdSN, false, () => connection.reject(kept, reason), connection);
}

/** Why the command is not taken at all: a reason to reject it, or outside the window. */
function refusal(connection: Connection, header: Buffer): Refusal | undefined {
  const session = connection.session!;
  if (common.immediate.get(header)) {
    if (session.immediates >= MOST_IMMEDIATE) return RejectReason.IMMEDIATE_COMMAND_REJECT;
  } else if (!session.window.takes(requestNumbers.cmdSN.get(header))) return 'ignored';
  const tag = scsiCommand.initiatorTaskTag.get(header);
  if (tag === NO_TAG) return RejectReason.INVALID_PDU_FIELD;
  if (session.tasks.has(tag)) return RejectReason.TASK_IN_PROGRESS;
  return undefined;
}

function begin(connection: Connection, header: Buffer, ahs: Buffer | undefined, length: number): ScsiTask {
  const session = connection.session!;
  const task = session.newTask();
  const flags = header[1]!;
  const expected = scsiCommand.expectedDataTransferLength.get(header);
  const reading = (flags & 0x40) !== 0;
  const writing = (flags & 0x20) !== 0;
  task.connection = connection;
  task.nexus = session.nexus;
  task.immediate = (header[0]! & 0x40) !== 0;
  task.tag = scsiCommand.initiatorTaskTag.get(header);
  task.attribute = ATTRIBUTES[flags & 0x07]!;
  task.lun = decodeLun(header, 8) ?? NO_LUN;
  task.expectedIn = reading ? expected : 0;
  task.expectedOut = writing ? expected : 0;
  if (task.cdb.length !== 16) task.cdb = Buffer.alloc(16);
  header.copy(task.cdb, 0, 32, 48);
  if (ahs !== undefined) additional(task, ahs);
  // Bidirectional commands are obsolete (SAM-6) and no command here is one.
  if (reading && writing) task.refusal = transportError(TransportSense.INVALID_FIELD_IN_COMMAND).facts;
  else task.bidirectionalIn = 0;
  if (writing || connection.kept !== undefined) header.copy(task.lunField, 0, 8, 16);
  if (writing) beginWrite(task, header, length);
  else if (length > 0 || (flags & 0x80) === 0) {
    task.refusal = transportError(TransportSense.UNEXPECTED_UNSOLICITED_DATA).facts;
  }
  return task;
}

/** What may come without an R2T (RFC 7143 4.2.5.2, 13.10, 13.11, 13.14) and where it lands. */
function beginWrite(task: ScsiTask, header: Buffer, length: number): void {
  const { parameters } = task.connection;
  const most = Math.min(task.expectedOut, parameters.firstBurstLength);
  const more = (header[1]! & 0x80) === 0;
  if ((length > 0 && !parameters.immediateData) || (more && parameters.initialR2T)) {
    task.refusal = transportError(TransportSense.UNEXPECTED_UNSOLICITED_DATA).facts;
    return;
  }
  if (length > most) {
    task.refusal = transportError(TransportSense.INCORRECT_AMOUNT_OF_DATA).facts;
    return;
  }
  task.received = length;
  task.unsolicitedOpen = more;
  task.unsolicitedEnd = most;
  if (length === 0 && !more) return; // all of it will be asked for
  const session = task.connection.session!;
  const whole = Math.min(task.expectedOut, MOST_TRANSFER_BYTES);
  // One that comes before its turn is charged for nothing yet: it gets room for what may come unasked.
  const now = task.immediate || session.window.isNext(scsiCommand.cmdSN.get(header));
  task.buffer = task.take(now && session.affords(whole) ? whole : most);
}

/** The rest of a CDB of more than 16 bytes, and what a bidirectional command reads (RFC 7143 11.2.2.3, 11.2.2.4). */
function additional(task: ScsiTask, ahs: Buffer): void {
  for (let at = 0; at + 4 <= ahs.length;) {
    const length = ahs.readUInt16BE(at);
    const whole = at + 3 + length <= ahs.length;
    switch (ahs[at + 2]) {
      case AhsType.EXTENDED_CDB:
        if (whole && length > 1 && task.cdb.length === 16)
          task.cdb = Buffer.concat([task.cdb, ahs.subarray(at + 4, at + 3 + length)]);
        break;
      case AhsType.BIDIRECTIONAL_READ_LENGTH:
        if (whole && length === 5) task.bidirectionalIn = ahs.readUInt32BE(at + 4);
    }
    at += (3 + length + 3) & ~3;
  }
}
