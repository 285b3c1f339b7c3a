/** Copies beside copies, beside ordinary commands, and beside what ends them, on the wire (SPC-4 5.17.4, 5.17.4.6). */
import t, { type Test } from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { MAX_COPIES_OF_NEXUS } from '../../lib/copy-manager/limits.ts';
import { IscsiNode } from '../../lib/iscsi/node.ts';
import { TaskFunction } from '../../lib/iscsi/pdu/task-management.ts';
import { silent } from '../../lib/log.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import {
  cdb83,
  cdb83lid4,
  cdb84,
  cdb84lid4,
  dump,
  fill,
  list,
  list4,
  MIB,
  rig,
  segment,
  SlowDisk,
  TARGET,
} from '../harness/copying.ts';
import type { Initiator } from '../harness/initiator.ts';
import { pattern } from '../harness/random.ts';
import { logIn, until } from '../harness/rig.ts';

const BYTES = 8 * MIB;
const BLOCKS = BYTES / 512;

/** Two disks that can be held up, LUNs 0 and 1, and an initiator. */
const ground = async (t: Test) => {
  const disks = [
    new SlowDisk(memoryDisk({ bytes: BYTES })),
    new SlowDisk(memoryDisk({ bytes: BYTES })),
  ] as const;
  const image = pattern(BYTES, 5);
  await fill(disks[0].inner, image);
  const made = await rig({ disk: disks[0] }, { disk: disks[1] });
  const node = new IscsiNode({ targets: [{ device: made.device }], log: silent });
  t.teardown(() => node.stop());
  const peer = await logIn(t, node, { target: TARGET, luns: [0, 1] });
  const cscds = [made.name(0), made.name(1)];
  let open!: () => void;
  /** Reads of the first disk wait. */
  const shut = (): void => {
    const gate = new Promise<void>(resolve => {
      open = resolve;
    });
    disks[0].pace = () => gate;
  };
  return { ...made, node, disks, image, peer, cscds, shut, open: () => open() };
};
type Ground = Awaited<ReturnType<typeof ground>>;

const all = segment({ type: 2, from: 0, to: 1, blocks: BLOCKS - 1 });

/** Starts a copy of everything; its tag. */
function start(g: Ground, how: { id: number; background?: boolean; by?: Initiator }): number {
  const { id, background = false, by = g.peer } = how;
  const out = background
    ? list4(g.cscds, [all], { id, usage: 0, immediate: true })
    : list(g.cscds, [all], { id, usage: 0 });
  const cdb = background ? cdb83lid4(out.length) : cdb83(out.length);
  return by.start(0, cdb, { write: out, immediateBytes: out.length });
}

/** Status of the response with that tag, when it has come. */
const statusOf = (peer: Initiator, tag: number): number | undefined =>
  peer.pdus.find(pdu => pdu.num('initiatorTaskTag') === tag)?.num('status');

const underWay = ({ disks }: Ground): number => disks[0].underWay + disks[1].underWay;

const reserve = async (g: Ground, other: Initiator): Promise<void> => {
  const keys = (key: number, service: number): Buffer => {
    const out = Buffer.alloc(24);
    out.writeBigUInt64BE(BigInt(key));
    out.writeBigUInt64BE(BigInt(service), 8);
    return out;
  };
  await g.peer.command(0, '5f 00 00 00 00 00 00 00 18', { write: keys(0, 0xa) });
  await other.command(0, '5f 00 00 00 00 00 00 00 18', { write: keys(0, 0xb) });
  preempts = () =>
    other.start(0, '5f 05 05 00 00 00 00 00 18', { write: keys(0xb, 0xa), immediateBytes: 24 });
};
let preempts: () => number;

/** What ends a copy; gives a look at whether it has ended itself. */
interface Way {
  readonly name: string;
  readonly background?: true;
  end(g: Ground, tag: number, other: Initiator): Promise<() => boolean>;
}

