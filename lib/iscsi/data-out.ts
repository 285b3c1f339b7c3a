import { serialBefore } from '../bytes/serial.ts';
import { CheckCondition, SenseKey } from '../scsi-cmds/sense.ts';
import type { Connection } from './connection.ts';
import { MOST_RECOVERIES } from './limits.ts';
import { NO_TAG, Opcode } from './pdu/header.ts';
import { dataOut, r2t } from './pdu/data.ts';
import type { ScsiTask, Solicited } from './scsi-task.ts';

/** Tags that are remembered: those of all sequences that can be out, several times over. */
const RETIRED_KEPT = 64;

/** Additional sense codes for what the transport finds (RFC 7143 11.4.7.2). */
export const TransportSense = {
  UNEXPECTED_UNSOLICITED_DATA: 0x0c0c,
  INCORRECT_AMOUNT_OF_DATA: 0x0c0d,
  CRC_ERROR: 0x4705,
  SNACK_REJECTED: 0x1113,
  DATA_PHASE_ERROR: 0x4b00,
  INVALID_FIELD_IN_COMMAND: 0x0e03,
} as const;

export const transportError = (code: number): CheckCondition =>
  new CheckCondition({ key: SenseKey.ABORTED_COMMAND, code });

/** The unit wants `task.wantedOut` bytes: answers with what is there or asks for the rest. */
export function pull(task: ScsiTask): void {
  const want = Math.min(task.wantedOut, task.expectedOut);
  task.want = want;
  if (task.spoiltBy !== 0 && !task.unsolicitedOpen) {
    fail(task, task.spoiltBy);
    return;
  }
  if (task.received >= want && task.spoiltBy === 0) {
    task.arrived(task.buffer.length === want ? task.buffer : task.buffer.subarray(0, want));
    return;
  }
  if (task.buffer.length < want) {
    const grown = task.take(want);
    if (task.received > 0) task.buffer.copy(grown, 0, 0, task.received);
    task.buffer = grown;
  }
  task.pulling = true;
  task.movedAtMs = task.pullingSinceMs = performance.now();
  if (!task.unsolicitedOpen) solicit(task);
  task.connection.session!.pulling.add(task);
}

/** Sends as many R2Ts as may be out at once (RFC 7143 13.17), each for a burst at the most (13.13). */
function solicit(task: ScsiTask): void {
  const { connection } = task;
  const { maxBurstLength, maxOutstandingR2T } = connection.parameters;
  if (task.nextR2T < task.received) task.nextR2T = task.received;
  while (task.solicited.length < maxOutstandingR2T && task.nextR2T < task.want) {
    const offset = task.nextR2T;
    const length = Math.min(maxBurstLength, task.want - offset);
    task.solicited.push(ask(task, offset, offset + length));
    task.nextR2T = offset + length;
  }
  connection.wake();
}

/** Asks for a part of a write. */
function ask(task: ScsiTask, start: number, end: number): Solicited {
  const part = {
    targetTransferTag: task.connection.session!.newTransferTag(),
    r2tSN: task.r2tSN++,
    start,
    end,
    next: start,
    dataSN: 0,
  };
  sendR2T(task, part);
  return part;
}

export function sendR2T(task: ScsiTask, part: Solicited, sent?: () => void): void {
  const { connection } = task;
  const { window } = connection.session!;
  const header = connection.outbox.header();
  header[0] = Opcode.R2T;
  header[1] = 0x80;
  task.lunField.copy(header, 8);
  r2t.initiatorTaskTag.set(header, task.tag);
  r2t.targetTransferTag.set(header, part.targetTransferTag);
  r2t.statSN.set(header, connection.statSN); // the next one, not used up (RFC 7143 11.8.3)
  r2t.expCmdSN.set(header, window.expCmdSN);
  r2t.maxCmdSN.set(header, window.maxCmdSN);
  r2t.r2tSN.set(header, part.r2tSN);
  r2t.bufferOffset.set(header, part.start);
  r2t.desiredDataTransferLength.set(header, part.end - part.start);
  connection.outbox.push(header, undefined, 0, sent);
}

