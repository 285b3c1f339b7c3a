import { ReservationConflict } from '../reservations.ts';
import type { Task } from '../task.ts';

/** Does it and ends the task with GOOD, or with RESERVATION CONFLICT. */
export function endingInConflict(task: Task, doIt: () => void): void {
  if (succeeds(task, doIt)) task.good();
}

/** False when the task has been ended with RESERVATION CONFLICT. */
export function succeeds(task: Task, doIt: () => void): boolean {
  try {
    doIt();
    return true;
  } catch (error) {
    if (!(error instanceof ReservationConflict)) throw error;
    task.end(error.status);
    return false;
  }
}
