import { bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb, invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';
import { type AccessState, isAccessState } from '../target-port-groups.ts';

const cdb = layout(12, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  parameterListLength: u32(6),
});

/** Four bytes before the descriptors, and in each of them. */
const HEADER = 4;
const DESCRIPTOR = 4;
/** As many as there can be groups. */
const LONGEST_LIST = HEADER + DESCRIPTOR * 0xffff;

/** The states that the list asks for, all of it checked. */
function wanted(unit: LogicalUnit, list: Buffer): ReadonlyMap<number, AccessState> {
  const known = new Set(unit.portGroups.all.map(group => group.id));
  const states = new Map<number, AccessState>();
  for (let at = HEADER; at < list.length; at += DESCRIPTOR) {
    const state = list[at]! & 0x0f;
    const group = list.readUInt16BE(at + 2);
    if (!isAccessState(state)) throw invalidFieldInParameterList(at, 3);
    if (!known.has(group) || states.has(group)) throw invalidFieldInParameterList(at + 2);
    states.set(group, state);
  }
  return states;
}

/** SPC-4 6.45: all groups that are named change state at once, or none does. */
export const setTargetPortGroups = command<LogicalUnit>({
  name: 'SET TARGET PORT GROUPS',
  opcode: 0xa4,
  serviceAction: 0x0a,
  cdb,
  access: 'write',
  alters: true,
  ordering: 'exclusive',
  portState: 'unavailable',
  dataOut(_unit, task) {
    const length = cdb.parameterListLength.get(task.cdb);
    if (length > LONGEST_LIST) throw invalidFieldInCdb(6);
    if (length > 0 && (length < HEADER || (length - HEADER) % DESCRIPTOR !== 0)) {
      throw parameterListLengthError();
    }
    return length;
  },
  run(unit, task) {
    if (task.dataOut.length < task.wantedOut) throw parameterListLengthError();
    unit.portGroups.set(wanted(unit, task.dataOut), task.nexus);
    task.good();
  },
});