/** What a Data-Out PDU is part of; undefined: nothing that is known here, and it is dropped in silence. */
function find(
  connection: Connection,
  header: Buffer,
): { task: ScsiTask; part: Solicited | undefined } | undefined {
  const task = connection.session!.tasks.get(dataOut.initiatorTaskTag.get(header));
  if (task === undefined || task.aborted || task.refusal !== undefined) return undefined;
  if (task.connection !== connection) return undefined; // RFC 7143 4.2.5.1: connection allegiance
  const tag = dataOut.targetTransferTag.get(header);
  if (task.retired.length > 0 && task.retired.includes(tag)) return undefined;
  return {
    task,
    part: tag === NO_TAG ? undefined : task.solicited.find(each => each.targetTransferTag === tag),
  };
}

/** Why the PDU does not fit what is expected next; undefined when it does (DataPDUInOrder and DataSequenceInOrder). */
function misfit(
  task: ScsiTask,
  part: Solicited | undefined,
  header: Buffer,
  length: number,
): number | undefined {
  const offset = dataOut.bufferOffset.get(header);
  const dataSN = dataOut.dataSN.get(header);
  if (dataOut.targetTransferTag.get(header) === NO_TAG) {
    if (!task.unsolicitedOpen) return TransportSense.UNEXPECTED_UNSOLICITED_DATA;
    if (dataSN !== task.unsolicitedDataSN) return TransportSense.DATA_PHASE_ERROR;
    if (offset !== task.received || offset + length > task.unsolicitedEnd) {
      return TransportSense.INCORRECT_AMOUNT_OF_DATA;
    }
    return undefined;
  }
  if (part === undefined) return TransportSense.UNEXPECTED_UNSOLICITED_DATA;
  if (dataSN !== part.dataSN) return TransportSense.DATA_PHASE_ERROR;
  if (offset !== part.next || offset + length > part.end) return TransportSense.INCORRECT_AMOUNT_OF_DATA;
  return undefined;
}

/** Where the data segment goes: the task's own buffer, at its offset. */
export function landDataOut(connection: Connection, header: Buffer, length: number): void {
  const found = find(connection, header);
  if (found === undefined || found.task.spoiltBy !== 0) return;
  if (misfit(found.task, found.part, header, length) !== undefined) return;
  const offset = dataOut.bufferOffset.get(header);
  if (offset + length > found.task.buffer.length) return;
  connection.landingFor = found.task;
  connection.framer.into = found.task.buffer;
  connection.framer.at = offset;
}

export function receiveDataOut(
  connection: Connection,
  header: Buffer,
  length: number,
  digestFailed: boolean,
): void {
  const { into, at } = connection.framer;
  connection.landingFor = undefined;
  const found = find(connection, header);
  if (found === undefined) return;
  const { task, part } = found;
  if (task.spoiltBy !== 0) {
    passBy(task, part, header);
    return;
  }
  let wrong = digestFailed ? TransportSense.CRC_ERROR : misfit(task, part, header, length);
  if (wrong !== undefined && connection.kept !== undefined) {
    if (isRepeat(task, part, header)) return;
    if (isLoss(task, part, header, digestFailed)) {
      recover(task, part);
      return;
    }
  }
  // What fits now but did not when it began to come has gone nowhere.
  if (length > 0 && into === undefined) wrong ??= TransportSense.UNEXPECTED_UNSOLICITED_DATA;
  if (wrong === TransportSense.CRC_ERROR || wrong === TransportSense.DATA_PHASE_ERROR) {
    task.spoiltBy = wrong;
    passBy(task, part, header);
    return;
  }
  if (wrong !== undefined) {
    fail(task, wrong);
    return;
  }
  // The buffer may have grown while the segment was coming in.
  if (length > 0 && into !== undefined && into !== task.buffer) into.copy(task.buffer, at, at, at + length);
  const final = dataOut.final.get(header);
  task.movedAtMs = connection.nowMs;
  if (part === undefined) {
    task.unsolicitedDataSN++;
    task.received += length;
    if (final) task.unsolicitedOpen = false;
    else if (task.received === task.unsolicitedEnd) {
      fail(task, TransportSense.INCORRECT_AMOUNT_OF_DATA);
      return;
    }
  } else {
    part.dataSN++;
    part.next += length;
    if (final !== (part.next === part.end)) {
      fail(task, TransportSense.INCORRECT_AMOUNT_OF_DATA);
      return;
    }
    if (final) {
      task.solicited.splice(task.solicited.indexOf(part), 1);
      if (connection.kept !== undefined) retire(task, part.targetTransferTag); // an R2T that went twice is answered twice
    }
    // Sequences may be filled side by side; what is whole from the start is what counts.
    task.received = task.solicited.length > 0 ? task.solicited[0]!.next : task.nextR2T;
  }
  if (!task.pulling) return;
  if (task.received >= task.want) {
    task.pulling = false;
    connection.session!.pulling.delete(task);
    task.arrived(task.buffer.length === task.want ? task.buffer : task.buffer.subarray(0, task.want));
  } else if (!task.unsolicitedOpen) solicit(task);
}

