import type { Duplex } from 'node:stream';
import type { Log } from '../log.ts';
import { normalName } from '../iscsi-name.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import { LunView } from '../scsi-cmds/lun-view.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { type AccessRule, NO_LUNS, admitted, ruleFor } from './access.ts';
import { tell } from './async-message.ts';
import { Connection, type Endpoint } from './connection.ts';
import { recoverSequences } from './data-out.ts';
import { ACKNOWLEDGE_MS, DATA_OUT_PATIENCE, LIMITS, type Limits, SEQUENCE_TIMEOUT_MS } from './limits.ts';
import type { ChapCredentials } from './login/authentication.ts';
import { SentChallenges } from './login/chap.ts';
import { LoginFailure } from './login/failure.ts';
import type { Login } from './login/login.ts';
import { ping } from './nop.ts';
import { PayloadBudget } from './payload-budget.ts';
import { NO_TAG } from './pdu/header.ts';
import { AsyncEvent } from './pdu/async-message.ts';
import { LoginStatus } from './pdu/login.ts';
import { Session } from './session.ts';

/** A target as the network sees it: its device and who may come in. */
export interface IscsiTarget {
  readonly device: TargetDevice;
  readonly alias?: string;
  /** The first one that fits holds for an initiator; none fits: it does not come in. Absent: all come in and see all. */
  rules?: readonly AccessRule[];
  /** Tags of the portal groups that serve it; absent: all. */
  readonly groups?: readonly number[];
  /** Where logins that come in by `groups` are sent instead. */
  redirect?: Redirect | undefined;
}

/** RFC 7143 11.13.5, status class 1. */
export interface Redirect {
  readonly to: Endpoint;
  readonly permanent: boolean;
  readonly groups: readonly number[];
}

/** A portal as SendTargets tells of it. */
export interface PortalAddress extends Endpoint {
  /** Portal group tag. */
  readonly group: number;
  /** What is told instead of host and port; port 0 stands for the portal's own. */
  readonly advertise?: Endpoint;
  /** The address that it listens at, in digits, where `host` is a name. */
  readonly bound?: string;
}

export interface IscsiNodeOptions {
  readonly targets: readonly IscsiTarget[];
  readonly log: Log;
  readonly discoveryChap?: ChapCredentials;
  /** What SendTargets answers instead of the portals. */
  readonly advertise?: Endpoint;
  readonly limits?: Partial<Limits>;
}

/** How often silence is looked for, and at least so often within it. */
const WATCH_MS = 5_000;
const LOOKS = 4;

/**
 * The network entity (RFC 7143 4.4): targets, sessions and connections. Any duplex stream becomes a connection by
 * `handle`; portals do it for sockets.
 */
export class IscsiNode {
  readonly targets: readonly IscsiTarget[];
  readonly log: Log;
  discoveryChap: ChapCredentials | undefined;
  advertise: Endpoint | undefined;
  #limits: Limits;
  readonly sentChallenges = new SentChallenges();
  /** Where it listens; filled in by the portals. */
  readonly portals: PortalAddress[] = [];

  readonly #connections = new Set<Connection>();
  /** Normal sessions by nexus: a login with the same names and ISID takes the place of the old one (RFC 7143 6.3.5). */
  readonly #byNexus = new Map<string, Session>();
  readonly #sessions = new Map<number, Session>();
  readonly #budget = new PayloadBudget();
  #lastTsih = 0;
  #stopped = false;
  #watch: NodeJS.Timeout;

