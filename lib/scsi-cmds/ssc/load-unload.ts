import { bit, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { illegalRequest, invalidFieldInCdb } from '../sense.ts';
import { REMOVAL_PREVENTED } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb = layout(6, {
  opcode: u8(0),
  immediate: bit(1, 0),
  hold: bit(4, 3),
  endOfTape: bit(4, 2),
  retension: bit(4, 1),
  load: bit(4, 0),
});

/** HOLD keeps the cartridge in the drive and unthreaded, which is how UNLOAD leaves it here in any case. */
export const loadUnload = command<TapeUnit>({
  name: 'LOAD UNLOAD', // SSC-4 7.3
  opcode: 0x1b,
  cdb,
  access: 'write',
  ordering: 'exclusive',
  timeoutSeconds: 600,
  async run(unit, task) {
    const load = cdb.load.get(task.cdb);
    const hold = cdb.hold.get(task.cdb);
    if (load && cdb.endOfTape.get(task.cdb)) throw invalidFieldInCdb(4, 2);
    unit.requireCartridge();
    if (load) {
      if (!hold) await unit.load(task.nexus);
    } else {
      if (!hold && unit.removal.prevented) throw illegalRequest(REMOVAL_PREVENTED);
      await unit.unload();
    }
    task.good();
  },
});
