import { LARGEST_BUFFER } from '../bytes/buffers.ts';

/** Everything a peer can make this target hold has a limit, and the limits are here with their sums. */

/** Commands of one session under way; the CmdSN window (RFC 7143 4.2.2.1). */
export const QUEUE_DEPTH = 128;

/** Immediate commands go past the window: no more than these at once, the rest is rejected (RFC 7143 4.2.2.1). */
export const MOST_IMMEDIATE = 32;

/** Largest transfer of one command: one pooled buffer. MAXIMUM TRANSFER LENGTH of VPD page B0h says the same. */
export const MOST_TRANSFER_BYTES = LARGEST_BUFFER;

/**
 * Payload bytes of one session under way: commands wait for their buffer beyond it. On top of it comes what
 * the initiator sends unasked: QUEUE_DEPTH × FIRST_BURST_BYTES = 32 MiB.
 */
export const SESSION_PAYLOAD_BYTES = 4 * MOST_TRANSFER_BYTES;

/** And of all sessions together: as much as eight of them may have. */
export const PROCESS_PAYLOAD_BYTES = 8 * SESSION_PAYLOAD_BYTES;

/**
 * A session with nothing under way may have one command of this size whatever the others hold: 1,024 sessions × 1 MiB on
 * top of the sum above.
 */
export const ALWAYS_BYTES = 1024 * 1024;

/** Connections of one session (MaxConnections, RFC 7143 13.2): each may have its own path, and few hosts have more. */
export const CONNECTIONS_A_SESSION = 8;

/**
 * Responses of one connection that wait to be acknowledged, at an ErrorRecoveryLevel above 0: two windows, and the
 * pings and texts between them. The oldest cannot be asked for again beyond it.
 */
export const MOST_KEPT = 2 * QUEUE_DEPTH + 256;
/** And the payload bytes of them, which are part of the session's: half, so that commands still have credit. */
export const KEPT_BYTES = SESSION_PAYLOAD_BYTES / 2;
/** The same for all sessions together. */
export const PROCESS_KEPT_BYTES = PROCESS_PAYLOAD_BYTES / 2;

/** Connections of a session that are gone and whose tasks may be reassigned (RFC 7143 7.2.2); the oldest goes first. */
export const MOST_LOST_CONNECTIONS = CONNECTIONS_A_SESSION;
/** Seconds for which they, or a session without a connection, are kept: RFC 7143 13.15 and 13.16. */
export const TIME_TO_WAIT = 2;
export const TIME_TO_RETAIN = 20;
/**
 * Nothing is kept longer, whatever an initiator would have: DefaultTime2Wait is the larger of both offers, up to an hour, and
 * a write that waits for its data holds back others of its unit.
 */
export const MOST_RETAINED_MS = 60_000;

/** Times that the data of one write is asked for again before it ends with an error. */
export const MOST_RECOVERIES = 32;
/** A sequence of Data-Out that stands still so long has lost a PDU, at an ErrorRecoveryLevel above 0 (RFC 7143 7.1.4.1). */
export const SEQUENCE_TIMEOUT_MS = 5_000;
/** A response that is not acknowledged for so long is asked about with a NOP-In. */
export const ACKNOWLEDGE_MS = 5_000;

/**
 * Data of requests that are no SCSI commands and came before their turn: two of the longest. What comes beyond it is
 * rejected in its turn. On top of it come early writes: QUEUE_DEPTH × FIRST_BURST_BYTES.
 */
export const MOST_EARLY_BYTES = 2 * 1024 * 1024;

/** A peer that takes nothing of what is sent to it for so long is given up. */
export const STUCK_MS = 60_000;

/** What we declare and offer at login (RFC 7143 13). */
export const RECEIVE_SEGMENT_BYTES = 1024 * 1024;
export const BURST_BYTES = 1024 * 1024;
export const FIRST_BURST_BYTES = 256 * 1024;
export const OUTSTANDING_R2T = 8;

/** RFC 7143 13.12: what holds before anything is declared, so for every login request. */
export const LOGIN_SEGMENT_BYTES = 8192;

/** A text in several PDUs (C bit) may have this many bytes in all. */
export const MOST_TEXT_BYTES = 64 * 1024;
/** And a login this many requests: both stages, CHAP and a few continuations take less than half. */
export const MOST_LOGIN_REQUESTS = 48;

/** Replies that no command window bounds (NOP-In, Text, Reject) and that the peer has not taken: beyond it we stop reading. */
export const MOST_PENDING_REPLIES = 256;
/** The same in bytes of their data: four echoes of the longest ping. */
export const MOST_PENDING_REPLY_BYTES = 4 * RECEIVE_SEGMENT_BYTES;

export const LOGIN_TIMEOUT_MS = 15_000;
/**
 * Silence after which the target asks with a NOP-In, and again that long before it gives the connection up: in all more than a
 * minute, which programs without a thread of their own for the connection (libiscsi's) do sleep.
 */
export const SILENCE_MS = 35_000;
/** A write whose data does not come holds its place in the task set; after this its connection is dropped. */
export const DATA_OUT_TIMEOUT_MS = 60_000;
/** All of a write's data has so many times that long, so that one that trickles in does not keep its place for ever. */
export const DATA_OUT_PATIENCE = 5;

/** 1,024 connections, logged in or not; each costs a few KiB until it sends commands. */
export const MOST_CONNECTIONS = 1024;

/** What has been sent before a connection ends has this long to reach the peer. */
export const LINGER_MS = 1_000;

/** Of these, one address may have a quarter that have not logged in: it cannot keep all others out. */
export const MOST_HALF_OPEN = MOST_CONNECTIONS / 4;
/** And one initiator half, in sessions. */
export const MOST_INITIATOR_SESSIONS = MOST_CONNECTIONS / 2;

/** What the user may have otherwise; the sums above hold for what stands above. */
export interface Limits {
  readonly connections: number;
  /** From one address, not logged in yet. */
  readonly connectionsBeforeLogin: number;
  readonly sessionsPerInitiator: number;
  readonly loginTimeoutMs: number;
  readonly loginRequests: number;
  readonly textBytes: number;
  readonly silenceMs: number;
  readonly stuckMs: number;
  readonly dataOutTimeoutMs: number;
}

export const LIMITS: Limits = {
  connections: MOST_CONNECTIONS,
  connectionsBeforeLogin: MOST_HALF_OPEN,
  sessionsPerInitiator: MOST_INITIATOR_SESSIONS,
  loginTimeoutMs: LOGIN_TIMEOUT_MS,
  loginRequests: MOST_LOGIN_REQUESTS,
  textBytes: MOST_TEXT_BYTES,
  silenceMs: SILENCE_MS,
  stuckMs: STUCK_MS,
  dataOutTimeoutMs: DATA_OUT_TIMEOUT_MS,
};
