import { bit, bits, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb, miscompare } from '../sense.ts';
import type { DiskUnit } from './disk-unit.ts';
import { FUA_NV, writingAlone } from './forms.ts';
import { requireRange, wrongDataLength } from './transfer.ts';
import { written } from './write.ts';

const cdb = layout(16, {
  opcode: u8(0),
  dpo: bit(1, 4),
  fua: bit(1, 3),
  lba: u64(2),
  blocks: u8(13),
  group: bits(14, 0, 5),
});

function firstDifference(a: Buffer, b: Buffer): number {
  let i = 0;
  while (a[i] === b[i]) i++;
  return i;
}

/** SBC-3 5.2. Nothing else runs in the unit between the comparison and the write. */
export const compareAndWrite = command<DiskUnit>({
  ...writingAlone,
  counts: 'write',
  name: 'COMPARE AND WRITE',
  opcode: 0x89,
  cdb,
  tolerated: FUA_NV,
  dataOut(unit, task) {
    const blocks = cdb.blocks.get(task.cdb);
    requireRange(unit, cdb.lba.get(task.cdb), blocks);
    const bytes = 2 * blocks * unit.blockSize;
    // An initiator that has 256 blocks to compare sends a count of 0.
    if (task.expectedOut !== bytes) throw invalidFieldInCdb(cdb.blocks.offset);
    return bytes;
  },
  async run(unit, task) {
    const half = task.wantedOut / 2;
    if (half === 0) return task.good();
    if (task.dataOut.length !== task.wantedOut) throw wrongDataLength();
    const expected = task.dataOut.subarray(0, half);
    const at = cdb.lba.get(task.cdb) * unit.blockSize;
    const found = task.take(half);
    await unit.backend.read(found, at);
    // INFORMATION is the byte offset of the first difference.
    if (!found.equals(expected)) throw miscompare(firstDifference(found, expected));
    if (task.aborted) return task.good();
    await unit.backend.write(task.dataOut.subarray(half), at);
    return written(unit, task, cdb.fua.get(task.cdb));
  },
});
