import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { Writer } from '../../bytes/cursor.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin } from '../spc/allocation.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb = layout(10, {
  opcode: u8(0),
  savePages: bit(1, 0),
  pageControl: bits(2, 6, 2),
  pageCode: bits(2, 0, 6),
  subpageCode: u8(3),
  parameterPointer: u16(5),
  allocationLength: u16(7),
});

/** A log parameter (SPC-4 7.3.2.2). */
interface Parameter {
  readonly code: number;
  /** FORMAT AND LINKING and its neighbours. */
  readonly control: number;
  readonly bytes: 1 | 8;
  value(unit: TapeUnit): number;
}

interface LogPage {
  readonly code: number;
  readonly parameters: readonly Parameter[];
}

const COUNTER = 0x00;
const BINARY_LIST = 0x03;
const TAPE_ALERT_FLAGS = 64;

const counter = (code: number, value: (unit: TapeUnit) => number): Parameter => ({
  code,
  control: COUNTER,
  bytes: 8,
  value,
});

const pages: readonly LogPage[] = [
  {
    code: 0x0c, // sequential-access device, SSC-4 8.2.2
    parameters: [
      counter(0x0000, unit => unit.counters.written),
      counter(0x0001, unit => unit.counters.written),
      counter(0x0002, unit => unit.counters.read),
      counter(0x0003, unit => unit.counters.read),
    ],
  },
  {
    code: 0x2e, // TapeAlert, SSC-4 8.2.3: nothing ever wears here
    parameters: Array.from({ length: TAPE_ALERT_FLAGS }, (_, i) => ({
      code: i + 1,
      control: BINARY_LIST,
      bytes: 1,
      value: () => 0,
    })),
  },
];

/** Threshold and cumulative values are the same: there are no thresholds. */
const CUMULATIVE = 1;

function body(unit: TapeUnit, code: number, pointer: number): Buffer {
  if (code === 0) return Buffer.of(0, ...pages.map(page => page.code)); // supported log pages, SPC-4 7.3.16
  const page = pages.find(page => page.code === code);
  if (page === undefined) throw invalidFieldInCdb(2, 5);
  const asked = page.parameters.filter(parameter => parameter.code >= pointer);
  if (asked.length === 0) throw invalidFieldInCdb(5);
  const out = new Writer();
  for (const parameter of asked) {
    const { code, control, bytes } = parameter;
    out.uint(2, code).uint(1, control).uint(1, bytes).uint(bytes, parameter.value(unit));
  }
  return out.done();
}

export const logSense = command<TapeUnit>({
  name: 'LOG SENSE', // SPC-4 6.8
  opcode: 0x4d,
  cdb,
  access: 'always',
  ordering: 'free',
  timeoutSeconds: 60,
  run(unit, task) {
    if (cdb.savePages.get(task.cdb)) throw invalidFieldInCdb(1, 0);
    if (cdb.pageControl.get(task.cdb) > CUMULATIVE) throw invalidFieldInCdb(2, 7);
    if (cdb.subpageCode.get(task.cdb) !== 0) throw invalidFieldInCdb(3);
    const code = cdb.pageCode.get(task.cdb);
    const content = body(unit, code, cdb.parameterPointer.get(task.cdb));
    const header = Buffer.of(code, 0, content.length >> 8, content.length & 0xff);
    goodWithin(task, Buffer.concat([header, content]), cdb.allocationLength.get(task.cdb));
  },
});