const managed =
  (func: number, by: (g: Ground, other: Initiator) => Initiator, own = false) =>
  async (g: Ground, tag: number, other: Initiator): Promise<() => boolean> => {
    let over = false;
    const peer = by(g, other);
    const done = peer.manage(func, own ? { tag, refCmdSN: peer.cmdSN - 1 } : {});
    void done.then(response => {
      if (response !== 0) throw new Error(`response ${response}`);
      over = true;
    });
    return Promise.resolve(() => over);
  };
const self = (g: Ground): Initiator => g.peer;
const another = (_g: Ground, other: Initiator): Initiator => other;

const WAYS: readonly Way[] = [
  { name: 'ABORT TASK', end: managed(TaskFunction.ABORT_TASK, self, true) },
  { name: 'ABORT TASK SET', end: managed(TaskFunction.ABORT_TASK_SET, self) },
  { name: 'CLEAR TASK SET by another', end: managed(TaskFunction.CLEAR_TASK_SET, another) },
  { name: 'LOGICAL UNIT RESET by another', end: managed(TaskFunction.LOGICAL_UNIT_RESET, another) },
  ...[false, true].map((background): Way => ({
    name: `COPY OPERATION ABORT of a copy in the ${background ? 'background' : 'foreground'}`,
    ...(background ? { background } : {}),
    end: g => {
      const tag = g.peer.start(0, cdb84lid4(0x1c, 5, 0, 0x83));
      return Promise.resolve(() => statusOf(g.peer, tag) === 0);
    },
  })),
  {
    name: 'LOGICAL UNIT RESET and a copy in the background',
    background: true,
    end: managed(TaskFunction.LOGICAL_UNIT_RESET, another),
  },
  ...[false, true].map((background): Way => ({
    name: `PREEMPT AND ABORT and a copy in the ${background ? 'background' : 'foreground'}`,
    ...(background ? { background } : {}),
    end: (_g, _tag, other) => {
      const tag = preempts();
      return Promise.resolve(() => statusOf(other, tag) === 0);
    },
  })),
];

void t.test('SPC-4 5.17.4.6: what aborts an EXTENDED COPY ends when the I/O of the copy has', async t => {
  for (const way of WAYS) {
    const { name, background = false } = way;
    await t.test(name, async t => {
      const g = await ground(t);
      const other = await logIn(t, g.node, {
        target: TARGET,
        initiator: 'iqn.2026-01.test:other',
        luns: [0, 1],
      });
      await reserve(g, other);
      g.shut();
      const tag = start(g, { id: 5, background });
      t.ok(await until(() => g.disks[0].underWay > 0), 'it is at work');
      const over = await way.end(g, tag, other);
      await new Promise(resolve => setTimeout(resolve, 20));
      t.notOk(over(), 'its reads are under way');
      g.open();
      let between = 0;
      t.ok(
        await until(() => {
          if (!over()) between = underWay(g);
          return over();
        }),
        'it ends',
      );
      t.equal(underWay(g), 0, `and nothing is under way then (${between} before)`);
      const { length } = g.disks[1].writes;
      await new Promise(resolve => setTimeout(resolve, 20));
      t.equal(g.disks[1].writes.length, length, 'nothing is written after it');
      t.equal(g.manager.running, 0);
    });
  }
});

void t.test(
  'SPC-4 5.17.4: copies to and fro, and ordinary commands beside them, all come to their end',
  async t => {
    const g = await ground(t);
    const half = BLOCKS / 2;
    const tags: number[] = [];
    for (let i = 0; i < MAX_COPIES_OF_NEXUS; i++) {
      const forth = i % 2 === 0;
      const piece = (half / MAX_COPIES_OF_NEXUS) * 2;
      const lba = (forth ? 0 : half) + Math.floor(i / 2) * piece;
      const way = segment({
        type: 2,
        from: forth ? 0 : 1,
        to: forth ? 1 : 0,
        blocks: piece,
        lba,
        toLba: lba,
      });
      const out = list(g.cscds, [way], { id: i, usage: 0 });
      tags.push(g.peer.start(0, cdb83(out.length), { write: out, immediateBytes: out.length }));
    }
    const other = await logIn(t, g.node, {
      target: TARGET,
      initiator: 'iqn.2026-01.test:other',
      luns: [0, 1],
    });
    for (let i = 0; i < 50; i++) {
      t.equal((await other.command(i % 2, '28 00 00 00 00 00 00 00 08 00', { read: 4096 })).status, 0);
    }
    t.ok(await until(() => tags.every(tag => statusOf(g.peer, tag) !== undefined), 20_000), 'no deadlock');
    t.same([...new Set(tags.map(tag => statusOf(g.peer, tag)))], [0]);
    t.ok((await dump(g.disks[1].inner, half * 512)).equals(g.image.subarray(0, half * 512)));
  },
);

