import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb, invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';
import { Attention } from '../unit-attention.ts';
import { LUN_BITS } from './allocation.ts';
import { LogControl, valueOf } from './log-pages.ts';

const cdb = layout(10, {
  opcode: u8(0),
  parameterCodeReset: bit(1, 1),
  savePages: bit(1, 0),
  pageControl: bits(2, 6, 2),
  pageCode: bits(2, 0, 6),
  subpageCode: u8(3),
  parameterListLength: u16(7),
});

const SPF = 0x40;

/**
 * Checks the pages of the list and gives back what sets their values; nothing has changed before those are called.
 * Pages, and parameters within one, come in ascending order (SPC-4 6.7, 7.3.2.1).
 */
function proposals(unit: LogicalUnit, list: Buffer, control: number): (() => void)[] {
  const sets: (() => void)[] = [];
  let before = -1;
  for (let at = 0; at < list.length;) {
    if (list.length - at < 4) throw parameterListLengthError();
    const code = list[at]! & 0x3f;
    const subcode = list[at + 1]!;
    const row = unit.logs.find(code, subcode);
    if (row === undefined || ((list[at]! & SPF) !== 0) !== (subcode !== 0)) {
      throw unit.logs.has(code) ? invalidFieldInParameterList(at + 1) : invalidFieldInParameterList(at, 5);
    }
    if ((code << 8) + subcode <= before) throw invalidFieldInParameterList(at, 5);
    before = (code << 8) + subcode;
    const end = at + 4 + list.readUInt16BE(at + 2);
    if (end > list.length) throw invalidFieldInParameterList(at + 2);
    const known = row.parameters(unit as never);
    let last = -1;
    for (at += 4; at < end;) {
      if (end - at < 4 || at + 4 + list[at + 3]! > end)
        throw invalidFieldInParameterList(Math.min(at + 3, end - 1));
      const parameter = known.find(each => each.code === list.readUInt16BE(at));
      if (parameter === undefined || parameter.code <= last) throw invalidFieldInParameterList(at);
      last = parameter.code;
      if (list[at + 2] !== parameter.control) throw invalidFieldInParameterList(at + 2);
      const now = valueOf(parameter, control);
      if (list[at + 3] !== now.length) throw invalidFieldInParameterList(at + 3);
      const wanted = Buffer.from(list.subarray(at + 4, at + 4 + now.length));
      const { set } = parameter;
      if (control === LogControl.CUMULATIVE && set !== undefined) sets.push(() => set(wanted));
      else if (!wanted.equals(now)) throw invalidFieldInParameterList(at + 4);
      at += 4 + now.length;
    }
  }
  return sets;
}

/** SPC-4 6.7: counters go back to 0 or are set; thresholds cannot be, and nothing can be saved. */
export const logSelect = command<LogicalUnit>({
  name: 'LOG SELECT',
  opcode: 0x4c,
  cdb,
  access: 'write',
  alters: true,
  ordering: 'exclusive',
  portState: 'standby',
  tolerated: LUN_BITS,
  timeoutSeconds: 60,
  dataOut(unit, task) {
    if (cdb.savePages.get(task.cdb)) throw invalidFieldInCdb(1, 0);
    const length = cdb.parameterListLength.get(task.cdb);
    const code = cdb.pageCode.get(task.cdb);
    const subcode = cdb.subpageCode.get(task.cdb);
    if (length > 0) {
      // SPC-4 6.7: the list names its pages, and says what they shall be.
      if (cdb.parameterCodeReset.get(task.cdb)) throw invalidFieldInCdb(1, 1);
      if (code !== 0) throw invalidFieldInCdb(2, 5);
      if (subcode !== 0) throw invalidFieldInCdb(3);
    } else if ((code !== 0 || subcode !== 0) && unit.logs.named(code, subcode).length === 0) {
      throw unit.logs.has(code) ? invalidFieldInCdb(3) : invalidFieldInCdb(2, 5);
    }
    return length;
  },
  run(unit, task) {
    const list = task.dataOut;
    if (list.length < task.wantedOut) throw parameterListLengthError();
    const control = cdb.pageControl.get(task.cdb);
    let changes: (() => void)[];
    if (task.wantedOut > 0) changes = proposals(unit, list, control);
    else if (cdb.parameterCodeReset.get(task.cdb) || control === LogControl.DEFAULT_CUMULATIVE) {
      const named = unit.logs.named(cdb.pageCode.get(task.cdb), cdb.subpageCode.get(task.cdb));
      changes = named.flatMap(row => (row.reset === undefined ? [] : [() => row.reset!(unit as never)]));
    } else changes = []; // thresholds are what they were
    for (const change of changes) change();
    if (changes.length > 0) unit.attention(Attention.LOG_PARAMETERS_CHANGED, task.nexus);
    task.good();
  },
});
