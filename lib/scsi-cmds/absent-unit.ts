import { layout } from '../bytes/layout.ts';
import { bytes } from '../bytes/fields.ts';
import type { Log } from '../log.ts';
import { type Command, command, CommandTable } from './command.ts';
import { DeviceType, LogicalUnit } from './logical-unit.ts';
import { unitNotSupported } from './sense.ts';
import { inquiry } from './spc/inquiry.ts';
import { ModePages } from './spc/mode-pages.ts';
import { reportLuns } from './spc/report-luns.ts';
import { requestSense } from './spc/request-sense.ts';

const refuse = (): never => {
  throw unitNotSupported();
};

/** Stands for every command that needs a unit. */
const anything = command<LogicalUnit>({
  name: 'command to no unit',
  opcode: 0,
  cdb: layout(16, { cdb: bytes(0, 16) }),
  access: 'always',
  ordering: 'free',
  run: refuse,
});

class AnythingTable extends CommandTable {
  override find(cdb: Buffer): Command<never> {
    const row = super.find(cdb);
    return typeof row === 'object' ? row : anything;
  }
}

/** Answers at LUNs where there is nothing: INQUIRY, REPORT LUNS and REQUEST SENSE (SAM-5 4.7.3, SPC-4 6.6.1, 6.39). */
export class AbsentUnit extends LogicalUnit {
  readonly deviceType = DeviceType.UNKNOWN;
  readonly removable = false;
  readonly writeProtected = false;
  readonly grain = 0;
  override readonly commands: CommandTable = new AnythingTable();
  readonly modePages = new ModePages([]);

  constructor(log?: Log) {
    super({ name: 'absent', vendor: '', product: '', revision: '', serial: '', naa: Buffer.alloc(8) }, log);
    this.commands.add(inquiry, reportLuns, requestSense);
  }

  /** REQUEST SENSE tells this as parameter data. */
  requireMedium(): void {
    throw unitNotSupported();
  }

  async close(): Promise<void> {}
}

export const absentUnit = (log?: Log): AbsentUnit => new AbsentUnit(log);
