import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ChapDigest } from '../iscsi/login/chap.ts';
import { defaults, type Parameters } from '../iscsi/login/keys.ts';
import { InitiatorError } from './initiator-error.ts';
import type { Credentials } from './security-stage.ts';
import { Session } from './session.ts';

export interface PortalOptions {
  readonly host?: string;
  readonly port?: number;
  /** A connected stream instead of host and port. */
  readonly stream?: Duplex;
  readonly user?: string;
  readonly secret?: string;
  /** What the target must prove itself with. */
  readonly mutual?: Credentials;
  /** CHAP digests in the order of the offer. Default: all, the strongest first. */
  readonly chapDigests?: readonly ChapDigest['name'][];
  /** Offers CRC32C for both, or for one of them; the target decides. */
  readonly digests?: boolean | 'header' | 'data';
  readonly initiatorName?: string;
  /** Six bytes; random unless told, so that two processes never reinstate each other's session. */
  readonly isid?: Uint8Array;
  /** Connection and login together. Default 10 s. */
  readonly loginTimeoutMs?: number;
  /** For commands that name none. Default 60 s. */
  readonly commandTimeoutMs?: number;
  /** What is offered in the operational stage, where it is to differ. */
  readonly parameters?: Partial<Parameters>;
}

export interface LoginOptions extends PortalOptions {
  readonly target: string;
}

/** A target that SendTargets told of. */
export interface DiscoveredTarget {
  readonly name: string;
  /** `host:port,group` as told. */
  readonly addresses: readonly string[];
}

const DEFAULT_NAME = 'iqn.2026-01.io.sanlet:initiator';
const DEFAULT_PORT = 3260;

/** Offers of ours, where they are not the defaults of RFC 7143: few round trips for a copy, and bounded buffers. */
const OFFERS: Partial<Parameters> = {
  initialR2T: false,
  immediateData: true,
  maxRecvDataSegmentLength: 256 * 1024,
  maxBurstLength: 1024 * 1024,
  firstBurstLength: 256 * 1024,
  maxOutstandingR2T: 4,
  defaultTime2Retain: 0,
};

/** RFC 7143 11.12.5: type 10b, random. */
export function newIsid(): Buffer {
  const isid = randomBytes(6);
  isid[0] = 0x80;
  return isid;
}

function ourParameters({ digests = false, parameters }: PortalOptions): Parameters {
  return {
    ...defaults(),
    ...OFFERS,
    headerDigest: digests === true || digests === 'header',
    dataDigest: digests === true || digests === 'data',
    ...parameters,
  };
}

export const Initiator = {
  /** Connects and logs in to a target. Rejects with InitiatorError. */
  login(options: LoginOptions): Promise<Session> {
    return open(options, options.target);
  },

  /** Asks a portal for its targets in a discovery session (RFC 7143 4.3). */
  async discover(options: PortalOptions): Promise<DiscoveredTarget[]> {
    const session = await open(options, undefined);
    try {
      return targetsOf(await session.text([{ key: 'SendTargets', value: 'All' }]));
    } finally {
      await session.logout();
    }
  },
};

/** How often a login may be sent elsewhere; beyond it, targets point at each other. */
const MOST_REDIRECTIONS = 4;

/** Logs in where the login is sent (RFC 7143 11.13.5, status class 1), all within the one time limit. */
async function open(options: PortalOptions, target: string | undefined): Promise<Session> {
  const { loginTimeoutMs = 10_000 } = options;
  const until = Date.now() + loginTimeoutMs;
  let { host = '127.0.0.1', port = DEFAULT_PORT } = options;
  for (let redirections = 0; ; redirections++) {
    try {
      return await openAt({ ...options, host, port, loginTimeoutMs }, target, until);
    } catch (error) {
      const address = error instanceof InitiatorError ? error.movedTo : undefined;
      const to = address === undefined ? undefined : parseTargetAddress(address);
      if (to === undefined || options.stream !== undefined) throw error;
      if (redirections === MOST_REDIRECTIONS) {
        const message = `${target ?? 'discovery'} is sent on more than ${MOST_REDIRECTIONS} times, at last to ${address}`;
        throw new InitiatorError('login', message, { cause: error });
      }
      ({ host, port } = to);
    }
  }
}

