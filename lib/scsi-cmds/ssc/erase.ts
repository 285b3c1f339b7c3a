import { bit, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { Task } from '../task.ts';
import { goToAddress } from './address.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb6 = layout(6, {
  opcode: u8(0),
  long: bit(1, 0),
  immediate: bit(1, 1),
});

const cdb16 = layout(16, {
  opcode: u8(0),
  long: bit(1, 0),
  immediate: bit(1, 1),
  lastInSequence: bit(1, 2),
  firstInSequence: bit(1, 3),
  partition: u8(3),
  object: u64(4),
});

const row = {
  access: 'write',
  ordering: 'exclusive',
  medium: true,
  writes: true,
  timeoutSeconds: 3600,
} as const;

export const erase6 = command<TapeUnit>({
  name: 'ERASE(6)', // SSC-4 6.2
  opcode: 0x19,
  cdb: cdb6,
  ...row,
  run: (unit, task) => erase(unit, task, cdb6.immediate.get(task.cdb)),
});

export const erase16 = command<TapeUnit>({
  name: 'ERASE(16)', // SSC-4 5.2
  opcode: 0x93,
  cdb: cdb16,
  ...row,
  async run(unit, task) {
    await goToAddress(unit, cdb16.partition.get(task.cdb), cdb16.object.get(task.cdb));
    return erase(unit, task, cdb16.immediate.get(task.cdb));
  },
});

/** Short or long, end of data is where the tape stands; of what lay behind it nothing can be read again. */
async function erase(unit: TapeUnit, task: Task, immediate: boolean): Promise<void> {
  await unit.erase(task.nexus);
  if (!immediate) await unit.synchronize();
  task.good();
}
