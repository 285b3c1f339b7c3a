import { bits, u16, u32, u8, bit } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { type Command, command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { invalidFieldInCdb } from '../scsi-cmds/sense.ts';
import { goodWithin } from '../scsi-cmds/spc/allocation.ts';
import type { Task } from '../scsi-cmds/task.ts';
import { descriptorCodes } from './descriptor-codes.ts';
import { CopyStatus, type Job } from './job.ts';
import type { JobTable } from './job-table.ts';
import {
  GRANULARITY_LOG2,
  HELD_DATA_BYTES,
  MAX_COPIES,
  MAX_CSCDS,
  MAX_DESCRIPTOR_LIST_BYTES,
  MAX_INLINE_BYTES,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENTS,
  MAX_STREAM_TRANSFER_BYTES,
} from './limits.ts';

const named = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  listId: u8(2),
  allocationLength: u32(10),
});
const unnamed = layout(16, { opcode: u8(0), serviceAction: bits(1, 0, 5), allocationLength: u32(10) });

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

/** SPC-4 6.22 table 244. */
export const operatingParameters = layout(44, {
  availableData: u32(0),
  supportsNoListId: bit(4, 0),
  maxCscds: u16(8),
  maxSegments: u16(10),
  maxDescriptorListLength: u32(12),
  maxSegmentLength: u32(16),
  maxInlineLength: u32(20),
  heldDataLimit: u32(24),
  maxStreamTransfer: u32(28),
  totalConcurrentCopies: u16(34),
  maxConcurrentCopies: u8(36),
  dataGranularity: u8(37),
  inlineGranularity: u8(38),
  heldGranularity: u8(39),
  implementedLength: u8(43),
});

/** AVAILABLE DATA does not count itself. */
const AVAILABLE_BYTES = 4;

const row = (
  name: string,
  serviceAction: number,
  cdb: Command<LogicalUnit>['cdb'],
  run: (task: Task) => void,
): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name,
    opcode: 0x84,
    serviceAction,
    cdb,
    access: 'always',
    ordering: 'free',
    timeoutSeconds: 30,
    run: (_unit, task) => run(task),
  });

const LIST_ID_AT = named.listId.offset;

/** TRANSFER COUNT UNITS (SPC-4 6.24 table 251): the smallest in which the count fits 32 bits. */
export function transferCount(bytes: number): { units: number; count: number } {
  let units = 0;
  let count = bytes;
  for (; count > 0xffff_ffff; units++) count = Math.floor(count / 1024);
  return { units, count };
}

const statusOf = (job: Job): Buffer => {
  const out = Buffer.alloc(copyStatusData.length);
  const { units, count } = transferCount(job.transferredBytes);
  copyStatusData.availableData.set(out, out.length - AVAILABLE_BYTES);
  copyStatusData.status.set(out, job.copyStatus);
  copyStatusData.segmentsProcessed.set(out, job.segmentsProcessed);
  copyStatusData.units.set(out, units);
  copyStatusData.transferCount.set(out, count);
  return out;
};

const detailsOf = (job: Job): Buffer => {
  if (job.copyStatus !== CopyStatus.FAILED || !job.detailsKnown) return Buffer.alloc(AVAILABLE_BYTES);
  const out = Buffer.alloc(failureDetails.length + job.sense.length);
  failureDetails.availableData.set(out, out.length - AVAILABLE_BYTES);
  failureDetails.commandStatus.set(out, job.status);
  failureDetails.senseLength.set(out, job.sense.length);
  job.sense.copy(out, failureDetails.length);
  return out;
};

/** RECEIVE COPY STATUS(LID1) (SPC-4 6.25): told once when the copy has ended. */
export const receiveCopyStatus = (jobs: JobTable): Command<LogicalUnit> =>
  row('RECEIVE COPY STATUS(LID1)', 0x00, named, task => {
    const job = jobs.find(task.nexus, named.listId.get(task.cdb));
    if (job === undefined || !job.statusKnown) throw invalidFieldInCdb(LIST_ID_AT);
    if (!job.running) {
      job.statusKnown = false;
      // Only a failure has details that are still to be fetched.
      if (job.copyStatus !== CopyStatus.FAILED || !job.detailsKnown) jobs.forget(job);
    }
    goodWithin(task, statusOf(job), named.allocationLength.get(task.cdb));
  });

/** RECEIVE COPY FAILURE DETAILS(LID1) (SPC-4 6.23). */
export const receiveCopyFailureDetails = (jobs: JobTable): Command<LogicalUnit> =>
  row('RECEIVE COPY FAILURE DETAILS(LID1)', 0x04, named, task => {
    const job = jobs.find(task.nexus, named.listId.get(task.cdb));
    if (job === undefined || job.running) throw invalidFieldInCdb(LIST_ID_AT);
    const allocated = named.allocationLength.get(task.cdb);
    const details = detailsOf(job);
    // Discarded when all of it was transferred, or when nothing was wanted.
    if (job.copyStatus === CopyStatus.FAILED && (allocated === 0 || allocated >= details.length)) {
      job.detailsKnown = false;
      if (!job.statusKnown) jobs.forget(job);
    }
    goodWithin(task, details, allocated);
  });

/** RECEIVE COPY OPERATING PARAMETERS (SPC-4 6.22). */
export const receiveCopyOperatingParameters = (): Command<LogicalUnit> =>
  row('RECEIVE COPY OPERATING PARAMETERS', 0x03, unnamed, task => {
    const codes = descriptorCodes();
    const out = Buffer.alloc(operatingParameters.length + codes.length);
    const p = operatingParameters;
    p.availableData.set(out, out.length - AVAILABLE_BYTES);
    p.supportsNoListId.set(out, true);
    p.maxCscds.set(out, MAX_CSCDS);
    p.maxSegments.set(out, MAX_SEGMENTS);
    p.maxDescriptorListLength.set(out, MAX_DESCRIPTOR_LIST_BYTES);
    p.maxSegmentLength.set(out, MAX_SEGMENT_BYTES);
    p.maxInlineLength.set(out, MAX_INLINE_BYTES);
    p.heldDataLimit.set(out, HELD_DATA_BYTES);
    p.maxStreamTransfer.set(out, MAX_STREAM_TRANSFER_BYTES);
    p.totalConcurrentCopies.set(out, MAX_COPIES);
    p.maxConcurrentCopies.set(out, MAX_COPIES);
    p.dataGranularity.set(out, GRANULARITY_LOG2);
    p.inlineGranularity.set(out, GRANULARITY_LOG2);
    p.heldGranularity.set(out, GRANULARITY_LOG2);
    p.implementedLength.set(out, codes.length);
    out.set(codes, p.length);
    goodWithin(task, out, unnamed.allocationLength.get(task.cdb));
  });
