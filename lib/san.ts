import type { Duplex } from 'node:stream';
import {
  checkMediumFiles,
  ConfigError,
  formatPortal,
  hint,
  keepingLuns,
  resolveAddition,
  resolveLibraryAddition,
  resolveOptions,
} from './config.ts';
import type {
  DiskOptions,
  LibraryOptions,
  ResolvedPortal,
  ResolvedSan,
  ResolvedTarget,
  SanOptions,
  TapeOptions,
} from './config/options.ts';
import type { CopyManagerOptions } from './copy-manager/copy-manager.ts';
import type { OwnPortals } from './copy-manager/cscd/resolve.ts';
import { Turns } from './copy-manager/turns.ts';
import { IsnsClient } from './iscsi/isns.ts';
import { type IscsiTarget, IscsiNode } from './iscsi/node.ts';
import { leadsTo } from './iscsi/own-portals.ts';
import { Portal } from './iscsi/portal.ts';
import { openLibrary } from './library-opener.ts';
import { type Log, silent } from './log.ts';
import { absentUnit } from './scsi-cmds/absent-unit.ts';
import { TargetDevice } from './scsi-cmds/target-device.ts';
import { changesOf, requireSameFrame } from './served/difference.ts';
import type { Library } from './served/library.ts';
import { type Lun, ServedTarget } from './served/target.ts';
import { parseSize, SIZE_FORMS } from './sizes.ts';
import { openUnit, REVISION } from './unit-opener.ts';

export type { Library, Lun };

export interface SanTarget {
  readonly iqn: string;
  readonly luns: readonly Lun[];
}

/** A unit that is added to what is served. */
export type AddedUnit =
  { readonly disk: DiskOptions } | { readonly tape: TapeOptions } | { readonly library: LibraryOptions };

/** Which target is meant, by its iSCSI name: the first one unless told. */
export interface AtTarget {
  readonly target?: string;
}

/** What a San is made of once it serves. */
interface Parts {
  readonly node: IscsiNode;
  readonly listening: readonly Portal[];
  readonly served: readonly ServedTarget[];
  /** As the node knows them. */
  readonly targets: readonly IscsiTarget[];
  readonly resolved: ResolvedSan;
}

/** JavaScript callers may have given anything. */
const withPortals = (options: SanOptions): SanOptions =>
  typeof options === 'object' && options !== null
    ? { ...options, portals: options.portals ?? ['127.0.0.1:0'] }
    : options;

/**
 * A SAN in this process: disks and tapes behind an iSCSI target, with a copy manager inside.
 *
 * ```ts
 * await using san = await San.start({ disks: [{ name: 'd0', memory: '64MiB' }], tapes: [{ name: 't0', memory: true }] });
 * console.log(san.url(0)); // iscsi://127.0.0.1:41234/iqn.2026-01.io.sanlet:san/0
 * ```
 */
export class San implements AsyncDisposable {
  /** Where it listens: `HOST:PORT`, the first portal. */
  readonly portal: string;
  readonly portals: readonly string[];
  /** Name of the first target. */
  readonly iqn: string;

  readonly #node: IscsiNode;
  readonly #listening: readonly Portal[];
  readonly #served: readonly ServedTarget[];
  readonly #targets: readonly IscsiTarget[];
  /** As it is now but for the targets, which know it themselves. */
  #resolved: ResolvedSan;
  /** The change under way, and those that wait for it. */
  #changing: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  readonly #isns: IsnsClient | undefined;

  private constructor(parts: Parts) {
    const { listening, served } = parts;
    this.#node = parts.node;
    this.#listening = listening;
    this.#served = served;
    this.#targets = parts.targets;
    this.#resolved = parts.resolved;
    this.iqn = parts.resolved.targets[0]!.iqn;
    this.portals = listening.map(portal => formatPortal(portal.endpoint));
    this.portal = this.portals[0]!;
    const { isns } = parts.resolved;
    const { log, portals } = parts.node;
    if (isns !== undefined) {
      this.#isns = new IsnsClient({ server: isns, targets: parts.targets, portals, log });
    }
  }

  /**
   * Opens the media and listens; on 127.0.0.1 and a free port unless `portals` says otherwise. Rejects with ConfigError
   * when an option is wrong, with an Error of one sentence when a file or an address cannot be had.
   */
  static async start(options: SanOptions): Promise<San> {
    const resolved = resolveOptions(withPortals(options));
    const log = options.log ?? silent;
    const served: ServedTarget[] = [];
    const listening: Portal[] = [];
    let node: IscsiNode | undefined;
    try {
      const turns = new Turns();
      for (const target of resolved.targets) {
        // The node comes to be after its targets; no copy is asked for before it.
        const portals: OwnPortals = portal => node !== undefined && leadsTo(node, target.iqn, portal);
        served.push(await serve(target, resolved.state, { turns, portals }, log));
      }
      const targets = served.map(iscsiTarget);
      node = new IscsiNode({
        log,
        targets,
        limits: resolved.limits,
        ...(resolved.discoveryChap === undefined ? {} : { discoveryChap: resolved.discoveryChap }),
        ...(resolved.advertise === undefined ? {} : { advertise: resolved.advertise }),
      });
      for (const portal of resolved.portals) listening.push(await listen(node, portal));
      return new San({ node, listening, served, targets, resolved });
    } catch (error) {
      await Promise.allSettled(listening.map(portal => portal.close()));
      await node?.stop();
      await Promise.allSettled(served.map(({ device }) => device.close()));
      throw error;
    }
  }

