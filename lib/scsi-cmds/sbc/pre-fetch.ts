import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import type { DiskUnit } from './disk-unit.ts';
import { at10, at16, requireRange } from './transfer.ts';

const flags = { immediate: bit(1, 1) } as const;
const cdb10 = layout(10, { ...at10, ...flags });
const cdb16 = layout(16, { ...at16, ...flags });

/** There is no cache of ours to fill: GOOD says that not all of it was fetched (SBC-3 5.8). */
const row = (name: string, opcode: number, cdb: typeof cdb10 | typeof cdb16): Command<DiskUnit> =>
  command<DiskUnit>({
    name,
    opcode,
    cdb,
    access: 'read',
    ordering: 'parallel',
    medium: true,
    run(unit, task) {
      requireRange(unit, cdb.lba.get(task.cdb), cdb.blocks.get(task.cdb));
      task.good();
    },
  });

/** SBC-3 5.8, 5.9. */
export const preFetches = [row('PRE-FETCH(10)', 0x34, cdb10), row('PRE-FETCH(16)', 0x90, cdb16)];
