import { bits, u32, u8 } from '../../bytes/fields.ts';
import { Writer } from '../../bytes/cursor.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin } from './allocation.ts';

const cdb = layout(12, {
  opcode: u8(0),
  parameterDataFormat: bits(1, 5, 3),
  serviceAction: bits(1, 0, 5),
  allocationLength: u32(6),
});

/** U_SUP, S_SUP, AN_SUP, AO_SUP: no state takes time to reach, so that T_SUP is 0. */
const STATES_SUPPORTED = 0x0f;
const EXTENDED_HEADER = 1;

/** SPC-4 6.37. No group is preferred, and no state changes by itself. */
export const reportTargetPortGroups = command<LogicalUnit>({
  name: 'REPORT TARGET PORT GROUPS',
  opcode: 0xa3,
  serviceAction: 0x0a,
  cdb,
  access: 'always',
  ordering: 'free',
  portState: 'unavailable',
  run(unit, task) {
    const format = cdb.parameterDataFormat.get(task.cdb);
    if (format > EXTENDED_HEADER) throw invalidFieldInCdb(1, 7);
    const out = new Writer();
    const filled = out.lengthField(4);
    if (format === EXTENDED_HEADER) out.uint(1, EXTENDED_HEADER << 4).zeros(3);
    for (const group of unit.portGroups.all) {
      out.uint(1, group.state).uint(1, STATES_SUPPORTED).uint(2, group.id);
      out.zeros(1).uint(1, group.status).zeros(1).uint(1, group.ports.length);
      for (const port of group.ports) out.zeros(2).uint(2, port);
    }
    filled();
    goodWithin(task, out.done(), cdb.allocationLength.get(task.cdb));
  },
});
