import type { Duplex } from 'node:stream';
import { serialAdd } from '../bytes/serial.ts';
import { ProtocolViolation } from './errors.ts';
import { Framer, type FramerSink } from './framer.ts';
import { landPdu, receivePdu } from './full-feature.ts';
import {
  LINGER_MS,
  LOGIN_SEGMENT_BYTES,
  MOST_PENDING_REPLIES,
  MOST_PENDING_REPLY_BYTES,
  RECEIVE_SEGMENT_BYTES,
} from './limits.ts';
import { LoginFailure } from './login/failure.ts';
import { type Parameters, defaults } from './login/keys.ts';
import { Login, type LoginReply } from './login/login.ts';
import { formatText } from './login/text.ts';
import type { IscsiNode } from './node.ts';
import { Outbox } from './outbox.ts';
import { NO_TAG, Opcode, common } from './pdu/header.ts';
import { LoginStatus, loginRequest, loginResponse } from './pdu/login.ts';
import { reject } from './pdu/reject.ts';
import { Retransmission } from './retransmission.ts';
import type { Refusal } from './scsi-command.ts';
import type { ScsiTask } from './scsi-task.ts';
import type { Session } from './session.ts';
import { TextExchange } from './text-exchange.ts';

/** Output that has gathered leaves before the end of the input chunk once it is this much. */
const FLUSH_BYTES = 256 * 1024;

/** Where this end of a connection is, for TargetAddress. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * One connection: bytes in, PDUs to the login or to full feature phase, PDUs out. It has the StatSN (RFC 7143 4.2.2.2)
 * and ends when the transport does, when the peer breaks the rules, or when it falls silent.
 */
export class Connection implements FramerSink {
  readonly node: IscsiNode;
  readonly framer: Framer;
  readonly outbox: Outbox;
  readonly local: Endpoint | undefined;
  readonly peer: string;
  /** Tag of the portal group that it came in by (RFC 7143 4.4.1). */
  readonly portalGroup: number;
  parameters: Parameters = defaults();
  /** What the peer can take in one PDU. */
  peerSegmentBytes = LOGIN_SEGMENT_BYTES;
  session: Session | undefined;
  cid = 0;
  statSN = 1;
  /** What was sent and is not acknowledged; only at an ErrorRecoveryLevel above 0. */
  kept: Retransmission | undefined;
  /** It ends by a Logout … */
  loggedOut = false;
  /** … or its tasks may be reassigned once it has ended (RFC 7143 6.3.4, 11.14.1). */
  removed = false;
  /** Data segment of the present PDU where it is not a task's. */
  landing: Buffer | undefined;
  /** Command whose immediate data is coming in … */
  arriving: ScsiTask | undefined;
  /** … or why it is not taken, when there is none. */
  refused: Refusal | undefined;
  /** Task whose Data-Out is coming in. */
  landingFor: ScsiTask | undefined;
  readonly text: TextExchange = new TextExchange(this);
  /** When the present chunk came; a clock read once a chunk. */
  nowMs = performance.now();
  /** Tag of a NOP-In that has not been answered. */
  pingTag = NO_TAG;

  readonly #transport: Duplex;
  #login: Login | undefined;
  #lastLogin: Buffer | undefined;
  #sessionPending = false;
  #working = false;
  #pendingReplies = 0;
  #pendingReplyBytes = 0;
  #paused = false;
  #ended = false;
  readonly #loginTimer: NodeJS.Timeout;