  constructor(options: IscsiNodeOptions) {
    this.targets = options.targets;
    this.log = options.log;
    this.discoveryChap = options.discoveryChap;
    this.advertise = options.advertise;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#watch = this.#watching();
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** Other limits: what is there already may stay, what comes goes by them. */
  setLimits(limits: Partial<Limits>): void {
    this.#limits = { ...LIMITS, ...limits };
    clearInterval(this.#watch);
    this.#watch = this.#watching();
  }

  #watching(): NodeJS.Timeout {
    const { silenceMs, stuckMs, dataOutTimeoutMs } = this.#limits;
    const watchMs = Math.min(WATCH_MS, Math.min(silenceMs, stuckMs, dataOutTimeoutMs) / LOOKS);
    return setInterval(() => this.#look(), watchMs).unref();
  }

  find(name: string): IscsiTarget | undefined {
    const wanted = normalName(name);
    return this.targets.find(target => target.device.name === wanted);
  }

  /** Serves one initiator on `transport` until either end closes it; undefined when there are too many already. */
  handle(transport: Duplex, local?: Endpoint, peer = 'duplex', portalGroup = 1): Connection | undefined {
    const full =
      this.#connections.size >= this.limits.connections ||
      this.#halfOpen(peer) >= this.limits.connectionsBeforeLogin;
    if (this.#stopped || full) {
      this.log.warn({ peer }, 'connection refused: too many');
      transport.on('error', () => {});
      transport.destroy();
      return undefined;
    }
    const connection = new Connection(this, transport, local, peer, portalGroup);
    this.#connections.add(connection);
    return connection;
  }

  /** Connections from the address of `peer` that have not logged in. */
  #halfOpen(peer: string): number {
    const address = addressOf(peer);
    if (address === undefined) return 0;
    let count = 0;
    for (const connection of this.#connections) {
      if (connection.session === undefined && addressOf(connection.peer) === address) count++;
    }
    return count;
  }

  /**
   * The login is done but for its last response: its session comes to be, or takes one connection more. Throws
   * LoginFailure.
   */
  async openSession(login: Login, firstCmdSN: number): Promise<Session> {
    const device = login.target?.device;
    const isid = login.isid.toString('hex');
    const port = `0x${login.portalGroup.toString(16).padStart(4, '0')}`;
    const nexus = {
      id: `${login.initiatorName},i,0x${isid},${device?.name ?? 'discovery'},t,${port}`,
      initiatorName: login.initiatorName,
      isid,
      relativePort: login.portalGroup,
      ...(login.user === undefined ? {} : { user: login.user }),
      view: new LunView(),
    };
    if (login.tsih !== 0) return this.#joined(login, nexus);
    if (device !== undefined) {
      for (let old = this.#byNexus.get(nexus.id); old !== undefined; old = this.#byNexus.get(nexus.id)) {
        await this.#replace(old);
      }
    }
    if (this.#stopped) throw new LoginFailure(LoginStatus.SERVICE_UNAVAILABLE, 'stopping');
    this.#checkSessions(login.initiatorName);
    // By the rules of this moment: they may have changed since the login began.
    if (device !== undefined) nexus.view.map = admitted(login).luns;
    const session = new Session(this.#newTsih(), login.parameters, nexus, device, firstCmdSN, this.#budget);
    this.#sessions.set(session.tsih, session);
    if (device !== undefined) this.#byNexus.set(nexus.id, session);
    return session;
  }

  /**
   * Other rules for a target: logins from now on go by them, and sessions see at once what they would see if they logged
   * in now; that is nothing for those that would not come in.
   */
  setRules(target: IscsiTarget, rules: readonly AccessRule[]): void {
    target.rules = rules;
    for (const nexus of [...target.device.nexuses, ...target.device.departed]) {
      const rule = ruleFor(target, nexus.initiatorName, nexus.user);
      target.device.remap(nexus, rule === undefined ? NO_LUNS : rule.luns);
    }
  }

  #checkSessions(initiatorName: string): void {
    let count = 0;
    for (const { nexus } of this.#sessions.values()) if (nexus.initiatorName === initiatorName) count++;
    if (count >= this.limits.sessionsPerInitiator) {
      throw new LoginFailure(LoginStatus.OUT_OF_RESOURCES, 'too many sessions of this initiator');
    }
    if (this.#sessions.size >= this.limits.connections) this.#makeRoom();
  }

  /** There are no more sessions than connections may be: the oldest that waits for a connection to come back gives way. */
  #makeRoom(): void {
    for (const session of this.#sessions.values()) {
      if (!session.allegiances.waits || session.closing) continue;
      void this.closeSession(session);
      return;
    }
    throw new LoginFailure(LoginStatus.OUT_OF_RESOURCES, 'too many sessions');
  }

  /** The session that the login names, when it may have the connection (RFC 7143 6.3.1). */
  async #joined(login: Login, nexus: Nexus): Promise<Session> {
    const session = this.#sessions.get(login.tsih);
    // Another name, ISID or target has no session with this TSIH.
    if (session === undefined || session.closing || !sameButPort(session, nexus, login)) {
      throw new LoginFailure(LoginStatus.SESSION_DOES_NOT_EXIST, 'no such session');
    }
    if (session.nexus.relativePort !== nexus.relativePort) {
      // RFC 7143 4.4.1: a session spans the portals of one group.
      throw new LoginFailure(LoginStatus.CANNOT_INCLUDE_IN_SESSION, 'the session is in another portal group');
    }
    if (session.nexus.user !== login.user) {
      throw new LoginFailure(LoginStatus.AUTHORIZATION_FAILURE, 'another user than the session’s');
    }
    session.joining++; // until the login is done with, by `join` or `abandon`
    const old = session.connection(login.cid);
    if (old !== undefined) {
      // RFC 7143 6.3.4: connection reinstatement logs the old one out, at level 2 for recovery.
      old.removed = true;
      old.drop('connection reinstated');
      if (session.parameters.errorRecoveryLevel < 2) {
        await new Promise<void>(stopped => session.terminate(old, stopped));
      }
    }
    session.allegiances.remove(login.cid, login.expStatSN);
    return session;
  }

  /** The last response of the login is about to leave. Throws LoginFailure. */
  join(session: Session, connection: Connection): void {
    if (session.connections.size >= session.parameters.maxConnections) {
      throw new LoginFailure(
        LoginStatus.TOO_MANY_CONNECTIONS,
        `MaxConnections is ${session.parameters.maxConnections}`,
      );
    }
    if (session.connection(connection.cid) !== undefined) {
      throw new LoginFailure(LoginStatus.INVALID_REQUEST, 'two logins with one CID at once');
    }
    session.connections.add(connection);
    session.allegiances.joined();
  }

  /** A login ended just before it would have had the session. */
  abandon(session: Session): void {
    if (session.connections.size > 0 || session.joining > 0 || session.allegiances.waits) return;
    void this.closeSession(session);
  }

  /** Session reinstatement (RFC 7143 6.3.5): the old one ends first. */
  async #replace(session: Session): Promise<void> {
    const closed = this.closeSession(session);
    for (const connection of [...session.connections]) connection.drop('session reinstated');
    await closed;
  }

  #newTsih(): number {
    do this.#lastTsih = (this.#lastTsih % 0xffff) + 1;
    while (this.#sessions.has(this.#lastTsih));
    return this.#lastTsih;
  }

  /** Resolves when the session's tasks have stopped and its nexus is gone; never rejects. */
  async closeSession(session: Session): Promise<void> {
    try {
      await session.close();
    } catch (error) {
      this.log.error({ err: error, nexus: session.nexus.id }, 'closing a session');
    }
    this.#sessions.delete(session.tsih);
    if (this.#byNexus.get(session.nexus.id) === session) this.#byNexus.delete(session.nexus.id);
  }

  /** Its transport is gone: only now does it not count any more. */
  connectionClosed(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** It will take nothing more in. A session that has no other ends, now or when its time to come back is over. */
  connectionEnded(connection: Connection): void {
    const { session } = connection;
    if (session === undefined || !session.connections.delete(connection) || session.closing) return;
    const expired = (): void => void this.closeSession(session);
    if (session.allegiances.ended(connection, connection.loggedOut || this.#stopped, expired)) expired();
  }

  /** Every session of the target ends, after what is queued has left. */
  dropTarget(device: TargetDevice): void {
    for (const session of [...this.#sessions.values()]) {
      if (session.device !== device) continue;
      void this.closeSession(session);
      for (const connection of [...session.connections]) connection.end('target reset');
    }
  }

  /**
   * Asks the initiators of a target, or of all of them, to log out (RFC 7143 11.9.1, event 1), and drops those that have
   * not when `graceMs` is over, with a word (event 3). Resolves when their sessions are gone.
   */
  async requestLogout(graceMs: number, device?: TargetDevice): Promise<void> {
    const asked = [...this.#sessions.values()].filter(
      ({ connections, device: of }) =>
        connections.size > 0 && of !== undefined && (device === undefined || of === device),
    );
    const seconds = Math.min(0xffff, Math.ceil(graceMs / 1000));
    for (const { connections } of asked) {
      for (const connection of connections) tell(connection, AsyncEvent.LOGOUT_REQUEST, 0, 0, seconds);
    }
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>(resolve => {
      timer = setTimeout(resolve, graceMs);
    });
    const gone = asked.map(session => session.closed);
    await Promise.race([Promise.all(gone), over]);
    clearTimeout(timer);
    for (const session of asked) if (!session.closing) this.dropSession(session, 'it did not log out');
    await Promise.all(gone);
  }

  /** Ends a session with all its connections, after telling it (RFC 7143 11.9.1, event 3). It may log in again at once. */
  dropSession(session: Session, why: string): void {
    for (const connection of session.connections) tell(connection, AsyncEvent.DROP_ALL_CONNECTIONS);
    void this.closeSession(session);
    for (const connection of [...session.connections]) connection.end(why);
  }

  /**
   * Ends one connection; the session is told, by another one where it has one (RFC 7143 11.9.1, event 2), when it may log
   * in again and for how long its tasks are kept.
   */
  dropConnection(connection: Connection, why: string): void {
    const { session, cid } = connection;
    if (session === undefined || connection.ended) return;
    const { defaultTime2Wait, defaultTime2Retain } = session.parameters;
    const teller = [...session.connections].find(each => each !== connection) ?? connection;
    tell(teller, AsyncEvent.DROP_CONNECTION, cid, defaultTime2Wait, defaultTime2Retain);
    connection.end(why);
  }

  /** The sessions of a target. */
  *sessions(device: TargetDevice): Iterable<Session> {
    for (const session of this.#sessions.values()) if (session.device === device) yield session;
  }

  /** Half-open connections and writes whose data does not come. */
  #look(): void {
    const now = performance.now();
    const { silenceMs, stuckMs } = this.limits;
    for (const connection of [...this.#connections]) {
      const { session } = connection;
      if (session === undefined) continue;
      const stalled = this.#stalled(connection, now);
      const silentMs = now - connection.nowMs;
      const why = 'data of a write did not come';
      if (stalled && session.connections.size > 1) this.dropConnection(connection, why);
      else if (stalled) connection.drop(why);
      else if (connection.outbox.stuckMs(now) > stuckMs) connection.drop('the peer takes nothing');
      else if (silentMs > 2 * silenceMs) connection.drop('the peer fell silent');
      else if (connection.pingTag === NO_TAG && (silentMs > silenceMs || unacknowledged(connection, now)))
        ping(connection);
    }
  }

  /** A write of the connection's has waited too long. One that may have lost a PDU is asked for again before. */
  #stalled(connection: Connection, now: number): boolean {
    for (const task of [...connection.session!.pulling]) {
      if (task.connection !== connection) continue;
      const stillMs = now - task.movedAtMs;
      if (now - task.pullingSinceMs > DATA_OUT_PATIENCE * this.limits.dataOutTimeoutMs) return true;
      if (connection.kept === undefined) {
        if (stillMs > this.limits.dataOutTimeoutMs) return true;
      } else if (stillMs > SEQUENCE_TIMEOUT_MS) recoverSequences(task);
    }
    return false;
  }

  /** Ends every connection and session; with `graceMs` the initiators are asked to log out before, and have so long. */
  async stop(graceMs = 0): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#watch);
    if (graceMs > 0) await this.requestLogout(graceMs);
    for (const connection of [...this.#connections]) connection.drop('stopping');
    await Promise.all([...this.#sessions.values()].map(session => this.closeSession(session)));
  }
}

/** Whether a login comes from the initiator port of a session and goes to its target, by whichever portal group. */
const sameButPort = ({ nexus, device }: Session, { initiatorName, isid }: Nexus, login: Login): boolean =>
  nexus.initiatorName === initiatorName && nexus.isid === isid && device === login.target?.device;

/** A peer without its port; undefined for one that came by no socket. */
const addressOf = (peer: string): string | undefined => /^(.*):[0-9]+$/.exec(peer)?.[1];

/** What was sent last is not acknowledged: a NOP-In asks for it, and shows what StatSN there is (RFC 7143 11.19). */
const unacknowledged = ({ kept }: Connection, now: number): boolean =>
  kept?.sinceMs !== undefined && now - kept.sinceMs > ACKNOWLEDGE_MS;