void t.test('SPC-4 5.17.4: several copies go on side by side', async t => {
  const g = await ground(t);
  const ids = [1, 2, 3, 4];
  for (const id of ids) {
    const out = list4(
      g.cscds,
      Array.from({ length: 8 }, () => all),
      { id, usage: 0, immediate: true },
    );
    g.peer.start(0, cdb83lid4(out.length), { write: out, immediateBytes: out.length });
  }
  t.ok(await until(() => g.manager.running === ids.length));
  let apart = 0;
  while (g.manager.running === ids.length) {
    const written = [...g.manager.operations.running].map(operation => operation.transferredBytes);
    apart = Math.max(apart, Math.max(...written) - Math.min(...written));
    await new Promise(resolve => setImmediate(resolve));
  }
  t.ok(apart < 2 * BYTES, `never more than ${apart} of ${8 * BYTES} bytes apart`);
  t.ok(await until(() => g.manager.running === 0, 10_000), 'and the last one ends as well');
});

void t.test('SPC-4 5.17.4.2: list identifiers are one space for both formats of EXTENDED COPY', async t => {
  const g = await ground(t);
  g.shut();
  const refused = async (out: Buffer, lid4: boolean): Promise<string> =>
    (await g.peer.command(0, lid4 ? cdb83lid4(out.length) : cdb83(out.length), { write: out })).said;
  for (const background of [false, true]) {
    const tag = start(g, { id: 0xfd, background });
    t.ok(await until(() => g.disks[0].underWay > 0));
    t.equal(await refused(list(g.cscds, [], { id: 0xfd }), false), background ? '5/2600' : '5/0016');
    t.equal(await refused(list4(g.cscds, [], { id: 0xfd }), true), background ? '5/0016' : '5/2600');
    const other = await logIn(t, g.node, {
      target: TARGET,
      initiator: `iqn.2026-01.test:o${background}`,
      luns: [0, 1],
    });
    const out = list(g.cscds, [], { id: 0xfd });
    t.equal(
      (await other.command(0, cdb83(out.length), { write: out })).status,
      0,
      'another nexus has its own',
    );
    g.open();
    t.ok(await until(() => statusOf(g.peer, tag) !== undefined && g.manager.running === 0, 10_000));
    t.equal(await refused(list(g.cscds, [], { id: 0xfd }), false), '', 'free again');
    g.shut();
  }
  g.open();
});

void t.test(
  'SPC-4 5.17.4: RECEIVE COPY STATUS(LID1) is answered beside the copy, and BUSY when there is no room',
  async t => {
    const g = await ground(t);
    g.shut();
    for (let id = 1; id <= MAX_COPIES_OF_NEXUS; id++) start(g, { id });
    t.ok(await until(() => g.manager.running === MAX_COPIES_OF_NEXUS));
    const { data } = await g.peer.command(0, cdb84(0, 3), { read: 12 });
    t.equal(data[4], 0, 'in progress');
    const out = list(g.cscds, [], { id: 99 });
    t.equal((await g.peer.command(0, cdb83(out.length), { write: out })).status, Status.BUSY);
    g.open();
    t.ok(await until(() => g.manager.running === 0, 10_000));
    // Results that nobody has fetched take no room.
    t.equal((await g.peer.command(0, cdb83(out.length), { write: out })).status, 0);
  },
);
