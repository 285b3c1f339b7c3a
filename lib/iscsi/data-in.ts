import { Status } from '../scsi-cmds/status.ts';
import type { Connection } from './connection.ts';
import { dataIn } from './pdu/data.ts';
import { NO_TAG, Opcode } from './pdu/header.ts';
import { scsiResponse } from './pdu/scsi-response.ts';
import type { ScsiTask } from './scsi-task.ts';

const TO_THE_END = 0xffff_ffff;

/**
 * Sends a task's end: Data-In PDUs and the status with the last of them (RFC 7143 11.7.3), or a SCSI Response. `sent` is
 * called when the transport has let go of the buffers.
 */
export function respond(task: ScsiTask, sent: () => void): void {
  const { connection } = task;
  task.statSN = connection.nextStatSN();
  task.segmentBytes = connection.peerSegmentBytes;
  sendEnd(task, sent);
}

/** Data-In from DataSN `from` on, and the status with the task's StatSN. */
export function sendEnd(task: ScsiTask, sent: () => void, from = task.firstDataSN): void {
  const apart = !isCollapsed(task);
  const dataSN = sendData(task, from, TO_THE_END, apart ? undefined : sent);
  if (apart) sendStatus(task, dataSN, sent);
  task.connection.wake();
}

export const dataLength = (task: ScsiTask): number => Math.min(task.dataIn.length, task.expectedIn);

/** The status goes with the last Data-In. */
export const isCollapsed = (task: ScsiTask): boolean =>
  task.status === Status.GOOD && task.snackTag === 0 && dataLength(task) > task.firstOffset;

/**
 * Sends the Data-In PDUs with DataSN `from` to before `until`, the last with `sent`. Gives the number after the last
 * one that there is.
 */
export function sendData(
  task: ScsiTask,
  from: number,
  until: number,
  sent: (() => void) | undefined,
): number {
  const { connection, segmentBytes } = task;
  const { outbox } = connection;
  const length = dataLength(task);
  const burst = connection.parameters.maxBurstLength;
  const collapsed = isCollapsed(task);
  let dataSN = task.firstDataSN;
  let offset = task.firstOffset;
  const whole = offset === 0 && length <= segmentBytes && length <= burst;
  let burstLeft = burst;
  for (; offset < length; dataSN++) {
    const size = Math.min(segmentBytes, burstLeft, length - offset);
    const last = offset + size === length;
    burstLeft -= size;
    const ends = last || burstLeft === 0;
    if (ends) burstLeft = burst;
    if (dataSN >= from && dataSN < until) {
      const header = outbox.header();
      header[0] = Opcode.DATA_IN;
      if (ends) header[1] = 0x80; // F at every MaxBurstLength and at the end
      dataIn.initiatorTaskTag.set(header, task.tag);
      dataIn.targetTransferTag.set(header, NO_TAG);
      if (ends && !last && connection.kept !== undefined) askAcknowledgement(task, header);
      if (last && collapsed) {
        header[1]! |= 0x01; // S
        dataIn.statSN.set(header, task.statSN);
        residual(task, header);
      }
      numbers(connection, header);
      dataIn.dataSN.set(header, dataSN);
      dataIn.bufferOffset.set(header, offset);
      outbox.push(
        header,
        whole ? task.dataIn : task.dataIn.subarray(offset, offset + size),
        size,
        last || dataSN + 1 === until ? sent : undefined,
      );
    }
    offset += size;
  }
  return dataSN;
}

/** RFC 7143 11.7.2: once every MaxBurstLength at the most, with a tag and the LUN (11.7.4). */
function askAcknowledgement(task: ScsiTask, header: Buffer): void {
  if (task.dataTag === 0) task.dataTag = task.connection.session!.newTransferTag();
  header[1]! |= 0x40; // A
  task.lunField.copy(header, 8);
  dataIn.targetTransferTag.set(header, task.dataTag);
}

