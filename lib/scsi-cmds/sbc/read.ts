import type { Field } from '../../bytes/fields.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { type Command, command } from '../command.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, FUA_NV, long, reading } from './forms.ts';
import {
  type TransferCdb,
  requireTransfer,
  transfer10,
  transfer12,
  transfer16,
  transfer32,
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

const row = (form: Form<TransferCdb>): Command<DiskUnit> => {
  const lba: Field<number> = form.cdb.lba;
  const blocks: Field<number> = form.cdb.blocks;
  const lengthAt = blocks.offset;
  const six = form.cdb.length === 6;
  return command<DiskUnit>({
    ...reading,
    ...form,
    counts: 'read',
    run(unit, task) {
      const count = blocks.get(task.cdb);
      // SBC-2: in READ(6) 0 stands for 256 blocks.
      return read(unit, task, lba.get(task.cdb), six && count === 0 ? 256 : count, lengthAt);
    },
  });
};

/** SBC-3 5.11 to 5.14; the 6-byte one is of SBC-2. FUA asks for nothing: a read never answers anything older than what was written. */
export const reads = [
  row({ name: 'READ(6)', opcode: 0x08, cdb: transfer6, tolerated: LUN_BITS }),
  row({ name: 'READ(10)', opcode: 0x28, cdb: transfer10, tolerated: FUA_NV }),
  row({ name: 'READ(12)', opcode: 0xa8, cdb: transfer12, tolerated: FUA_NV }),
  row({ name: 'READ(16)', opcode: 0x88, cdb: transfer16, tolerated: FUA_NV }),
  row({ name: 'READ(32)', ...long(0x0009), cdb: transfer32 }),
];
