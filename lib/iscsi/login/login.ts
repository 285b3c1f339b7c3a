import type { IscsiNode, IscsiTarget } from '../node.ts';
import {
  BURST_BYTES,
  FIRST_BURST_BYTES,
  LOGIN_SEGMENT_BYTES,
  MOST_LOGIN_REQUESTS,
  MOST_TEXT_BYTES,
  OUTSTANDING_R2T,
  RECEIVE_SEGMENT_BYTES,
} from '../limits.ts';
import { LoginStatus, Stage, loginRequest } from '../pdu/login.ts';
import { Authentication } from './authentication.ts';
import { LoginFailure } from './failure.ts';
import { KEYS, type Parameters, defaults, negotiate } from './keys.ts';
import { isIscsiName, matchesAny } from './names.ts';
import { type Pair, formatText, parseText } from './text.ts';

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
  defaultTime2Wait: 2,
  defaultTime2Retain: 0,
  errorRecoveryLevel: 0,
});

/** Keys of the security stage and the names, which are not negotiated (RFC 7143 13 and 12.1). */
const isSecurityKey = (key: string): boolean => key === 'AuthMethod' || key.startsWith('CHAP_');

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
  initiatorName = '';
  discovery = false;
  target: IscsiTarget | undefined;
  stage: number = -1;
  done = false;

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

  constructor(node: IscsiNode) {
    this.#node = node;
  }

  request(header: Buffer, text: Buffer): LoginReply {
    if (++this.#requests > MOST_LOGIN_REQUESTS) {
      throw new LoginFailure(LoginStatus.INITIATOR_ERROR, 'too many login requests');
    }
    this.#checkHeader(header);
    this.#textBytes += text.length;
    if (this.#textBytes > MOST_TEXT_BYTES) {
      throw new LoginFailure(LoginStatus.INITIATOR_ERROR, 'login text too long');
    }
    if (text.length > 0) this.#text.push(Buffer.from(text));
    const stage = loginRequest.currentStage.get(header);
    const next = loginRequest.nextStage.get(header);
    if (loginRequest.continue.get(header)) {
      // RFC 7143 6.2: an empty reply asks for the rest.
      if (loginRequest.final.get(header)) {
        throw new LoginFailure(LoginStatus.INITIATOR_ERROR, 'T and C are both set');
      }
      return { text: NO_TEXT, more: false, transit: false, currentStage: stage, nextStage: 0 };
    }
    const whole = Buffer.concat(this.#text);
    this.#text = [];
    this.#textBytes = 0;
    if (this.#rest.length === 0) this.#answerAll(stage, whole);
    else if (whole.length > 0) {
      throw new LoginFailure(LoginStatus.INITIATOR_ERROR, 'keys before the end of our answer');
    }
    const piece = this.#rest.subarray(0, LOGIN_SEGMENT_BYTES);
    this.#rest = this.#rest.subarray(piece.length);
    if (this.#rest.length > 0) {
      return { text: piece, more: true, transit: false, currentStage: stage, nextStage: 0 };
    }
    const wants = loginRequest.final.get(header);
    if (wants && (next <= stage || (next !== Stage.OPERATIONAL && next !== Stage.FULL_FEATURE))) {
      throw new LoginFailure(LoginStatus.INITIATOR_ERROR, `no way from stage ${stage} to ${next}`);
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
    if (pairs === undefined) throw new LoginFailure(LoginStatus.INITIATOR_ERROR, 'text is not key=value');
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
      throw new LoginFailure(LoginStatus.INITIATOR_ERROR, `stage ${stage} is none of a login`);
    }
    if (this.stage === -1) {
      this.isid.set(loginRequest.isid.get(header));
      this.tsih = loginRequest.tsih.get(header);
      this.cid = loginRequest.cid.get(header);
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
        throw new LoginFailure(LoginStatus.INITIATOR_ERROR, `stage ${stage} where ${this.stage} was agreed`);
      }
    }
  }

  /** The first request names both ends (RFC 7143 6.3.1). */
  #leading(pairs: readonly Pair[]): void {
    const value = (key: string): string | undefined => pairs.find(pair => pair.key === key)?.value;
    const initiator = value('InitiatorName');
    if (initiator === undefined) {
      throw new LoginFailure(LoginStatus.MISSING_PARAMETER, 'InitiatorName is missing');
    }
    if (!isIscsiName(initiator)) {
      throw new LoginFailure(LoginStatus.INITIATOR_ERROR, 'InitiatorName is no iSCSI name');
    }
    this.initiatorName = initiator.toLowerCase();
    const type = value('SessionType') ?? 'Normal';
    if (type !== 'Normal' && type !== 'Discovery') {
      throw new LoginFailure(
        LoginStatus.SESSION_TYPE_NOT_SUPPORTED,
        'SessionType is neither Normal nor Discovery',
      );
    }
    this.discovery = type === 'Discovery';
    const name = value('TargetName');
    if (this.discovery) {
      this.#authentication = new Authentication(this.#node.discoveryChap);
      return;
    }
    if (name === undefined) throw new LoginFailure(LoginStatus.MISSING_PARAMETER, 'TargetName is missing');
    const target = this.#node.find(name);
    if (target === undefined)
      throw new LoginFailure(LoginStatus.NOT_FOUND, `no target ${name.slice(0, 223)}`);
    if (target.initiators !== undefined && !matchesAny(target.initiators, this.initiatorName)) {
      throw new LoginFailure(LoginStatus.AUTHORIZATION_FAILURE, 'initiator is not on the list');
    }
    this.target = target;
    this.#authentication = new Authentication(target.chap);
  }

  /** RFC 7143 13.9: the first reply after TargetName carries the tag. */
  #tellPortalGroup(answers: Pair[]): void {
    if (this.#told || this.target === undefined) return;
    this.#told = true;
    answers.push({ key: 'TargetPortalGroupTag', value: String(this.#node.portalGroupTag) });
    if (this.target.alias !== undefined) answers.push({ key: 'TargetAlias', value: this.target.alias });
  }

  /** Answers every pair. True: we have nothing left to settle in this stage. */
  #negotiate(stage: number, pairs: readonly Pair[], answers: Pair[]): boolean {
    const authentication = this.#authentication!;
    if (stage === Stage.SECURITY) {
      const security = new Map(pairs.filter(({ key }) => isSecurityKey(key)).map(p => [p.key, p.value]));
      answers.push(...authentication.step(security));
    } else if (!authentication.passed) {
      throw new LoginFailure(LoginStatus.AUTHENTICATION_FAILURE, 'authentication was skipped');
    }
    for (const { key, value } of pairs) {
      const answer = this.#answer(key, value);
      if (answer !== undefined) answers.push({ key, value: answer });
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

  #answer(key: string, value: string): string | undefined {
    if (isSecurityKey(key)) return undefined;
    if (
      key === 'InitiatorName' ||
      key === 'TargetName' ||
      key === 'SessionType' ||
      key === 'InitiatorAlias'
    ) {
      return undefined;
    }
    // RFC 7143 6.3: a key is offered once.
    if (this.#seen.has(key)) throw new LoginFailure(LoginStatus.INITIATOR_ERROR, `${key} was offered twice`);
    this.#seen.add(key);
    const row = KEYS.get(key);
    // RFC 7143 6.2: keys of our own making, and those of the future, are answered so.
    if (row === undefined) return 'NotUnderstood';
    if (row.normalOnly === true && this.discovery) return 'Irrelevant';
    return negotiate(row, value, this.#wishes, this.parameters);
  }

  /** RFC 7143 13.14: the first burst is no longer than a burst. */
  #settleBursts(): void {
    const p = this.parameters;
    // Nobody spoke of it, so the default holds on both sides; ours may be lower only when negotiated.
    p.firstBurstLength = Math.min(p.firstBurstLength, p.maxBurstLength);
  }
}
