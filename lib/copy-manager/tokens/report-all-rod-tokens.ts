import { bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { Command } from '../../scsi-cmds/command.ts';
import type { LogicalUnit } from '../../scsi-cmds/logical-unit.ts';
import { goodWithin } from '../../scsi-cmds/spc/allocation.ts';
import { AVAILABLE_BYTES, receiveRow } from '../receive-copy.ts';
import type { TokenStore } from './token-store.ts';

const cdb = layout(16, { opcode: u8(0), serviceAction: bits(1, 0, 5), allocationLength: u32(10) });
const HEADER_BYTES = 8;

/** REPORT ALL ROD TOKENS (SPC-4 6.31): what can be known of tokens without being able to use them. */
export const reportAllRodTokens = (tokens: TokenStore): Command<LogicalUnit> =>
  receiveRow('REPORT ALL ROD TOKENS', 0x08, cdb, task => {
    const known = tokens.known(task.unit!.device!, task.nexus);
    const data = Buffer.concat([Buffer.alloc(HEADER_BYTES), ...known]);
    data.writeUInt32BE(data.length - AVAILABLE_BYTES);
    goodWithin(task, data, cdb.allocationLength.get(task.cdb));
  });
