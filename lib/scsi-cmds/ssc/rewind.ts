import { bit, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb = layout(6, {
  opcode: u8(0),
  immediate: bit(1, 0),
});

/** With IMMED too it has rewound before it answers: there is nothing to wait for. */
export const rewind = command<TapeUnit>({
  name: 'REWIND', // SSC-4 7.10
  opcode: 0x01,
  cdb,
  access: 'read',
  ordering: 'exclusive',
  medium: true,
  timeoutSeconds: 600,
  async run(unit, task) {
    await unit.leavePlace();
    await unit.medium.rewind();
    task.good();
  },
});
