import { u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { encodeLun, REPORT_LUNS_LUN } from '../lun.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { Attention } from '../unit-attention.ts';
import { goodWithin } from './allocation.ts';

const cdb = layout(12, { opcode: u8(0), selectReport: u8(2), allocationLength: u32(6) });

/** SELECT REPORT (SPC-4 6.33; 10h and above of SPC-5): there is one well-known unit and no administrative one. */
const listed: Readonly<Record<number, { units: boolean; wellKnown: boolean }>> = {
  0x00: { units: true, wellKnown: false },
  0x01: { units: false, wellKnown: true },
  0x02: { units: true, wellKnown: true },
  0x10: { units: false, wellKnown: false }, // administrative units
  0x11: { units: true, wellKnown: false }, // those, and units that are no subsidiaries
  0x12: { units: false, wellKnown: false }, // the administrative unit addressed, with its subsidiaries
};

export const reportLuns = command<LogicalUnit>({
  name: 'REPORT LUNS',
  opcode: 0xa0,
  cdb,
  access: 'always',
  ordering: 'free',
  portState: 'unavailable',
  passesAttention: true,
  run(unit, task) {
    const wanted = listed[cdb.selectReport.get(task.cdb)];
    if (wanted === undefined) throw invalidFieldInCdb(2);
    const allocationLength = cdb.allocationLength.get(task.cdb);
    if (allocationLength < 16) throw invalidFieldInCdb(6); // SPC-4 6.33
    const units = wanted.units ? (unit.device?.visible(task.nexus) ?? []) : [];
    const luns = units.map(([lun]) => lun);
    if (wanted.wellKnown) luns.push(REPORT_LUNS_LUN);
    const out = Buffer.alloc(8 + 8 * luns.length);
    out.writeUInt32BE(8 * luns.length, 0);
    luns.forEach((lun, i) => encodeLun(lun, out, 8 + 8 * i));
    // SPC-4 6.33: it clears REPORTED LUNS DATA HAS CHANGED on every unit of the device.
    for (const [, other] of units) other.attentions.clear(task.nexus.id, Attention.REPORTED_LUNS_CHANGED);
    goodWithin(task, out, allocationLength);
  },
});
