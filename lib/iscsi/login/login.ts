import { peerName } from '../../iscsi-name.ts';
import { type AccessRule, rulesFor } from '../access.ts';
import { formatAddress, serves } from '../address.ts';
import type { IscsiNode, IscsiTarget, Redirect } from '../node.ts';
import {
  BURST_BYTES,
  CONNECTIONS_A_SESSION,
  FIRST_BURST_BYTES,
  LOGIN_SEGMENT_BYTES,
  OUTSTANDING_R2T,
  RECEIVE_SEGMENT_BYTES,
  TIME_TO_RETAIN,
  TIME_TO_WAIT,
} from '../limits.ts';
import { LoginStatus, Stage, loginRequest } from '../pdu/login.ts';
import { Authentication } from './authentication.ts';
import { LoginFailure } from './failure.ts';
import { KEYS, type Parameters, TOLD_KEYS, defaults, isSecurityKey, negotiate } from './keys.ts';
import { type Pair, formatText, parseText } from './text.ts';

/** FirstBurstLength has its turn when MaxBurstLength, which bounds it, is settled (RFC 7143 13.14). */
const burstsLast = (pairs: readonly Pair[]): readonly Pair[] =>
  pairs.some(({ key }) => key === 'FirstBurstLength')
    ? [
        ...pairs.filter(({ key }) => key !== 'FirstBurstLength'),
        ...pairs.filter(({ key }) => key === 'FirstBurstLength'),
      ]
    : pairs;

const NO_TEXT: Buffer = Buffer.alloc(0);

/** What goes back for one request. */
export interface LoginReply {
  readonly text: Buffer;
  /** C: the text goes on in the next response. */
  readonly more: boolean;
  readonly transit: boolean;
  readonly currentStage: number;
  readonly nextStage: number;
}

/** What the target would have, before the initiator is asked (RFC 7143 13). */
const wishes = (): Parameters => ({
  ...defaults(),
  headerDigest: true,
  dataDigest: true,
  initialR2T: false,
  immediateData: true,
  maxRecvDataSegmentLength: RECEIVE_SEGMENT_BYTES,
  maxBurstLength: BURST_BYTES,
  firstBurstLength: FIRST_BURST_BYTES,
  maxOutstandingR2T: OUTSTANDING_R2T,
  maxConnections: CONNECTIONS_A_SESSION,
  defaultTime2Wait: TIME_TO_WAIT,
  defaultTime2Retain: TIME_TO_RETAIN,
  errorRecoveryLevel: 2,
});

/** RFC 7143 6.1: what a value that is told has at most. */
const LONGEST_TOLD_BYTES = 255;

const initiatorError = (why: string): LoginFailure => new LoginFailure(LoginStatus.INITIATOR_ERROR, why);

/** RFC 7143 13.8: in a redirection the address has no portal group tag. */
const moved = ({ to, permanent }: Redirect): LoginFailure =>
  new LoginFailure(
    permanent ? LoginStatus.MOVED_PERMANENTLY : LoginStatus.MOVED_TEMPORARILY,
    `moved to ${formatAddress(to)}`,
    [{ key: 'TargetAddress', value: formatAddress(to) }],
  );

/** The value of a key that comes once. */
function single(pairs: readonly Pair[], key: string): string | undefined {
  const found = pairs.filter(pair => pair.key === key);
  if (found.length > 1) throw initiatorError(`${key} is there twice`);
  return found[0]?.value;
}

/**
 * The login phase of one connection (RFC 7143 6.3): takes requests, gives replies or throws LoginFailure. Knows nothing
 * of sockets and sessions.
 */
export class Login {
  /** What has been negotiated so far. */
  readonly parameters = defaults();
  readonly isid = Buffer.alloc(6);
  tsih = 0;
  cid = 0;
  /** Of the connection that this one takes the place of (RFC 7143 11.12.9). */
  expStatSN = 0;
  initiatorName = '';
  discovery = false;
  target: IscsiTarget | undefined;
  stage: number = -1;
  done = false;

  /** Tag of the portal group that the connection came in by. */
  readonly portalGroup: number;

  readonly #node: IscsiNode;
  readonly #wishes = wishes();
  #authentication: Authentication | undefined;
  #requests = 0;
  #text: Buffer[] = [];
  #textBytes = 0;
  /** What is left of an answer that is longer than a PDU, and whether the stage is settled with it. */
  #rest = NO_TEXT;
  #ready = false;
  readonly #seen = new Set<string>();
  #declared = false;
  #told = false;

  constructor(node: IscsiNode, portalGroup: number) {
    this.#node = node;
    this.portalGroup = portalGroup;
  }

