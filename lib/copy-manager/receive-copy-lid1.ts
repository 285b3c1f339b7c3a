import { bit, bits, u16, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { Command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import { invalidFieldInCdb } from '../scsi-cmds/sense.ts';
import { goodWithin } from '../scsi-cmds/spc/allocation.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { CopyOperation } from './operation.ts';
import { LID1, type OperationTable } from './operation-table.ts';
import { AVAILABLE_BYTES, receiveRow, transferCount } from './receive-copy.ts';

const cdb = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  listId: u8(2),
  allocationLength: u32(10),
});
/** SPC-4 6.25 table 253. */
export const copyStatusData = layout(12, {
  availableData: u32(0),
  heldDataDiscarded: bit(4, 7),
  status: bits(4, 0, 7),
  segmentsProcessed: u16(5),
  units: u8(7),
  transferCount: u32(8),
});

/** SPC-4 6.23 table 246. */
export const failureDetails = layout(60, {
  availableData: u32(0),
  commandStatus: u8(56),
  senseLength: u16(58),
});

const LIST_ID_AT = cdb.listId.offset;

/** COPY COMMAND STATUS (SPC-4 6.25 table 254). */
const CopyStatus = { IN_PROGRESS: 0x00, COMPLETED: 0x01, FAILED: 0x02 } as const;

const failed = ({ running, status }: CopyOperation): boolean => !running && status !== Status.GOOD;

/** Tells of EXTENDED COPY(LID1) only. */
function named(operations: OperationTable, nexus: Nexus, request: Buffer): CopyOperation | undefined {
  const found = operations.find(nexus, cdb.listId.get(request));
  return found?.serviceAction === LID1 ? found : undefined;
}

const statusOf = (operation: CopyOperation): Buffer => {
  const out = Buffer.alloc(copyStatusData.length);
  const { units, count } = transferCount(operation.transferredBytes);
  copyStatusData.availableData.set(out, out.length - AVAILABLE_BYTES);
  copyStatusData.status.set(
    out,
    operation.running ? CopyStatus.IN_PROGRESS : failed(operation) ? CopyStatus.FAILED : CopyStatus.COMPLETED,
  );
  copyStatusData.heldDataDiscarded.set(out, operation.held?.discarded === true);
  copyStatusData.segmentsProcessed.set(out, operation.segmentsProcessed);
  copyStatusData.units.set(out, units);
  copyStatusData.transferCount.set(out, count);
  return out;
};

const detailsOf = (operation: CopyOperation): Buffer => {
  if (!failed(operation) || !operation.detailsKnown) return Buffer.alloc(AVAILABLE_BYTES);
  const out = Buffer.alloc(failureDetails.length + operation.sense.length);
  failureDetails.availableData.set(out, out.length - AVAILABLE_BYTES);
  failureDetails.commandStatus.set(out, operation.status);
  failureDetails.senseLength.set(out, operation.sense.length);
  operation.sense.copy(out, failureDetails.length);
  return out;
};

/** RECEIVE COPY STATUS(LID1) (SPC-4 6.25): told once when the copy has ended. */
export const receiveCopyStatus = (operations: OperationTable): Command<LogicalUnit> =>
  receiveRow('RECEIVE COPY STATUS(LID1)', 0x00, cdb, task => {
    const operation = named(operations, task.nexus, task.cdb);
    if (operation === undefined || !operation.statusKnown) throw invalidFieldInCdb(LIST_ID_AT);
    if (!operation.running) {
      operation.statusKnown = false;
      // Only a failure has details that are still to be fetched, and each kind of result goes by itself.
      if (!operation.unfetched && (!failed(operation) || !operation.detailsKnown))
        operations.forget(operation);
    }
    goodWithin(task, statusOf(operation), cdb.allocationLength.get(task.cdb));
  });

/** RECEIVE COPY FAILURE DETAILS(LID1) (SPC-4 6.23). */
export const receiveCopyFailureDetails = (operations: OperationTable): Command<LogicalUnit> =>
  receiveRow('RECEIVE COPY FAILURE DETAILS(LID1)', 0x04, cdb, task => {
    const operation = named(operations, task.nexus, task.cdb);
    if (operation === undefined || operation.running) throw invalidFieldInCdb(LIST_ID_AT);
    const allocated = cdb.allocationLength.get(task.cdb);
    const details = detailsOf(operation);
    // Discarded when all of it was transferred, or when nothing was wanted.
    if (failed(operation) && (allocated === 0 || allocated >= details.length)) {
      operation.detailsKnown = false;
      if (!operation.statusKnown && !operation.unfetched) operations.forget(operation);
    }
    goodWithin(task, details, allocated);
  });

/** RECEIVE COPY DATA(LID1) (SPC-4 6.20): what segments with "hold" have kept, also after a failure. */
export const receiveCopyData = (operations: OperationTable): Command<LogicalUnit> =>
  receiveRow('RECEIVE COPY DATA(LID1)', 0x01, cdb, task => {
    const operation = named(operations, task.nexus, task.cdb);
    if (operation?.held === undefined || operation.running) throw invalidFieldInCdb(LIST_ID_AT);
    const { held } = operation;
    const head = Buffer.alloc(AVAILABLE_BYTES);
    head.writeUInt32BE(held.length);
    const data = Buffer.concat([head, held.bytes]);
    const allocated = cdb.allocationLength.get(task.cdb);
    // Dropped when all of it was transferred, or when nothing was wanted.
    if (allocated === 0 || allocated >= data.length) operation.dropHeld();
    goodWithin(task, data, allocated);
  });
