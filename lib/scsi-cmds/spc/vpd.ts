import type { LogicalUnit } from '../logical-unit.ts';
import type { Task } from '../task.ts';

/** A vital product data page: a row. */
export interface VpdPage {
  readonly code: number;
  /** What follows the 4-byte page header. `task` tells the port and nexus that ask. */
  body(unit: LogicalUnit, task: Task): Uint8Array;
}

/** Page 00h is made of the others (SPC-4 7.8). */
export const SUPPORTED_PAGES = 0x00;

/** Puts pages into the unit's table. */
export function addPages(unit: LogicalUnit, ...pages: readonly VpdPage[]): void {
  for (const page of pages) unit.vpd.set(page.code, page);
}
