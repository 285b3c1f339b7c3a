import { bit, u24, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb, SenseKey, type SenseFacts } from '../sense.ts';
import { Status } from '../status.ts';
import type { Task } from '../task.ts';
import { goToAddress } from './address.ts';
import { endOfData, filemarkDetected, incorrectLength } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';
import { Breather, residualOf, type Transfer, transferOf } from './transfer.ts';

const fields = {
  opcode: u8(0),
  fixed: bit(1, 0),
  byteCompare: bit(1, 1),
  immediate: bit(1, 2),
} as const;

const cdb6 = layout(6, { ...fields, verificationLength: u24(2) });

/** An explicit address command: it says where. */
const cdb16 = layout(16, { ...fields, partition: u8(3), object: u64(4), verificationLength: u24(12) });

type Cdb = typeof cdb6 | typeof cdb16;

const row = {
  access: 'read',
  ordering: 'exclusive',
  counts: 'verify',
  medium: true,
  timeoutSeconds: 600,
} as const;

const compares = (task: Task, cdb: Cdb): boolean => cdb.byteCompare.get(task.cdb);

function asked(unit: TapeUnit, task: Task, cdb: Cdb): Transfer {
  const { fixed, verificationLength } = cdb;
  const count = verificationLength.get(task.cdb);
  // Without BYTCMP no bytes go over the wire, so that there may be as many as the tape has.
  return transferOf(
    unit,
    { fixed: fixed.get(task.cdb), count, at: verificationLength.offset },
    0,
    compares(task, cdb) ? undefined : Infinity,
  );
}

function dataOut(unit: TapeUnit, task: Task, cdb: Cdb): number {
  // BYTCMP is done before it is answered: the data is here by then.
  if (compares(task, cdb) && cdb.immediate.get(task.cdb)) throw invalidFieldInCdb(1, 2);
  const { records, length } = asked(unit, task, cdb);
  return compares(task, cdb) ? records * length : 0;
}

export const verify6 = command<TapeUnit>({
  name: 'VERIFY(6)', // SSC-4 6.7
  opcode: 0x13,
  cdb: cdb6,
  ...row,
  dataOut: (unit, task) => dataOut(unit, task, cdb6),
  run: (unit, task) => verify(unit, task, cdb6),
});

export const verify16 = command<TapeUnit>({
  name: 'VERIFY(16)', // SSC-4 5.5
  opcode: 0x8f,
  cdb: cdb16,
  ...row,
  dataOut: (unit, task) => dataOut(unit, task, cdb16),
  async run(unit, task) {
    await goToAddress(unit, cdb16.partition.get(task.cdb), cdb16.object.get(task.cdb));
    return verify(unit, task, cdb16);
  },
});

const NO_BYTES = Buffer.alloc(0);

/** Reads as READ does, to no one, or to compare. */
async function verify(unit: TapeUnit, task: Task, cdb: Cdb): Promise<void> {
  const { medium } = unit;
  const transfer = asked(unit, task, cdb);
  const { records, length } = transfer;
  const given = compares(task, cdb) ? task.dataOut : undefined;
  if (given !== undefined && given.length !== records * length) {
    throw invalidFieldInCdb(cdb.verificationLength.offset);
  }
  unit.forbidOverwrite();
  const into = given === undefined ? NO_BYTES : task.take(length);
  const breather = new Breather();
  for (let done = 0; done < records; done++) {
    if (task.aborted) return task.end(Status.TASK_ABORTED);
    let stop: SenseFacts | undefined;
    try {
      const work = unit.read(into, task.nexus);
      const object = work instanceof Promise ? await work : work;
      if (object.kind === 'filemark') stop = filemarkDetected(residualOf(transfer, done));
      else if (object.kind === 'end-of-data') {
        stop = endOfData(medium.pastEarlyWarning, residualOf(transfer, done));
      } else if (object.length !== length) {
        stop = incorrectLength(transfer.fixed ? records - done : length - object.length);
      } else if (given !== undefined && !into.equals(given.subarray(done * length, (done + 1) * length))) {
        stop = { key: SenseKey.MISCOMPARE, code: 0x1d00, information: residualOf(transfer, done) };
      }
    } catch (error) {
      stop = { ...unit.explain(task, error), information: residualOf(transfer, done) };
    }
    if (stop !== undefined) return unit.check(task, stop);
    const pause = breather.behind(length);
    if (pause !== undefined) await pause;
  }
  task.good();
}
