import type { Field } from '../../bytes/fields.ts';
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
} from './transfer.ts';

const NO_BYTES = Buffer.alloc(0);

function read(unit: DiskUnit, task: Task, lba: number, blocks: number, lengthAt: number): MaybePromise<void> {
  requireTransfer(unit, lba, blocks, lengthAt);
  const { blockSize } = unit;
  const total = blocks * blockSize;
  const bytes = task.expectedIn < total ? Math.ceil(task.expectedIn / blockSize) * blockSize : total;
  if (bytes === 0) return task.good(NO_BYTES, total);
  const into = task.take(bytes);
  const later = unit.backend.read(into, lba * blockSize);
  if (later instanceof Promise) return later.then(() => task.good(into, total));
  return task.good(into, total);
}

const row = (name: string, opcode: number, cdb: TransferCdb, tolerated: Uint8Array): Command<DiskUnit> => {
  const lba: Field<number> = cdb.lba;
  const blocks: Field<number> = cdb.blocks;
  const lengthAt = blocks.offset;
  const six = cdb.length === 6;
  return command<DiskUnit>({
    name,
    opcode,
    cdb,
    access: 'read',
    ordering: 'parallel',
    medium: true,
    tolerated,
    timeoutSeconds: 60,
    run(unit, task) {
      const count = blocks.get(task.cdb);
      // SBC-2: in READ(6) 0 stands for 256 blocks.
      return read(unit, task, lba.get(task.cdb), six && count === 0 ? 256 : count, lengthAt);
    },
  });
};

/** SBC-3 5.11 to 5.13; the 6-byte one is of SBC-2. FUA asks for nothing: a read never answers anything older than what was written. */
export const reads = [
  row('READ(6)', 0x08, transfer6, LUN_BITS),
  row('READ(10)', 0x28, transfer10, FUA_NV),
  row('READ(12)', 0xa8, transfer12, FUA_NV),
  row('READ(16)', 0x88, transfer16, FUA_NV),
];
