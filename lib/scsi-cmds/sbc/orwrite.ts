import { bits, type Field, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import { illegalRequest, invalidFieldInCdb } from '../sense.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, FUA_NV, writingAlone } from './forms.ts';
import { at32, cacheBits32, requireTransfer, transfer16, wholeBlocks } from './transfer.ts';
import { written } from './write.ts';

/** NEW ORWGENERATION and PREVIOUS GENERATION PROCESSING are not there as no generation ever changes. */
const cdb32 = layout(32, { ...at32, ...cacheBits32, operation: bits(2, 0, 3), expectedGeneration: u32(20) });

/** ORWRITE GENERATION DOES NOT MATCH. */
const otherGeneration = (): ReturnType<typeof illegalRequest> => illegalRequest(0x2c0c);

/** BMOP: the or. Changing the generation (and clearing) is not supported, so that it stays what it began as. */
const SET = 0;
const GENERATION = 0;

function requireGeneration(operation: Field<number>, expected: Field<number>, cdb: Buffer): void {
  if (operation.get(cdb) !== SET) throw invalidFieldInCdb(operation.offset, 2);
  if (expected.get(cdb) !== GENERATION) throw otherGeneration();
}

/** SBC-3 5.5: the or of what is there and what comes. Nothing else runs in the unit meanwhile. */
const row = (form: Form<typeof transfer16 | typeof cdb32>): Command<DiskUnit> => {
  const { cdb } = form;
  return command<DiskUnit>({
    ...writingAlone,
    counts: 'write',
    ...form,
    dataOut(unit, task) {
      if ('operation' in cdb) requireGeneration(cdb.operation, cdb.expectedGeneration, task.cdb);
      const blocks = cdb.blocks.get(task.cdb);
      requireTransfer(unit, cdb.lba.get(task.cdb), blocks, cdb.blocks.offset);
      return blocks * unit.blockSize;
    },
    async run(unit, task) {
      const data = wholeBlocks(unit, task);
      if (data.length === 0) return task.good();
      const at = cdb.lba.get(task.cdb) * unit.blockSize;
      const merged = task.take(data.length);
      await unit.backend.read(merged, at);
      for (let i = 0; i < data.length; i++) merged[i]! |= data[i]!;
      await unit.backend.write(merged, at);
      return written(unit, task, cdb.fua.get(task.cdb));
    },
  });
};

/** SBC-3 5.5, 5.6. */
export const orwrites = [
  row({ name: 'ORWRITE(16)', opcode: 0x8b, cdb: transfer16, tolerated: FUA_NV }),
  row({ name: 'ORWRITE(32)', opcode: 0x7f, serviceAction: 0x000e, cdb: cdb32 }),
];