/**
 * Data was lost, and is not asked for again at level 0: the task ends when all that is under way has come, and no sooner
 * (RFC 7143 7.8).
 */
function passBy(task: ScsiTask, part: Solicited | undefined, header: Buffer): void {
  task.movedAtMs = task.connection.nowMs;
  if (dataOut.final.get(header)) {
    if (part !== undefined) task.solicited.splice(task.solicited.indexOf(part), 1);
    else if (dataOut.targetTransferTag.get(header) === NO_TAG) task.unsolicitedOpen = false;
  }
  if (task.pulling && !task.unsolicitedOpen && task.solicited.length === 0) fail(task, task.spoiltBy);
}

/** It has come before: a command that was retried brings its data again (RFC 7143 7.2.1). */
function isRepeat(task: ScsiTask, part: Solicited | undefined, header: Buffer): boolean {
  if (part === undefined && dataOut.targetTransferTag.get(header) !== NO_TAG) return false;
  return serialBefore(dataOut.dataSN.get(header), part?.dataSN ?? task.unsolicitedDataSN);
}

/**
 * A PDU of a sequence that we know was lost (RFC 7143 7.8, 7.9): this one is spoilt, or it is a later one than was
 * expected. One that belongs to nothing is a mistake of the initiator's.
 */
function isLoss(task: ScsiTask, part: Solicited | undefined, header: Buffer, digestFailed: boolean): boolean {
  if (part === undefined && (dataOut.targetTransferTag.get(header) !== NO_TAG || !task.unsolicitedOpen)) {
    return false;
  }
  if (digestFailed) return true;
  return serialBefore(part?.dataSN ?? task.unsolicitedDataSN, dataOut.dataSN.get(header));
}

/**
 * Asks for the rest of a sequence anew by a recovery R2T (RFC 7143 7.1.4.1), of unsolicited data by the R2Ts that come
 * after it. What still comes of the old one is dropped.
 */
function recover(task: ScsiTask, part: Solicited | undefined): void {
  if (++task.recoveries > MOST_RECOVERIES) {
    fail(task, TransportSense.CRC_ERROR);
    return;
  }
  task.movedAtMs = performance.now();
  if (part === undefined) {
    retire(task, NO_TAG);
    task.unsolicitedOpen = false;
    if (task.pulling) solicit(task);
    return;
  }
  retire(task, part.targetTransferTag);
  task.solicited[task.solicited.indexOf(part)] = ask(task, part.next, part.end);
  task.connection.wake();
}

function retire(task: ScsiTask, tag: number): void {
  if (task.retired.length >= RETIRED_KEPT) task.retired.shift();
  task.retired.push(tag);
}

/** Every sequence of the write that is not whole is asked for anew: nothing has come of it for too long. */
export function recoverSequences(task: ScsiTask): void {
  if (task.unsolicitedOpen) recover(task, undefined);
  else for (const part of [...task.solicited]) if (task.phase === 'waiting') recover(task, part);
}

/**
 * The write goes on over another connection (RFC 7143 7.2.2): what has not come is asked for there, the first R2T with
 * the number that the initiator waits for.
 */
export function pullElsewhere(task: ScsiTask, expR2TSN: number): void {
  if (task.unsolicitedOpen) retire(task, NO_TAG);
  task.unsolicitedOpen = false;
  for (const { targetTransferTag } of task.solicited) retire(task, targetTransferTag);
  task.solicited.length = 0;
  task.r2tSN = Math.min(task.r2tSN, expR2TSN);
  task.nextR2T = task.received;
  task.movedAtMs = performance.now();
  if (task.pulling) solicit(task);
}

/** The data is not what was agreed on: the task ends with ABORTED COMMAND, the session goes on (RFC 7143 7.9). */
function fail(task: ScsiTask, code: number): void {
  if (task.unit === undefined) {
    task.refusal = transportError(code).facts; // not submitted yet
  } else if (task.phase === 'waiting') task.fail(transportError(code));
}
