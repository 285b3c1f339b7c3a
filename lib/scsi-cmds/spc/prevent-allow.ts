import { bits, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { Status } from '../status.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { LUN_BITS } from './allocation.ts';
import type { RemovalPrevention } from './removal-prevention.ts';

/** A unit whose medium can be held in. */
export interface HoldsMedium extends LogicalUnit {
  readonly removal: RemovalPrevention;
}

const cdb = layout(6, { opcode: u8(0), prevent: bits(4, 0, 2) });

/** SBC-3 5.10; a tape has it too (SSC-4). */
export const preventAllowMediumRemoval = command<HoldsMedium>({
  name: 'PREVENT ALLOW MEDIUM REMOVAL',
  opcode: 0x1e,
  cdb,
  access: 'always',
  ordering: 'free',
  tolerated: LUN_BITS,
  run(unit, task) {
    const prevent = cdb.prevent.get(task.cdb);
    if (prevent > 1) throw invalidFieldInCdb(4, 1); // the upper values are obsolete
    if (prevent === 0) unit.removal.forget(task.nexus);
    else if (unit.reservations.forbids('write', task.nexus)) {
      task.end(Status.RESERVATION_CONFLICT); // SPC-4 table 65: allowed when it allows
      return;
    } else unit.removal.prevent(task.nexus);
    task.good();
  },
});
