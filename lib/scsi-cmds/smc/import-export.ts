import { bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { ElementType } from './element.ts';
import { invalidElementAddress, removalPrevented } from './sense.ts';

const cdb = layout(6, { opcode: u8(0), address: u16(2), action: bits(4, 0, 5) });
const OPEN = 0;
const CLOSE = 1;

/**
 * SMC-3 6.6. The import/export elements have one door. While it is open the robot has no access to them; when it is shut,
 * what a person has put onto the shelf meanwhile is found.
 */
export const openCloseImportExport = command<ChangerUnit>({
  name: 'OPEN/CLOSE IMPORT/EXPORT ELEMENT',
  opcode: 0x1b,
  cdb,
  access: 'write',
  alters: true,
  ordering: 'exclusive',
  tolerated: LUN_BITS,
  timeoutSeconds: 300,
  async run(unit, task) {
    const element = unit.elements.at(cdb.address.get(task.cdb));
    if (element?.type !== ElementType.IMPORT_EXPORT) throw invalidElementAddress(2);
    const action = cdb.action.get(task.cdb);
    if (action === OPEN) {
      if (unit.removal.prevented) throw removalPrevented();
      if (!unit.stationOpen) unit.counters.openings++;
      unit.stationOpen = true;
    } else if (action === CLOSE) {
      if (unit.stationOpen) {
        unit.stationOpen = false;
        await unit.scan(task.nexus);
      }
    } else throw invalidFieldInCdb(4, 4);
    task.good();
  },
});
