import { bits, type Field, i24, u16, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { SpaceStop } from '../../backends/tape-medium.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { Status } from '../status.ts';
import type { Task } from '../task.ts';
import { beginningOfPartition, endOfData, filemarkDetected } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';
import { breather } from './transfer.ts';

/** CODE (SSC-4 6.6). */
const Code = { BLOCKS: 0, FILEMARKS: 1, SEQUENTIAL_FILEMARKS: 2, END_OF_DATA: 3 } as const;

/** Two's complement in 64 bits; what a Number cannot hold exactly is more than any tape has. */
const i64 = (offset: number): Field<number> => {
  const raw = u64(offset);
  return {
    ...raw,
    get: from => Number(Buffer.from(from.buffer, from.byteOffset, from.byteLength).readBigInt64BE(offset)),
  };
};

const cdb6 = layout(6, {
  opcode: u8(0),
  code: bits(1, 0, 4),
  count: i24(2),
});

const cdb16 = layout(16, {
  opcode: u8(0),
  code: bits(1, 0, 4),
  count: i64(4),
  parameterLength: u16(12),
});

const row = { access: 'read', ordering: 'exclusive', medium: true, timeoutSeconds: 600 } as const;

export const space6 = command<TapeUnit>({
  name: 'SPACE(6)', // SSC-4 6.6
  opcode: 0x11,
  cdb: cdb6,
  ...row,
  run: (unit, task) => space(unit, task, cdb6.code.get(task.cdb), cdb6.count.get(task.cdb)),
});

export const space16 = command<TapeUnit>({
  name: 'SPACE(16)', // SSC-4 7.12
  opcode: 0x91,
  cdb: cdb16,
  ...row,
  run(unit, task) {
    // A parameter list belongs to explicit address mode.
    if (cdb16.parameterLength.get(task.cdb) !== 0) throw invalidFieldInCdb(12);
    return space(unit, task, cdb16.code.get(task.cdb), cdb16.count.get(task.cdb));
  },
});

async function space(unit: TapeUnit, task: Task, code: number, count: number): Promise<void> {
  const { medium } = unit;
  if (code > Code.END_OF_DATA) throw invalidFieldInCdb(1, 3);
  if (code === Code.END_OF_DATA) {
    await unit.leavePlace();
    await medium.spaceEndOfData();
    return task.good();
  }
  if (count === 0) return task.good();
  await unit.leavePlace();
  if (code === Code.SEQUENTIAL_FILEMARKS) return spaceRun(unit, task, count);
  const { moved, stop } =
    code === Code.BLOCKS ? await medium.spaceRecords(count) : await medium.spaceFilemarks(count);
  // The residual is a magnitude, whichever way it went.
  return stopped(unit, task, stop, Math.abs(count) - moved);
}

function stopped(unit: TapeUnit, task: Task, stop: SpaceStop, residual: number): void {
  switch (stop) {
    case 'none':
      return task.good();
    case 'filemark':
      return unit.check(task, filemarkDetected(residual));
    case 'end-of-data':
      return unit.check(task, endOfData(unit.medium.pastEarlyWarning, residual));
    case 'beginning':
      return unit.check(task, beginningOfPartition(residual));
  }
}

/**
 * Over the first run of as many filemarks as `count` says with nothing between them: to the far side of the last one, going
 * backwards to the near side of the first. Where there is no such run none of it counts.
 */
async function spaceRun(unit: TapeUnit, task: Task, count: number): Promise<void> {
  const { medium } = unit;
  const step = Math.sign(count);
  const wanted = Math.abs(count);
  let run = 0;
  for (let seen = 1; run < wanted; seen++) {
    const pause = breather(seen);
    if (pause !== undefined) await pause;
    if (task.aborted) return task.end(Status.TASK_ABORTED);
    if (run > 0) {
      const { moved, stop } = await medium.spaceRecords(step);
      if (moved === 0 && stop === 'filemark') {
        run++;
        continue;
      }
      if (stop !== 'none') return stopped(unit, task, stop, wanted);
    }
    const { stop } = await medium.spaceFilemarks(step);
    if (stop !== 'none') return stopped(unit, task, stop, wanted);
    run = 1;
  }
  task.good();
}
