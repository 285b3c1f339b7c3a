import { bit, u24, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb, type SenseFacts } from '../sense.ts';
import { Status } from '../status.ts';
import type { Task } from '../task.ts';
import { endOfData, filemarkDetected, incorrectLength } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';
import { breather, residualOf, type Transfer, transferOf } from './transfer.ts';

const readCdb = layout(6, {
  opcode: u8(0),
  fixed: bit(1, 0),
  sili: bit(1, 1),
  transferLength: u24(2),
});

const verifyCdb = layout(6, {
  opcode: u8(0),
  fixed: bit(1, 0),
  byteCompare: bit(1, 1),
  immediate: bit(1, 2),
  verificationLength: u24(2),
});

export const read6 = command<TapeUnit>({
  name: 'READ(6)', // SSC-4 6.4
  opcode: 0x08,
  cdb: readCdb,
  access: 'read',
  ordering: 'exclusive',
  counts: 'read',
  medium: true,
  timeoutSeconds: 60,
  run(unit, task) {
    const fixed = readCdb.fixed.get(task.cdb);
    const sili = readCdb.sili.get(task.cdb);
    if (fixed && sili) throw invalidFieldInCdb(1, 1);
    const transfer = transferOf(unit, fixed, readCdb.transferLength.get(task.cdb));
    const into = task.take(transfer.records * transfer.length);
    return pass(unit, task, transfer, into, sili);
  },
});

/** BYTCMP is not offered: with it the initiator would send the data along. */
export const verify6 = command<TapeUnit>({
  name: 'VERIFY(6)', // SSC-4 6.7
  opcode: 0x13,
  cdb: verifyCdb,
  access: 'read',
  ordering: 'exclusive',
  medium: true,
  timeoutSeconds: 60,
  run(unit, task) {
    if (verifyCdb.byteCompare.get(task.cdb)) throw invalidFieldInCdb(1, 1);
    const length = verifyCdb.verificationLength.get(task.cdb);
    return pass(
      unit,
      task,
      transferOf(unit, verifyCdb.fixed.get(task.cdb), length, Infinity),
      undefined,
      false,
    );
  },
});

const NO_BYTES = Buffer.alloc(0);

/** Reads the records of `transfer` one behind the other, into `into` if there is one, until one is not as asked for. */
async function pass(
  unit: TapeUnit,
  task: Task,
  transfer: Transfer,
  into: Buffer | undefined,
  sili: boolean,
): Promise<void> {
  const { medium } = unit;
  const { records, length } = transfer;
  let bytes = 0;
  let stop: SenseFacts | undefined;
  for (let done = 0; done < records && stop === undefined; done++) {
    const pause = breather(done);
    if (pause !== undefined) await pause;
    if (task.aborted) return task.end(Status.TASK_ABORTED);
    try {
      const work = medium.read(
        into === undefined ? NO_BYTES : records === 1 ? into : into.subarray(bytes, bytes + length),
      );
      const object = work instanceof Promise ? await work : work;
      switch (object.kind) {
        case 'record':
          if (into !== undefined) bytes += Math.min(object.length, length);
          unit.counters.read += object.length;
          if (object.length !== length && !(sili && unwatched(unit, object.length - length))) {
            // Of a wrong block in fixed mode what fits is sent too, and it is not counted as read.
            stop = incorrectLength(transfer.fixed ? records - done : length - object.length);
          }
          break;
        case 'filemark':
          stop = filemarkDetected(residualOf(transfer, done));
          break;
        case 'end-of-data':
          stop = endOfData(medium.pastEarlyWarning, residualOf(transfer, done));
          break;
      }
    } catch (error) {
      stop = { ...unit.explain(task, error), information: residualOf(transfer, done) };
    }
  }
  if (into !== undefined) {
    task.dataIn = bytes === into.length ? into : into.subarray(0, bytes);
    task.totalIn = bytes;
  }
  if (stop === undefined) task.end(Status.GOOD);
  else unit.check(task, stop);
}

/** SILI in variable mode: a longer record is told only while BLOCK LENGTH is not zero (SSC-4 6.4). */
const unwatched = (unit: TapeUnit, excess: number): boolean => excess < 0 || unit.blockLength === 0;
