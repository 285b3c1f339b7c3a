import { bit, u16, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../../scsi-cmds/command.ts';
import type { DiskUnit } from '../../scsi-cmds/sbc/disk-unit.ts';
import { Status } from '../../scsi-cmds/status.ts';
import { DEFAULT_TOKEN_INACTIVITY_S, MAX_TOKEN_INACTIVITY_S } from '../limits.ts';
import type { CopyOperation, Ending } from '../operation.ts';
import { abortCopyOf, type Copying, originate } from '../originate.ts';
import { CopyCode, refused } from '../sense.ts';
import { requiredRanges } from './range-list.ts';
import { type BlockRange, Rod } from './rod.ts';
import { POINT_IN_TIME_DEFAULT, type RodType, rodTypes } from './rod-types.ts';
import { tokenCdb } from './token-cdb.ts';

/** SBC-3 5.12.2; range descriptors follow. */
export const populateList = layout(16, {
  dataLength: u16(0),
  typeValid: bit(2, 1),
  immediate: bit(2, 0),
  inactivity: u32(4),
  type: u32(8),
  rangesLength: u16(14),
});
/** One range descriptor at least. */
const LEAST_DATA_LENGTH = 0x1e;

interface Wanted {
  readonly type: RodType;
  readonly inactivity: number;
  readonly ranges: readonly BlockRange[];
}

function wantedBy(unit: DiskUnit, list: Buffer): Wanted {
  const l = populateList;
  if (l.dataLength.get(list) < LEAST_DATA_LENGTH) throw refused(CopyCode.INVALID_FIELD, l.dataLength.offset);
  const inactivity = l.inactivity.get(list);
  if (inactivity > MAX_TOKEN_INACTIVITY_S) throw refused(CopyCode.INVALID_FIELD, l.inactivity.offset);
  const type = l.typeValid.get(list) ? rodTypes.get(l.type.get(list)) : POINT_IN_TIME_DEFAULT;
  // SBC-3 5.12.2: no type but those of a point in time.
  if (type?.pointInTime === undefined) throw refused(CopyCode.INVALID_FIELD, l.type.offset);
  // Descriptors that the parameter list was too short for are passed over.
  const length = Math.min(l.rangesLength.get(list), list.length - l.length);
  const ranges = requiredRanges(unit, list, { from: l.length, length, lengthAt: l.rangesLength.offset });
  return { type, inactivity: inactivity === 0 ? DEFAULT_TOKEN_INACTIVITY_S : inactivity, ranges };
}

async function populate(
  { tokens }: Copying,
  operation: CopyOperation,
  unit: DiskUnit,
  { type, inactivity, ranges }: Wanted,
): Promise<Ending> {
  const { nexus } = operation;
  tokens.requireRoom(nexus);
  const rod = new Rod(unit, type);
  try {
    await rod.add(ranges, tokens.roomOf(nexus));
    if (operation.stopped) {
      rod.release();
      return { status: Status.TASK_ABORTED };
    }
    operation.tokens = [{ cscdId: 0, token: tokens.add(rod, unit.device!, nexus, { inactivity }) }];
  } catch (error) {
    rod.release();
    throw error;
  }
  operation.wrote(rod.bytes);
  return { status: Status.GOOD };
}

/** POPULATE TOKEN (SBC-3 5.12): a token for blocks of the unit as they are now. */
export const populateToken = (copying: Copying): Command<DiskUnit> =>
  command<DiskUnit>({
    name: 'POPULATE TOKEN',
    opcode: 0x83,
    serviceAction: 0x10,
    cdb: tokenCdb,
    access: 'write',
    ordering: 'free',
    medium: true,
    timeoutSeconds: 60,
    dataOut: (_unit, task) => {
      const length = tokenCdb.parameterListLength.get(task.cdb);
      if (length > 0 && length < populateList.length) throw refused(CopyCode.LIST_LENGTH);
      return Math.min(length, populateList.length + 0xffff);
    },
    run(unit, task) {
      if (task.wantedOut === 0) return task.good();
      if (task.dataOut.length < populateList.length) throw refused(CopyCode.LIST_LENGTH);
      const wanted = wantedBy(unit, task.dataOut);
      const listId = tokenCdb.listId.get(task.cdb);
      const background = populateList.immediate.get(task.dataOut);
      return originate(copying, task, { serviceAction: 0x10, listId, background }, operation => {
        operation.countedBytes = unit.blockSize;
        return populate(copying, operation, unit, wanted);
      });
    },
    aborting: (_unit, task) => abortCopyOf(task),
  });
