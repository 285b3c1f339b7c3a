import { u16, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { segmentHeader } from '../parameter-list.ts';
import type { SegmentType } from './segment.ts';

/* Persistent reservations for the copy's own commands, which have the rights of the nexus that asked for it. */

const head = {
  type: segmentHeader.type,
  descriptorLength: segmentHeader.descriptorLength,
  destination: segmentHeader.destination,
};

/** SPC-4 6.4.6.17. */
const registerKey = layout(28, { ...head, key: u64(8), newKey: u64(16) });

/** SPC-4 6.4.6.18: from byte 8 on the parameter list of REGISTER AND MOVE. */
const LIST_AT = 8;
const moveReservation = layout(32, {
  ...head,
  key: u64(8),
  newKey: u64(16),
  flags: u8(25),
  relativePort: u16(26),
  transportIdLength: u32(28),
});

/** PERSISTENT RESERVE OUT (SPC-4 6.16). */
const reserveOut = (action: number, length: number): Buffer => {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x5f;
  cdb[1] = action;
  cdb.writeUInt32BE(length, 5);
  return cdb;
};
const REGISTER = 0x00;
const REGISTER_AND_MOVE = 0x07;
const KEYS_BYTES = 16;
const REGISTER_BYTES = 24;

export const registerPersistentKey: SegmentType = {
  code: 0x14,
  name: 'register key',
  layout: registerKey,
  destination: 'any',
  wrongRole: 'abort',
  run({ bytes, destination }) {
    const list = Buffer.alloc(REGISTER_BYTES);
    bytes.copy(list, 0, registerKey.key.offset, registerKey.key.offset + KEYS_BYTES);
    return destination!.command(reserveOut(REGISTER, list.length), { out: list });
  },
};

/** Only for tapes; processed after all other segments (SPC-4 6.4.6.18). */
export const thirdPartyReservation: SegmentType = {
  code: 0x15,
  name: 'third party persistent reservations source I_T nexus',
  layout: moveReservation,
  variable: true,
  destination: 'stream',
  wrongRole: 'abort',
  run(segment, work) {
    const list = Buffer.from(segment.bytes.subarray(LIST_AT));
    work.afterAll(segment, () =>
      segment.destination!.command(reserveOut(REGISTER_AND_MOVE, list.length), { out: list }),
    );
    return Promise.resolve();
  },
};
