import type { LogicalUnit } from '../logical-unit.ts';
import { ReservationConflict } from '../reservations.ts';
import type { Task } from '../task.ts';

/** Does it and ends the task with RESERVATION CONFLICT, or with GOOD once what it changed is settled. */
export function endingInConflict(unit: LogicalUnit, task: Task, doIt: () => void): Promise<void> | undefined {
  if (!succeeds(task, doIt)) return undefined;
  const settled = unit.reservations.settled();
  if (settled !== undefined) return settled.then(() => task.good());
  task.good();
  return undefined;
}

/** False when the task has been ended with RESERVATION CONFLICT. */
export function succeeds(task: Task, doIt: () => void): boolean {
  try {
    doIt();
    return true;
  } catch (error) {
    if (!(error instanceof ReservationConflict)) throw error;
    task.unit!.conflict(task);
    return false;
  }
}
