import type { Command } from './command.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { Nexus } from './nexus.ts';
import type { Task } from './task.ts';

/** Reservations of one logical unit: RESERVE(6) of SPC-2 and persistent ones (SPC-4 5.13). */
export class Reservations {
  readonly unit: LogicalUnit;

  constructor(unit: LogicalUnit) {
    this.unit = unit;
  }

  /** Some reservation is held: admission asks `conflicts` only then. */
  get any(): boolean {
    return false;
  }

  conflicts(_command: Command<never>, _task: Task): boolean {
    return false;
  }

  nexusLost(_nexus: Nexus): void {}

  reset(): void {}
}