  constructor(
    node: IscsiNode,
    transport: Duplex,
    local: Endpoint | undefined,
    peer: string,
    portalGroup: number,
  ) {
    this.portalGroup = portalGroup;
    this.node = node;
    this.local = local;
    this.peer = peer;
    this.#transport = transport;
    this.#login = new Login(node, portalGroup);
    this.framer = new Framer(this, LOGIN_SEGMENT_BYTES);
    this.outbox = new Outbox(transport);
    this.#loginTimer = setTimeout(() => {
      if (this.session === undefined) this.drop('login took too long');
    }, node.limits.loginTimeoutMs);
    this.#loginTimer.unref();
    transport.on('data', (chunk: Buffer) => this.receive(chunk));
    transport.on('end', () => this.drop('the peer closed it'));
    transport.on('error', (error: Error) => this.drop(error.message));
    transport.on('close', () => {
      this.drop('closed');
      node.connectionClosed(this);
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  nextStatSN(): number {
    const { statSN } = this;
    this.statSN = serialAdd(statSN, 1);
    return statSN;
  }

  /** Bytes from the peer; they are the caller's again when this returns. */
  receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.nowMs = performance.now();
    this.#working = true;
    try {
      this.framer.push(chunk);
    } catch (error) {
      this.#failed(error);
    }
    this.#working = false;
    this.outbox.flush();
  }

  /** Something was queued: it leaves at the end of the present chunk, or of this turn of the event loop. */
  wake(): void {
    if (!this.#working) this.outbox.schedule();
    else if (this.outbox.bytes >= FLUSH_BYTES) this.outbox.flush();
  }

  // FramerSink

  land(header: Buffer, ahs: Buffer | undefined, length: number): void {
    this.landing = undefined;
    if (this.#login === undefined) {
      landPdu(this, header, ahs, length);
      return;
    }
    this.landing = Buffer.allocUnsafe(length);
    this.framer.into = this.landing;
  }

  pdu(header: Buffer, ahs: Buffer | undefined, length: number, digestFailed: boolean): void {
    if (this.#ended) return;
    const data = length > 0 ? this.landing : undefined;
    this.landing = undefined;
    if (this.#login !== undefined) {
      this.#loginRequest(this.#login, header, data ?? Buffer.alloc(0));
      return;
    }
    try {
      receivePdu(this, header, ahs, length, data, digestFailed);
    } catch (error) {
      this.violated(header, error);
    }
  }

  /** Answers a violation that has a Reject; anything else is thrown on. */
  violated(header: Buffer, error: unknown): void {
    if (!(error instanceof ProtocolViolation) || error.reject === undefined) throw error;
    this.node.log.debug({ peer: this.peer, why: error.message }, 'PDU rejected');
    this.reject(header, error.reject);
  }

  /** The command whose data has just come is not to be carried out. */
  forgetArriving(): void {
    this.arriving?.release();
    this.arriving = undefined;
  }

  /** RFC 7143 7.8: with recovery, what was lost is asked for or comes again. */
  spoilt(): boolean {
    return this.kept !== undefined;
  }

  broken(why: string): void {
    this.drop(why);
  }

  #failed(error: unknown): void {
    if (error instanceof ProtocolViolation) this.drop(error.message);
    else {
      this.node.log.error({ peer: this.peer, err: error }, 'connection failed');
      this.drop('internal failure');
    }
  }

  // Login

  #loginRequest(login: Login, header: Buffer, text: Buffer): void {
    if (this.#sessionPending) return; // nothing may come while the last response is due
    if (common.opcode.get(header) !== Opcode.LOGIN_REQUEST) {
      // RFC 7143 4.2.3: before a login it ends the connection; within one it is answered first.
      if (this.#lastLogin === undefined) this.drop('first PDU is no Login Request');
      else
        this.#loginFailed(this.#lastLogin, new LoginFailure(LoginStatus.INVALID_REQUEST, 'no Login Request'));
      return;
    }
    const kept = Buffer.from(header);
    this.#lastLogin = kept;
    try {
      const reply = login.request(kept, text);
      if (login.done) this.#openSession(login, kept, reply);
      else this.#loginReply(login, kept, reply, 0);
    } catch (error) {
      if (!(error instanceof LoginFailure)) throw error;
      this.#loginFailed(kept, error);
    }
  }

  /** `tsih` is told in the last response only (RFC 7143 11.13.3). */
  #loginReply(login: Login, request: Buffer, reply: LoginReply, tsih: number): void {
    const header = this.#loginHeader(request);
    loginResponse.final.set(header, reply.transit);
    loginResponse.continue.set(header, reply.more);
    loginResponse.currentStage.set(header, reply.currentStage);
    loginResponse.nextStage.set(header, reply.nextStage);
    loginResponse.tsih.set(header, tsih === 0 ? login.tsih : tsih);
    this.outbox.push(header, reply.text);
    this.wake();
  }

  #loginHeader(request: Buffer): Buffer {
    const header = this.outbox.header();
    loginResponse.opcode.set(header, Opcode.LOGIN_RESPONSE);
    loginResponse.isid.set(header, loginRequest.isid.get(request));
    loginResponse.initiatorTaskTag.set(header, loginRequest.initiatorTaskTag.get(request));
    loginResponse.statSN.set(header, this.nextStatSN());
    const cmdSN = loginRequest.cmdSN.get(request);
    const { window } = this.session ?? {};
    loginResponse.expCmdSN.set(header, window?.expCmdSN ?? cmdSN);
    loginResponse.maxCmdSN.set(header, window?.maxCmdSN ?? cmdSN);
    return header;
  }

  #loginFailed(request: Buffer, failure: LoginFailure): void {
    this.node.log.info(
      { peer: this.peer, status: failure.status.toString(16).padStart(4, '0'), why: failure.why },
      'login refused',
    );
    const header = this.#loginHeader(request);
    loginResponse.status.set(header, failure.status);
    this.outbox.push(header, failure.keys.length > 0 ? formatText(failure.keys) : undefined);
    this.#ended = true;
    this.outbox.end();
    this.#finish('login refused');
  }

  #openSession(login: Login, request: Buffer, reply: LoginReply): void {
    this.#sessionPending = true;
    this.node
      .openSession(login, loginRequest.cmdSN.get(request))
      .then(session => {
        if (login.tsih !== 0) session.joining--;
        if (this.#ended) {
          this.node.abandon(session);
          return;
        }
        if (session.closing) {
          this.drop('session reinstated before it began');
          return;
        }
        this.cid = login.cid;
        try {
          this.node.join(session, this);
        } catch (error) {
          this.node.abandon(session);
          throw error;
        }
        this.#sessionPending = false;
        this.session = session;
        this.parameters = { ...session.parameters, ...connectionOnly(login.parameters) };
        this.peerSegmentBytes = login.parameters.maxRecvDataSegmentLength;
        clearTimeout(this.#loginTimer);
        this.#loginReply(login, request, reply, session.tsih);
        this.outbox.flush();
        if (session.parameters.errorRecoveryLevel > 0) this.kept = new Retransmission(this, session.budget);
        this.#login = undefined;
        this.framer.maxDataLength = RECEIVE_SEGMENT_BYTES;
        this.framer.headerDigest = this.outbox.headerDigest = login.parameters.headerDigest;
        this.framer.dataDigest = this.outbox.dataDigest = login.parameters.dataDigest;
        this.nowMs = performance.now();
        this.node.log.info(
          {
            peer: this.peer,
            initiator: login.initiatorName,
            target: login.target?.device.name ?? 'discovery',
          },
          'logged in',
        );
      })
      .catch((error: unknown) => {
        if (this.#ended) return;
        if (error instanceof LoginFailure) this.#loginFailed(request, error);
        else this.#failed(error);
      });
  }

  // Replies that no command window bounds

  /** Queues a reply, and keeps it where it may be asked for again. */
  reply(header: Buffer, data?: Buffer): void {
    // An unasked NOP-In has no StatSN of its own (RFC 7143 11.19.3).
    const numbered = header[0] !== Opcode.NOP_IN || common.initiatorTaskTag.get(header) !== NO_TAG;
    if (numbered) this.kept?.keepPdu(header, data);
    this.repeat(header, data);
  }

  /** Queues a reply that is kept already, or need not be. */
  repeat(header: Buffer, data?: Buffer): void {
    const bytes = data?.length ?? 0;
    this.outbox.push(header, data, bytes, this.owe(bytes));
    this.wake();
  }

  /**
   * Counts output that no window bounds until what it returns is called; when the peer does not take it, nothing more is
   * read from it (RFC 7143 4.2.2.1 has no window here).
   */
  owe(bytes: number): () => void {
    this.#pendingReplies++;
    this.#pendingReplyBytes += bytes;
    const full =
      this.#pendingReplies >= MOST_PENDING_REPLIES || this.#pendingReplyBytes >= MOST_PENDING_REPLY_BYTES;
    if (full && !this.#paused) {
      this.#paused = true;
      this.#transport.pause();
    }
    return () => {
      this.#pendingReplies--;
      this.#pendingReplyBytes -= bytes;
      if (
        this.#paused &&
        this.#pendingReplies < MOST_PENDING_REPLIES / 2 &&
        this.#pendingReplyBytes < MOST_PENDING_REPLY_BYTES / 2
      ) {
        this.#paused = false;
        this.#transport.resume();
      }
    };
  }

  reject(rejected: Buffer, reason: number): void {
    const header = this.outbox.header();
    header[0] = Opcode.REJECT;
    header[1] = 0x80;
    reject.reason.set(header, reason);
    reject.initiatorTaskTag.set(header, NO_TAG);
    this.stamp(header);
    this.reply(header, Buffer.from(rejected));
  }

  /** StatSN, ExpCmdSN and MaxCmdSN of a response. `unnumbered` ones carry the next StatSN without using it up. */
  stamp(header: Buffer, unnumbered = false): void {
    reject.statSN.set(header, unnumbered ? this.statSN : this.nextStatSN());
    const { window } = this.session!;
    reject.expCmdSN.set(header, window.expCmdSN);
    reject.maxCmdSN.set(header, window.maxCmdSN);
  }

  // The end

  /** What is queued leaves, then the connection ends: after a Logout Response. */
  end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.framer.stop();
    this.outbox.end();
    this.#finish(why);
  }

  drop(why: string): void {
    if (this.#ended) {
      this.#transport.destroy();
      return;
    }
    this.#ended = true;
    this.framer.stop();
    this.outbox.close();
    this.#transport.destroy();
    this.#finish(why);
  }

  #finish(why: string): void {
    clearTimeout(this.#loginTimer);
    // A peer that keeps its side open keeps a socket, not more, and not for long.
    setTimeout(() => this.#transport.destroy(), LINGER_MS).unref();
    this.node.log.debug({ peer: this.peer, why }, 'connection ended');
    this.node.connectionEnded(this);
  }
}

/** What each connection of a session negotiates for itself (RFC 7143 13: scope CO). */
const connectionOnly = ({
  headerDigest,
  dataDigest,
  maxRecvDataSegmentLength,
}: Parameters): Partial<Parameters> => ({
  headerDigest,
  dataDigest,
  maxRecvDataSegmentLength,
});
