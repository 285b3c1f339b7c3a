import { bits, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { type Command, command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { invalidFieldInCdb } from '../scsi-cmds/sense.ts';
import type { OperationTable } from './operation-table.ts';

const cdb = layout(16, { opcode: u8(0), serviceAction: bits(1, 0, 5), listId: u32(2) });

/** COPY OPERATION ABORT (SPC-4 6.3): GOOD when none of the copy's commands is under way any more. */
export const copyOperationAbort = (operations: OperationTable): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name: 'COPY OPERATION ABORT',
    opcode: 0x83,
    serviceAction: 0x1c,
    cdb,
    access: 'always',
    ordering: 'free',
    timeoutSeconds: 60,
    run(_unit, task) {
      const operation = operations.find(task.nexus, cdb.listId.get(task.cdb));
      if (operation?.running !== true) throw invalidFieldInCdb(cdb.listId.offset);
      operation.terminated = true;
      operation.stop(() => task.good());
    },
  });
