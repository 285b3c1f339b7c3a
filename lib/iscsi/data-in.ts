import { Status } from '../scsi-cmds/status.ts';
import { dataIn } from './pdu/data.ts';
import { NO_TAG, Opcode } from './pdu/header.ts';
import { scsiResponse } from './pdu/scsi-response.ts';
import type { ScsiTask } from './scsi-task.ts';

/**
 * Sends a task's end: Data-In PDUs and the status with the last of them (RFC 7143 11.7.3), or a SCSI Response. `sent` is
 * called when the transport has let go of the buffers.
 */
export function respond(task: ScsiTask, sent: () => void): void {
  const { connection, expectedIn } = task;
  const { outbox, parameters } = connection;
  const length = Math.min(task.dataIn.length, expectedIn);
  const collapsed = length > 0 && task.status === Status.GOOD;
  let dataSN = 0;
  if (length > 0) {
    const segment = connection.peerSegmentBytes;
    const burst = parameters.maxBurstLength;
    const whole = length <= segment && length <= burst;
    let burstLeft = burst;
    for (let offset = 0; offset < length;) {
      const size = Math.min(segment, burstLeft, length - offset);
      const last = offset + size === length;
      const header = outbox.header();
      header[0] = Opcode.DATA_IN;
      burstLeft -= size;
      if (last || burstLeft === 0) {
        header[1] = 0x80; // F at every MaxBurstLength and at the end
        burstLeft = burst;
      }
      dataIn.initiatorTaskTag.set(header, task.tag);
      dataIn.targetTransferTag.set(header, NO_TAG);
      if (last && collapsed) {
        header[1]! |= 0x01; // S
        dataIn.statSN.set(header, connection.nextStatSN());
        residual(task, header);
      }
      numbers(task, header);
      dataIn.dataSN.set(header, dataSN++);
      dataIn.bufferOffset.set(header, offset);
      outbox.push(
        header,
        whole ? task.dataIn : task.dataIn.subarray(offset, offset + size),
        size,
        last && collapsed ? sent : undefined,
      );
      offset += size;
    }
  }
  if (!collapsed) {
    const header = outbox.header();
    header[0] = Opcode.SCSI_RESPONSE;
    header[1] = 0x80;
    header[3] = task.status;
    scsiResponse.initiatorTaskTag.set(header, task.tag);
    scsiResponse.statSN.set(header, connection.nextStatSN());
    numbers(task, header);
    scsiResponse.expDataSN.set(header, dataSN + task.r2tSN);
    residual(task, header);
    const { sense } = task;
    if (sense.length > 0) {
      // RFC 7143 11.4.7.1: SenseLength, then the sense data.
      const segment = Buffer.allocUnsafe(2 + sense.length);
      segment.writeUInt16BE(sense.length, 0);
      sense.copy(segment, 2);
      outbox.push(header, segment, segment.length, sent);
    } else outbox.push(header, undefined, 0, sent);
  }
  connection.wake();
}

function numbers(task: ScsiTask, header: Buffer): void {
  const { window } = task.connection.session!;
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
