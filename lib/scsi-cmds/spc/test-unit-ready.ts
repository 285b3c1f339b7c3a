import { u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { LUN_BITS } from './allocation.ts';

/** SPC-4 6.47: admission has looked already. */
export const testUnitReady = command<LogicalUnit>({
  name: 'TEST UNIT READY',
  opcode: 0x00,
  cdb: layout(6, { opcode: u8(0) }),
  access: 'always',
  ordering: 'free',
  medium: true,
  tolerated: LUN_BITS,
  run: (_unit, task) => task.good(),
});
