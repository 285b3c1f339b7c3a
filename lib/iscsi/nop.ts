import type { Connection } from './connection.ts';
import { NO_TAG, Opcode } from './pdu/header.ts';
import { nopIn, nopOut as layout } from './pdu/nop.ts';

/** NOP-Out (RFC 7143 11.18): a ping is echoed, an answer to our own ping is noted. */
export function nopOut(connection: Connection, header: Buffer, data: Buffer): void {
  connection.pingTag = NO_TAG; // whatever it is, the peer lives
  const tag = layout.initiatorTaskTag.get(header);
  if (tag === NO_TAG) return;
  const reply = connection.outbox.header();
  reply[0] = Opcode.NOP_IN;
  reply[1] = 0x80;
  nopIn.initiatorTaskTag.set(reply, tag);
  nopIn.targetTransferTag.set(reply, NO_TAG);
  connection.stamp(reply);
  // RFC 7143 11.19.3: cut to what the initiator can take.
  const most = connection.peerSegmentBytes;
  const echo = data.length > most ? Buffer.from(data.subarray(0, most)) : data; // no view that holds all of it
  connection.reply(reply, echo.length > 0 ? echo : undefined);
}

/** Asks whether the peer lives (RFC 7143 11.19). */
export function ping(connection: Connection): void {
  const header = connection.outbox.header();
  header[0] = Opcode.NOP_IN;
  header[1] = 0x80;
  connection.pingTag = connection.session!.newTransferTag();
  nopIn.initiatorTaskTag.set(header, NO_TAG);
  nopIn.targetTransferTag.set(header, connection.pingTag);
  connection.stamp(header, true);
  connection.reply(header);
}
