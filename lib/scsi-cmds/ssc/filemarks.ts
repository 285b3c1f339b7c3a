import { bit, u24, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import type { Task } from '../task.ts';
import { goToAddress } from './address.ts';
import { volumeOverflow } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';
import { finishWriting } from './write.ts';

const cdb6 = layout(6, {
  opcode: u8(0),
  immediate: bit(1, 0),
  count: u24(2),
});

/** An explicit address command: it says where. */
const cdb16 = layout(16, {
  opcode: u8(0),
  immediate: bit(1, 0),
  lastInSequence: bit(1, 2),
  firstInSequence: bit(1, 3),
  partition: u8(3),
  object: u64(4),
  count: u24(12),
});

const row = {
  access: 'write',
  ordering: 'exclusive',
  medium: true,
  writes: true,
  timeoutSeconds: 60,
} as const;

export const writeFilemarks6 = command<TapeUnit>({
  name: 'WRITE FILEMARKS(6)', // SSC-4 6.9
  opcode: 0x10,
  cdb: cdb6,
  ...row,
  run(unit, task) {
    const immediate = cdb6.immediate.get(task.cdb);
    refuseUnbuffered(unit, immediate);
    return mark(unit, task, cdb6.count.get(task.cdb), immediate);
  },
});

export const writeFilemarks16 = command<TapeUnit>({
  name: 'WRITE FILEMARKS(16)', // SSC-4 5.7
  opcode: 0x80,
  cdb: cdb16,
  ...row,
  async run(unit, task) {
    const immediate = cdb16.immediate.get(task.cdb);
    refuseUnbuffered(unit, immediate);
    await goToAddress(unit, cdb16.partition.get(task.cdb), cdb16.object.get(task.cdb));
    return mark(unit, task, cdb16.count.get(task.cdb), immediate);
  },
});

/** IMMED has a meaning in buffered mode only. */
function refuseUnbuffered(unit: TapeUnit, immediate: boolean): void {
  if (immediate && unit.bufferedMode === 0) throw invalidFieldInCdb(1, 0);
}

/** Without IMMED everything is on the medium before GOOD, also with a count of 0: that is a synchronise. */
async function mark(unit: TapeUnit, task: Task, count: number, immediate: boolean): Promise<void> {
  const { medium } = unit;
  const zone = unit.zone;
  if (count > 0) {
    const before = medium.position.object;
    const outcome = await unit.writeFilemarks(count, task.nexus);
    if (outcome === 'end-of-medium') {
      await unit.synchronize();
      return unit.check(task, volumeOverflow(count - (medium.position.object - before)));
    }
  }
  return finishWriting(unit, task, count > 0 ? zone : undefined, !immediate);
}
