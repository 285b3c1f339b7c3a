import type { ChapDigest } from '../iscsi/login/chap.ts';
import {
  accept,
  defaults,
  KEYS,
  type KeyRow,
  negotiate,
  offer,
  type Parameters,
} from '../iscsi/login/keys.ts';
import { formatText, type Pair, parseText } from '../iscsi/login/text.ts';
import { newHeader, Opcode } from '../iscsi/pdu/header.ts';
import { loginRequest, loginResponse, LoginStatus, Stage } from '../iscsi/pdu/login.ts';
import { InitiatorError } from './initiator-error.ts';
import { loginRefused } from './login-status.ts';
import { type Credentials, SecurityStage } from './security-stage.ts';

/** A login needs three to six exchanges; more than this is a target that goes in circles. */
const MOST_EXCHANGES = 32;
/** Text of one answer, over all its PDUs. */
const LONGEST_TEXT = 256 * 1024;
/** RFC 7143 6.2: what may be sent before MaxRecvDataSegmentLength is known. */
const LOGIN_SEGMENT = 8192;

export interface LoginRequestOptions {
  readonly initiatorName: string;
  /** Absent: a discovery session. */
  readonly target: string | undefined;
  readonly isid: Uint8Array;
  readonly tsih: number;
  readonly cid: number;
  readonly ours: Parameters;
  readonly credentials: Credentials | undefined;
  readonly mutual: Credentials | undefined;
  /** CHAP digests, in the order of the offer; absent: all. */
  readonly digests?: readonly ChapDigest['name'][];
  readonly peer: string;
}

export interface LoginResult {
  readonly parameters: Parameters;
  readonly tsih: number;
  readonly cmdSN: number;
  readonly expStatSN: number;
  readonly expCmdSN: number;
  readonly maxCmdSN: number;
}

/**
 * The login phase of RFC 7143 6 as a pure conversation: PDUs come in by `take`, and go out by `send`. Security stage with
 * or without CHAP, then the operational stage by the table of keys.
 */
export class Login {
  readonly result = defaults();
  readonly #options: LoginRequestOptions;
  readonly #send: (header: Buffer, data: Buffer) => void;
  readonly #done: (result: LoginResult) => void;
  #stage: number = Stage.SECURITY;
  #cmdSN = 1;
  #expStatSN = 0;
  #started = false;
  #exchanges = 0;
  #text = Buffer.alloc(0);
  #unsent: Buffer = Buffer.alloc(0);
  #unsentTransit: number | undefined;
  #movedTo: string | undefined;

  readonly #offered = new Set<string>();
  readonly #settled = new Set<string>();
  readonly #security: SecurityStage;

  constructor(
    options: LoginRequestOptions,
    send: (header: Buffer, data: Buffer) => void,
    done: (result: LoginResult) => void,
  ) {
    this.#options = options;
    this.#send = send;
    this.#done = done;
    this.#security = new SecurityStage(options);
  }

  start(): void {
    const { initiatorName, target } = this.#options;
    const pairs: Pair[] = [
      { key: 'InitiatorName', value: initiatorName },
      ...(target === undefined
        ? [{ key: 'SessionType', value: 'Discovery' }]
        : [
            { key: 'SessionType', value: 'Normal' },
            { key: 'TargetName', value: target },
          ]),
    ];
    const opening = this.#security.open();
    this.#request([...pairs, ...opening.pairs], opening.transit);
  }

