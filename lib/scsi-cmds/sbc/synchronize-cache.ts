import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { settle } from '../../bytes/maybe-promise.ts';
import { type Command, command } from '../command.ts';
import type { DiskUnit } from './disk-unit.ts';
import { at10, at16, requireRange } from './transfer.ts';

/** SYNC_NV is obsolete and asks for no less than is done. */
const flags = { syncNv: bit(1, 2), immediate: bit(1, 1) } as const;
const cdb10 = layout(10, { ...at10, ...flags });
const cdb16 = layout(16, { ...at16, ...flags });

const row = (name: string, opcode: number, cdb: typeof cdb10 | typeof cdb16): Command<DiskUnit> =>
  command<DiskUnit>({
    name,
    opcode,
    cdb,
    access: 'write',
    ordering: 'parallel',
    medium: true,
    timeoutSeconds: 60,
    run(unit, task) {
      // NUMBER OF LOGICAL BLOCKS 0 means up to the last one (SBC-3 5.26).
      requireRange(unit, cdb.lba.get(task.cdb), cdb.blocks.get(task.cdb));
      const immediate = cdb.immediate.get(task.cdb);
      if (immediate) task.good();
      settle(
        () => unit.backend.flush(),
        () => {
          if (!immediate) task.good();
        },
        error => {
          const failure = unit.flushFailure(error);
          if (!immediate) task.fail(failure);
        },
      );
    },
  });

/** SBC-3 5.26, 5.27. */
export const synchronizeCaches = [
  row('SYNCHRONIZE CACHE(10)', 0x35, cdb10),
  row('SYNCHRONIZE CACHE(16)', 0x91, cdb16),
];
