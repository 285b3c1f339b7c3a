import { bit, u24, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb, type SenseFacts } from '../sense.ts';
import { Status } from '../status.ts';
import type { Task } from '../task.ts';
import { goToAddress } from './address.ts';
import { endOfData, filemarkDetected, incorrectLength } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';
import { breather, residualOf, transferOf } from './transfer.ts';

const cdb6 = layout(6, {
  opcode: u8(0),
  fixed: bit(1, 0),
  sili: bit(1, 1),
  transferLength: u24(2),
});

/** An explicit address command: it says where. */
const cdb16 = layout(16, {
  opcode: u8(0),
  fixed: bit(1, 0),
  sili: bit(1, 1),
  partition: u8(3),
  object: u64(4),
  transferLength: u24(12),
});

type Cdb = typeof cdb6 | typeof cdb16;

const row = {
  access: 'read',
  ordering: 'exclusive',
  counts: 'read',
  medium: true,
  timeoutSeconds: 60,
} as const;

export const read6 = command<TapeUnit>({
  name: 'READ(6)', // SSC-4 6.4
  opcode: 0x08,
  cdb: cdb6,
  ...row,
  run(unit, task) {
    requireSili(task, cdb6);
    return read(unit, task, cdb6);
  },
});

export const read16 = command<TapeUnit>({
  name: 'READ(16)', // SSC-4 5.3
  opcode: 0x88,
  cdb: cdb16,
  ...row,
  async run(unit, task) {
    requireSili(task, cdb16);
    await goToAddress(unit, cdb16.partition.get(task.cdb), cdb16.object.get(task.cdb));
    return read(unit, task, cdb16);
  },
});

function requireSili(task: Task, cdb: Cdb): void {
  if (cdb.fixed.get(task.cdb) && cdb.sili.get(task.cdb)) throw invalidFieldInCdb(1, 1);
}

/** Reads records one behind the other until one is not as asked for. */
async function read(unit: TapeUnit, task: Task, cdb: Cdb): Promise<void> {
  const { medium } = unit;
  const sili = cdb.sili.get(task.cdb);
  const transfer = transferOf(
    unit,
    {
      fixed: cdb.fixed.get(task.cdb),
      count: cdb.transferLength.get(task.cdb),
      at: cdb.transferLength.offset,
    },
    unit.blockProtection.readBytes(task.nexus),
  );
  const { records, length, protection } = transfer;
  unit.forbidOverwrite();
  const into = task.take(records * length);
  let bytes = 0;
  let stop: SenseFacts | undefined;
  for (let done = 0; done < records && stop === undefined; done++) {
    const pause = breather(done);
    if (pause !== undefined) await pause;
    if (task.aborted) return task.end(Status.TASK_ABORTED);
    try {
      const room = records === 1 ? into : into.subarray(bytes, bytes + length);
      const work = unit.read(room, task.nexus);
      const object = work instanceof Promise ? await work : work;
      switch (object.kind) {
        case 'record': {
          const come = object.length + protection;
          bytes += Math.min(object.length, length);
          if (protection > 0) bytes += unit.blockProtection.follow(room, object.length);
          if (come !== length && !(sili && unwatched(unit, come - length))) {
            // Of a wrong block in fixed mode what fits is sent too, and it is not counted as read.
            stop = incorrectLength(transfer.fixed ? records - done : length - come);
          }
          break;
        }
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
  task.dataIn = bytes === into.length ? into : into.subarray(0, bytes);
  task.totalIn = bytes;
  if (stop === undefined) task.end(Status.GOOD);
  else unit.check(task, stop);
}

/** SILI in variable mode: a longer record is told only while BLOCK LENGTH is not zero (SSC-4 6.4). */
const unwatched = (unit: TapeUnit, excess: number): boolean => excess < 0 || unit.blockLength === 0;
