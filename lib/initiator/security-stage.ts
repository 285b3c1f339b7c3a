import {
  CHAP_DIGESTS,
  type Challenge,
  type ChapDigest,
  chapMatches,
  chapResponse,
  LONGEST_CHALLENGE,
  newChallenge,
} from '../iscsi/login/chap.ts';
import { formatBinary, type Pair, parseBinary, parseNumber } from '../iscsi/login/text.ts';
import { LoginStatus, Stage } from '../iscsi/pdu/login.ts';
import { InitiatorError } from './initiator-error.ts';
import { loginRefused } from './login-status.ts';

export interface Credentials {
  readonly user: string;
  readonly secret: string;
}

/** What is sent next; `transit` asks for the stage that follows. */
export interface SecurityReply {
  readonly pairs: Pair[];
  readonly transit: number | undefined;
}

export interface SecurityOptions {
  readonly peer: string;
  readonly target: string | undefined;
  readonly credentials: Credentials | undefined;
  readonly mutual: Credentials | undefined;
  /** In the order of the offer; absent: all, the strongest first. */
  readonly digests?: readonly ChapDigest['name'][];
}

type Values = ReadonlyMap<string, string>;

const onward = (...pairs: Pair[]): SecurityReply => ({ pairs, transit: Stage.OPERATIONAL });

/** CHAP, RFC 7143 12.1.3: method, algorithm, challenge, response, and the same the other way where it is mutual. */
export class SecurityStage {
  readonly #options: SecurityOptions;
  readonly #digests: readonly ChapDigest[];
  /** What the next answer must hold. */
  #awaits: 'nothing' | 'method' | 'challenge' | 'proof' = 'nothing';
  #challenge: Challenge | undefined;
  #proved = false;

  constructor(options: SecurityOptions) {
    this.#options = options;
    this.#digests =
      options.digests?.map(name => CHAP_DIGESTS.find(digest => digest.name === name)!) ?? CHAP_DIGESTS;
  }

  open(): SecurityReply {
    const { credentials, mutual } = this.#options;
    if (credentials === undefined) return onward({ key: 'AuthMethod', value: 'None' });
    this.#awaits = 'method';
    const value = mutual === undefined ? 'CHAP,None' : 'CHAP';
    return { pairs: [{ key: 'AuthMethod', value }], transit: undefined };
  }

  /** Takes an answer of the target; what it gives back is sent unless the target goes on to the next stage. */
  take(values: Values): SecurityReply {
    if (this.#awaits === 'method') return this.#method(values.get('AuthMethod'));
    if (this.#awaits === 'challenge') return this.#respond(values);
    if (this.#awaits === 'proof') this.#verify(values);
    else if ((values.get('AuthMethod') ?? 'None') !== 'None') {
      throw loginRefused(LoginStatus.AUTHENTICATION_FAILURE, {
        ...this.#options,
        user: undefined,
        movedTo: undefined,
      });
    }
    return onward();
  }

  #method(method: string | undefined): SecurityReply {
    const { mutual, peer } = this.#options;
    if (method === 'None' && mutual === undefined) {
      this.#awaits = 'nothing';
      return onward();
    }
    if (method !== 'CHAP') {
      throw new InitiatorError(
        'authentication',
        `${peer} does not do CHAP (AuthMethod=${method ?? 'nothing'})`,
      );
    }
    this.#awaits = 'challenge';
    return {
      pairs: [{ key: 'CHAP_A', value: this.#digests.map(({ code }) => code).join(',') }],
      transit: undefined,
    };
  }

  #respond(values: Values): SecurityReply {
    const { credentials, mutual, peer } = this.#options;
    const identifier = parseNumber(values.get('CHAP_I') ?? '');
    const challenge = parseBinary(values.get('CHAP_C') ?? '');
    const digest = this.#digests.find(({ code }) => values.get('CHAP_A') === String(code));
    if (digest === undefined) {
      throw new InitiatorError('protocol', `${peer} answers CHAP_A with none of the algorithms offered`);
    }
    if (identifier === undefined || identifier > 255) {
      throw new InitiatorError('protocol', `${peer} sends a CHAP identifier that cannot be read`);
    }
    if (challenge === undefined || challenge.length > LONGEST_CHALLENGE) {
      throw new InitiatorError('protocol', `${peer} sends a CHAP challenge that cannot be read`);
    }
    this.#awaits = 'proof';
    const { user, secret } = credentials!;
    const pairs = [
      { key: 'CHAP_N', value: user },
      { key: 'CHAP_R', value: formatBinary(chapResponse({ digest, identifier, challenge }, secret)) },
    ];
    if (mutual === undefined) return onward(...pairs);
    this.#challenge = newChallenge(digest);
    return onward(
      ...pairs,
      { key: 'CHAP_I', value: String(this.#challenge.identifier) },
      { key: 'CHAP_C', value: formatBinary(this.#challenge.challenge) },
    );
  }

  #verify(values: Values): void {
    const { mutual } = this.#options;
    const proof = parseBinary(values.get('CHAP_R') ?? '');
    if (mutual === undefined || this.#challenge === undefined || proof === undefined) return;
    this.#proved = values.get('CHAP_N') === mutual.user && chapMatches(this.#challenge, mutual.secret, proof);
    this.#challenge = undefined; // one challenge, one try
  }

  /** Before the stage is left: mutual CHAP must have been done, and to our content. */
  requireProof(): void {
    const { mutual, peer } = this.#options;
    if (mutual === undefined || this.#proved) return;
    throw new InitiatorError(
      'authentication',
      `${peer} could not prove that it is ${mutual.user} (mutual CHAP failed)`,
    );
  }
}
