import { bit, bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin } from './allocation.ts';

const cdb = layout(12, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  extended: bit(2, 7),
  allocationLength: u32(6),
});

/** ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET (SPC-4 table 306). */
const SUPPORTED = 0x80 | 0x40 | 0x10 | 0x08;

/** SPC-4 6.36. REPD asks for the 16-byte form, with timeouts of which none is known. */
export const reportSupportedTaskManagement = command<LogicalUnit>({
  name: 'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS',
  opcode: 0xa3,
  serviceAction: 0x0d,
  cdb,
  access: 'read',
  ordering: 'free',
  portState: 'standby',
  run(_unit, task) {
    const allocationLength = cdb.allocationLength.get(task.cdb);
    if (allocationLength < 4) throw invalidFieldInCdb(6);
    const extended = cdb.extended.get(task.cdb);
    const out = Buffer.alloc(extended ? 16 : 4);
    out[0] = SUPPORTED;
    if (extended) out[3] = out.length - 4;
    goodWithin(task, out, allocationLength);
  },
});
