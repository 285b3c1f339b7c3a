import { bit, bytes, u16, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../../scsi-cmds/command.ts';
import type { DiskUnit } from '../../scsi-cmds/sbc/disk-unit.ts';
import { abortCopyOf, type Copying, originate } from '../originate.ts';
import { CopyCode, refused } from '../sense.ts';
import { requiredRanges } from './range-list.ts';
import { ZEROS } from './rod-types.ts';
import { TOKEN_BYTES, TOKEN_LENGTH, tokenLayout } from './token.ts';
import { tokenCdb } from './token-cdb.ts';
import { TokenCopy, type TokenWrite } from './token-copy.ts';

/** SBC-3 5.59.2; range descriptors follow. */
export const writeList = layout(536, {
  dataLength: u16(0),
  removesToken: bit(2, 1),
  immediate: bit(2, 0),
  offset: u64(8),
  token: bytes(16, TOKEN_BYTES),
  rangesLength: u16(534),
});

/** DATA LENGTH does not count itself. */
const DATA_LENGTH_BYTES = 2;
/** One range descriptor at least. */
const LEAST_DATA_LENGTH = 0x226;

function wantedBy(unit: DiskUnit, list: Buffer): TokenWrite {
  const l = writeList;
  const dataLength = l.dataLength.get(list);
  const length = l.rangesLength.get(list);
  if (dataLength < LEAST_DATA_LENGTH || dataLength !== l.length - DATA_LENGTH_BYTES + length) {
    throw refused(CopyCode.INVALID_FIELD, l.dataLength.offset);
  }
  if (l.length + length > list.length) throw refused(CopyCode.LIST_LENGTH);
  const ranges = requiredRanges(unit, list, { from: l.length, length, lengthAt: l.rangesLength.offset });
  const token = Buffer.from(l.token.get(list));
  if (tokenLayout.tokenLength.get(token) !== TOKEN_LENGTH) {
    throw refused(CopyCode.TOKEN_LENGTH, l.token.offset);
  }
  return {
    token,
    tokenAt: l.token.offset,
    zeros: tokenLayout.type.get(token) === ZEROS,
    removesToken: l.removesToken.get(list),
    offsetBlocks: l.offset.get(list),
    offsetAt: l.offset.offset,
    ranges,
    rangesAt: l.length,
  };
}

/** WRITE USING TOKEN (SBC-3 5.59): what a token represents, to blocks of the unit. */
export const writeUsingToken = (copying: Copying): Command<DiskUnit> =>
  command<DiskUnit>({
    name: 'WRITE USING TOKEN',
    opcode: 0x83,
    serviceAction: 0x11,
    cdb: tokenCdb,
    access: 'write',
    // Its own commands to the unit must not wait for it.
    ordering: 'free',
    medium: true,
    writes: true,
    timeoutSeconds: 3600,
    dataOut: (_unit, task) => {
      const length = tokenCdb.parameterListLength.get(task.cdb);
      if (length > 0 && length < writeList.length) throw refused(CopyCode.LIST_LENGTH);
      return Math.min(length, writeList.length + 0xffff);
    },
    run(unit, task) {
      if (task.wantedOut === 0) return task.good();
      if (task.dataOut.length < writeList.length) throw refused(CopyCode.LIST_LENGTH);
      const wanted = wantedBy(unit, task.dataOut);
      const listId = tokenCdb.listId.get(task.cdb);
      const background = writeList.immediate.get(task.dataOut);
      const { lun } = task;
      return originate(copying, task, { serviceAction: 0x11, listId, background }, operation => {
        operation.countedBytes = unit.blockSize;
        return new TokenCopy(copying, operation, { unit, lun }, wanted).run();
      });
    },
    aborting: (_unit, task) => abortCopyOf(task),
  });
