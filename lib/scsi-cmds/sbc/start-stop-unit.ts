import { bit, bits, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import { illegalRequest, invalidFieldInCdb } from '../sense.ts';
import { Status } from '../status.ts';
import { Attention } from '../unit-attention.ts';
import type { DiskUnit } from './disk-unit.ts';

const cdb = layout(6, {
  opcode: u8(0),
  immediate: bit(1, 0),
  powerConditionModifier: bits(3, 0, 4),
  powerCondition: bits(4, 4, 4),
  noFlush: bit(4, 2),
  loadEject: bit(4, 1),
  start: bit(4, 0),
});

/** MEDIUM REMOVAL PREVENTED. */
const removalPrevented = (): ReturnType<typeof illegalRequest> => illegalRequest(0x5302);

/**
 * SBC-3 5.25. There is nothing that spins: power conditions, START and STOP are taken and change nothing, and the
 * medium stays ready. Only LOEJ does something, with POWER CONDITION 0.
 */
export const startStopUnit = command<DiskUnit>({
  name: 'START STOP UNIT',
  opcode: 0x1b,
  cdb,
  access: 'always',
  ordering: 'exclusive',
  tolerated: LUN_BITS,
  timeoutSeconds: 60,
  async run(unit, task) {
    const start = cdb.start.get(task.cdb);
    const powered = cdb.powerCondition.get(task.cdb) !== 0;
    // SBC-3 4.17: a reservation lets it pass with START 1 and POWER CONDITION 0.
    if ((!start || powered) && unit.reservations.forbids('write', task.nexus)) {
      return task.end(Status.RESERVATION_CONFLICT);
    }
    const moves = !powered && cdb.loadEject.get(task.cdb);
    if (moves && !unit.removable) throw invalidFieldInCdb(4, 1);
    if (moves && unit.removal.prevented) throw removalPrevented();
    // SBC-3 5.25: what is cached goes to the medium before it stops, unless NO_FLUSH.
    if (!start && unit.loaded && !unit.writeProtected && !cdb.noFlush.get(task.cdb))
      await unit.backend.flush();
    if (moves && unit.loaded !== start) {
      unit.loaded = start;
      if (start) unit.attention(Attention.MEDIUM_MAY_HAVE_CHANGED, task.nexus);
    }
    return task.good();
  },
});