/** A SCSI Response after `dataSN` Data-In PDUs. */
function sendStatus(task: ScsiTask, dataSN: number, sent: () => void): void {
  const { connection } = task;
  const { outbox } = connection;
  const header = outbox.header();
  fillStatus(task, header, dataSN);
  numbers(connection, header);
  const segment = senseSegment(task.sense);
  outbox.push(header, segment, segment?.length ?? 0, sent);
}

export function fillStatus(task: ScsiTask, header: Buffer, dataSN: number): void {
  header[0] = Opcode.SCSI_RESPONSE;
  header[1] = 0x80;
  header[3] = task.status;
  scsiResponse.initiatorTaskTag.set(header, task.tag);
  scsiResponse.snackTag.set(header, task.snackTag);
  scsiResponse.statSN.set(header, task.statSN);
  scsiResponse.expDataSN.set(header, dataSN + task.r2tSN);
  residual(task, header);
  if (task.bidirectionalIn > 0) {
    scsiResponse.bidirectionalUnderflow.set(header, true); // RFC 7143 11.4.5: nothing of it was read
    scsiResponse.bidirectionalResidualCount.set(header, task.bidirectionalIn);
  }
}

/** RFC 7143 11.4.7.1: SenseLength, then the sense data. */
export function senseSegment(sense: Buffer): Buffer | undefined {
  if (sense.length === 0) return undefined;
  const segment = Buffer.allocUnsafe(2 + sense.length);
  segment.writeUInt16BE(sense.length, 0);
  sense.copy(segment, 2);
  return segment;
}

export function numbers(connection: Connection, header: Buffer): void {
  const { window } = connection.session!;
  dataIn.expCmdSN.set(header, window.expCmdSN);
  dataIn.maxCmdSN.set(header, window.maxCmdSN);
}

/** RFC 7143 11.4.5: what the command had to move against what the initiator expected. */
function residual(task: ScsiTask, header: Buffer): void {
  const writing = task.expectedOut > 0;
  const expected = writing ? task.expectedOut : task.expectedIn;
  const moved = writing ? (task.hasData ? task.wantedOut : 0) : task.totalIn;
  // A write command for which no data was announced moved nothing of what it wanted.
  const wanted = expected === 0 && task.hasData ? Math.max(moved, task.wantedOut) : moved;
  if (wanted > expected) {
    header[1]! |= 0x04; // O
    dataIn.residualCount.set(header, wanted - expected);
  } else if (wanted < expected) {
    header[1]! |= 0x02; // U
    dataIn.residualCount.set(header, expected - wanted);
  }
}

// Where a DataSN lies, for what is sent again

/** Data-In PDUs of a whole burst. */
const perBurst = (task: ScsiTask): number =>
  Math.ceil(task.connection.parameters.maxBurstLength / task.segmentBytes);

/** The DataSN after the last one. */
export function dataCount(task: ScsiTask): number {
  const burst = task.connection.parameters.maxBurstLength;
  const rest = dataLength(task) - task.firstOffset;
  if (rest <= 0) return task.firstDataSN;
  const bursts = Math.floor(rest / burst);
  return task.firstDataSN + bursts * perBurst(task) + Math.ceil((rest % burst) / task.segmentBytes);
}

/** From the first unacknowledged PDU on, the data goes in segments that the connection's peer can take now. */
export function resegment(task: ScsiTask, connection: Connection, dataSN: number): void {
  const ahead = dataSN - task.firstDataSN;
  const each = perBurst(task);
  const bursts = Math.floor(ahead / each);
  task.firstOffset = Math.min(
    dataLength(task),
    task.firstOffset +
      bursts * task.connection.parameters.maxBurstLength +
      (ahead % each) * task.segmentBytes,
  );
  task.firstDataSN = dataSN;
  task.connection = connection;
  task.segmentBytes = connection.peerSegmentBytes;
}
