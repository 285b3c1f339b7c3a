import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { type Command, command } from '../command.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, FUA_NV, long, writing } from './forms.ts';
import {
  type TransferCdb,
  requireTransfer,
  transfer10,
  transfer12,
  transfer16,
  transfer32,
  transfer6,
  wholeBlocks,
} from './transfer.ts';

/** Ends a command that has written: once it is stable, when FUA or the caching page want that (SBC-3 4.15). */
export function written(unit: DiskUnit, task: Task, fua: boolean): MaybePromise<void> {
  unit.thresholds.look(task.nexus);
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

const row = (form: Form<TransferCdb>): Command<DiskUnit> => {
  const { cdb } = form;
  const { lba, blocks } = cdb;
  const fua = 'fua' in cdb ? cdb.fua : undefined;
  const lengthAt = blocks.offset;
  const six = cdb.length === 6;
  return command<DiskUnit>({
    ...writing,
    ...form,
    counts: 'write',
    dataOut(unit, task) {
      let count = blocks.get(task.cdb);
      if (six && count === 0) count = 256; // SBC-2, WRITE(6)
      requireTransfer(unit, lba.get(task.cdb), count, lengthAt);
      return count * unit.blockSize;
    },
    run: (unit, task) => write(unit, task, lba.get(task.cdb), fua?.get(task.cdb) === true),
  });
};

/** SBC-3 5.33 to 5.36; the 6-byte one is of SBC-2. */
export const writes = [
  row({ name: 'WRITE(6)', opcode: 0x0a, cdb: transfer6, tolerated: LUN_BITS }),
  row({ name: 'WRITE(10)', opcode: 0x2a, cdb: transfer10, tolerated: FUA_NV }),
  row({ name: 'WRITE(12)', opcode: 0xaa, cdb: transfer12, tolerated: FUA_NV }),
  row({ name: 'WRITE(16)', opcode: 0x8a, cdb: transfer16, tolerated: FUA_NV }),
  row({ name: 'WRITE(32)', ...long(0x000b), cdb: transfer32 }),
];
