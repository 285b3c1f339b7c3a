import { LoginStatus } from '../pdu/login.ts';
import {
  CHAP_MD5,
  type Challenge,
  LONGEST_CHALLENGE,
  chapMatches,
  chapResponse,
  newChallenge,
} from './chap.ts';
import { LoginFailure } from './failure.ts';
import { type Pair, formatBinary, parseBinary, parseNumber } from './text.ts';

/** Who may log in, and with `mutual` who we say we are. */
export interface ChapCredentials {
  readonly user: string;
  readonly secret: string;
  readonly mutual?: { readonly user: string; readonly secret: string };
}

const denied = (why: string): LoginFailure => new LoginFailure(LoginStatus.AUTHENTICATION_FAILURE, why);

/** The security stage (RFC 7143 12.1): AuthMethod, then CHAP in three steps where it is asked for. */
export class Authentication {
  readonly #credentials: ChapCredentials | undefined;
  #step: 'method' | 'algorithm' | 'response' | 'done' = 'method';
  #challenge: Challenge | undefined;

  constructor(credentials: ChapCredentials | undefined) {
    this.#credentials = credentials;
  }

  /** Nothing more is asked of the initiator. */
  get passed(): boolean {
    return this.#step === 'done' || this.#credentials === undefined;
  }

  /** The answers to the security keys of one request; throws LoginFailure. */
  step(keys: ReadonlyMap<string, string>): Pair[] {
    switch (this.#step) {
      case 'method':
        return this.#method(keys);
      case 'algorithm':
        return this.#algorithm(keys);
      case 'response':
        return this.#response(keys, this.#credentials!);
      case 'done':
        if (keys.size > 0) throw denied('security keys after authentication');
        return [];
    }
  }

  #method(keys: ReadonlyMap<string, string>): Pair[] {
    const offered = keys.get('AuthMethod')?.split(',');
    if (keys.size > (offered === undefined ? 0 : 1)) throw denied('CHAP keys before AuthMethod');
    if (offered === undefined) return [];
    if (this.#credentials === undefined) {
      if (!offered.includes('None'))
        throw denied('the initiator wants to authenticate, the target has no secret');
      this.#step = 'done';
      return [{ key: 'AuthMethod', value: 'None' }];
    }
    if (!offered.includes('CHAP')) throw denied('the target wants CHAP, the initiator does not offer it');
    this.#step = 'algorithm';
    return [{ key: 'AuthMethod', value: 'CHAP' }];
  }

  #algorithm(keys: ReadonlyMap<string, string>): Pair[] {
    const offered = keys.get('CHAP_A')?.split(',');
    if (offered === undefined || keys.size > 1) throw denied('CHAP_A is missing or does not stand alone');
    if (!offered.some(each => parseNumber(each) === CHAP_MD5)) throw denied('no CHAP algorithm in common');
    this.#challenge = newChallenge();
    this.#step = 'response';
    return [
      { key: 'CHAP_A', value: String(CHAP_MD5) },
      { key: 'CHAP_I', value: String(this.#challenge.identifier) },
      { key: 'CHAP_C', value: formatBinary(this.#challenge.challenge) },
    ];
  }

  #response(keys: ReadonlyMap<string, string>, credentials: ChapCredentials): Pair[] {
    const response = parseBinary(keys.get('CHAP_R') ?? '');
    const user = keys.get('CHAP_N');
    if (response === undefined || user === undefined) throw denied('CHAP_N or CHAP_R is missing');
    // Both are looked at whatever the first one says, so that time does not tell a right name.
    const right = chapMatches(this.#challenge!, credentials.secret, response);
    if (user !== credentials.user || !right) throw denied('CHAP name or secret is wrong');
    this.#step = 'done';
    if (!keys.has('CHAP_I') && !keys.has('CHAP_C')) return [];
    const { mutual } = credentials;
    if (mutual === undefined)
      throw denied('the initiator wants mutual CHAP, the target has no secret for it');
    const identifier = parseNumber(keys.get('CHAP_I') ?? '');
    const challenge = parseBinary(keys.get('CHAP_C') ?? '');
    if (identifier === undefined || identifier > 255 || challenge === undefined) {
      throw denied('CHAP_I or CHAP_C is malformed');
    }
    // RFC 7143 12.1.3: a challenge of ours that comes back would have us answer it for the peer.
    if (challenge.length > LONGEST_CHALLENGE || challenge.equals(this.#challenge!.challenge)) {
      throw denied('CHAP_C is too long or our own');
    }
    return [
      { key: 'CHAP_N', value: mutual.user },
      { key: 'CHAP_R', value: formatBinary(chapResponse({ identifier, challenge }, mutual.secret)) },
    ];
  }
}
