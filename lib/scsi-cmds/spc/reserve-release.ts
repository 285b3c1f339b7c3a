import { u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { LUN_BITS } from './allocation.ts';
import { endingInConflict } from './reservation-conflict.ts';

/** Third parties and extents are obsolete: the rest of these CDBs is reserved (SPC-2 7.16, 7.17, 7.21, 7.22). */
const cdb6 = layout(6, { opcode: u8(0) });
const cdb10 = layout(10, { opcode: u8(0) });

const reserve = (name: string, opcode: number, cdb: typeof cdb6): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name,
    opcode,
    cdb,
    access: 'always',
    ordering: 'free',
    portState: 'standby',
    tolerated: LUN_BITS,
    run: (unit, task) => endingInConflict(unit, task, () => unit.reservations.reserveUnit(task.nexus)),
  });

const release = (name: string, opcode: number, cdb: typeof cdb6): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name,
    opcode,
    cdb,
    access: 'always',
    ordering: 'free',
    portState: 'standby',
    tolerated: LUN_BITS,
    run: (unit, task) => endingInConflict(unit, task, () => unit.reservations.releaseUnit(task.nexus)),
  });

export const reservesAndReleases = [
  reserve('RESERVE(6)', 0x16, cdb6),
  release('RELEASE(6)', 0x17, cdb6),
  reserve('RESERVE(10)', 0x56, cdb10),
  release('RELEASE(10)', 0x57, cdb10),
];
