import { bits, u16, u8 } from '../../bytes/fields.ts';
import { Writer } from '../../bytes/cursor.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { ReservationType } from '../reservation-type.ts';
import type { Registration, Reservations } from '../reservations.ts';
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

/* SPC-4 6.15.4, byte 2; RLR_C is 0. */
const COMPATIBLE_RESERVATION_HANDLING = 0x10;
const SPECIFY_INITIATOR_PORTS_CAPABLE = 0x08;
const ALL_TARGET_PORTS_CAPABLE = 0x04;
const PERSIST_CAPABLE = 0x01;
/* Byte 3. */
const TYPE_MASK_VALID = 0x80;
/** TEST UNIT READY passes all types; MODE SENSE, READ BUFFER, READ DEFECT DATA and their like pass write exclusive ones. */
const ALLOW_COMMANDS = 0b011 << 4;
const PERSIST_ACTIVATED = 0x01;
/** PERSISTENT RESERVATION TYPE MASK: type n is bit n of byte 4, type 8 bit 0 of byte 5. */
const typeMask = Object.values(ReservationType).reduce(
  (mask, type) => mask | (type < 8 ? 1 << (type + 8) : 1),
  0,
);

const reportCapabilities = row('REPORT CAPABILITIES', 0x02, ({ reservations }, out) => {
  const can = COMPATIBLE_RESERVATION_HANDLING | SPECIFY_INITIATOR_PORTS_CAPABLE | ALL_TARGET_PORTS_CAPABLE;
  const does = TYPE_MASK_VALID | ALLOW_COMMANDS;
  out.uint(2, 8);
  out.uint(1, reservations.canPersist ? can | PERSIST_CAPABLE : can);
  out.uint(1, reservations.persists ? does | PERSIST_ACTIVATED : does);
  out.uint(2, typeMask).zeros(2);
});

const ALL_TG_PT = 0x02;
const R_HOLDER = 0x01;

/** Whether the initiator port is registered alike at every target port, of which there are several. */
function isEverywhere(
  reservations: Reservations,
  { ports, key }: Registration,
  relativePorts: readonly number[],
): boolean {
  if (relativePorts.length < 2) return false;
  const holds = reservations.holds({ ports, key });
  return relativePorts.every(relativePort => {
    const there = reservations.registration({ ...ports, relativePort });
    return there?.key === key && reservations.holds(there) === holds;
  });
}

/** SPC-4 6.15.5. */
const readFullStatus = row('READ FULL STATUS', 0x03, (unit, out) =>
  withHeader(unit, out, () => {
    const { reservations } = unit;
    const relativePorts = unit.device?.relativePorts ?? [];
    for (const registration of reservations.registrations) {
      const { ports } = registration;
      const everywhere = isEverywhere(reservations, registration, relativePorts);
      // One descriptor stands for them all.
      if (everywhere && ports.relativePort !== relativePorts[0]) continue;
      const holds = reservations.holds(registration);
      out.put(key(registration.key)).zeros(4);
      out
        .uint(1, (holds ? R_HOLDER : 0) | (everywhere ? ALL_TG_PT : 0))
        .uint(1, holds ? reservations.type! : 0)
        .zeros(4);
      out.uint(2, everywhere ? 0 : ports.relativePort);
      const transportId = encodeTransportId(ports);
      out.uint(4, transportId.length).put(transportId);
    }
  }),
);

export const persistentReserveIns = [readKeys, readReservation, reportCapabilities, readFullStatus];
