import { bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { parameterListLengthError } from '../sense.ts';
import { Attention } from '../unit-attention.ts';
import { goodWithin } from './allocation.ts';

/** Milliseconds since 1970, in 48 bits. */
const MODULUS = 2 ** 48;

/** TIMESTAMP ORIGIN (SPC-4 5.2). */
const BY_SET_TIMESTAMP = 2;
const BY_OTHER_MEANS = 3;

/** The device clock of a unit: that of the machine until SET TIMESTAMP sets it. A reset leaves it alone. */
export class DeviceClock {
  #aheadMs = 0;
  origin: number = BY_OTHER_MEANS;

  get nowMs(): number {
    return (((Date.now() + this.#aheadMs) % MODULUS) + MODULUS) % MODULUS;
  }

  set(toMs: number): void {
    this.#aheadMs = toMs - Date.now();
    this.origin = BY_SET_TIMESTAMP;
  }
}

const reportCdb = layout(12, { opcode: u8(0), serviceAction: bits(1, 0, 5), allocationLength: u32(6) });
const setCdb = layout(12, { opcode: u8(0), serviceAction: bits(1, 0, 5), parameterListLength: u32(6) });

/** Parameter data of both commands: the timestamp lies in bytes 4 to 9. */
const PARAMETERS = 12;

/** SPC-4 6.38. */
export const reportTimestamp = command<LogicalUnit>({
  name: 'REPORT TIMESTAMP',
  opcode: 0xa3,
  serviceAction: 0x0f,
  cdb: reportCdb,
  access: 'always',
  ordering: 'free',
  portState: 'standby',
  run(unit, task) {
    const out = Buffer.alloc(PARAMETERS);
    out.writeUInt16BE(PARAMETERS - 2, 0);
    out[2] = unit.clock.origin;
    out.writeUIntBE(unit.clock.nowMs, 4, 6);
    goodWithin(task, out, reportCdb.allocationLength.get(task.cdb));
  },
});

/** SPC-4 6.46. */
export const setTimestamp = command<LogicalUnit>({
  name: 'SET TIMESTAMP',
  opcode: 0xa4,
  serviceAction: 0x0f,
  cdb: setCdb,
  access: 'write',
  alters: true,
  ordering: 'free',
  portState: 'standby',
  dataOut(_unit, task) {
    const length = setCdb.parameterListLength.get(task.cdb);
    if (length !== 0 && length !== PARAMETERS) throw parameterListLengthError();
    return length;
  },
  run(unit, task) {
    const list = task.dataOut;
    if (list.length < task.wantedOut) throw parameterListLengthError();
    if (list.length > 0) {
      unit.clock.set(list.readUIntBE(4, 6));
      unit.attention(Attention.TIMESTAMP_CHANGED, task.nexus);
    }
    task.good();
  },
});
