import { u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { encodeLun } from '../lun.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { Attention } from '../unit-attention.ts';
import { goodWithin } from './allocation.ts';

const cdb = layout(12, { opcode: u8(0), selectReport: u8(2), allocationLength: u32(6) });

/** SELECT REPORT (SPC-4 table 294): 00h without and 02h with well-known units, of which there are none; 01h only them. */
const listed: Readonly<Record<number, boolean>> = { 0x00: true, 0x01: false, 0x02: true };

export const reportLuns = command<LogicalUnit>({
  name: 'REPORT LUNS',
  opcode: 0xa0,
  cdb,
  access: 'always',
  ordering: 'free',
  portState: 'unavailable',
  passesAttention: true,
  run(unit, task) {
    const all = listed[cdb.selectReport.get(task.cdb)];
    if (all === undefined) throw invalidFieldInCdb(2);
    const allocationLength = cdb.allocationLength.get(task.cdb);
    if (allocationLength < 16) throw invalidFieldInCdb(6); // SPC-4 6.33
    const units = all ? (unit.device?.visible(task.nexus) ?? []) : [];
    const out = Buffer.alloc(8 + 8 * units.length);
    out.writeUInt32BE(8 * units.length, 0);
    units.forEach(([lun], i) => encodeLun(lun, out, 8 + 8 * i));
    // SPC-4 6.33: it clears REPORTED LUNS DATA HAS CHANGED on every unit of the device.
    for (const [, other] of units) other.attentions.clear(task.nexus.id, Attention.REPORTED_LUNS_CHANGED);
    goodWithin(task, out, allocationLength);
  },
});
