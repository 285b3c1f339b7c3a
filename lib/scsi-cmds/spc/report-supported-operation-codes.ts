import { bit, bits, u16, u32, u8 } from '../../bytes/fields.ts';
import { Writer } from '../../bytes/cursor.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command, VARIABLE_LENGTH } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin } from './allocation.ts';

const cdb = layout(12, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  timeouts: bit(2, 7),
  reportingOptions: bits(2, 0, 3),
  requestedOpcode: u8(3),
  requestedServiceAction: u16(4),
  allocationLength: u32(6),
});

type Row = Command<never>;

/** Command timeouts descriptor (SPC-4 6.35.4); 0 says that none is known. */
function timeouts(out: Writer, row: Row): void {
  const seconds = row.timeoutSeconds ?? 0;
  out.uint(2, 10).uint(1, 0).uint(1, 0).uint(4, 0).uint(4, seconds);
}

const CTDP_LIST = 0x02;
const SERVACTV = 0x01;

/**
 * Commands of 32 bytes answer when they are asked for one by one. They are not in the list: initiators on libiscsi ask for
 * the usage data of all that is listed, and have room for 16 bytes of it.
 */
const listed = (unit: LogicalUnit): readonly Row[] =>
  unit.commands.all().filter(row => row.opcode !== VARIABLE_LENGTH);

/** SPC-4 6.35.2. */
function allCommands(unit: LogicalUnit, out: Writer, withTimeouts: boolean): void {
  const filled = out.lengthField(4);
  for (const row of listed(unit)) {
    out
      .uint(1, row.opcode)
      .uint(1, 0)
      .uint(2, row.serviceAction ?? 0)
      .uint(1, 0);
    out.uint(1, (withTimeouts ? CTDP_LIST : 0) | (row.serviceAction === undefined ? 0 : SERVACTV));
    out.uint(2, row.cdb.length);
    if (withTimeouts) timeouts(out, row);
  }
  filled();
}

const CTDP_ONE = 0x80;
const NOT_SUPPORTED = 0x01;
const SUPPORTED = 0x03;

/** CDB USAGE DATA: the operation code and the service action as they are, all else as a mask (SPC-4 6.35.3). */
function usageData(row: Row): Uint8Array {
  const usage = row.cdb.usage.slice();
  usage[0] = row.opcode;
  if (row.opcode === VARIABLE_LENGTH) usage.set([row.serviceAction! >> 8, row.serviceAction! & 0xff], 8);
  else if (row.serviceAction !== undefined) usage[1] = (usage[1]! & 0xe0) | row.serviceAction;
  return usage;
}

/** SPC-4 6.35.3. */
function oneCommand(out: Writer, row: Row | undefined, withTimeouts: boolean): void {
  if (row === undefined) {
    out.uint(1, 0).uint(1, NOT_SUPPORTED).uint(2, 0);
    return;
  }
  out.uint(1, 0).uint(1, (withTimeouts ? CTDP_ONE : 0) | SUPPORTED);
  out.uint(2, row.cdb.length).put(usageData(row));
  if (withTimeouts) timeouts(out, row);
}

/** REPORTING OPTIONS (SPC-4 table 299). */
const ALL_COMMANDS = 0;
const OPCODE = 1;
const OPCODE_AND_ACTION = 2;
const EITHER = 3;

/** SPC-4 6.35: made of the unit's rows. */
export const reportSupportedOperationCodes = command<LogicalUnit>({
  name: 'REPORT SUPPORTED OPERATION CODES',
  opcode: 0xa3,
  serviceAction: 0x0c,
  cdb,
  access: 'read',
  ordering: 'free',
  portState: 'standby',
  run(unit, task) {
    const { commands } = unit;
    const opcode = cdb.requestedOpcode.get(task.cdb);
    const action = cdb.requestedServiceAction.get(task.cdb);
    const withTimeouts = cdb.timeouts.get(task.cdb);
    const out = new Writer();
    switch (cdb.reportingOptions.get(task.cdb)) {
      case ALL_COMMANDS:
        allCommands(unit, out, withTimeouts);
        break;
      case OPCODE:
        if (commands.hasActions(opcode)) throw invalidFieldInCdb(2, 2);
        oneCommand(out, commands.byCode(opcode), withTimeouts);
        break;
      case OPCODE_AND_ACTION:
        if (commands.byCode(opcode) !== undefined) throw invalidFieldInCdb(2, 2);
        oneCommand(out, commands.byCode(opcode, action), withTimeouts);
        break;
      case EITHER: {
        // One without service actions is asked for with 0.
        const plain = action === 0 ? commands.byCode(opcode) : undefined;
        oneCommand(out, plain ?? commands.byCode(opcode, action), withTimeouts);
        break;
      }
      default:
        throw invalidFieldInCdb(2, 2);
    }
    goodWithin(task, out.done(), cdb.allocationLength.get(task.cdb));
  },
});
