import { Writer } from '../../bytes/cursor.ts';
import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin, LUN_BITS } from './allocation.ts';
import { framed, valueOf } from './log-pages.ts';

const cdb = layout(10, {
  opcode: u8(0),
  savePages: bit(1, 0),
  pageControl: bits(2, 6, 2),
  pageCode: bits(2, 0, 6),
  subpageCode: u8(3),
  parameterPointer: u16(5),
  allocationLength: u16(7),
});

function page(unit: LogicalUnit, code: number, subcode: number, control: number, pointer: number): Buffer {
  const list = unit.logs.list(code, subcode);
  if (list !== undefined) return framed(code, subcode, list, 'no-parameters');
  const row = unit.logs.find(code, subcode);
  if (row === undefined) throw unit.logs.has(code) ? invalidFieldInCdb(3) : invalidFieldInCdb(2, 5);
  const asked = row.parameters(unit as never).filter(parameter => parameter.code >= pointer);
  if (asked.length === 0 && pointer > 0) throw invalidFieldInCdb(5);
  const out = new Writer();
  for (const parameter of asked) {
    const value = valueOf(parameter, control);
    out.uint(2, parameter.code).uint(1, parameter.control).uint(1, value.length).put(value);
  }
  return framed(code, subcode, out.done(), 'none');
}

/** SPC-4 6.8. */
export const logSense = command<LogicalUnit>({
  name: 'LOG SENSE',
  opcode: 0x4d,
  cdb,
  access: 'always',
  ordering: 'free',
  portState: 'standby',
  tolerated: LUN_BITS,
  timeoutSeconds: 60,
  run(unit, task) {
    if (cdb.savePages.get(task.cdb)) throw invalidFieldInCdb(1, 0); // nothing can be saved
    const data = page(
      unit,
      cdb.pageCode.get(task.cdb),
      cdb.subpageCode.get(task.cdb),
      cdb.pageControl.get(task.cdb),
      cdb.parameterPointer.get(task.cdb),
    );
    goodWithin(task, data, cdb.allocationLength.get(task.cdb));
  },
});
