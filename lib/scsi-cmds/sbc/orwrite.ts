import { command } from '../command.ts';
import type { DiskUnit } from './disk-unit.ts';
import { FUA_NV, requireTransfer, transfer16, wholeBlocks } from './transfer.ts';
import { written } from './write.ts';

/** SBC-3 5.5: the or of what is there and what comes. Nothing else runs in the unit meanwhile. */
export const orwrite16 = command<DiskUnit>({
  name: 'ORWRITE(16)',
  opcode: 0x8b,
  cdb: transfer16,
  access: 'write',
  ordering: 'exclusive',
  medium: true,
  writes: true,
  tolerated: FUA_NV,
  timeoutSeconds: 60,
  dataOut(unit, task) {
    const blocks = transfer16.blocks.get(task.cdb);
    requireTransfer(unit, transfer16.lba.get(task.cdb), blocks, transfer16.blocks.offset);
    return blocks * unit.blockSize;
  },
  async run(unit, task) {
    const data = wholeBlocks(unit, task);
    if (data.length === 0) return task.good();
    const at = transfer16.lba.get(task.cdb) * unit.blockSize;
    const merged = task.take(data.length);
    await unit.backend.read(merged, at);
    for (let i = 0; i < data.length; i++) merged[i]! |= data[i]!;
    await unit.backend.write(merged, at);
    return written(unit, task, transfer16.fua.get(task.cdb));
  },
});
