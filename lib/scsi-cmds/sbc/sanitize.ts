import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import { CheckCondition, invalidFieldInCdb, invalidFieldInParameterList, SenseKey } from '../sense.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { writingAlone } from './forms.ts';
import { MediumOperation, type MediumWork } from './medium-operation.ts';
import { wrongDataLength } from './transfer.ts';

/** ZNR is not there as there are no zones. */
const cdb = layout(10, {
  opcode: u8(0),
  immediate: bit(1, 7),
  unrestricted: bit(1, 5),
  serviceAction: bits(1, 0, 5),
  parameterListLength: u16(7),
});

/** Before the initialization pattern. TEST is not there: 00b is all that is defined for every vendor. */
const header = layout(4, { invert: bit(0, 7), passes: bits(0, 0, 5), patternLength: u16(2) });

type Overwrite = NonNullable<MediumWork['overwrite']>;

/** SBC-3 5.24.2. */
function overwriteOf(unit: DiskUnit, list: Buffer): Overwrite {
  const passes = header.passes.get(list);
  const patternLength = header.patternLength.get(list);
  if ((list[0]! & 0x60) !== 0) throw invalidFieldInParameterList(0, 6);
  if (list[1] !== 0) throw invalidFieldInParameterList(1);
  if (passes === 0) throw invalidFieldInParameterList(0, 4);
  if (patternLength === 0 || patternLength > unit.blockSize || header.length + patternLength > list.length)
    throw invalidFieldInParameterList(header.patternLength.offset);
  const pattern = Uint8Array.from(list.subarray(header.length, header.length + patternLength));
  return { pattern, passes, invert: header.invert.get(list) };
}

/** SPACE ALLOCATION FAILED WRITE PROTECT. */
const noRoom = (): CheckCondition => new CheckCondition({ key: SenseKey.DATA_PROTECT, code: 0x2707 });

/** What failed in the restricted completion mode is made good by a sanitize operation in that mode only (SBC-3 4.11.3). */
function requireMode(unit: DiskUnit, unrestricted: boolean): void {
  const failed = unit.operation?.work;
  if (unrestricted && failed?.kind === 'sanitize' && !failed.unrestricted) throw invalidFieldInCdb(1, 5);
}

function begin(unit: DiskUnit, task: Task, overwrite: Overwrite | undefined): void {
  const operation = new MediumOperation(unit, {
    kind: 'sanitize',
    ...(overwrite === undefined ? {} : { overwrite }),
    unrestricted: cdb.unrestricted.get(task.cdb),
    failed: false,
  });
  unit.begin(operation, task, cdb.immediate.get(task.cdb));
}

const row = (
  action: string,
  serviceAction: number,
  does: Pick<Command<DiskUnit>, 'dataOut' | 'run'>,
): Command<DiskUnit> =>
  command<DiskUnit>({
    ...writingAlone,
    name: `SANITIZE (${action})`,
    opcode: 0x48,
    serviceAction,
    cdb,
    timeoutSeconds: 0, // it is as long as the disk is
    aborting: unit => unit.operation?.forget(),
    ...does,
  });

/** SBC-3 5.24.3 to 5.24.5: no parameter list. */
function noList(_unit: DiskUnit, task: Task): number {
  if (cdb.parameterListLength.get(task.cdb) !== 0) throw invalidFieldInCdb(cdb.parameterListLength.offset);
  return 0;
}

const overwrite = row('OVERWRITE', 0x01, {
  dataOut(unit, task) {
    requireMode(unit, cdb.unrestricted.get(task.cdb));
    const length = cdb.parameterListLength.get(task.cdb);
    if (length <= header.length || length > header.length + unit.blockSize)
      throw invalidFieldInCdb(cdb.parameterListLength.offset);
    return length;
  },
  run(unit, task) {
    if (task.dataOut.length !== task.wantedOut) throw wrongDataLength();
    const wanted = overwriteOf(unit, task.dataOut);
    // An overwritten block is a mapped one.
    const { allocationLimitBytes = Infinity, mappedBytes } = unit.backend;
    if (allocationLimitBytes < unit.bytes && mappedBytes < unit.bytes) throw noRoom();
    begin(unit, task, wanted);
  },
});

/** Afterwards every block is unmapped and reads as zero; WABEREQ 01b in VPD page B1h says that reads succeed. */
const blockErase = row('BLOCK ERASE', 0x02, {
  dataOut(unit, task) {
    requireMode(unit, cdb.unrestricted.get(task.cdb));
    return noList(unit, task);
  },
  run: (unit, task) => begin(unit, task, undefined),
});

/** SBC-3 5.24.5: nothing to leave is no error. */
const exitFailureMode = row('EXIT FAILURE MODE', 0x1f, {
  dataOut: noList,
  async run(unit, task) {
    const failed = unit.operation?.work;
    if (failed?.kind === 'sanitize') {
      if (!failed.unrestricted) throw invalidFieldInCdb(1, 4);
      await unit.keepWork(undefined);
      unit.operation = undefined;
    }
    task.good();
  },
});

/** SBC-3 5.24. CRYPTOGRAPHIC ERASE is not there: nothing is encrypted, so that there is no key to change. */
export const sanitizes = [overwrite, blockErase, exitFailureMode];
