import { CheckCondition, invalidFieldInCdb } from '../sense.ts';
import { endOfData } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';

/** Goes to a logical object; BLANK CHECK, and the position at end of data, when there are fewer. */
export async function goTo(
  unit: TapeUnit,
  object: number,
  partition = unit.medium.position.partition,
): Promise<void> {
  const { medium } = unit;
  if (medium.position.object === object && medium.position.partition === partition) return;
  await unit.leavePlace();
  if ((await medium.locate(object, partition)) === 'end-of-data') {
    throw new CheckCondition(endOfData(medium.pastEarlyWarning));
  }
}

/** `byte`: where the CDB names a partition. */
export function requirePartition(unit: TapeUnit, partition: number, byte: number): void {
  if (partition >= unit.medium.partitions.length) throw invalidFieldInCdb(byte);
}

/** What an explicit address command begins with: the place that it names. */
export async function goToAddress(unit: TapeUnit, partition: number, object: number): Promise<void> {
  requirePartition(unit, partition, 3);
  await goTo(unit, object, partition);
}
