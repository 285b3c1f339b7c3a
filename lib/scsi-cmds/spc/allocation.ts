import type { Task } from '../task.ts';

/** Ends the task with parameter data cut to the CDB's ALLOCATION LENGTH, which is no error (SPC-4 4.2.5.6). */
export function goodWithin(task: Task, data: Buffer, allocationLength: number): void {
  task.good(allocationLength < data.length ? data.subarray(0, allocationLength) : data);
}

/** LUN bits of SCSI-2 CDBs, which mtx and the kernel's ch still fill in. */
export const LUN_BITS = Uint8Array.of(0, 0xe0);
