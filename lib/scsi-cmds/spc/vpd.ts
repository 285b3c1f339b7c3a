import type { LogicalUnit } from '../logical-unit.ts';
import type { Task } from '../task.ts';

/** A vital product data page: a row. */
export interface VpdPage {
  readonly code: number;
  /** What follows the 4-byte page header. `task` tells the port and nexus that ask. */
  body(unit: LogicalUnit, task: Task): Uint8Array;
}