  /** Takes a Login Response. Throws InitiatorError when the login is over without success. */
  take(header: Buffer, data: Buffer): void {
    const { peer } = this.#options;
    if (loginResponse.opcode.get(header) !== Opcode.LOGIN_RESPONSE) {
      throw this.#protocol(`answers a login with opcode ${loginResponse.opcode.get(header).toString(16)}h`);
    }
    const status = loginResponse.status.get(header);
    // RFC 7143 11.13.4: StatSN counts only where the status class is 0.
    if (status !== LoginStatus.SUCCESS) {
      for (const { key, value } of parseText(data) ?? []) if (key === 'TargetAddress') this.#movedTo = value;
      const { target, credentials } = this.#options;
      throw loginRefused(status, { peer, target, user: credentials?.user, movedTo: this.#movedTo });
    }
    if (++this.#exchanges > MOST_EXCHANGES) throw this.#protocol('does not come to the end of the login');
    if (!this.#started) {
      this.#started = true;
      this.#expStatSN = loginResponse.statSN.get(header);
    }
    this.#expStatSN = (this.#expStatSN + 1) >>> 0;
    if (loginResponse.currentStage.get(header) !== this.#stage)
      throw this.#protocol('answers for another login stage');
    if (this.#text.length + data.length > LONGEST_TEXT) throw this.#protocol('sends an endless login answer');
    this.#text = Buffer.concat([this.#text, data]);
    if (this.#unsent.length > 0) {
      this.#sendPart();
      return;
    }
    if (loginResponse.continue.get(header)) {
      this.#request([], undefined);
      return;
    }
    const pairs = parseText(this.#text);
    this.#text = Buffer.alloc(0);
    if (pairs === undefined) throw this.#protocol('sends login text that is no list of key=value');
    const transit = loginResponse.final.get(header);
    this.#answer(pairs, transit ? loginResponse.nextStage.get(header) : undefined, header);
  }

  #answer(pairs: readonly Pair[], transit: number | undefined, header: Buffer): void {
    const values = new Map(pairs.map(({ key, value }) => [key, value]));
    if (this.#stage === Stage.SECURITY) {
      const reply = this.#security.take(values);
      if (transit === undefined) {
        this.#request(reply.pairs, reply.transit);
        return;
      }
      this.#security.requireProof();
      if (transit === Stage.FULL_FEATURE) {
        this.#finish(header);
        return;
      }
      this.#stage = Stage.OPERATIONAL;
      this.#request(this.#offers(), Stage.FULL_FEATURE);
      return;
    }
    const replies = this.#operational(pairs);
    if (transit === Stage.FULL_FEATURE) this.#finish(header);
    else if (transit === undefined) this.#request(replies, Stage.FULL_FEATURE);
    else throw this.#protocol('goes to a login stage that does not come next');
  }

  #offers(): Pair[] {
    const pairs: Pair[] = [];
    for (const row of KEYS.values()) {
      if (row.kind === 'constant' || row.kind === 'list') continue; // nothing that we would have otherwise
      if (row.normalOnly === true && this.#options.target === undefined) continue;
      this.#offered.add(row.name);
      if (row.kind === 'declared') this.#offered.delete(row.name);
      pairs.push({ key: row.name, value: offer(row, this.#options.ours) });
    }
    return pairs;
  }

  /** Takes the answers to our offers, and answers what the target offers. */
  #operational(pairs: readonly Pair[]): Pair[] {
    const replies: Pair[] = [];
    for (const { key, value } of pairs) {
      const row = KEYS.get(key);
      if (row === undefined) {
        // Names, aliases and portal groups are told, not negotiated (RFC 7143 13.5–13.9).
        if (!/^(Target|Initiator|X-|SessionType)/.test(key) && value !== 'NotUnderstood') {
          replies.push({ key, value: 'NotUnderstood' });
        }
        continue;
      }
      this.#settle(row, value, replies);
    }
    return replies;
  }

  #settle(row: KeyRow, value: string, replies: Pair[]): void {
    if (this.#settled.has(row.name)) throw this.#protocol(`negotiates ${row.name} twice`);
    this.#settled.add(row.name);
    if (this.#offered.has(row.name)) {
      if (accept(row, value, this.#options.ours, this.result)) return;
      throw this.#protocol(`answers ${row.name}=${value} to an offer of ${offer(row, this.#options.ours)}`);
    }
    const answer = negotiate(row, value, this.#options.ours, this.result);
    if (answer === undefined) return;
    if (row.kind === 'declared') throw this.#protocol(`declares ${row.name}=${value}`);
    replies.push({ key: row.name, value: answer });
  }

  #finish(header: Buffer): void {
    this.#done({
      parameters: this.result,
      tsih: loginResponse.tsih.get(header),
      cmdSN: this.#cmdSN,
      expStatSN: this.#expStatSN,
      expCmdSN: loginResponse.expCmdSN.get(header),
      maxCmdSN: loginResponse.maxCmdSN.get(header),
    });
  }

  #request(pairs: readonly Pair[], transit: number | undefined): void {
    this.#unsent = formatText(pairs);
    this.#unsentTransit = transit;
    this.#sendPart();
  }

  /** What fits one PDU; the rest goes when the target has answered (RFC 7143 11.12.2, C bit). */
  #sendPart(): void {
    const { isid, tsih, cid } = this.#options;
    const part = this.#unsent.subarray(0, LOGIN_SEGMENT);
    this.#unsent = this.#unsent.subarray(LOGIN_SEGMENT);
    const last = this.#unsent.length === 0;
    const header = newHeader();
    loginRequest.immediate.set(header, true);
    loginRequest.opcode.set(header, Opcode.LOGIN_REQUEST);
    loginRequest.currentStage.set(header, this.#stage);
    if (!last) loginRequest.continue.set(header, true);
    else if (this.#unsentTransit !== undefined) {
      loginRequest.final.set(header, true);
      loginRequest.nextStage.set(header, this.#unsentTransit);
    }
    loginRequest.isid.set(header, isid);
    loginRequest.tsih.set(header, tsih);
    loginRequest.cid.set(header, cid);
    loginRequest.cmdSN.set(header, this.#cmdSN);
    loginRequest.expStatSN.set(header, this.#expStatSN);
    this.#send(header, part);
  }

  #protocol(what: string): InitiatorError {
    return new InitiatorError('protocol', `${this.#options.peer} ${what}`);
  }
}
