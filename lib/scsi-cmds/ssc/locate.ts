import { bit, bits, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { CheckCondition, invalidFieldInCdb } from '../sense.ts';
import { goTo, requirePartitionZero } from './address.ts';
import { endOfData } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';

/** DEST_TYPE (SSC-4 7.4). */
const Destination = { OBJECT: 0, FILE: 1, END_OF_DATA: 3 } as const;

/** BT: whether the address is a vendor's own; ours are object numbers either way. */
const cdb10 = layout(10, {
  opcode: u8(0),
  immediate: bit(1, 0),
  changePartition: bit(1, 1),
  blockType: bit(1, 2),
  object: u32(3),
  partition: u8(8),
});

const cdb16 = layout(16, {
  opcode: u8(0),
  immediate: bit(1, 0),
  changePartition: bit(1, 1),
  destinationType: bits(1, 3, 2),
  partition: u8(3),
  identifier: u64(4),
});

const row = { access: 'read', ordering: 'exclusive', medium: true, timeoutSeconds: 600 } as const;

export const locate10 = command<TapeUnit>({
  name: 'LOCATE(10)', // SSC-4 6.3
  opcode: 0x2b,
  cdb: cdb10,
  ...row,
  async run(unit, task) {
    if (cdb10.changePartition.get(task.cdb)) requirePartitionZero(cdb10.partition.get(task.cdb), 8);
    await goTo(unit, cdb10.object.get(task.cdb));
    task.good();
  },
});

export const locate16 = command<TapeUnit>({
  name: 'LOCATE(16)', // SSC-4 7.4
  opcode: 0x92,
  cdb: cdb16,
  ...row,
  async run(unit, task) {
    if (cdb16.changePartition.get(task.cdb)) requirePartitionZero(cdb16.partition.get(task.cdb), 3);
    const identifier = cdb16.identifier.get(task.cdb);
    switch (cdb16.destinationType.get(task.cdb)) {
      case Destination.OBJECT:
        await goTo(unit, identifier);
        break;
      case Destination.FILE:
        await goToFile(unit, identifier);
        break;
      case Destination.END_OF_DATA:
        await unit.synchronize();
        await unit.medium.spaceEndOfData();
        break;
      default:
        throw invalidFieldInCdb(1, 4);
    }
    task.good();
  },
});

/** To the first object of a logical file, behind as many filemarks as its number says. */
async function goToFile(unit: TapeUnit, file: number): Promise<void> {
  const { medium } = unit;
  await unit.synchronize();
  await medium.rewind();
  const { stop } = await medium.spaceFilemarks(file);
  if (stop === 'end-of-data') throw new CheckCondition(endOfData(medium.pastEarlyWarning));
}
