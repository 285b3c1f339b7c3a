import { bits, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { type Command, command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import { goodWithin } from '../scsi-cmds/spc/allocation.ts';
import { ALIAS_HEADER_BYTES, type AliasLists } from './alias-list.ts';
import { MAX_ALIAS_LIST_BYTES } from './limits.ts';
import type { OperationTable } from './operation-table.ts';
import { CopyCode, refused } from './sense.ts';

const changeCdb = layout(12, { opcode: u8(0), serviceAction: bits(1, 0, 5), parameterListLength: u32(6) });
const reportCdb = layout(12, { opcode: u8(0), serviceAction: bits(1, 0, 5), allocationLength: u32(6) });

/** CHANGE ALIASES (SPC-4 6.2). */
export const changeAliases = (lists: AliasLists, operations: OperationTable): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name: 'CHANGE ALIASES',
    opcode: 0xa4,
    serviceAction: 0x0b,
    cdb: changeCdb,
    access: 'write',
    ordering: 'free',
    timeoutSeconds: 30,
    dataOut(_unit, task) {
      const length = changeCdb.parameterListLength.get(task.cdb);
      if (length > MAX_ALIAS_LIST_BYTES) throw refused(CopyCode.INSUFFICIENT_RESOURCES);
      return length;
    },
    run(unit, task) {
      const { nexus, dataOut } = task;
      if (task.wantedOut === 0) return task.good();
      if (dataOut.length < task.wantedOut) throw refused(CopyCode.LIST_LENGTH);
      if (dataOut.length > ALIAS_HEADER_BYTES && aliasesInUse(operations, nexus, unit)) {
        throw refused(CopyCode.OPERATION_IN_PROGRESS);
      }
      lists.change(nexus, unit, dataOut);
      return task.good();
    },
  });

/** A copy that names its ends by aliases of that list runs (SPC-4 6.2.1). */
function aliasesInUse({ running }: OperationTable, nexus: Nexus, unit: LogicalUnit): boolean {
  for (const one of running) {
    if (one.usesAliases && one.unit === unit && one.nexus === nexus) return true;
  }
  return false;
}

/** REPORT ALIASES (SPC-4 6.30). */
export const reportAliases = (lists: AliasLists): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name: 'REPORT ALIASES',
    opcode: 0xa3,
    serviceAction: 0x0b,
    cdb: reportCdb,
    access: 'always',
    ordering: 'free',
    timeoutSeconds: 30,
    run(unit, task) {
      const entries = lists.entries(task.nexus, unit);
      const head = Buffer.alloc(ALIAS_HEADER_BYTES);
      const data = Buffer.concat([head, ...entries]);
      data.writeUInt32BE(data.length - 4, 0);
      data.writeUInt16BE(entries.length, 6);
      goodWithin(task, data, reportCdb.allocationLength.get(task.cdb));
    },
  });