  request(header: Buffer, text: Buffer): LoginReply {
    if (++this.#requests > this.#node.limits.loginRequests) {
      throw initiatorError('too many login requests');
    }
    this.#checkHeader(header);
    this.#textBytes += text.length;
    if (this.#textBytes > this.#node.limits.textBytes) {
      throw initiatorError('login text too long');
    }
    if (text.length > 0) this.#text.push(Buffer.from(text));
    const stage = loginRequest.currentStage.get(header);
    const next = loginRequest.nextStage.get(header);
    if (loginRequest.continue.get(header)) {
      // RFC 7143 6.2: an empty reply asks for the rest.
      if (loginRequest.final.get(header)) {
        throw initiatorError('T and C are both set');
      }
      return { text: NO_TEXT, more: false, transit: false, currentStage: stage, nextStage: 0 };
    }
    const whole = Buffer.concat(this.#text);
    this.#text = [];
    this.#textBytes = 0;
    if (this.#rest.length === 0) this.#answerAll(stage, whole);
    else if (whole.length > 0) {
      throw initiatorError('keys before the end of our answer');
    }
    const piece = this.#rest.subarray(0, LOGIN_SEGMENT_BYTES);
    this.#rest = this.#rest.subarray(piece.length);
    if (this.#rest.length > 0) {
      return { text: piece, more: true, transit: false, currentStage: stage, nextStage: 0 };
    }
    const wants = loginRequest.final.get(header);
    if (wants && (next <= stage || (next !== Stage.OPERATIONAL && next !== Stage.FULL_FEATURE))) {
      throw initiatorError(`no way from stage ${stage} to ${next}`);
    }
    const transit = wants && this.#ready;
    this.stage = transit ? next : stage;
    this.done = transit && next === Stage.FULL_FEATURE;
    if (this.done) this.#settleBursts();
    return { text: piece, more: false, transit, currentStage: stage, nextStage: transit ? next : 0 };
  }

  /** Works on a whole text; the answer to it goes to `#rest`. */
  #answerAll(stage: number, text: Buffer): void {
    const pairs = parseText(text);
    if (pairs === undefined) throw initiatorError('text is not key=value');
    const answers: Pair[] = [];
    if (this.initiatorName === '') this.#leading(pairs);
    this.#tellPortalGroup(answers);
    this.#ready = this.#negotiate(stage, pairs, answers);
    this.#rest = formatText(answers);
  }

  #checkHeader(header: Buffer): void {
    // RFC 7143 11.12.4: version 0 is all there is.
    if (loginRequest.versionMin.get(header) > 0) {
      throw new LoginFailure(LoginStatus.UNSUPPORTED_VERSION, 'version not supported');
    }
    const stage = loginRequest.currentStage.get(header);
    if (stage !== Stage.SECURITY && stage !== Stage.OPERATIONAL) {
      throw initiatorError(`stage ${stage} is none of a login`);
    }
    if (this.stage === -1) {
      this.isid.set(loginRequest.isid.get(header));
      this.tsih = loginRequest.tsih.get(header);
      this.cid = loginRequest.cid.get(header);
      this.expStatSN = loginRequest.expStatSN.get(header);
      this.stage = stage;
    } else {
      // RFC 7143 6.3: what names the session stays, and so does the stage until both agree to leave it.
      if (
        !this.isid.equals(loginRequest.isid.get(header)) ||
        this.tsih !== loginRequest.tsih.get(header) ||
        this.cid !== loginRequest.cid.get(header)
      ) {
        throw new LoginFailure(LoginStatus.INVALID_REQUEST, 'ISID, TSIH or CID changed in mid login');
      }
      if (stage !== this.stage) {
        throw initiatorError(`stage ${stage} where ${this.stage} was agreed`);
      }
    }
  }

