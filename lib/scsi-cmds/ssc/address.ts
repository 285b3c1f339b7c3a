import { CheckCondition, invalidFieldInCdb } from '../sense.ts';
import { endOfData } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';

/** Goes to a logical object; BLANK CHECK, and the position at end of data, when there are fewer. */
export async function goTo(unit: TapeUnit, object: number): Promise<void> {
  const { medium } = unit;
  if (medium.position.object === object) return;
  await unit.synchronize();
  if ((await medium.locate(object)) === 'end-of-data') {
    throw new CheckCondition(endOfData(medium.pastEarlyWarning));
  }
}

/** There is one partition. `byte`: where the CDB names another. */
export function requirePartitionZero(partition: number, byte: number): void {
  if (partition !== 0) throw invalidFieldInCdb(byte);
}
