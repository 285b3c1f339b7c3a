import { bit, bits, u16, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, long, writingAlone } from './forms.ts';
import { at32, cacheBits32, requireRange, wrongDataLength } from './transfer.ts';
import { written } from './write.ts';

const cdb16 = layout(16, {
  opcode: u8(0),
  dpo: bit(1, 4),
  fua: bit(1, 3),
  lba: u64(2),
  boundary: u16(10),
  blocks: u16(12),
  group: bits(14, 0, 5),
});
const cdb32 = layout(32, { ...at32, ...cacheBits32, boundary: u16(4) });

/**
 * SBC-4 WRITE ATOMIC: wholly there or not at all, whoever reads and whatever ends the process. Nothing else runs in
 * the unit meanwhile; the rest is the backend's. With an ATOMIC BOUNDARY the write may be cut there into atomic parts.
 */
const row = (form: Form<typeof cdb16 | typeof cdb32>): Command<DiskUnit> => {
  const { cdb } = form;
  return command<DiskUnit>({
    ...writingAlone,
    ...form,
    counts: 'write',
    dataOut(unit, task) {
      const lba = cdb.lba.get(task.cdb);
      const blocks = cdb.blocks.get(task.cdb);
      const boundary = cdb.boundary.get(task.cdb);
      const grain = 2 ** unit.physicalExponent;
      requireRange(unit, lba, blocks);
      if (lba % grain !== 0) throw invalidFieldInCdb(cdb.lba.offset);
      if (blocks % grain !== 0 || blocks > unit.maxAtomicBlocks) throw invalidFieldInCdb(cdb.blocks.offset);
      if (boundary % grain !== 0 || boundary > unit.maxAtomicBlocks)
        throw invalidFieldInCdb(cdb.boundary.offset);
      return blocks * unit.blockSize;
    },
    async run(unit, task) {
      const { dataOut: data, wantedOut } = task;
      if (wantedOut === 0) return task.good();
      // Half an atomic write is none.
      if (data.length !== wantedOut) throw wrongDataLength();
      await unit.backend.writeAtomic!(data, cdb.lba.get(task.cdb) * unit.blockSize);
      return written(unit, task, cdb.fua.get(task.cdb));
    },
  });
};

/** Where the backend has atomic writes. */
export const writeAtomics = [
  row({ name: 'WRITE ATOMIC(16)', opcode: 0x9c, cdb: cdb16 }),
  row({ name: 'WRITE ATOMIC(32)', ...long(0x000f), cdb: cdb32 }),
];
