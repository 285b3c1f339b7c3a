import { bit, bits, u16, u24, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import { Status } from '../status.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { elementStatus } from './element-status.ts';
import { ElementType } from './element.ts';

const cdb = layout(12, {
  opcode: u8(0),
  volumeTags: bit(1, 4),
  elementType: bits(1, 0, 4),
  startingAddress: u16(2),
  numberOfElements: u16(4),
  currentData: bit(6, 1),
  deviceIdentifiers: bit(6, 0),
  allocationLength: u24(7),
});

export const MOST_ELEMENT_TYPE = ElementType.DATA_TRANSFER;

/**
 * What is known is always current, so that CURDATA changes nothing but what a reservation says: no motion, no conflict
 * (SMC-3 4.12). It waits for no move, and tells of a cartridge at its source until it is at its destination.
 */
export const readElementStatus = command<ChangerUnit>({
  name: 'READ ELEMENT STATUS', // SMC-3 6.10
  opcode: 0xb8,
  cdb,
  access: 'always',
  ordering: 'free',
  tolerated: LUN_BITS,
  timeoutSeconds: 60,
  run(unit, task) {
    if (!cdb.currentData.get(task.cdb) && unit.reservations.forbids('read', task.nexus)) {
      return task.end(Status.RESERVATION_CONFLICT);
    }
    const type = cdb.elementType.get(task.cdb);
    if (type > MOST_ELEMENT_TYPE) throw invalidFieldInCdb(1, 3);
    const { data, totalIn } = elementStatus(unit, task, {
      elements: unit.elements.from(
        type,
        cdb.startingAddress.get(task.cdb),
        cdb.numberOfElements.get(task.cdb),
      ),
      volumeTags: cdb.volumeTags.get(task.cdb),
      identifiers: cdb.deviceIdentifiers.get(task.cdb),
      allocationLength: cdb.allocationLength.get(task.cdb),
    });
    return task.good(data, totalIn);
  },
});
