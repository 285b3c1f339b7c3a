import { bit, u24, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { Status } from '../status.ts';
import type { Task } from '../task.ts';
import { goToAddress, requirePartition } from './address.ts';
import { earlyWarning, programmableEarlyWarning, volumeOverflow } from './sense.ts';
import type { TapeUnit, Zone } from './tape-unit.ts';
import { breather, residualOf, type Transfer, transferOf } from './transfer.ts';

const cdb6 = layout(6, {
  opcode: u8(0),
  fixed: bit(1, 0),
  transferLength: u24(2),
});

/** An explicit address command: it says where. */
const cdb16 = layout(16, {
  opcode: u8(0),
  fixed: bit(1, 0),
  lastInSequence: bit(1, 2),
  firstInSequence: bit(1, 3),
  partition: u8(3),
  object: u64(4),
  transferLength: u24(12),
});

const row = {
  access: 'write',
  ordering: 'exclusive',
  counts: 'write',
  medium: true,
  writes: true,
  timeoutSeconds: 60,
} as const;

type Cdb = typeof cdb6 | typeof cdb16;

function asked(unit: TapeUnit, task: Task, cdb: Cdb): Transfer {
  const { fixed, transferLength } = cdb;
  const transfer = transferOf(
    unit,
    { fixed: fixed.get(task.cdb), count: transferLength.get(task.cdb), at: transferLength.offset },
    unit.blockProtection.writeBytes(task.nexus),
  );
  if (transfer.length - transfer.protection > unit.personality.mostBlockBytes) {
    throw invalidFieldInCdb(transferLength.offset);
  }
  unit.encryption.requireUnchanged(task.nexus);
  return transfer;
}

/** With logical block protection each block comes with its information, and is as much longer. */
const bytesOf = ({ records, length }: Transfer): number => records * length;

export const write6 = command<TapeUnit>({
  name: 'WRITE(6)', // SSC-4 6.8
  opcode: 0x0a,
  cdb: cdb6,
  ...row,
  dataOut: (unit, task) => bytesOf(asked(unit, task, cdb6)),
  run: (unit, task) => write(unit, task, cdb6),
});

export const write16 = command<TapeUnit>({
  name: 'WRITE(16)', // SSC-4 5.6
  opcode: 0x8a,
  cdb: cdb16,
  ...row,
  dataOut(unit, task) {
    requirePartition(unit, cdb16.partition.get(task.cdb), 3);
    return bytesOf(asked(unit, task, cdb16));
  },
  async run(unit, task) {
    await goToAddress(unit, cdb16.partition.get(task.cdb), cdb16.object.get(task.cdb));
    return write(unit, task, cdb16);
  },
});

async function write(unit: TapeUnit, task: Task, cdb: Cdb): Promise<void> {
  // BLOCK LENGTH may have changed while the task waited: then what was fetched is not what is to be written. Neither
  // is a record cut to what the initiator announced.
  const transfer = asked(unit, task, cdb);
  const { records, length } = transfer;
  if (task.dataOut.length !== records * length) throw invalidFieldInCdb(cdb.transferLength.offset);
  const zone = unit.zone;
  for (let done = 0; done < records; done++) {
    const pause = breather(done);
    if (pause !== undefined) await pause;
    if (task.aborted) return task.end(Status.TASK_ABORTED);
    const from = records === 1 ? task.dataOut : task.dataOut.subarray(done * length, (done + 1) * length);
    let outcome;
    try {
      const work = unit.write(unit.blockProtection.checked(from, transfer.protection), task.nexus);
      outcome = work instanceof Promise ? await work : work;
    } catch (error) {
      const facts = unit.explain(task, error);
      return unit.check(task, { ...facts, information: residualOf(transfer, done) });
    }
    if (outcome === 'end-of-medium') {
      // What went well counts as written.
      await unit.synchronize();
      return unit.check(task, volumeOverflow(residualOf(transfer, done)));
    }
  }
  await finishWriting(unit, task, records > 0 ? zone : undefined, unit.bufferedMode === 0);
}

/**
 * Ends a command that has written all it had to. Past early warning it says so each time, and has put everything on the
 * medium before (SEW of the device configuration mode page); at the programmable one when it comes across it (SSC-4
 * 4.2.4). `from`: where it began; undefined when it wrote nothing.
 */
export async function finishWriting(
  unit: TapeUnit,
  task: Task,
  from: Zone | undefined,
  safe: boolean,
): Promise<void> {
  const zone = from === undefined ? 'free' : unit.zone;
  if (safe || (zone === 'early-warning' && unit.synchronizesAtEarlyWarning)) {
    const work = unit.synchronize();
    if (work instanceof Promise) await work;
  }
  if (zone === 'early-warning') unit.check(task, earlyWarning());
  else if (zone === 'programmable' && from === 'free') unit.check(task, programmableEarlyWarning());
  else task.good();
}
