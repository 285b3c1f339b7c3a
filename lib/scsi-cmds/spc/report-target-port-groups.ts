import { bits, u32, u8 } from '../../bytes/fields.ts';
import { Writer } from '../../bytes/cursor.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin } from './allocation.ts';
import { TARGET_PORT_GROUP_ID } from './vpd-83.ts';

const cdb = layout(12, {
  opcode: u8(0),
  parameterDataFormat: bits(1, 5, 3),
  serviceAction: bits(1, 0, 5),
  allocationLength: u32(6),
});

const ACTIVE_OPTIMIZED = 0;
const AO_SUP = 0x01;
const EXTENDED_HEADER = 1;

/** SPC-4 6.37: one group with every port in it, always active/optimized. */
export const reportTargetPortGroups = command<LogicalUnit>({
  name: 'REPORT TARGET PORT GROUPS',
  opcode: 0xa3,
  serviceAction: 0x0a,
  cdb,
  access: 'always',
  ordering: 'free',
  run(unit, task) {
    const format = cdb.parameterDataFormat.get(task.cdb);
    if (format > EXTENDED_HEADER) throw invalidFieldInCdb(1, 7);
    const ports = unit.device?.relativePorts ?? [];
    const out = new Writer();
    const filled = out.lengthField(4);
    if (format === EXTENDED_HEADER) out.uint(1, EXTENDED_HEADER << 4).zeros(3);
    out.uint(1, ACTIVE_OPTIMIZED).uint(1, AO_SUP).uint(2, TARGET_PORT_GROUP_ID);
    out.zeros(3).uint(1, ports.length);
    for (const port of ports) out.zeros(2).uint(2, port);
    filled();
    goodWithin(task, out.done(), cdb.allocationLength.get(task.cdb));
  },
});
