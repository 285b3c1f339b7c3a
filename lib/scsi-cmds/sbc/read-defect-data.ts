import { bit, bits, u16, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { goodWithin } from '../spc/allocation.ts';
import type { DiskUnit } from './disk-unit.ts';

const cdb10 = layout(10, {
  opcode: u8(0),
  primaryList: bit(2, 4),
  grownList: bit(2, 3),
  format: bits(2, 0, 3),
  allocationLength: u16(7),
});

const cdb12 = layout(12, {
  opcode: u8(0),
  primaryList: bit(1, 4),
  grownList: bit(1, 3),
  format: bits(1, 0, 3),
  descriptorIndex: u32(2),
  allocationLength: u32(6),
});

/** PLISTV, GLISTV and the format, as they were asked for (SBC-3 5.17.2). */
const LISTS = 0x1f;

/** SBC-3 5.17: both lists are empty, in whatever format. */
export const readDefectData10 = command<DiskUnit>({
  name: 'READ DEFECT DATA(10)',
  opcode: 0x37,
  cdb: cdb10,
  access: 'read',
  ordering: 'free',
  medium: true,
  run(_unit, task) {
    const out = Buffer.alloc(4);
    out[1] = task.cdb[2]! & LISTS;
    goodWithin(task, out, cdb10.allocationLength.get(task.cdb));
  },
});

/** SBC-3 5.18. */
export const readDefectData12 = command<DiskUnit>({
  name: 'READ DEFECT DATA(12)',
  opcode: 0xb7,
  cdb: cdb12,
  access: 'read',
  ordering: 'free',
  medium: true,
  run(_unit, task) {
    const out = Buffer.alloc(8);
    out[1] = task.cdb[1]! & LISTS;
    goodWithin(task, out, cdb12.allocationLength.get(task.cdb));
  },
});
