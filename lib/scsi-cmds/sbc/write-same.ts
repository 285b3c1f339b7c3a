import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, long, writing } from './forms.ts';
import { STEP_BYTES } from './limits.ts';
import { at10, at16, at32, requireRange, wrongDataLength } from './transfer.ts';
import { written } from './write.ts';

/** WRPROTECT is not there as PROTECT is 0; PBDATA and LBDATA are obsolete. */
const cdb10 = layout(10, { ...at10, anchor: bit(1, 4), unmap: bit(1, 3) });
const cdb16 = layout(16, { ...at16, anchor: bit(1, 4), unmap: bit(1, 3), noData: bit(1, 0) });
const cdb32 = layout(32, { ...at32, anchor: bit(10, 4), unmap: bit(10, 3), noData: bit(10, 0) });
type WriteSameCdb = typeof cdb10 | typeof cdb16 | typeof cdb32;

const hasNoData = (cdb: WriteSameCdb, task: Task): boolean => 'noData' in cdb && cdb.noData.get(task.cdb);

async function fill(unit: DiskUnit, task: Task, at: number, bytes: number, block: Buffer): Promise<void> {
  const pattern = task.take(Math.min(STEP_BYTES, bytes));
  pattern.fill(block);
  for (let done = 0; done < bytes && !task.aborted; done += pattern.length) {
    const step = Math.min(pattern.length, bytes - done);
    await unit.backend.write(step === pattern.length ? pattern : pattern.subarray(0, step), at + done);
  }
}

const row = (form: Form<WriteSameCdb>): Command<DiskUnit> => {
  const { cdb } = form;
  return command<DiskUnit>({
    ...writing,
    counts: 'write',
    timeoutSeconds: 120,
    ...form,
    dataOut(unit, task) {
      const blocks = cdb.blocks.get(task.cdb);
      // SBC-3 5.43: it says how to unmap, and only where ANC_SUP is 1.
      if (cdb.anchor.get(task.cdb) && (!cdb.unmap.get(task.cdb) || unit.backend.anchor === undefined))
        throw invalidFieldInCdb(cdb.anchor.offset, 4);
      requireRange(unit, cdb.lba.get(task.cdb), blocks);
      // WSNZ is 1 (VPD page B0h): 0 does not mean up to the last block, which is what a mistake would erase.
      if (blocks === 0 || blocks > unit.maxWriteSameBlocks) throw invalidFieldInCdb(cdb.blocks.offset);
      if (hasNoData(cdb, task)) return 0;
      if (task.expectedOut !== unit.blockSize) throw wrongDataLength();
      return unit.blockSize;
    },
    async run(unit, task) {
      const { blockSize, backend } = unit;
      const noData = hasNoData(cdb, task);
      const block = noData ? Buffer.alloc(blockSize) : task.dataOut;
      if (block.length !== blockSize) throw wrongDataLength();
      const at = cdb.lba.get(task.cdb) * blockSize;
      const bytes = cdb.blocks.get(task.cdb) * blockSize;
      // SBC-3 5.43: unmapped blocks read as zero, so only a block of zeros lets them be unmapped.
      const unmaps = cdb.unmap.get(task.cdb) && (noData || block.every(byte => byte === 0));
      if (unmaps && cdb.anchor.get(task.cdb)) await backend.anchor!(at, bytes);
      else if (unmaps) await backend.unmap(at, bytes);
      else await fill(unit, task, at, bytes, block);
      return written(unit, task, false);
    },
  });
};

/** SBC-3 5.43 to 5.45. */
export const writeSames = [
  row({ name: 'WRITE SAME(10)', opcode: 0x41, cdb: cdb10 }),
  row({ name: 'WRITE SAME(16)', opcode: 0x93, cdb: cdb16 }),
  row({ name: 'WRITE SAME(32)', ...long(0x000d), cdb: cdb32 }),
];
