import { bits, u16, u8 } from '../../bytes/fields.ts';
import { Writer } from '../../bytes/cursor.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { ReservationType } from '../reservations.ts';
import { goodWithin } from './allocation.ts';
import { encodeTransportId } from './transport-id.ts';

const cdb = layout(10, { opcode: u8(0), serviceAction: bits(1, 0, 5), allocationLength: u16(7) });

const key = (value: bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(value);
  return out;
};

const row = (
  name: string,
  serviceAction: number,
  tell: (unit: LogicalUnit, out: Writer) => void,
): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name: `PERSISTENT RESERVE IN, ${name}`,
    opcode: 0x5e,
    serviceAction,
    cdb,
    access: 'always',
    ordering: 'free',
    portState: 'standby',
    run(unit, task) {
      const out = new Writer();
      tell(unit, out);
      goodWithin(task, out.done(), cdb.allocationLength.get(task.cdb));
    },
  });

/** PRGENERATION and ADDITIONAL LENGTH before what `list` writes. */
function withHeader(unit: LogicalUnit, out: Writer, list: () => void): void {
  out.uint(4, unit.reservations.generation);
  const filled = out.lengthField(4);
  list();
  filled();
}

/** SPC-4 6.15.2. */
const readKeys = row('READ KEYS', 0x00, (unit, out) =>
  withHeader(unit, out, () => {
    for (const registration of unit.reservations.registrations) out.put(key(registration.key));
  }),
);

/** SPC-4 6.15.3. SCOPE is 0: the logical unit. */
const readReservation = row('READ RESERVATION', 0x01, (unit, out) =>
  withHeader(unit, out, () => {
    const { type, holderKey } = unit.reservations;
    if (type !== undefined) out.put(key(holderKey)).zeros(5).uint(1, type).zeros(2);
  }),
);

/* SPC-4 6.15.4. No SIP_C, ATP_C, PTPL_C yet. */
const COMPATIBLE_RESERVATION_HANDLING = 0x10;
const TYPE_MASK_VALID = 0x80;
/** PERSISTENT RESERVATION TYPE MASK: type n is bit n of byte 4, type 8 bit 0 of byte 5. */
const typeMask = Object.values(ReservationType).reduce(
  (mask, type) => mask | (type < 8 ? 1 << (type + 8) : 1),
  0,
);

const reportCapabilities = row('REPORT CAPABILITIES', 0x02, (_unit, out) =>
  out.uint(2, 8).uint(1, COMPATIBLE_RESERVATION_HANDLING).uint(1, TYPE_MASK_VALID).uint(2, typeMask).zeros(2),
);

const R_HOLDER = 0x01;

/** SPC-4 6.15.5. */
const readFullStatus = row('READ FULL STATUS', 0x03, (unit, out) =>
  withHeader(unit, out, () => {
    const { reservations } = unit;
    for (const registration of reservations.registrations) {
      const holds = reservations.holds(registration);
      out.put(key(registration.key)).zeros(4);
      out
        .uint(1, holds ? R_HOLDER : 0)
        .uint(1, holds ? reservations.type! : 0)
        .zeros(4);
      out.uint(2, registration.ports.relativePort);
      const transportId = encodeTransportId(registration.ports);
      out.uint(4, transportId.length).put(transportId);
    }
  }),
);

export const persistentReserveIns = [readKeys, readReservation, reportCapabilities, readFullStatus];
