import { bit, u24, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { Status } from '../status.ts';
import type { Task } from '../task.ts';
import { earlyWarning, volumeOverflow } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';
import { breather, residualOf, type Transfer, transferOf } from './transfer.ts';

const cdb = layout(6, {
  opcode: u8(0),
  fixed: bit(1, 0),
  transferLength: u24(2),
});

const asked = (unit: TapeUnit, task: Task): Transfer =>
  transferOf(unit, cdb.fixed.get(task.cdb), cdb.transferLength.get(task.cdb));

export const write6 = command<TapeUnit>({
  name: 'WRITE(6)', // SSC-4 6.8
  opcode: 0x0a,
  cdb,
  access: 'write',
  ordering: 'exclusive',
  counts: 'write',
  medium: true,
  writes: true,
  timeoutSeconds: 60,
  dataOut(unit, task) {
    const { records, length } = asked(unit, task);
    return records * length;
  },
  async run(unit, task) {
    // BLOCK LENGTH may have changed while the task waited: then what was fetched is not what is to be written. Neither
    // is a record cut to what the initiator announced.
    const transfer = asked(unit, task);
    const { records, length } = transfer;
    if (task.dataOut.length !== records * length) throw invalidFieldInCdb(2);
    let near = false;
    for (let done = 0; done < records; done++) {
      const pause = breather(done);
      if (pause !== undefined) await pause;
      if (task.aborted) return task.end(Status.TASK_ABORTED);
      const from = records === 1 ? task.dataOut : task.dataOut.subarray(done * length, (done + 1) * length);
      let outcome;
      try {
        const work = unit.write(from);
        outcome = work instanceof Promise ? await work : work;
      } catch (error) {
        const facts = unit.explain(task, error);
        return unit.check(task, { ...facts, information: residualOf(transfer, done) });
      }
      if (outcome === 'end-of-medium') return unit.check(task, volumeOverflow(residualOf(transfer, done)));
      unit.counters.written += length;
      near ||= outcome === 'early-warning';
    }
    await finishWriting(unit, task, near, unit.bufferedMode === 0);
  },
});

/**
 * Ends a command that has written all it had to. Past early warning it says so each time and has put everything on the
 * medium before (SEW of the device configuration mode page).
 */
export async function finishWriting(unit: TapeUnit, task: Task, near: boolean, safe: boolean): Promise<void> {
  if (near || safe) {
    const work = unit.synchronize();
    if (work instanceof Promise) await work;
  }
  if (near) unit.check(task, earlyWarning());
  else task.good();
}