  /** The first request names both ends (RFC 7143 6.3.1). */
  #leading(pairs: readonly Pair[]): void {
    const initiator = single(pairs, 'InitiatorName');
    if (initiator === undefined) {
      throw new LoginFailure(LoginStatus.MISSING_PARAMETER, 'InitiatorName is missing');
    }
    const initiatorName = peerName(initiator);
    if (initiatorName === undefined) throw initiatorError('InitiatorName is no iSCSI name');
    this.initiatorName = initiatorName;
    const type = single(pairs, 'SessionType') ?? 'Normal';
    if (type !== 'Normal' && type !== 'Discovery') {
      throw new LoginFailure(
        LoginStatus.SESSION_TYPE_NOT_SUPPORTED,
        'SessionType is neither Normal nor Discovery',
      );
    }
    this.discovery = type === 'Discovery';
    if (this.discovery) this.#wishes.errorRecoveryLevel = 0; // RFC 7143 7.4.1
    const name = single(pairs, 'TargetName');
    if (this.discovery) {
      const { discoveryChap } = this.#node;
      this.#authentication = this.#authenticate([{ ...(discoveryChap && { chap: discoveryChap }) }]);
      return;
    }
    if (name === undefined) throw new LoginFailure(LoginStatus.MISSING_PARAMETER, 'TargetName is missing');
    const target = this.#node.find(name);
    if (target === undefined || !serves(target, this.portalGroup)) {
      const where = target === undefined ? '' : ` in portal group ${this.portalGroup}`;
      throw new LoginFailure(LoginStatus.NOT_FOUND, `no target ${name.slice(0, 223)}${where}`);
    }
    const rules = rulesFor(target, this.initiatorName);
    if (rules.length === 0) {
      throw new LoginFailure(LoginStatus.AUTHORIZATION_FAILURE, 'no rule of access fits the initiator');
    }
    const { redirect } = target;
    if (redirect?.groups.includes(this.portalGroup) === true) throw moved(redirect);
    this.target = target;
    this.#authentication = this.#authenticate(rules);
  }

  /** RFC 7143 13.9: the first reply after TargetName carries the tag. */
  #tellPortalGroup(answers: Pair[]): void {
    if (this.#told || this.target === undefined) return;
    this.#told = true;
    answers.push({ key: 'TargetPortalGroupTag', value: String(this.portalGroup) });
    if (this.target.alias !== undefined) answers.push({ key: 'TargetAlias', value: this.target.alias });
  }

  /** By one of these rules it comes in. */
  #authenticate(rules: readonly AccessRule[]): Authentication {
    const credentials = rules.flatMap(({ chap }) => chap ?? []);
    return new Authentication(credentials, credentials.length < rules.length, this.#node.sentChallenges);
  }

  /** CHAP_N of an initiator that has proved itself. */
  get user(): string | undefined {
    return this.#authentication?.user;
  }

  /** Answers every pair. True: we have nothing left to settle in this stage. */
  #negotiate(stage: number, pairs: readonly Pair[], answers: Pair[]): boolean {
    const authentication = this.#authentication!;
    const security = new Map<string, string>();
    for (const { key, value } of pairs) {
      if (!isSecurityKey(key)) continue;
      if (security.has(key)) throw initiatorError(`${key} is there twice`);
      security.set(key, value);
    }
    if (stage === Stage.SECURITY) answers.push(...authentication.step(security));
    else if (!authentication.passed) {
      throw new LoginFailure(LoginStatus.AUTHENTICATION_FAILURE, 'authentication was skipped');
    } else if (security.size > 0) throw initiatorError('security keys outside the security stage');
    for (const pair of burstsLast(pairs)) {
      const answer = this.#answer(pair, stage);
      if (answer !== undefined) answers.push({ key: pair.key, value: answer });
    }
    if (stage === Stage.OPERATIONAL && !this.#declared) {
      this.#declared = true;
      // A declaration that was refused has its answer: a key comes once in a text (RFC 7143 6.2).
      if (answers.some(({ key }) => key === 'MaxRecvDataSegmentLength')) return true;
      answers.push({
        key: 'MaxRecvDataSegmentLength',
        value: String(this.#wishes.maxRecvDataSegmentLength),
      });
    }
    return stage !== Stage.SECURITY || authentication.passed;
  }

  #answer({ key, value }: Pair, stage: number): string | undefined {
    if (isSecurityKey(key)) return undefined;
    // RFC 7143 6.3: a key is offered or told once.
    if (this.#seen.has(key)) throw initiatorError(`${key} was there before`);
    this.#seen.add(key);
    const told = TOLD_KEYS.get(key);
    if (told !== undefined) {
      if (told.use === 'FFPO') return 'Reject'; // it has its time later
      if (told.from === 'target') throw initiatorError(`${key} is the target's to tell`);
      if (Buffer.byteLength(value) > LONGEST_TOLD_BYTES) throw initiatorError(`${key} is too long`);
      return undefined;
    }
    const row = KEYS.get(key);
    // RFC 7143 6.2: keys of our own making, and those of the future, are answered so.
    if (row === undefined) return 'NotUnderstood';
    // RFC 7143 13: no operational key is an Any-Stage one.
    if (stage === Stage.SECURITY) throw initiatorError(`${key} in the security stage`);
    if (row.normalOnly === true && this.discovery) return 'Irrelevant';
    // RFC 7143 13: leading only, and this connection joins a session that has settled it.
    if (row.use === 'LO' && this.tsih !== 0) return 'Irrelevant';
    if (row.name === 'FirstBurstLength') {
      this.#wishes.firstBurstLength = Math.min(FIRST_BURST_BYTES, this.parameters.maxBurstLength);
    }
    return negotiate(row, value, this.#wishes, this.parameters);
  }

  /** RFC 7143 13.14: the first burst is no longer than a burst. */
  #settleBursts(): void {
    const p = this.parameters;
    // Nobody spoke of it, so the default holds on both sides; ours may be lower only when negotiated.
    p.firstBurstLength = Math.min(p.firstBurstLength, p.maxBurstLength);
  }
}
