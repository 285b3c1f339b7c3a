import type { Connection } from './connection.ts';
import { dataCount, isCollapsed, resegment, sendData, sendEnd } from './data-in.ts';
import { sendR2T } from './data-out.ts';
import { ProtocolViolation } from './errors.ts';
import { RejectReason } from './pdu/reject.ts';
import { SnackType, snack as layout } from './pdu/snack.ts';
import type { Retransmission } from './retransmission.ts';
import type { ScsiTask } from './scsi-task.ts';

/** SNACK Request (RFC 7143 11.16): what was lost goes out again. */

type Snack = (connection: Connection, kept: Retransmission, header: Buffer) => void;

/** RFC 7143 11.16: what was not sent, or has been acknowledged. */
const neverSent = (): ProtocolViolation =>
  new ProtocolViolation('SNACK of what is not there', RejectReason.PROTOCOL_ERROR);
/** It was sent, and its data has been let go since. */
const gone = (): ProtocolViolation =>
  new ProtocolViolation('SNACK of what is no longer kept', RejectReason.SNACK_REJECT);

/** `[from, until)` of numbers below `count` that are not acknowledged; 0 and 0 name them all, a length of 0 the rest. */
function runOf(header: Buffer, acked: number, count: number): [number, number] {
  const begRun = layout.begRun.get(header);
  const runLength = layout.runLength.get(header);
  const from = begRun === 0 && runLength === 0 ? acked : begRun;
  const until = runLength === 0 ? count : from + runLength;
  if (from < acked || from >= until || until > count) throw neverSent();
  return [from, until];
}

const dataOrR2T: Snack = (connection, kept, header) => {
  const tag = layout.initiatorTaskTag.get(header);
  const waiting = connection.session!.tasks.get(tag);
  if (waiting !== undefined) {
    if (waiting.connection !== connection) throw neverSent();
    r2tsAgain(waiting, header);
    return;
  }
  const entry = kept.find(tag);
  if (entry === undefined) throw neverSent();
  const { task } = entry;
  if (task === undefined) throw entry.header === undefined ? gone() : neverSent();
  const [from, until] = runOf(header, task.ackedDataSN, dataCount(task));
  // RFC 7143 11.16.3: exact replicas, or R-Data is what must be asked for.
  if (connection.peerSegmentBytes < task.segmentBytes) throw gone();
  kept.again(entry, (_task, sent) => void sendData(task, from, until, sent));
};

function r2tsAgain(task: ScsiTask, header: Buffer): void {
  const outstanding = task.solicited;
  const first = Math.min(task.r2tSN, ...outstanding.map(({ r2tSN }) => r2tSN));
  const [from, until] = runOf(header, first, task.r2tSN);
  const wanted = outstanding.filter(({ r2tSN }) => r2tSN >= from && r2tSN < until);
  if (wanted.length === 0) throw neverSent();
  // One of which data has come was received.
  for (const part of wanted) if (part.dataSN === 0) sendR2T(task, part, task.connection.owe(0));
  task.connection.wake();
}

const status: Snack = (_connection, kept, header) => {
  const entries = kept.run(layout.begRun.get(header), layout.runLength.get(header));
  if (entries === undefined) throw neverSent();
  if (entries.length === 0 || entries.some(each => each.task === undefined && each.header === undefined)) {
    throw gone();
  }
  for (const entry of entries) {
    kept.again(entry, (task, sent) => {
      // The status alone: in the last Data-In if it was there, or the response after it.
      sendEnd(task, sent, dataCount(task) - (isCollapsed(task) ? 1 : 0));
    });
  }
};

const dataAck: Snack = (_connection, kept, header) => {
  const task = kept.byDataTag(layout.targetTransferTag.get(header));
  const begRun = layout.begRun.get(header);
  if (
    task === undefined ||
    layout.runLength.get(header) !== 0 ||
    begRun < task.ackedDataSN ||
    begRun > dataCount(task)
  ) {
    throw new ProtocolViolation('DataACK of what was not sent', RejectReason.INVALID_DATA_ACK);
  }
  task.ackedDataSN = begRun;
};

/** RFC 7143 11.16.3: all that is not acknowledged, in segments that the initiator can take now. */
const rData: Snack = (connection, kept, header) => {
  const entry = kept.find(layout.initiatorTaskTag.get(header));
  if (layout.begRun.get(header) !== 0 || layout.runLength.get(header) !== 0) throw neverSent();
  const snackTag = layout.targetTransferTag.get(header);
  if (entry === undefined) {
    const waiting = connection.session!.tasks.get(layout.initiatorTaskTag.get(header));
    if (waiting === undefined || waiting.connection !== connection || waiting.expectedIn === 0)
      throw neverSent();
    waiting.snackTag = snackTag; // nothing of it was sent yet
    return;
  }
  const { task } = entry;
  if (task === undefined) throw entry.header === undefined ? gone() : neverSent();
  resegment(task, connection, task.ackedDataSN);
  task.snackTag = snackTag;
  kept.again(entry);
};

/** RFC 7143 11.16.1. */
const TYPES: ReadonlyMap<number, Snack> = new Map([
  [SnackType.DATA_OR_R2T, dataOrR2T],
  [SnackType.STATUS, status],
  [SnackType.DATA_ACK, dataAck],
  [SnackType.R_DATA, rData],
]);

export function snack(connection: Connection, header: Buffer): void {
  const { kept } = connection;
  if (kept === undefined) {
    throw new ProtocolViolation('SNACK at level 0', RejectReason.COMMAND_NOT_SUPPORTED);
  }
  const run = TYPES.get(layout.type.get(header));
  if (run === undefined) throw new ProtocolViolation('unknown SNACK', RejectReason.INVALID_PDU_FIELD);
  try {
    run(connection, kept, header);
  } finally {
    kept.acknowledge(layout.expStatSN.get(header));
  }
}
