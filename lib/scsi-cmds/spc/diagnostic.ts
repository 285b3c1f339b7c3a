import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import type { Task } from '../task.ts';
import { invalidFieldInCdb, invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';
import { goodWithin, LUN_BITS } from './allocation.ts';
import { SelfTestCode } from './self-test.ts';

const receiveCdb = layout(6, {
  opcode: u8(0),
  pageCodeValid: bit(1, 0),
  pageCode: u8(2),
  allocationLength: u16(3),
});

const sendCdb = layout(6, {
  opcode: u8(0),
  selfTestCode: bits(1, 5, 3),
  pageFormat: bit(1, 4),
  selfTest: bit(1, 2),
  deviceOffline: bit(1, 1),
  unitOffline: bit(1, 0),
  parameterListLength: u16(3),
});

/** Supported diagnostic pages, itself being the only one (SPC-4 7.2.3). */
const SUPPORTED_PAGES = 0x00;

/** SPC-4 6.29. */
export const receiveDiagnosticResults = command<LogicalUnit>({
  name: 'RECEIVE DIAGNOSTIC RESULTS',
  opcode: 0x1c,
  cdb: receiveCdb,
  access: 'read',
  ordering: 'free',
  portState: 'standby',
  tolerated: LUN_BITS,
  run(_unit, task) {
    const asked = receiveCdb.pageCodeValid.get(task.cdb)
      ? receiveCdb.pageCode.get(task.cdb)
      : SUPPORTED_PAGES;
    if (asked !== SUPPORTED_PAGES) throw invalidFieldInCdb(2);
    const out = Buffer.of(SUPPORTED_PAGES, 0, 0, 1, SUPPORTED_PAGES);
    goodWithin(task, out, receiveCdb.allocationLength.get(task.cdb));
  },
});

const CODES: ReadonlySet<number> = new Set(Object.values(SelfTestCode));

/** The self-test that the CDB asks for; GOOD says that the unit passed, or that one has begun in the background. */
async function selfTest(unit: LogicalUnit, task: Task): Promise<void> {
  const { selfTests } = unit;
  const code = sendCdb.selfTestCode.get(task.cdb);
  switch (code) {
    case SelfTestCode.ABORT_BACKGROUND:
      // SPC-4 6.42: asked for only while there is one.
      if (!selfTests.abort()) throw invalidFieldInCdb(1, 7);
      break;
    case SelfTestCode.BACKGROUND_SHORT:
    case SelfTestCode.BACKGROUND_EXTENDED:
      selfTests.requireIdle();
      selfTests.background(code);
      break;
    default:
      // The default self-test, asked for by SELFTEST, is the short one.
      selfTests.requireIdle();
      await selfTests.foreground(code, () => task.aborted);
  }
  task.good();
}

/** SPC-4 6.42: self-tests, and a request for the page above. */
export const sendDiagnostic = command<LogicalUnit>({
  name: 'SEND DIAGNOSTIC',
  opcode: 0x1d,
  cdb: sendCdb,
  access: 'write',
  ordering: 'parallel',
  portState: 'standby',
  timeoutSeconds: 300,
  dataOut(_unit, task) {
    const { cdb } = task;
    const code = sendCdb.selfTestCode.get(cdb);
    // SPC-4 6.42: one way of asking for a test at a time, and none with a list.
    if (!CODES.has(code) || (code !== SelfTestCode.NONE && sendCdb.selfTest.get(cdb))) {
      throw invalidFieldInCdb(1, 7);
    }
    const length = sendCdb.parameterListLength.get(cdb);
    if (length !== 0 && (code !== SelfTestCode.NONE || sendCdb.selfTest.get(cdb))) throw invalidFieldInCdb(3);
    return length;
  },
  run(unit, task) {
    if (sendCdb.selfTest.get(task.cdb) || sendCdb.selfTestCode.get(task.cdb) !== SelfTestCode.NONE) {
      return selfTest(unit, task);
    }
    const list = task.dataOut;
    if (list.length < task.wantedOut) throw parameterListLengthError();
    if (list.length > 0) {
      if (list[0] !== SUPPORTED_PAGES) throw invalidFieldInParameterList(0);
      if (list.length !== 4) throw parameterListLengthError();
      if (list[2] !== 0 || list[3] !== 0) throw invalidFieldInParameterList(2);
    }
    return task.good();
  },
});
