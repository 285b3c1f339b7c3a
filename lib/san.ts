import type { Duplex } from 'node:stream';
import { openDiskFile } from './backends/file.ts';
import { memoryDisk } from './backends/memory.ts';
import { openCartridgeFile } from './backends/tape/cartridge-file.ts';
import { memoryCartridge } from './backends/tape/cartridge-memory.ts';
import { openUnitState } from './backends/unit-state-file.ts';
import { formatPortal, resolveOptions } from './config.ts';
import type { ResolvedPortal, ResolvedTarget, ResolvedUnit, SanOptions } from './config/options.ts';
import { type CopyManager, addCopyManager } from './copy-manager/copy-manager.ts';
import { Turns } from './copy-manager/turns.ts';
import { type IscsiTarget, IscsiNode } from './iscsi/node.ts';
import { Portal } from './iscsi/portal.ts';
import { type Log, silent } from './log.ts';
import { absentUnit } from './scsi-cmds/absent-unit.ts';
import { identify } from './scsi-cmds/identity.ts';
import type { LogicalUnit } from './scsi-cmds/logical-unit.ts';
import { disk } from './scsi-cmds/sbc/disk-unit.ts';
import { tape } from './scsi-cmds/ssc/tape-unit.ts';
import { TargetDevice } from './scsi-cmds/target-device.ts';
import type { UnitState } from './state/unit-state.ts';
import { version } from './version.ts';

/** A logical unit as an initiator will find it. */
export interface Lun {
  readonly lun: number;
  readonly type: 'disk' | 'tape';
  readonly name: string;
  /** Size of a disk, capacity of a tape (0 for no limit). */
  readonly bytes: number;
  /** Logical block length of a disk, 0 for a tape. */
  readonly blockSize: number;
  /** NAA designator of VPD page 83h, in hexadecimal. */
  readonly naa: string;
}

export interface SanTarget {
  readonly iqn: string;
  readonly luns: readonly Lun[];
}

/** PRODUCT REVISION LEVEL has four characters (SPC-4 6.6.2). */
const REVISION = version.split('.').slice(0, 2).join('.').padEnd(4).slice(0, 4);

/** How a unit of each type comes to be: its medium and the unit over it. */
const OPENERS: Record<
  ResolvedUnit['type'],
  (
    unit: ResolvedUnit,
    iqn: string,
    state: string | undefined,
    log: Log,
  ) => Promise<{ unit: LogicalUnit; lun: Lun }>
> = {
  disk: async (resolved, iqn, state, log) => {
    const { path, bytes, blockSize, readOnly, removable, name } = resolved;
    const backend =
      path === undefined
        ? memoryDisk({ bytes: bytes!, blockSize, readOnly })
        : await openDiskFile({
            path,
            blockSize,
            readOnly,
            ...(bytes === undefined ? {} : { bytes }),
            ...(state === undefined ? {} : { stateDir: state }),
          });
    const identity = identify(iqn, name, { product: 'DISK', revision: REVISION });
    const unit = await unitOver(backend, resolved, iqn, state, kept =>
      disk({ identity, backend, removable, log, state: kept }),
    );
    return {
      unit,
      lun: lunOf(resolved, backend.bytes, identity.naa),
    };
  },
  tape: async (resolved, iqn, state, log) => {
    const { path, bytes, readOnly, name } = resolved;
    const capacity = bytes === undefined ? {} : { capacityBytes: bytes };
    const medium =
      path === undefined
        ? memoryCartridge({ ...capacity, readOnly })
        : await openCartridgeFile({
            path,
            readOnly,
            ...capacity,
            ...(state === undefined ? {} : { stateDir: state }),
          });
    const identity = identify(iqn, name, { product: 'TAPE', revision: REVISION });
    const unit = await unitOver(medium, resolved, iqn, state, kept =>
      tape({ identity, medium, log, state: kept }),
    );
    return {
      unit,
      lun: lunOf(resolved, medium.capacityBytes, identity.naa),
    };
  },
};

/** The unit over a medium with what it has kept. The medium is closed when that cannot be had or not be understood. */
async function unitOver(
  medium: { close(): void | Promise<void> },
  { name, path, readOnly }: ResolvedUnit,
  target: string,
  stateDir: string | undefined,
  make: (kept: UnitState | undefined) => LogicalUnit,
): Promise<LogicalUnit> {
  let kept: UnitState | undefined;
  try {
    kept = await openUnitState({ target, unit: name, path, readOnly, stateDir });
    return make(kept);
  } catch (error) {
    await kept?.close();
    await medium.close();
    throw error;
  }
}

