import { bit, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { invalidElementAddress } from './sense.ts';

/* The shelf is looked at anew: what lies there is what a person has put there or taken away. */

const MINUTES = 60;

export const initializeElementStatus = command<ChangerUnit>({
  name: 'INITIALIZE ELEMENT STATUS', // SMC-3 6.3
  opcode: 0x07,
  cdb: layout(6, { opcode: u8(0) }),
  access: 'write',
  ordering: 'exclusive',
  tolerated: LUN_BITS,
  timeoutSeconds: 30 * MINUTES,
  async run(unit, task) {
    await unit.scan(task.nexus);
    task.good();
  },
});

const rangeCdb = layout(10, {
  opcode: u8(0),
  fast: bit(1, 1),
  range: bit(1, 0),
  startingAddress: u16(2),
  numberOfElements: u16(6),
});

/** One look tells of every element, so that FAST and a range only say what the initiator wants to know of. */
const withRange = (name: string, opcode: number): Command<ChangerUnit> =>
  command<ChangerUnit>({
    name,
    opcode,
    cdb: rangeCdb,
    access: 'write',
    ordering: 'exclusive',
    tolerated: LUN_BITS,
    timeoutSeconds: 30 * MINUTES,
    async run(unit, task) {
      const { cdb } = task;
      const address = rangeCdb.startingAddress.get(cdb);
      if (rangeCdb.range.get(cdb) && unit.elements.at(address) === undefined) throw invalidElementAddress(2);
      await unit.scan(task.nexus);
      task.good();
    },
  });

/** SMC-3 6.4, and the operation code that it had before there was a standard one. */
export const initializesWithRange = [
  withRange('INITIALIZE ELEMENT STATUS WITH RANGE', 0x37),
  withRange('INITIALIZE ELEMENT STATUS WITH RANGE(E7h)', 0xe7),
];
