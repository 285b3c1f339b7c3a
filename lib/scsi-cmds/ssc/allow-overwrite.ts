import { bits, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { illegalRequest, invalidFieldInCdb } from '../sense.ts';
import { SEQUENTIAL_POSITIONING_ERROR } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';

/** ALLOW OVERWRITE (SSC-4 7.1). */
const Allow = { NOTHING: 0, CURRENT_POSITION: 1, FORMAT: 2 } as const;

const cdb = layout(16, {
  opcode: u8(0),
  allow: bits(2, 0, 4),
  partition: u8(3),
  object: u64(4),
});

/** What append-only mode lets be written over: where the tape stands and no place else, or all of it by FORMAT MEDIUM. */
export const allowOverwrite = command<TapeUnit>({
  name: 'ALLOW OVERWRITE',
  opcode: 0x82,
  cdb,
  access: 'write',
  alters: true,
  ordering: 'exclusive',
  medium: true,
  timeoutSeconds: 60,
  run(unit, task) {
    const allow = cdb.allow.get(task.cdb);
    if (allow > Allow.FORMAT) throw invalidFieldInCdb(2, 3);
    unit.forbidOverwrite();
    if (allow === Allow.CURRENT_POSITION) {
      const { partition, object } = unit.medium.position;
      if (cdb.partition.get(task.cdb) !== partition || cdb.object.get(task.cdb) !== object) {
        throw illegalRequest(SEQUENTIAL_POSITIONING_ERROR);
      }
      unit.allowOverwrite(unit.medium.position);
    } else if (allow === Allow.FORMAT) unit.allowOverwrite('format');
    task.good();
  },
});
