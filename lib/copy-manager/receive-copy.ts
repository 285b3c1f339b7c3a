import { type Command, command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Task } from '../scsi-cmds/task.ts';

/* What the commands of 84h have in common: they only tell, and wait for nobody. */

/** AVAILABLE DATA does not count itself. */
export const AVAILABLE_BYTES = 4;

export const receiveRow = (
  name: string,
  serviceAction: number,
  cdb: Command<LogicalUnit>['cdb'],
  run: (task: Task) => void,
): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name,
    opcode: 0x84,
    serviceAction,
    cdb,
    access: 'always',
    ordering: 'free',
    timeoutSeconds: 30,
    run: (_unit, task) => run(task),
  });

/** TRANSFER COUNT UNITS (SPC-4 6.24 table 251): the smallest in which the count fits 32 bits. */
export function transferCount(bytes: number): { units: number; count: number } {
  let units = 0;
  let count = bytes;
  for (; count > 0xffff_ffff; units++) count = Math.floor(count / 1024);
  return { units, count };
}
