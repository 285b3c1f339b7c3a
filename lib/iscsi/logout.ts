import type { Connection } from './connection.ts';
import { ProtocolViolation } from './errors.ts';
import { Opcode, requestNumbers } from './pdu/header.ts';
import { LogoutReason, LogoutResponse, logoutRequest, logoutResponse } from './pdu/logout.ts';
import { RejectReason } from './pdu/reject.ts';

/** The Logout is about the connection that it comes by, and so is its ExpStatSN (RFC 7143 11.14.4). */
export const speaksOfOwn = (connection: Connection, header: Buffer): boolean =>
  logoutRequest.reason.get(header) === LogoutReason.CLOSE_SESSION ||
  logoutRequest.cid.get(header) === connection.cid;

/** Logout (RFC 7143 11.14): tasks stop or lose their connection, the response leaves, connections end. */
export function logout(connection: Connection, header: Buffer): void {
  const reason = logoutRequest.reason.get(header);
  const run = REASONS[reason];
  if (run === undefined) {
    throw new ProtocolViolation(`logout for reason ${reason}`, RejectReason.INVALID_PDU_FIELD);
  }
  const tag = logoutRequest.initiatorTaskTag.get(header);
  run(connection, header, (response, time2Retain = 0) => {
    if (connection.ended) return;
    const reply = connection.outbox.header();
    reply[0] = Opcode.LOGOUT_RESPONSE;
    reply[1] = 0x80;
    logoutResponse.response.set(reply, response);
    logoutResponse.initiatorTaskTag.set(reply, tag);
    logoutResponse.time2Retain.set(reply, time2Retain);
    connection.stamp(reply);
    connection.reply(reply);
  });
}

type Answer = (response: number, time2Retain?: number) => void;
type Reason = (connection: Connection, header: Buffer, answer: Answer) => void;

const closeSession: Reason = (connection, _header, answer) => {
  const session = connection.session!;
  void connection.node.closeSession(session).then(() => {
    answer(LogoutResponse.CLOSED);
    for (const each of [...session.connections]) each.end('logout');
  });
};

const closeConnection: Reason = (connection, header, answer) => {
  const session = connection.session!;
  const cid = logoutRequest.cid.get(header);
  const other = session.connection(cid);
  if (other === undefined) {
    if (session.allegiances.has(cid)) session.allegiances.drop(cid, () => answer(LogoutResponse.CLOSED));
    else answer(LogoutResponse.CID_NOT_FOUND);
  } else if (session.connections.size === 1) {
    closeSession(connection, header, answer); // RFC 7143 6.3.5: with the last connection the session ends
  } else {
    other.loggedOut = true;
    session.terminate(other, () => {
      answer(LogoutResponse.CLOSED);
      other.end('logout');
    });
  }
};

const removeForRecovery: Reason = (connection, header, answer) => {
  const session = connection.session!;
  const { errorRecoveryLevel, defaultTime2Retain } = session.parameters;
  const cid = logoutRequest.cid.get(header);
  if (errorRecoveryLevel < 2) {
    answer(LogoutResponse.RECOVERY_NOT_SUPPORTED);
    return;
  }
  const other = session.connection(cid);
  if (other === undefined && !session.allegiances.has(cid)) {
    answer(LogoutResponse.CID_NOT_FOUND);
    return;
  }
  if (other !== undefined) other.removed = true;
  if (other === connection) {
    answer(LogoutResponse.CLOSED, defaultTime2Retain);
    connection.end('removed for recovery');
    return;
  }
  other?.drop('removed for recovery');
  session.allegiances.remove(cid, requestNumbers.expStatSN.get(header));
  answer(LogoutResponse.CLOSED, defaultTime2Retain); // Time2Wait 0: they may be reassigned at once
};

/** RFC 7143 11.14.1. */
const REASONS: readonly (Reason | undefined)[] = [closeSession, closeConnection, removeForRecovery];
