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
/** Silence after which the target asks with a NOP-In, and again that long before it gives the connection up. */
export const SILENCE_MS = 20_000;
/** A write whose data does not come holds its place in the task set; after this its connection is dropped. */
export const DATA_OUT_TIMEOUT_MS = 60_000;

/** 1,024 connections, logged in or not; each costs a few KiB until it sends commands. */
export const MOST_CONNECTIONS = 1024;

/** What has been sent before a connection ends has this long to reach the peer. */
export const LINGER_MS = 1_000;
