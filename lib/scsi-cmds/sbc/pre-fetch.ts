import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, reading } from './forms.ts';
import { at10, at16, requireRange } from './transfer.ts';

const flags = { immediate: bit(1, 1) } as const;
const cdb10 = layout(10, { ...at10, ...flags });
const cdb16 = layout(16, { ...at16, ...flags });

/** There is no cache of ours to fill: GOOD says that not all of it was fetched (SBC-3 5.8). */
const row = (form: Form<typeof cdb10 | typeof cdb16>): Command<DiskUnit> =>
  command<DiskUnit>({
    ...reading,
    ...form,
    run(unit, task) {
      requireRange(unit, form.cdb.lba.get(task.cdb), form.cdb.blocks.get(task.cdb));
      task.good();
    },
  });

/** SBC-3 5.8, 5.9. */
export const preFetches = [
  row({ name: 'PRE-FETCH(10)', opcode: 0x34, cdb: cdb10 }),
  row({ name: 'PRE-FETCH(16)', opcode: 0x90, cdb: cdb16 }),
];
