/** Targets for the iSCSI tests: a whole San, or a node of which the test sees the inside. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { BlockBackend } from '../../lib/backends/block-backend.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import type { SanOptions } from '../../lib/config/options.ts';
import { IscsiNode, type IscsiNodeOptions } from '../../lib/iscsi/node.ts';
import type { Log } from '../../lib/log.ts';
import { San } from '../../lib/san.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { tape } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Faults, duplexPair } from './duplex.ts';
import { Initiator, type LoginOptions } from './initiator.ts';

/** The part of a tap test that is used here. */
interface Test {
  teardown(after: () => unknown): void;
}

export const TARGET = 'iqn.2026-01.io.sanlet:test';

/** Collects what must not be logged. */
export function recorder(): { log: Log; errors: string[] } {
  const errors: string[] = [];
  const nothing = (): void => {};
  return {
    errors,
    log: {
      error: (facts, message) => {
        const { err } = facts as { err?: unknown };
        errors.push(
          `${message}: ${err instanceof Error ? (err.stack ?? err.message) : JSON.stringify(facts)}`,
        );
      },
      warn: nothing,
      info: nothing,
      debug: nothing,
    },
  };
}

/** A San that ends with the test, which fails if it logged an error. */
export async function startSan(t: Test, options: SanOptions): Promise<San> {
  const { log, errors } = recorder();
  const san = await San.start({ iqn: TARGET, ...options, log });
  t.teardown(async () => {
    await san.stop();
    nothingOf(errors, 'the target logged');
  });
  return san;
}

/** For teardowns, where a tap test takes no assertion any more: what is thrown there fails the test. */
function nothingOf(found: readonly unknown[], what: string): void {
  if (found.length > 0) throw new Error(`${what}: ${JSON.stringify(found)}`);
}

export interface Handles {
  handle(duplex: ReturnType<typeof duplexPair>[1]): void;
}

/** The portals of one group of a San. */
export const inGroup = (san: San, group: number): Handles => ({
  handle: duplex => san.handle(duplex, group),
});

/** An initiator on a new connection, not logged in. */
export function connect(t: Test, to: Handles, faults: Faults = {}, back: Faults = {}): Initiator {
  const [ours, theirs] = duplexPair(faults, back);
  to.handle(theirs);
  const peer = new Initiator(ours);
  t.teardown(() => {
    ours.destroy();
    nothingOf(peer.violations, 'the target broke the rules of numbering');
  });
  return peer;
}

/** An initiator that is logged in and has met the unit attentions of `luns`. */
export async function logIn(
  t: Test,
  to: Handles,
  options: LoginOptions & { luns?: readonly number[] } = {},
): Promise<Initiator> {
  const peer = await connect(t, to).login({ target: TARGET, ...options });
  return peer.clear(...(options.luns ?? [0]));
}

/** A medium whose reads and writes wait while it is shut. */
export class Gate {
  shut = false;
  #waiting: (() => void)[] = [];
  readonly backend: BlockBackend;

  constructor(inner: BlockBackend) {
    const pass = async (): Promise<void> => {
      if (this.shut) await new Promise<void>(resolve => this.#waiting.push(resolve));
    };
    this.backend = {
      bytes: inner.bytes,
      blockSize: inner.blockSize,
      readOnly: inner.readOnly,
      get mappedBytes() {
        return inner.mappedBytes;
      },
      read: async (into, offset) => {
        await pass();
        await inner.read(into, offset);
      },
      write: async (from, offset) => {
        await pass();
        await inner.write(from, offset);
      },
      flush: () => inner.flush(),
      unmap: (offset, length) => inner.unmap(offset, length),
      extent: (offset, length) => inner.extent(offset, length),
      close: () => inner.close(),
    };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  open(): void {
    this.shut = false;
    for (const go of this.#waiting.splice(0)) go();
  }
}

/** A node with a disk in memory at LUN 0, a gated one at LUN 1 and a tape at LUN 2. */
export function startNode(
  t: Test,
  options: Partial<IscsiNodeOptions> & { diskBytes?: number } = {},
): { node: IscsiNode; device: TargetDevice; gate: Gate; errors: string[] } {
  const { log, errors } = recorder();
  const device = new TargetDevice(TARGET, absentUnit(log));
  const identity = (name: string): ReturnType<typeof identify> =>
    identify(TARGET, name, { product: 'test', revision: '0.1' });
  const bytes = options.diskBytes ?? 64 << 20;
  const gate = new Gate(memoryDisk({ bytes, blockSize: 512 }));
  device.add(0, disk({ identity: identity('d0'), backend: memoryDisk({ bytes, blockSize: 512 }), log }));
  device.add(1, disk({ identity: identity('d1'), backend: gate.backend, log }));
  device.add(2, tape({ identity: identity('t0'), medium: memoryCartridge({}), log }));
  const node = new IscsiNode({ targets: [{ device }], ...options, log });
  t.teardown(async () => {
    gate.open();
    await node.stop();
    await device.close();
    nothingOf(errors, 'the target logged');
    nothingOf([...device.nexuses], 'a nexus is left');
    nothingOf(
      device.units.flatMap(([, unit]) => [...unit.tasks]).map(task => task.tag),
      'a task is left',
    );
  });
  return { node, device, gate, errors };
}

export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve));
};

/** Waits until `holds` is true, for at most `ms`. */
export async function until(holds: () => boolean, ms = 5_000): Promise<boolean> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) return false;
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  return true;
}

let collect: (() => void) | undefined;
/** Collects garbage, so that what is still held shows. */
export async function garbage(): Promise<void> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  for (let i = 0; i < 4; i++) {
    await turns(3);
    collect();
  }
}

/** Takes the watch timer of the nodes to come into the test's hand, and its time. */
export function clock(t: Test): { watch: () => void; sleep: (ms: number) => void } {
  const real = globalThis.setInterval;
  const now = performance.now.bind(performance);
  const ticks: (() => void)[] = [];
  let skipped = 0;
  performance.now = () => now() + skipped;
  globalThis.setInterval = (tick: () => void) => {
    ticks.push(tick);
    return real(() => {}, 1e9);
  };
  t.teardown(() => {
    performance.now = now;
    globalThis.setInterval = real;
  });
  return {
    watch: () => ticks.forEach(tick => tick()),
    sleep: ms => {
      skipped += ms;
    },
  };
}
