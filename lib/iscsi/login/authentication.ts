import { LoginStatus } from '../pdu/login.ts';
import {
  CHAP_DIGESTS,
  type Challenge,
  type ChapDigest,
  LONGEST_CHALLENGE,
  type SentChallenges,
  chapMatches,
  chapResponse,
} from './chap.ts';
import { LoginFailure } from './failure.ts';
import { type Pair, formatBinary, parseBinary, parseNumber } from './text.ts';

/** Who may log in, and with `mutual` who we say we are. */
export interface ChapCredentials {
  readonly user: string;
  readonly secret: string;
  readonly mutual?: { readonly user: string; readonly secret: string };
  /** The ones that may be used; absent: all. */
  readonly digests?: readonly ChapDigest['name'][];
}

/** RFC 7143 6.1: a text value, which a name is, has at most 255 bytes. */
const LONGEST_USER_BYTES = 255;

const denied = (why: string): LoginFailure => new LoginFailure(LoginStatus.AUTHENTICATION_FAILURE, why);

const allows = ({ digests }: ChapCredentials, { name }: ChapDigest): boolean =>
  digests === undefined || digests.includes(name);

/**
 * The security stage (RFC 7143 12.1): AuthMethod, then CHAP in three steps where it is asked for. Who proves to be one of
 * `credentials` comes in; with `open` also who proves nothing.
 */
export class Authentication {
  readonly #credentials: readonly ChapCredentials[];
  readonly #open: boolean;
  readonly #sent: SentChallenges;
  #step: 'method' | 'algorithm' | 'response' | 'done' = 'method';
  #challenge: Challenge | undefined;
  #user: string | undefined;

  constructor(credentials: readonly ChapCredentials[], open: boolean, sent: SentChallenges) {
    this.#credentials = credentials;
    this.#open = open;
    this.#sent = sent;
  }

  /** Nothing more is asked of the initiator. */
  get passed(): boolean {
    return this.#step === 'done' || (this.#step === 'method' && this.#open);
  }

  /** CHAP_N of an initiator that has proved itself. */
  get user(): string | undefined {
    return this.#user;
  }

  /** The answers to the security keys of one request; throws LoginFailure. */
  step(keys: ReadonlyMap<string, string>): Pair[] {
    switch (this.#step) {
      case 'method':
        return this.#method(keys);
      case 'algorithm':
        return this.#algorithm(keys);
      case 'response':
        return this.#response(keys);
      case 'done':
        if (keys.size > 0) throw denied('security keys after authentication');
        return [];
    }
  }

  #method(keys: ReadonlyMap<string, string>): Pair[] {
    const offered = keys.get('AuthMethod')?.split(',');
    if (keys.size > (offered === undefined ? 0 : 1)) throw denied('CHAP keys before AuthMethod');
    if (offered === undefined) return [];
    // RFC 7143 6.2: the first one of the initiator's list that we can do.
    const method = offered.find(each =>
      each === 'CHAP' ? this.#credentials.length > 0 : each === 'None' && this.#open,
    );
    if (method === undefined) {
      throw denied(
        this.#open
          ? 'the initiator wants to authenticate, the target has no secret'
          : 'the target wants CHAP, the initiator does not offer it',
      );
    }
    this.#step = method === 'CHAP' ? 'algorithm' : 'done';
    return [{ key: 'AuthMethod', value: method }];
  }

  #algorithm(keys: ReadonlyMap<string, string>): Pair[] {
    const offered = keys.get('CHAP_A')?.split(',');
    if (offered === undefined || keys.size > 1) throw denied('CHAP_A is missing or does not stand alone');
    // RFC 7143 6.2.1: the first of the initiator's list that is allowed.
    const digest = offered
      .map(each => CHAP_DIGESTS.find(({ code }) => code === parseNumber(each)))
      .find(known => known !== undefined && this.#credentials.some(each => allows(each, known)));
    if (digest === undefined) throw denied('no CHAP algorithm in common');
    this.#challenge = this.#sent.new(digest);
    this.#step = 'response';
    return [
      { key: 'CHAP_A', value: String(digest.code) },
      { key: 'CHAP_I', value: String(this.#challenge.identifier) },
      { key: 'CHAP_C', value: formatBinary(this.#challenge.challenge) },
    ];
  }

  #response(keys: ReadonlyMap<string, string>): Pair[] {
    const response = parseBinary(keys.get('CHAP_R') ?? '');
    const user = keys.get('CHAP_N');
    if (response === undefined || user === undefined) throw denied('CHAP_N or CHAP_R is missing');
    if (keys.has('CHAP_A') || keys.has('AuthMethod')) throw denied('what was settled is offered again');
    const sent = this.#challenge!;
    const known = this.#credentials.find(
      each =>
        each.user === user && Buffer.byteLength(user) <= LONGEST_USER_BYTES && allows(each, sent.digest),
    );
    // A secret is tried whatever the name is, so that time does not tell a right name.
    const right = chapMatches(sent, (known ?? this.#credentials[0]!).secret, response);
    if (known === undefined || !right) throw denied('CHAP name or secret is wrong');
    this.#step = 'done';
    this.#user = user;
    return keys.has('CHAP_I') || keys.has('CHAP_C') ? this.#prove(keys, sent.digest, known) : [];
  }

  /** The other direction, with the same digest (RFC 7143 12.1.3). */
  #prove(keys: ReadonlyMap<string, string>, digest: ChapDigest, { secret, mutual }: ChapCredentials): Pair[] {
    if (mutual === undefined)
      throw denied('the initiator wants mutual CHAP, the target has no secret for it');
    // RFC 7143 9.2.1: one secret for both directions would let either end play the other.
    if (mutual.secret === secret) throw denied('both directions have the same secret');
    const identifier = parseNumber(keys.get('CHAP_I') ?? '');
    const challenge = parseBinary(keys.get('CHAP_C') ?? '');
    if (identifier === undefined || identifier > 255 || challenge === undefined) {
      throw denied('CHAP_I or CHAP_C is malformed');
    }
    if (challenge.length > LONGEST_CHALLENGE || this.#sent.has(challenge)) {
      throw denied('CHAP_C is too long or our own');
    }
    return [
      { key: 'CHAP_N', value: mutual.user },
      { key: 'CHAP_R', value: formatBinary(chapResponse({ digest, identifier, challenge }, mutual.secret)) },
    ];
  }
}
