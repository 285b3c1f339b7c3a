import {
  accept,
  defaults,
  KEYS,
  type KeyRow,
  negotiate,
  offer,
  type Parameters,
} from '../iscsi/login/keys.ts';
import {
  CHAP_MD5,
  chapMatches,
  chapResponse,
  type Challenge,
  LONGEST_CHALLENGE,
  newChallenge,
} from '../iscsi/login/chap.ts';
import {
  formatBinary,
  formatText,
  type Pair,
  parseBinary,
  parseNumber,
  parseText,
} from '../iscsi/login/text.ts';
import { newHeader, Opcode } from '../iscsi/pdu/header.ts';
import { loginRequest, loginResponse, LoginStatus, Stage } from '../iscsi/pdu/login.ts';
import { InitiatorError } from './initiator-error.ts';
import { loginRefused } from './login-status.ts';

/** A login needs three to six exchanges; more than this is a target that goes in circles. */
const MOST_EXCHANGES = 32;
/** Text of one answer, over all its PDUs. */
const LONGEST_TEXT = 256 * 1024;
/** RFC 7143 6.2: what may be sent before MaxRecvDataSegmentLength is known. */
const LOGIN_SEGMENT = 8192;

export interface Credentials {
  readonly user: string;
  readonly secret: string;
}

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
  #chap: 'none' | 'asked' | 'algorithm' | 'answered' = 'none';
  #ourChallenge: Challenge | undefined;
  #targetProved = false;

  constructor(
    options: LoginRequestOptions,
    send: (header: Buffer, data: Buffer) => void,
    done: (result: LoginResult) => void,
  ) {
    this.#options = options;
    this.#send = send;
    this.#done = done;
  }

  start(): void {
    const { initiatorName, target, credentials, mutual } = this.#options;
    const pairs: Pair[] = [
      { key: 'InitiatorName', value: initiatorName },
      ...(target === undefined
        ? [{ key: 'SessionType', value: 'Discovery' }]
        : [
            { key: 'SessionType', value: 'Normal' },
            { key: 'TargetName', value: target },
          ]),
    ];
    if (credentials === undefined) {
      this.#request([...pairs, { key: 'AuthMethod', value: 'None' }], Stage.OPERATIONAL);
    } else {
      this.#chap = 'asked';
      const method = mutual === undefined ? 'CHAP,None' : 'CHAP';
      this.#request([...pairs, { key: 'AuthMethod', value: method }], undefined);
    }
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
      const reply = this.#security(values);
      if (transit === undefined) {
        this.#request(reply.pairs, reply.transit);
        return;
      }
      this.#requireProof();
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

  /** CHAP, RFC 7143 12.1.3: algorithm, challenge, response, and the same the other way where it is mutual. */
  #security(values: ReadonlyMap<string, string>): { pairs: Pair[]; transit: number | undefined } {
    const { credentials, mutual, peer } = this.#options;
    const method = values.get('AuthMethod');
    if (this.#chap === 'none' || credentials === undefined) {
      if (method === undefined || method === 'None') {
        return { pairs: [], transit: Stage.OPERATIONAL };
      }
      throw loginRefused(LoginStatus.AUTHENTICATION_FAILURE, {
        ...this.#options,
        user: undefined,
        movedTo: undefined,
      });
    }
    switch (this.#chap) {
      case 'asked':
        if (method === 'None' && mutual === undefined) {
          this.#chap = 'none';
          return { pairs: [], transit: Stage.OPERATIONAL };
        }
        if (method !== 'CHAP') {
          throw new InitiatorError(
            'authentication',
            `${peer} does not do CHAP (AuthMethod=${method ?? 'nothing'})`,
          );
        }
        this.#chap = 'algorithm';
        return { pairs: [{ key: 'CHAP_A', value: String(CHAP_MD5) }], transit: undefined };
      case 'algorithm': {
        const identifier = parseNumber(values.get('CHAP_I') ?? '');
        const challenge = parseBinary(values.get('CHAP_C') ?? '');
        if (values.get('CHAP_A') !== String(CHAP_MD5) || identifier === undefined || identifier > 255) {
          throw this.#protocol('offers no CHAP with MD5');
        }
        if (challenge === undefined || challenge.length > LONGEST_CHALLENGE) {
          throw this.#protocol('sends a CHAP challenge that cannot be read');
        }
        this.#chap = 'answered';
        const response = chapResponse({ identifier, challenge }, credentials.secret);
        const pairs = [
          { key: 'CHAP_N', value: credentials.user },
          { key: 'CHAP_R', value: formatBinary(response) },
        ];
        if (mutual !== undefined) {
          this.#ourChallenge = newChallenge();
          pairs.push(
            { key: 'CHAP_I', value: String(this.#ourChallenge.identifier) },
            { key: 'CHAP_C', value: formatBinary(this.#ourChallenge.challenge) },
          );
        }
        return { pairs, transit: Stage.OPERATIONAL };
      }
      case 'answered': {
        if (mutual === undefined || this.#ourChallenge === undefined)
          return { pairs: [], transit: Stage.OPERATIONAL };
        const proof = parseBinary(values.get('CHAP_R') ?? '');
        if (proof === undefined) return { pairs: [], transit: Stage.OPERATIONAL };
        this.#targetProved =
          values.get('CHAP_N') === mutual.user && chapMatches(this.#ourChallenge, mutual.secret, proof);
        return { pairs: [], transit: Stage.OPERATIONAL };
      }
    }
  }

  /** Before the security stage is left: mutual CHAP must have been done, and to our content. */
  #requireProof(): void {
    const { mutual, peer } = this.#options;
    if (mutual === undefined || this.#targetProved) return;
    throw new InitiatorError(
      'authentication',
      `${peer} could not prove that it is ${mutual.user} (mutual CHAP failed)`,
    );
  }

  #offers(): Pair[] {
    const pairs: Pair[] = [];
    for (const row of KEYS.values()) {
      if (row.kind === 'constant' || (row.normalOnly === true && this.#options.target === undefined))
        continue;
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
