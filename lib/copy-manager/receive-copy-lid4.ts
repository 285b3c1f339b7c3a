import { bit, bits, u16, u32, u64, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { Command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { invalidFieldInCdb } from '../scsi-cmds/sense.ts';
import { goodWithin } from '../scsi-cmds/spc/allocation.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { Task } from '../scsi-cmds/task.ts';
import type { CopyOperation } from './operation.ts';
import type { OperationTable } from './operation-table.ts';
import { AVAILABLE_BYTES, receiveRow } from './receive-copy.ts';

export const cdb = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  listId: u32(2),
  allocationLength: u32(10),
});

/** What RECEIVE COPY STATUS(LID4), RECEIVE COPY DATA(LID4) and RECEIVE ROD TOKEN INFORMATION begin with (SPC-4 6.24 table 249). */
export const sharedHeader = layout(32, {
  availableData: u32(0),
  responseToServiceAction: bits(4, 0, 5),
  heldDataDiscarded: bit(5, 7),
  operationStatus: bits(5, 0, 7),
  operationCounter: u16(6),
  statusUpdateDelay: u32(8),
  completionStatus: u8(12),
  senseFieldLength: u8(13),
  senseDataLength: u8(14),
  units: u8(15),
  transferCount: u64(16),
  segmentsProcessed: u16(24),
});

/** COPY OPERATION STATUS (SPC-4 6.24 table 250). */
export const OperationStatus = {
  COMPLETED: 0x01,
  FAILED: 0x02,
  PARTIAL: 0x03,
  FOREGROUND: 0x11,
  BACKGROUND: 0x12,
  TERMINATED: 0x60,
} as const;

/** TRANSFER COUNT UNITS (SPC-4 6.24 table 251): logical blocks, as SBC-3 5.25 has them; otherwise it is 0, for bytes. */
const DESTINATION_BLOCKS = 0xf1;

/** ESTIMATED STATUS UPDATE DELAY in milliseconds while the copy runs, and when it has ended. */
const UPDATE_DELAY_MS = 500;
const ENDED = 0xffff_fffe;

export function statusOf(operation: CopyOperation): number {
  const { running, background, status, partial } = operation;
  if (running) return background ? OperationStatus.BACKGROUND : OperationStatus.FOREGROUND;
  if (status === Status.GOOD) return partial ? OperationStatus.PARTIAL : OperationStatus.COMPLETED;
  return status === Status.TASK_ABORTED ? OperationStatus.TERMINATED : OperationStatus.FAILED;
}

/** The shared header and its sense data; `more` bytes follow it. */
export function headerOf(operation: CopyOperation, more = 0): Buffer {
  const { running, sense, status } = operation;
  const field = Math.ceil(sense.length / 4) * 4;
  const h = sharedHeader;
  const out = Buffer.alloc(h.length + field);
  h.availableData.set(out, out.length + more - AVAILABLE_BYTES);
  h.responseToServiceAction.set(out, operation.serviceAction);
  h.operationStatus.set(out, statusOf(operation));
  h.operationCounter.set(out, operation.counter);
  h.statusUpdateDelay.set(out, running ? UPDATE_DELAY_MS : ENDED);
  h.completionStatus.set(out, running ? 0 : status);
  h.senseFieldLength.set(out, field);
  h.senseDataLength.set(out, sense.length);
  if (operation.countedBytes > 1) h.units.set(out, DESTINATION_BLOCKS);
  h.transferCount.set(out, operation.transferredBytes / operation.countedBytes);
  h.segmentsProcessed.set(out, operation.segmentsProcessed);
  sense.copy(out, h.length);
  return out;
}

/** The copy that the CDB names, whichever command originated it; throws INVALID FIELD IN CDB. */
export function namedOperation(operations: OperationTable, task: Task): CopyOperation {
  const found = operations.find(task.nexus, cdb.listId.get(task.cdb));
  if (found === undefined) throw invalidFieldInCdb(cdb.listId.offset);
  return found;
}

/** RECEIVE COPY STATUS(LID4) (SPC-4 6.24): may be asked as often as one likes. */
export const receiveCopyStatusLid4 = (operations: OperationTable): Command<LogicalUnit> =>
  receiveRow('RECEIVE COPY STATUS(LID4)', 0x05, cdb, task =>
    goodWithin(task, headerOf(namedOperation(operations, task)), cdb.allocationLength.get(task.cdb)),
  );

/** HELD DATA LENGTH counts what has been kept of a copy that ended well (SPC-4 6.21). */
const HELD_LENGTH_BYTES = 4;

/** RECEIVE COPY DATA(LID4) (SPC-4 6.21). */
export const receiveCopyDataLid4 = (operations: OperationTable): Command<LogicalUnit> =>
  receiveRow('RECEIVE COPY DATA(LID4)', 0x06, cdb, task => {
    const operation = namedOperation(operations, task);
    const { held } = operation;
    const told = statusOf(operation) === OperationStatus.COMPLETED && held !== undefined;
    const bytes = told ? held.bytes : Buffer.alloc(0);
    const header = headerOf(operation, HELD_LENGTH_BYTES + bytes.length);
    sharedHeader.heldDataDiscarded.set(header, held?.discarded === true);
    const length = Buffer.alloc(HELD_LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    const data = Buffer.concat([header, length, bytes]);
    const allocated = cdb.allocationLength.get(task.cdb);
    if (told && (allocated === 0 || allocated >= data.length)) operation.dropHeld();
    goodWithin(task, data, allocated);
  });
