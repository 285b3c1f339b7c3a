import { bits, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { type Command, command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { Job } from './job.ts';
import { MAX_PARAMETER_LIST_BYTES } from './limits.ts';
import { type Copying, abortCopyOf, originate } from './originate.ts';
import { type ParameterList, parseLid1, parseLid4 } from './parameter-list.ts';
import { validateSegments } from './segments/validate.ts';
import { CopyCode, refused } from './sense.ts';
import { Rods } from './tokens/rods.ts';

const cdb = layout(16, { opcode: u8(0), serviceAction: bits(1, 0, 5), parameterListLength: u32(10) });

const row = (
  copying: Copying,
  name: string,
  serviceAction: number,
  parse: (bytes: Buffer) => ParameterList,
): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name,
    opcode: 0x83,
    serviceAction,
    cdb,
    access: 'write',
    // 84h is answered beside it, and its own commands to the same unit must not wait for it.
    ordering: 'free',
    timeoutSeconds: 3600,
    dataOut(_unit, task) {
      const length = cdb.parameterListLength.get(task.cdb);
      if (length > MAX_PARAMETER_LIST_BYTES) throw refused(CopyCode.LIST_LENGTH);
      return length;
    },
    run(unit, task) {
      // SPC-4 6.4.1: no parameter list is no error.
      if (task.wantedOut === 0) return task.good();
      // A copy in the background outlives its command's buffer.
      const list = parse(task.dataOut);
      validateSegments(list, unit.deviceType);
      const kept = list.immediate ? parse(Buffer.from(task.dataOut)) : list;
      const { listId, immediate: background } = list;
      const { lun } = task;
      return originate(copying, task, { serviceAction, listId, background }, operation => {
        const share = copying.turns.share(list.priority);
        operation.usesAliases = kept.cscds.some(cscd => cscd?.address.kind === 'alias');
        const { portals, aliases, tokens } = copying;
        const rods = new Rods(tokens, operation.nexus, unit);
        return new Job(kept, { device: unit.device!, operation, lun, portals, aliases, rods }, share).run();
      });
    },
    aborting: (_unit, task) => abortCopyOf(task),
  });

/** EXTENDED COPY(LID1) (SPC-4 6.5). */
export const extendedCopyLid1 = (copying: Copying): Command<LogicalUnit> =>
  row(copying, 'EXTENDED COPY(LID1)', 0x00, parseLid1);

/** EXTENDED COPY(LID4) (SPC-4 6.4), which SPC-5 calls plain EXTENDED COPY. */
export const extendedCopyLid4 = (copying: Copying): Command<LogicalUnit> =>
  row(copying, 'EXTENDED COPY(LID4)', 0x01, parseLid4);