  /** What is served now. */
  get targets(): readonly SanTarget[] {
    return this.#served.map(({ device, luns }) => ({ iqn: device.name, luns }));
  }

  /** Logical units of the first target. */
  get luns(): readonly Lun[] {
    return this.#served[0]!.luns;
  }

  /** A library that is served, for what a person does at it. */
  library(name: string, at: AtTarget = {}): Library {
    const { libraries, device } = this.#target(at);
    const found = libraries.find(library => library.name === name);
    if (found !== undefined) return found;
    const known = libraries.map(library => library.name);
    const near = known.length === 0 ? '' : ` ${hint(name, known)}`;
    throw new ConfigError(
      ['library'],
      `there is no library ${JSON.stringify(name)} in ${device.name}${near}`,
    );
  }

  /** The URL of a LUN in libiscsi's form; of the first target unless another is named. */
  url(lun: number, iqn: string = this.iqn): string {
    return `iscsi://${this.portal}/${iqn}/${lun}`;
  }

  /** Serves an initiator at the other end of `duplex`, without a socket; it comes in by a portal group. */
  handle(duplex: Duplex, group = this.#node.portals[0]!.group): void {
    this.#node.handle(duplex, undefined, undefined, group);
  }

  /**
   * Adds a disk, a tape or a library while initiators are at work: `await san.add({ disk: { name: 'd1', memory: '1G' } })`;
   * of a library it resolves to the changer. Those who
   * see it are told by a unit attention (REPORTED LUNS DATA HAS CHANGED). Rejects with ConfigError when an option is wrong,
   * with an Error of one sentence when its file cannot be had.
   */
  add(unit: AddedUnit, at: AtTarget = {}): Promise<Lun> {
    return this.#change(async () => {
      const target = this.#target(at);
      const others = this.#served.filter(each => each !== target).map(each => each.resolved);
      if (typeof unit === 'object' && unit !== null && 'library' in unit) {
        const library = resolveLibraryAddition(unit.library, target.resolved, others);
        await target.addLibrary(library);
        return target.luns.find(({ lun }) => lun === library.changer.lun)!;
      }
      const resolved = resolveAddition(unit, target.resolved, others);
      await target.add(resolved);
      return target.luns.find(({ lun }) => lun === resolved.lun)!;
    });
  }

  /**
   * Takes a unit away and closes its medium. Commands under way end first, or with TASK ABORTED after five seconds; later
   * ones find nothing at the LUN. A unit that is put there again is a new one. With the changer of a library its drives go.
   */
  remove(lun: number, at: AtTarget = {}): Promise<void> {
    return this.#change(() => {
      const { target, name, library } = this.#unit(lun, at);
      if (library === undefined) return target.remove(name);
      if (library !== name) {
        const what = `LUN ${lun} is a drive of the library ${library}, and goes with its changer`;
        throw new ConfigError(['lun'], what);
      }
      return target.removeLibrary(name);
    });
  }

  /**
   * Gives a disk another size: `await san.resize(0, '2G')`, in whole blocks. What is new reads as zeros; what is cut off is
   * gone. Without a size, a file that was made larger or smaller by something else is looked at again. Initiators are told
   * (CAPACITY DATA HAS CHANGED). Resolves to the unit as it is then.
   */
  resize(lun: number, size?: string | number, at: AtTarget = {}): Promise<Lun> {
    return this.#change(async () => {
      const { target, name } = this.#unit(lun, at);
      const bytes = size === undefined ? undefined : parseSize(size);
      if (size !== undefined && (bytes === undefined || bytes === 0)) {
        throw new ConfigError(['size'], `${JSON.stringify(size)} is not ${SIZE_FORMS}`);
      }
      await target.resize(name, bytes);
      return target.luns.find(each => each.lun === lun)!;
    });
  }

  /** Write protects a unit, or with false lets it be written; writes under way end first. Initiators are told. */
  protect(lun: number, readOnly: boolean, at: AtTarget = {}): Promise<void> {
    return this.#change(async () => {
      const { target, name } = this.#unit(lun, at);
      if (typeof readOnly !== 'boolean') throw new ConfigError(['ro'], 'must be true or false');
      await target.protect(name, readOnly);
    });
  }

  /**
   * Makes of what is served what `options` say, and resolves to a line for each change: units added, removed, resized,
   * write protected; who may log in and what they see. A unit that is there already keeps its LUN when the options name
   * none. Rejects with ConfigError, and nothing has changed, when an option is wrong or cannot change while it is served.
   * A change that fails is told in the end, by one Error for all of them; the others are made.
   */
  apply(options: SanOptions): Promise<string[]> {
    return this.#change(() => this.#apply(options));
  }

  async #apply(options: SanOptions): Promise<string[]> {
    const now = { ...this.#resolved, targets: this.#served.map(({ resolved }) => resolved) };
    const next = resolveOptions(keepingLuns(withPortals(options), now));
    requireSameFrame(now, next);
    const plans = this.#served.map(target => {
      const wanted = next.targets.find(({ iqn }) => iqn === target.device.name)!;
      return { target, wanted, changes: changesOf(target.resolved, wanted) };
    });
    const opened = plans.map(({ wanted, changes }) => ({
      ...wanted,
      units: changes.flatMap(({ opens }) => opens ?? []),
      libraries: changes.flatMap(({ shelves }) => shelves ?? []),
    }));
    await checkMediumFiles({ ...next, targets: opened });
    const told: string[] = [];
    const failed: string[] = [];
    for (const { target, wanted, changes } of plans) {
      for (const change of changes) {
        try {
          const said = (await change.run(target)) ?? change.told;
          if (said !== '') told.push(this.#served.length > 1 ? `${target.device.name}: ${said}` : said);
        } catch (error) {
          failed.push((error as Error).message);
        }
      }
      target.frame = wanted;
      const iscsi = this.#targets.find(({ device }) => device === target.device)!;
      iscsi.redirect = wanted.redirect;
      this.#node.setRules(iscsi, wanted.access);
    }
    this.#node.discoveryChap = next.discoveryChap;
    this.#node.advertise = next.advertise;
    this.#node.setLimits(next.limits);
    this.#resolved = next;
    if (failed.length > 0) throw new Error([...failed, ...told].join('; '));
    return told;
  }

  /** One change at a time, in the order of asking; none once it stops. */
  #change<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changing.then(() => {
      if (this.#stopping !== undefined) throw new Error('the SAN has stopped');
      return work();
    });
    this.#changing = turn.catch(() => undefined);
    return turn;
  }

  #target({ target: iqn }: AtTarget): ServedTarget {
    if (iqn === undefined) return this.#served[0]!;
    const found = this.#served.find(({ device }) => device.name === iqn.toLowerCase());
    if (found !== undefined) return found;
    const known = this.#served.map(({ device }) => device.name);
    throw new ConfigError(['target'], `there is no target ${JSON.stringify(iqn)} ${hint(iqn, known)}`);
  }

  #unit(lun: number, at: AtTarget): { target: ServedTarget; name: string; library: string | undefined } {
    const target = this.#target(at);
    const unit = target.resolved.units.find(each => each.lun === lun);
    if (unit === undefined) throw new ConfigError(['lun'], `there is no LUN ${lun} in ${target.device.name}`);
    return { target, name: unit.name, library: unit.library };
  }

  /**
   * Ends sessions and copies, closes portals and media. Idempotent. With `graceMs` initiators are asked to log out first and
   * have so long to do it (RFC 7143 11.9.1).
   */
  stop({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #stop(graceMs: number): Promise<void> {
    const closed = this.#listening.map(portal => portal.close());
    // Together: a copy may wait behind a command of a session, and a session for its copy.
    await Promise.all([
      ...this.#served.map(({ copies }) => copies.stop()),
      this.#node.stop(graceMs),
      this.#isns?.stop(),
    ]);
    await Promise.all(closed);
    await this.#changing;
    await Promise.all(this.#served.map(({ device }) => device.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function serve(
  resolved: ResolvedTarget,
  state: string | undefined,
  copying: CopyManagerOptions,
  log: Log,
): Promise<ServedTarget> {
  const device = new TargetDevice(resolved.iqn, absentUnit(log));
  device.relativePorts = resolved.groups;
  return ServedTarget.open(
    device,
    resolved,
    {
      unit: unit => openUnit(unit, { iqn: resolved.iqn, state, log }),
      library: library => openLibrary(library, { iqn: resolved.iqn, state, revision: REVISION, log }),
    },
    copying,
  );
}

const iscsiTarget = ({ device, frame }: ServedTarget): IscsiTarget => ({
  device,
  rules: frame.access,
  groups: frame.groups,
  ...(frame.redirect === undefined ? {} : { redirect: frame.redirect }),
});

/** What a port that cannot be had is called. */
const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'listening there is not allowed',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up',
  EAFNOSUPPORT: 'this machine has no IPv6',
};

async function listen(node: IscsiNode, wanted: ResolvedPortal): Promise<Portal> {
  try {
    return await Portal.open(node, wanted);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new Error(`cannot listen on ${formatPortal(wanted)}: ${LISTEN_FAILURES[code] ?? message}`, {
      cause: error,
    });
  }
}
