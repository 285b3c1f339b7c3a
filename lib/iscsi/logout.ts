import type { Connection } from './connection.ts';
import { Opcode } from './pdu/header.ts';
import { LogoutReason, LogoutResponse, logoutRequest, logoutResponse } from './pdu/logout.ts';

/** Logout (RFC 7143 11.14): tasks stop, the response leaves, the connection ends. */
export function logout(connection: Connection, header: Buffer): void {
  const reason = logoutRequest.reason.get(header);
  const tag = logoutRequest.initiatorTaskTag.get(header);
  const answer = (response: number, last: boolean): void => {
    const reply = connection.outbox.header();
    reply[0] = Opcode.LOGOUT_RESPONSE;
    reply[1] = 0x80;
    logoutResponse.response.set(reply, response);
    logoutResponse.initiatorTaskTag.set(reply, tag);
    connection.stamp(reply);
    connection.reply(reply);
    if (last) connection.end('logout');
  };
  if (reason !== LogoutReason.CLOSE_SESSION) {
    // RFC 7143 11.14.3: the CID counts for these only.
    if (reason === LogoutReason.REMOVE_FOR_RECOVERY) {
      answer(LogoutResponse.RECOVERY_NOT_SUPPORTED, false);
      return;
    }
    if (reason !== LogoutReason.CLOSE_CONNECTION || logoutRequest.cid.get(header) !== connection.cid) {
      answer(LogoutResponse.CID_NOT_FOUND, false);
      return;
    }
  }
  // With one connection a session, both reasons end the session.
  void connection.node.closeSession(connection.session!).then(() => {
    if (!connection.ended) answer(LogoutResponse.CLOSED, true);
  });
}
