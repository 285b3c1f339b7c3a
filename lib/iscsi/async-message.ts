import type { Connection } from './connection.ts';
import { asyncMessage as layout } from './pdu/async-message.ts';
import { NO_TAG, Opcode } from './pdu/header.ts';

/** Asynchronous Message (RFC 7143 11.9): what the target tells unasked. Its parameters are told by the event. */
export function tell(connection: Connection, event: number, ...parameters: readonly number[]): void {
  const header = connection.outbox.header();
  header[0] = Opcode.ASYNC_MESSAGE;
  header[1] = 0x80;
  const [first = 0, second = 0, third = 0] = parameters;
  layout.initiatorTaskTag.set(header, NO_TAG);
  layout.event.set(header, event);
  layout.parameter1.set(header, first);
  layout.parameter2.set(header, second);
  layout.parameter3.set(header, third);
  connection.stamp(header);
  connection.reply(header);
}
