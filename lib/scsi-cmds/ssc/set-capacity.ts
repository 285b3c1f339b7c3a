import { bit, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { requireBeginning } from './format-medium.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb = layout(6, {
  opcode: u8(0),
  immediate: bit(1, 0),
  proportion: u16(3),
});

/** CAPACITY PROPORTION VALUE of all there is. */
const WHOLE = 0xffff;

/** A part of the capacity that the cartridge was made with; what was on it is gone. */
export const setCapacity = command<TapeUnit>({
  name: 'SET CAPACITY', // SSC-4 7.11
  opcode: 0x0b,
  cdb,
  access: 'write',
  ordering: 'exclusive',
  medium: true,
  writes: true,
  timeoutSeconds: 3600,
  async run(unit, task) {
    const proportion = cdb.proportion.get(task.cdb);
    const { nativeCapacityBytes } = unit.medium;
    // Of a cartridge without a limit there is no part.
    if (nativeCapacityBytes === 0 && proportion !== WHOLE) throw invalidFieldInCdb(3);
    requireBeginning(unit);
    const bytes =
      proportion === WHOLE ? 0 : Math.max(1, Math.floor((nativeCapacityBytes * proportion) / WHOLE));
    await unit.setCapacity(bytes);
    task.good();
  },
});
