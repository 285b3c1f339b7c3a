import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { type Command, command } from '../command.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import {
  FUA_NV,
  type TransferCdb,
  requireTransfer,
  transfer10,
  transfer12,
  transfer16,
  transfer6,
  wholeBlocks,
} from './transfer.ts';

/** Ends a command that has written: once it is stable, when FUA or the caching page want that (SBC-3 4.15). */
export function written(unit: DiskUnit, task: Task, fua: boolean): MaybePromise<void> {
  if (fua || !unit.writeCache) {
    const later = unit.backend.flush();
    if (later instanceof Promise) return later.then(() => task.good());
  }
  return task.good();
}

/** What the initiator announced is written, when that is less than the CDB says. */
function write(unit: DiskUnit, task: Task, lba: number, fua: boolean): MaybePromise<void> {
  const data = wholeBlocks(unit, task);
  if (data.length === 0) return task.good();
  const later = unit.backend.write(data, lba * unit.blockSize);
  if (later instanceof Promise) return later.then(() => written(unit, task, fua));
  return written(unit, task, fua);
}

const FUA = 0x08;

const row = (name: string, opcode: number, cdb: TransferCdb, tolerated: Uint8Array): Command<DiskUnit> => {
  const { lba, blocks } = cdb;
  const lengthAt = blocks.offset;
  const six = cdb.length === 6;
  return command<DiskUnit>({
    name,
    opcode,
    cdb,
    access: 'write',
    ordering: 'parallel',
    medium: true,
    writes: true,
    tolerated,
    timeoutSeconds: 60,
    dataOut(unit, task) {
      let count = blocks.get(task.cdb);
      if (six && count === 0) count = 256; // SBC-2, WRITE(6)
      requireTransfer(unit, lba.get(task.cdb), count, lengthAt);
      return count * unit.blockSize;
    },
    run: (unit, task) => write(unit, task, lba.get(task.cdb), !six && (task.cdb[1]! & FUA) !== 0),
  });
};

/** SBC-3 5.33 to 5.35; the 6-byte one is of SBC-2. */
export const writes = [
  row('WRITE(6)', 0x0a, transfer6, LUN_BITS),
  row('WRITE(10)', 0x2a, transfer10, FUA_NV),
  row('WRITE(12)', 0xaa, transfer12, FUA_NV),
  row('WRITE(16)', 0x8a, transfer16, FUA_NV),
];
