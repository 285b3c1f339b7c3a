import type { Duplex } from 'node:stream';
import type { Log } from '../log.ts';
import { normalName } from '../iscsi-name.ts';
import { LunView } from '../scsi-cmds/lun-view.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { type AccessRule, NO_LUNS, admitted, ruleFor } from './access.ts';
import { Connection, type Endpoint } from './connection.ts';
import { DATA_OUT_TIMEOUT_MS, MOST_CONNECTIONS, SILENCE_MS, STUCK_MS } from './limits.ts';
import type { ChapCredentials } from './login/authentication.ts';
import { SentChallenges } from './login/chap.ts';
import { LoginFailure } from './login/failure.ts';
import type { Login } from './login/login.ts';
import { ping } from './nop.ts';
import { PayloadBudget } from './payload-budget.ts';
import { NO_TAG } from './pdu/header.ts';
import { LoginStatus } from './pdu/login.ts';
import { Session } from './session.ts';

/** A target as the network sees it: its device and who may come in. */
export interface IscsiTarget {
  readonly device: TargetDevice;
  readonly alias?: string;
  /** The first one that fits holds for an initiator; none fits: it does not come in. Absent: all come in and see all. */
  rules?: readonly AccessRule[];
}

export interface IscsiNodeOptions {
  readonly targets: readonly IscsiTarget[];
  readonly log: Log;
  readonly discoveryChap?: ChapCredentials;
  /** What SendTargets answers instead of the portals. */
  readonly advertise?: Endpoint;
}

const WATCH_MS = 5_000;

/**
 * The network entity (RFC 7143 4.4): targets, sessions and connections. Any duplex stream becomes a connection by
 * `handle`; portals do it for sockets.
 */
export class IscsiNode {
  readonly targets: readonly IscsiTarget[];
  readonly log: Log;
  readonly discoveryChap: ChapCredentials | undefined;
  readonly advertise: Endpoint | undefined;
  /** All portals are one group (RFC 7143 4.4.1). */
  readonly portalGroupTag = 1;
  readonly sentChallenges = new SentChallenges();
  /** Where it listens; filled in by the portals. */
  readonly portals: Endpoint[] = [];

  readonly #connections = new Set<Connection>();
  /** Normal sessions by nexus: a login with the same names and ISID takes the place of the old one (RFC 7143 6.3.5). */
  readonly #byNexus = new Map<string, Session>();
  readonly #sessions = new Map<number, Session>();
  readonly #budget = new PayloadBudget();
  #lastTsih = 0;
  #stopped = false;
  readonly #watch: NodeJS.Timeout;

  constructor(options: IscsiNodeOptions) {
    this.targets = options.targets;
    this.log = options.log;
    this.discoveryChap = options.discoveryChap;
    this.advertise = options.advertise;
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
    this.#watch.unref();
  }

  find(name: string): IscsiTarget | undefined {
    const wanted = normalName(name);
    return this.targets.find(target => target.device.name === wanted);
  }

  /** Serves one initiator on `transport` until either end closes it; undefined when there are too many already. */
  handle(transport: Duplex, local?: Endpoint, peer = 'duplex'): Connection | undefined {
    if (this.#stopped || this.#connections.size >= MOST_CONNECTIONS) {
      this.log.warn({ peer }, 'connection refused: too many');
      transport.on('error', () => {});
      transport.destroy();
      return undefined;
    }
    const connection = new Connection(this, transport, local, peer);
    this.#connections.add(connection);
    return connection;
  }

  /** The login is done but for its last response: its session comes to be. Throws LoginFailure. */
  async openSession(login: Login, firstCmdSN: number): Promise<Session> {
    if (login.tsih !== 0) {
      // RFC 7143 6.3.1: a connection more for a session that is, or one that is not.
      const known = this.#sessions.has(login.tsih);
      throw new LoginFailure(
        known ? LoginStatus.TOO_MANY_CONNECTIONS : LoginStatus.SESSION_DOES_NOT_EXIST,
        known ? 'one connection a session' : 'no such session',
      );
    }
    const device = login.target?.device;
    const isid = login.isid.toString('hex');
    const port = `0x${this.portalGroupTag.toString(16).padStart(4, '0')}`;
    const nexus = {
      id: `${login.initiatorName},i,0x${isid},${device?.name ?? 'discovery'},t,${port}`,
      initiatorName: login.initiatorName,
      isid,
      relativePort: this.portalGroupTag,
      ...(login.user === undefined ? {} : { user: login.user }),
      view: new LunView(),
    };
    if (device !== undefined) {
      for (let old = this.#byNexus.get(nexus.id); old !== undefined; old = this.#byNexus.get(nexus.id)) {
        await this.#replace(old);
      }
    }
    if (this.#stopped) throw new LoginFailure(LoginStatus.SERVICE_UNAVAILABLE, 'stopping');
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
    for (const nexus of target.device.nexuses) {
      const rule = ruleFor(target, nexus.initiatorName, nexus.user);
      target.device.remap(nexus, rule === undefined ? NO_LUNS : rule.luns);
    }
  }

  /** Session reinstatement (RFC 7143 6.3.5): the old one ends first. */
  async #replace(session: Session): Promise<void> {
    for (const connection of [...session.connections]) connection.drop('session reinstated');
    await this.closeSession(session);
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

  /** It will take nothing more in. A session that has no other ends. */
  connectionEnded(connection: Connection): void {
    const { session } = connection;
    if (session === undefined) return;
    session.connections.delete(connection);
    if (session.connections.size === 0) void this.closeSession(session);
  }

  /** Every session of the target ends, after what is queued has left. */
  dropTarget(device: TargetDevice): void {
    for (const connection of [...this.#connections]) {
      if (connection.session?.device === device) connection.end('target reset');
    }
  }

  /** Half-open connections and writes whose data does not come. */
  #look(): void {
    const now = performance.now();
    for (const connection of [...this.#connections]) {
      const { session } = connection;
      if (session === undefined) continue;
      const stalled = [...session.pulling].some(task => now - task.movedAtMs > DATA_OUT_TIMEOUT_MS);
      const silentMs = now - connection.nowMs;
      if (stalled) connection.drop('data of a write did not come');
      else if (connection.outbox.stuckMs(now) > STUCK_MS) connection.drop('the peer takes nothing');
      else if (silentMs > 2 * SILENCE_MS) connection.drop('the peer fell silent');
      else if (silentMs > SILENCE_MS && connection.pingTag === NO_TAG) ping(connection);
    }
  }

  /** Ends every connection and session. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#watch);
    for (const connection of [...this.#connections]) connection.drop('stopping');
    await Promise.all([...this.#sessions.values()].map(session => this.closeSession(session)));
  }
}
