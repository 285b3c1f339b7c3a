import type { Command } from '../../scsi-cmds/command.ts';
import type { LogicalUnit } from '../../scsi-cmds/logical-unit.ts';
import { goodWithin } from '../../scsi-cmds/spc/allocation.ts';
import type { OperationTable } from '../operation-table.ts';
import { receiveRow } from '../receive-copy.ts';
import { cdb, headerOf, namedOperation } from '../receive-copy-lid4.ts';
import { TOKEN_BYTES } from './token.ts';

/** ROD TOKEN DESCRIPTORS LENGTH, and ID FOR CREATING ROD CSCD DESCRIPTOR of each (SPC-4 6.26 table 256, table 257). */
const LENGTH_BYTES = 4;
const ID_BYTES = 2;

/** RECEIVE ROD TOKEN INFORMATION (SPC-4 6.26, SBC-3 5.25): of whatever command made tokens, or used one. */
export const receiveRodTokenInformation = (operations: OperationTable): Command<LogicalUnit> =>
  receiveRow('RECEIVE ROD TOKEN INFORMATION', 0x07, cdb, task => {
    const operation = namedOperation(operations, task);
    const { tokens } = operation;
    const descriptors = Buffer.alloc(LENGTH_BYTES + tokens.length * (ID_BYTES + TOKEN_BYTES));
    descriptors.writeUInt32BE(descriptors.length - LENGTH_BYTES);
    tokens.forEach(({ cscdId, token }, i) => {
      const at = LENGTH_BYTES + i * (ID_BYTES + TOKEN_BYTES);
      descriptors.writeUInt16BE(cscdId, at);
      token.copy(descriptors, at + ID_BYTES);
    });
    const data = Buffer.concat([headerOf(operation, descriptors.length), descriptors]);
    const allocated = cdb.allocationLength.get(task.cdb);
    // Dropped when all of it was transferred, or when nothing was wanted; the tokens are as good as before.
    if (!operation.running && (allocated === 0 || allocated >= data.length)) operation.tokens = [];
    goodWithin(task, data, allocated);
  });
