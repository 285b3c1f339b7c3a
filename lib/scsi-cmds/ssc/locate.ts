import { bit, bits, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { CheckCondition, invalidFieldInCdb } from '../sense.ts';
import { goTo, requirePartition } from './address.ts';
import { endOfData } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';

/** DEST_TYPE (SSC-4 7.4). */
const Destination = { OBJECT: 0, FILE: 1, END_OF_DATA: 3 } as const;
const RESERVED_DESTINATION = 2;

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
    let { partition } = unit.medium.position;
    if (cdb10.changePartition.get(task.cdb)) {
      partition = cdb10.partition.get(task.cdb);
      requirePartition(unit, partition, 8);
    }
    unit.forbidOverwrite();
    await goTo(unit, cdb10.object.get(task.cdb), partition);
    task.good();
  },
});

export const locate16 = command<TapeUnit>({
  name: 'LOCATE(16)', // SSC-4 7.4
  opcode: 0x92,
  cdb: cdb16,
  ...row,
  async run(unit, task) {
    let { partition } = unit.medium.position;
    if (cdb16.changePartition.get(task.cdb)) {
      partition = cdb16.partition.get(task.cdb);
      requirePartition(unit, partition, 3);
    }
    const identifier = cdb16.identifier.get(task.cdb);
    const destination = cdb16.destinationType.get(task.cdb);
    if (destination === RESERVED_DESTINATION) throw invalidFieldInCdb(1, 4);
    unit.forbidOverwrite();
    switch (destination) {
      case Destination.OBJECT:
        await goTo(unit, identifier, partition);
        break;
      case Destination.FILE:
        await goToFile(unit, identifier, partition);
        break;
      case Destination.END_OF_DATA:
        await unit.leavePlace();
        await unit.medium.changePartition(partition);
        await unit.medium.spaceEndOfData();
        break;
    }
    task.good();
  },
});

/** To the first object of a logical file, behind as many filemarks as its number says. */
async function goToFile(unit: TapeUnit, file: number, partition: number): Promise<void> {
  const { medium } = unit;
  await unit.leavePlace();
  await medium.changePartition(partition);
  const { stop } = await medium.spaceFilemarks(file);
  if (stop === 'end-of-data') throw new CheckCondition(endOfData(medium.pastEarlyWarning));
}
