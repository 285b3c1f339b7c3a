/** What is checked of every CDB from its row, before the command is looked at. */
import { reservedBit } from '../bytes/layout.ts';
import { ADDITIONAL_CDB_LENGTH, type Command, VARIABLE_LENGTH } from './command.ts';
import { type CheckCondition, invalidFieldInCdb } from './sense.ts';

/** SERVICE ACTION is in byte 1, or in bytes 8 and 9. */
export const invalidServiceAction = (cdb: Buffer): CheckCondition =>
  cdb[0] === VARIABLE_LENGTH ? invalidFieldInCdb(8) : invalidFieldInCdb(1, 4);

/** SPC-4 4.2.3: the CDB is as long as the command's, says so, and is all there. */
function requireWhole(row: Command<never>, cdb: Buffer): void {
  const { offset, from } = ADDITIONAL_CDB_LENGTH;
  if (cdb[offset] !== row.cdb.length - from || cdb.length < row.cdb.length) throw invalidFieldInCdb(offset);
}

function requireReservedZero(row: Command<never>, cdb: Buffer): void {
  const { usage } = row.cdb;
  for (let i = 1; i < usage.length; i++) {
    if ((cdb[i]! & ~usage[i]!) !== 0) {
      const found = reservedBit(usage, cdb, 1)!;
      const tolerated = row.tolerated;
      if (tolerated === undefined) throw invalidFieldInCdb(found.byte, found.bit);
      for (let j = i; j < usage.length; j++) {
        const bad = cdb[j]! & ~usage[j]! & ~(tolerated[j] ?? 0);
        if (bad !== 0) throw invalidFieldInCdb(j, 31 - Math.clz32(bad));
      }
      return;
    }
  }
}

/** As long as it should be, and no bit set that has no meaning (SPC-4 4.2). */
export function requireForm(row: Command<never>, cdb: Buffer): void {
  if (row.opcode === VARIABLE_LENGTH) requireWhole(row, cdb);
  requireReservedZero(row, cdb);
}