/** RFC 7143 13.8: `domainname[:port][,portal-group-tag]`, an IPv6 address in brackets. */
export function parseTargetAddress(text: string): { host: string; port: number } | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:,[\]\s]+))(?::([0-9]{1,5}))?(?:,[0-9]{1,5})?$/.exec(text);
  if (parts === null) return undefined;
  const port = parts[3] === undefined ? DEFAULT_PORT : Number(parts[3]);
  return port >= 1 && port <= 65_535 ? { host: (parts[1] ?? parts[2])!, port } : undefined;
}

/** `until`: when the login must be over, which began `loginTimeoutMs` before. */
async function openAt(options: PortalOptions, target: string | undefined, until: number): Promise<Session> {
  const { host = '127.0.0.1', port = DEFAULT_PORT, user, secret, loginTimeoutMs = 10_000 } = options;
  const isid = options.isid ?? newIsid();
  if (isid.length !== 6) throw new InitiatorError('usage', 'an ISID has six bytes');
  if ((user === undefined) !== (secret === undefined)) {
    throw new InitiatorError('usage', 'CHAP needs a user and a secret');
  }
  if (options.mutual !== undefined && user === undefined) {
    throw new InitiatorError('usage', 'mutual CHAP needs a user and a secret of our own too');
  }
  // RFC 7143 9.2.1: otherwise whoever answers could have asked us for the answer.
  if (options.mutual !== undefined && options.mutual.secret === secret) {
    throw new InitiatorError('usage', 'the two directions of mutual CHAP have different secrets');
  }
  const peer =
    options.stream === undefined
      ? host.includes(':')
        ? `[${host}]:${port}`
        : `${host}:${port}`
      : 'the target';
  const left = (): number => Math.max(1, until - Date.now());
  const stream = options.stream ?? (await connected({ host, port }, peer, left(), loginTimeoutMs));
  return Session.login(stream, {
    initiatorName: options.initiatorName ?? DEFAULT_NAME,
    target,
    isid,
    tsih: 0,
    cid: 0,
    ours: ourParameters(options),
    credentials: user === undefined || secret === undefined ? undefined : { user, secret },
    mutual: options.mutual,
    ...(options.chapDigests === undefined ? {} : { digests: options.chapDigests }),
    peer,
    loginTimeoutMs,
    loginLeftMs: left(),
    commandTimeoutMs: options.commandTimeoutMs ?? 60_000,
  });
}

const CONNECT_SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'the host does not answer',
  ECONNRESET: 'the connection was reset',
};

function connected(
  to: { host: string; port: number },
  peer: string,
  leftMs: number,
  timeoutMs: number,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...to, noDelay: true });
    const failed = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new InitiatorError('connect', `cannot connect to ${peer}: ${why}`, { cause }));
    };
    const refused = (error: NodeJS.ErrnoException): void => {
      // Several addresses, several errors: the first one's code stands for them (net's autoSelectFamily).
      const code = error.code ?? '';
      failed(CONNECT_SENTENCES[code] ?? error.message, error);
    };
    const timer = setTimeout(() => failed(`no answer within ${timeoutMs / 1000} s`), leftMs);
    socket.once('error', refused);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', refused);
      resolve(socket);
    });
  });
}

/** RFC 7143 appendix C: addresses belong to the TargetName before them. */
function targetsOf(pairs: readonly { key: string; value: string }[]): DiscoveredTarget[] {
  const targets: { name: string; addresses: string[] }[] = [];
  for (const { key, value } of pairs) {
    if (key === 'TargetName') targets.push({ name: value, addresses: [] });
    else if (key === 'TargetAddress') targets.at(-1)?.addresses.push(value);
  }
  return targets;
}
