import { command } from '../command.ts';
import { goodWithin } from '../spc/allocation.ts';
import type { DiskUnit } from './disk-unit.ts';
import { reading } from './forms.ts';
import {
  LBA_STATUS_HEADER_BYTES as HEADER,
  Provisioning,
  lbaStatusCdb as cdb,
  lbaStatusDescriptor as descriptor,
} from './lba-status.ts';
import { requireRange } from './transfer.ts';

/** 1024 are enough for one answer; the initiator asks on from where it ends. */
const MOST_DESCRIPTORS = 1024;
const MOST_BLOCKS = 0xffff_ffff;

/** SBC-3 5.4: neighbouring descriptors differ in their status; as many as there is room for, one at least. */
export const getLbaStatus = command<DiskUnit>({
  ...reading,
  name: 'GET LBA STATUS',
  opcode: 0x9e,
  serviceAction: 0x12,
  cdb,
  async run(unit, task) {
    const first = cdb.lba.get(task.cdb);
    requireRange(unit, first, 1);
    const { blockSize, bytes, backend } = unit;
    const allocationLength = cdb.allocationLength.get(task.cdb);
    const room = Math.floor((allocationLength - HEADER) / descriptor.length);
    const most = Math.min(Math.max(room, 1), MOST_DESCRIPTORS);
    const runs: { lba: number; blocks: number; status: number }[] = [];
    for (let at = first * blockSize; at < bytes && !task.aborted;) {
      const extent = await backend.extent(at, bytes - at);
      const status = extent.mapped ? Provisioning.MAPPED : Provisioning.DEALLOCATED;
      const last = runs.at(-1);
      const blocks = extent.bytes / blockSize;
      if (last !== undefined && last.status === status) last.blocks += blocks;
      else if (runs.length < most) runs.push({ lba: at / blockSize, blocks, status });
      else break;
      at += extent.bytes;
      // A run that fills its count ends there, whatever follows.
      const full = runs.at(-1)!;
      if (full.blocks >= MOST_BLOCKS) {
        full.blocks = MOST_BLOCKS;
        break;
      }
    }
    const out = Buffer.alloc(HEADER + descriptor.length * runs.length);
    // PARAMETER DATA LENGTH counts what follows it: 4 bytes of header are left.
    out.writeUInt32BE(out.length - 4, 0);
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
