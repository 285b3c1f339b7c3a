import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Extent } from '../../backends/block-backend.ts';
import { type Command, command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin } from '../spc/allocation.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, long, reading } from './forms.ts';
import {
  LBA_STATUS_HEADER_BYTES as HEADER,
  lbaStatusCdb,
  lbaStatusCdb32,
  lbaStatusDescriptor as descriptor,
  lbaStatusHeader as header,
  Provisioning,
} from './lba-status.ts';
import { requireRange } from './transfer.ts';

/** 1024 are enough for one answer; the initiator asks on from where it ends. */
const MOST_DESCRIPTORS = 1024;
const MOST_BLOCKS = 0xffff_ffff;
/** The event loop is given back after so many extents. */
const EXTENTS_A_TURN = 4096;

const ALL = [Provisioning.MAPPED, Provisioning.DEALLOCATED, Provisioning.ANCHORED];

/** REPORT TYPE (SBC-4): what is reported. */
const REPORTED: Readonly<Record<number, readonly number[]>> = {
  0x00: ALL,
  0x01: [Provisioning.DEALLOCATED, Provisioning.ANCHORED],
  0x02: [Provisioning.MAPPED],
  0x03: [Provisioning.DEALLOCATED],
  0x04: [Provisioning.ANCHORED],
  0x10: [], // what may not be read: nothing that is known of
};

/** COMPLETION CONDITION (SBC-4): why there are no more descriptors. */
const Completion = { NOT_TOLD: 0, ALLOCATION_LENGTH: 1, SCAN_LENGTH: 2, CAPACITY: 3 } as const;

interface Run {
  readonly lba: number;
  blocks: number;
  readonly status: number;
}

const statusOf = ({ mapped, anchored }: Extent): number =>
  anchored === true ? Provisioning.ANCHORED : mapped ? Provisioning.MAPPED : Provisioning.DEALLOCATED;

/** Runs of the statuses in `reported` from `first` to before `end`, `most` of them; `why` it ended before that. */
async function scan(
  { backend, blockSize }: DiskUnit,
  task: Task,
  [first, end]: readonly [number, number],
  reported: readonly number[],
  most: number,
): Promise<{ runs: readonly Run[]; why?: number }> {
  const runs: Run[] = [];
  let looked = 0;
  for (let at = first; at < end && !task.aborted;) {
    const extent = await backend.extent(at * blockSize, (end - at) * blockSize);
    const status = statusOf(extent);
    const last = runs.at(-1);
    const blocks = extent.bytes / blockSize;
    if (reported.includes(status)) {
      if (last?.status === status && last.lba + last.blocks === at) last.blocks += blocks;
      else if (runs.length < most) runs.push({ lba: at, blocks, status });
      else return { runs, why: Completion.ALLOCATION_LENGTH };
      // A run that fills its count ends there, whatever follows.
      const full = runs.at(-1)!;
      if (full.blocks > MOST_BLOCKS) {
        full.blocks = MOST_BLOCKS;
        return { runs, why: Completion.NOT_TOLD };
      }
    }
    at += blocks;
    if (++looked % EXTENTS_A_TURN === 0) await nextTurn();
  }
  return { runs };
}

/** SBC-3 5.4: neighbouring descriptors differ in their status; as many as there is room for, one at least. */
const row = (form: Form<typeof lbaStatusCdb | typeof lbaStatusCdb32>): Command<DiskUnit> => {
  const { cdb } = form;
  return command<DiskUnit>({
    ...reading,
    ...form,
    async run(unit, task) {
      const first = cdb.lba.get(task.cdb);
      const reported = REPORTED[cdb.reportType.get(task.cdb)];
      if (reported === undefined) throw invalidFieldInCdb(cdb.reportType.offset);
      requireRange(unit, first, 1);
      let end = unit.blocks;
      if ('scanLength' in cdb) {
        // There are no physical elements to be told apart.
        if (cdb.elementIdentifier.get(task.cdb) !== 0) throw invalidFieldInCdb(cdb.elementIdentifier.offset);
        const length = cdb.scanLength.get(task.cdb);
        if (length > 0) end = Math.min(end, first + length);
      }
      const allocationLength = cdb.allocationLength.get(task.cdb);
      const room = Math.floor((allocationLength - HEADER) / descriptor.length);
      const most = Math.min(Math.max(room, 1), MOST_DESCRIPTORS);
      const { runs, why } = await scan(unit, task, [first, end], reported, most);
      const out = Buffer.alloc(HEADER + descriptor.length * runs.length);
      // PARAMETER DATA LENGTH counts what follows it: 4 bytes of header are left.
      header.dataLength.set(out, out.length - 4);
      header.reportTypeProcessed.set(out, true);
      const atEnd = end < unit.blocks ? Completion.SCAN_LENGTH : Completion.CAPACITY;
      header.completionCondition.set(out, why ?? atEnd);
      runs.forEach((run, i) => {
        const at = HEADER + descriptor.length * i;
        const one = out.subarray(at, at + descriptor.length);
        descriptor.lba.set(one, run.lba);
        descriptor.blocks.set(one, run.blocks);
        descriptor.provisioningStatus.set(one, run.status);
      });
      goodWithin(task, out, allocationLength);
    },
  });
};

export const getLbaStatuses = [
  row({ name: 'GET LBA STATUS(16)', opcode: 0x9e, serviceAction: 0x12, cdb: lbaStatusCdb }),
  row({ name: 'GET LBA STATUS(32)', ...long(0x0012), cdb: lbaStatusCdb32 }),
];