const lunOf = ({ lun, type, name, blockSize }: ResolvedUnit, bytes: number, naa: Buffer): Lun => ({
  lun,
  type,
  name,
  bytes,
  blockSize,
  naa: naa.toString('hex'),
});

/** One target: its device, its units and its copy manager. */
interface Served {
  readonly device: TargetDevice;
  readonly copies: CopyManager;
  readonly described: SanTarget;
  readonly resolved: ResolvedTarget;
}

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
  readonly targets: readonly SanTarget[];

  readonly #node: IscsiNode;
  readonly #listening: readonly Portal[];
  readonly #served: readonly Served[];
  #stopping: Promise<void> | undefined;

  private constructor(node: IscsiNode, listening: readonly Portal[], served: readonly Served[]) {
    this.#node = node;
    this.#listening = listening;
    this.#served = served;
    this.targets = served.map(each => each.described);
    this.iqn = this.targets[0]!.iqn;
    this.portals = listening.map(portal => formatPortal(portal.endpoint));
    this.portal = this.portals[0]!;
  }

  /**
   * Opens the media and listens; on 127.0.0.1 and a free port unless `portals` says otherwise. Rejects with ConfigError
   * when an option is wrong, with an Error of one sentence when a file or an address cannot be had.
   */
  static async start(options: SanOptions): Promise<San> {
    const isGroup = typeof options === 'object' && options !== null; // JavaScript callers may have given anything
    const resolved = resolveOptions(
      isGroup ? { ...options, portals: options.portals ?? ['127.0.0.1:0'] } : options,
    );
    const log = options.log ?? silent;
    const served: Served[] = [];
    const listening: Portal[] = [];
    let node: IscsiNode | undefined;
    try {
      const turns = new Turns();
      for (const target of resolved.targets) served.push(await serve(target, resolved.state, turns, log));
      node = new IscsiNode({
        log,
        targets: served.map(iscsiTarget),
        ...(resolved.discoveryChap === undefined ? {} : { discoveryChap: resolved.discoveryChap }),
        ...(resolved.advertise === undefined ? {} : { advertise: resolved.advertise }),
      });
      for (const portal of resolved.portals) listening.push(await listen(node, portal));
      return new San(node, listening, served);
    } catch (error) {
      await Promise.allSettled(listening.map(portal => portal.close()));
      await node?.stop();
      await Promise.allSettled(served.map(({ device }) => device.close()));
      throw error;
    }
  }

  /** Logical units of the first target. */
  get luns(): readonly Lun[] {
    return this.targets[0]!.luns;
  }

  /** The URL of a LUN in libiscsi's form; of the first target unless another is named. */
  url(lun: number, iqn: string = this.iqn): string {
    return `iscsi://${this.portal}/${iqn}/${lun}`;
  }

  /** Serves an initiator at the other end of `duplex`, without a socket; it comes in by a portal group. */
  handle(duplex: Duplex, group = this.#node.portals[0]!.group): void {
    this.#node.handle(duplex, undefined, undefined, group);
  }

  /** Ends sessions and copies, closes portals and media. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const closed = this.#listening.map(portal => portal.close());
    // Together: a copy may wait behind a command of a session, and a session for its copy.
    await Promise.all([...this.#served.map(({ copies }) => copies.stop()), this.#node.stop()]);
    await Promise.all(closed);
    await Promise.all(this.#served.map(({ device }) => device.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

async function serve(
  resolved: ResolvedTarget,
  state: string | undefined,
  turns: Turns,
  log: Log,
): Promise<Served> {
  const device = new TargetDevice(resolved.iqn, absentUnit(log));
  device.relativePorts = resolved.groups;
  const luns: Lun[] = [];
  try {
    for (const each of resolved.units) {
      const { unit, lun } = await OPENERS[each.type](each, resolved.iqn, state, log);
      device.add(each.lun, unit);
      luns.push(lun);
    }
  } catch (error) {
    await device.close();
    throw error;
  }
  return {
    device,
    copies: addCopyManager(device, { turns }),
    described: { iqn: resolved.iqn, luns },
    resolved,
  };
}

const iscsiTarget = ({ device, resolved }: Served): IscsiTarget => ({
  device,
  rules: resolved.access,
  groups: resolved.groups,
  ...(resolved.redirect === undefined ? {} : { redirect: resolved.redirect }),
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
