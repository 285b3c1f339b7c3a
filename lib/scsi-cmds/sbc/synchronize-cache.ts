import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { settle } from '../../bytes/maybe-promise.ts';
import { type Command, command } from '../command.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, reading } from './forms.ts';
import { at10, at16, requireRange } from './transfer.ts';

/** SYNC_NV is obsolete and asks for no less than is done. */
const flags = { syncNv: bit(1, 2), immediate: bit(1, 1) } as const;
const cdb10 = layout(10, { ...at10, ...flags });
const cdb16 = layout(16, { ...at16, ...flags });

const row = (form: Form<typeof cdb10 | typeof cdb16>): Command<DiskUnit> =>
  command<DiskUnit>({
    ...reading,
    access: 'write', // SBC-3 4.17, a write-exclusive reservation keeps others from it
    ...form,
    run(unit, task) {
      const { lba, blocks, immediate } = form.cdb;
      // NUMBER OF LOGICAL BLOCKS 0 means up to the last one (SBC-3 5.26).
      requireRange(unit, lba.get(task.cdb), blocks.get(task.cdb));
      const answered = immediate.get(task.cdb);
      const { nexus } = task;
      if (answered) task.good();
      settle(
        () => unit.backend.flush(),
        () => {
          if (!answered) task.good();
        },
        error => {
          const failure = unit.flushFailure(error);
          if (answered) unit.defer(nexus, failure.facts);
          else task.fail(failure);
        },
      );
    },
  });

/** SBC-3 5.26, 5.27. */
export const synchronizeCaches = [
  row({ name: 'SYNCHRONIZE CACHE(10)', opcode: 0x35, cdb: cdb10 }),
  row({ name: 'SYNCHRONIZE CACHE(16)', opcode: 0x91, cdb: cdb16 }),
];
