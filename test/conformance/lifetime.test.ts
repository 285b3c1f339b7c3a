/** Connections that break, stall and misbehave: nothing is left behind, nobody else notices. */
import { connect as connectTcp } from 'node:net';
import t from 'tap';
import { LINGER_MS, LOGIN_TIMEOUT_MS, MOST_CONNECTIONS } from '../../lib/iscsi/limits.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import type { Faults } from '../harness/duplex.ts';
import { duplexPair } from '../harness/duplex.ts';
import { INITIATOR, Initiator, type Told, read10, write10 } from '../harness/initiator.ts';
import { NONE } from '../harness/peer.ts';
import { Random, SEED, pattern } from '../harness/random.ts';
import { TARGET, connect, garbage, logIn, startNode, startSan, turns, until } from '../harness/rig.ts';

const disks = [{ name: 'd0', memory: '64MiB' }];
const MIB = 1 << 20;

/** A little of everything: what a connection may be doing when it breaks. */
async function conversation(peer: Initiator): Promise<void> {
  await peer.loginStep(
    { transit: true, stage: 0, next: 1 },
    { InitiatorName: INITIATOR, TargetName: TARGET, AuthMethod: 'None' },
  );
  const keys = {
    InitialR2T: 'No',
    FirstBurstLength: '1024',
    MaxBurstLength: '1536',
    MaxOutstandingR2T: '2',
    HeaderDigest: 'CRC32C',
    DefaultTime2Retain: '0',
  };
  const reply = await peer.loginStep({ transit: true, stage: 1, next: 3 }, keys);
  peer.agreed = new Map([...Object.entries(keys), ...reply.pairs]);
  peer.headerDigest = true;
  await peer.clear(0, 1);
  await peer.command(0, write10(0, 8), {
    write: pattern(4096),
    segment: 512,
    unasked: { immediate: 512, more: 512 },
  });
  peer.start(1, read10(0, 8), { read: 4096 });
  await peer.command(0, read10(0, 8), { read: 4096 });
  await peer.ask({ SendTargets: '' }, { final: false });
  await peer.manage(5);
  await peer.settled();
  await peer.logout();
}

void t.test('a connection that breaks anywhere leaves no session, task, timer or buffer behind', async t => {
  const { node, device } = startNode(t);
  const kept: WeakRef<object>[] = [];
  let broken = 0;
  /** Runs the conversation until it breaks; true when it came to its end. */
  const run = async (faults: Faults, back: Faults): Promise<boolean> => {
    const [ours, theirs] = duplexPair(faults, back);
    kept.push(new WeakRef(theirs));
    node.handle(theirs);
    const peer = new Initiator(ours);
    let whole = true;
    try {
      await conversation(peer);
    } catch {
      whole = false;
      broken++;
    }
    ours.destroy();
    if (!(await until(() => device.nexuses.size === 0))) t.fail('a nexus is left');
    return whole;
  };
  t.ok(await run({}, {}), 'whole, it comes to its end');
  t.ok(await run({ endAfter: 1e6 }, {}));
  for (let bytes = 1, step = 1; ; bytes += step, step = 61) {
    if (await run({ endAfter: bytes }, {})) break;
  }
  for (let bytes = 1, step = 1; ; bytes += step, step = 151) {
    if (await run({}, { endAfter: bytes })) break;
  }
  t.ok(broken > 100, `${broken} breaks`);
  t.same(
    device.units.map(([, unit]) => unit.tasks.length),
    [0, 0, 0],
    'no task',
  );
  await new Promise(resolve => setTimeout(resolve, LINGER_MS + 100));
  await garbage();
  const left = kept.filter(ref => ref.deref() !== undefined).length;
  t.ok(left <= 2, `of ${kept.length} transports ${left} are still held`);
});

void t.test('a connection that breaks while the medium is at work', async t => {
  const { node, device, gate } = startNode(t);
  const peer = await logIn(t, node, { luns: [0, 1], keys: { ImmediateData: 'No' } });
  gate.shut = true;
  const data = pattern(512, 4);
  peer.start(1, read10(0, 8), { read: 4096 });
  const write = peer.start(1, write10(3, 1), { write: data });
  const r2t = await peer.nextOf(Opcode.R2T);
  peer.dataOut(1, write, r2t.num('targetTransferTag'), data, 0, 0, true);
  peer.start(0, write10(0, 128), { write: pattern(65536) });
  await until(() => gate.waiting === 2);
  peer.stream.destroy();
  await turns(10);
  t.equal(device.units[0]![1].tasks.length, 0, 'the write that waited for data is gone at once');
  t.equal(device.units[1]![1].tasks.length, 2, 'what the medium works on is not');
  t.equal(device.nexuses.size, 1, 'and its nexus waits for it');
  gate.open();
  t.ok(await until(() => device.nexuses.size === 0));
  t.equal(device.units[1]![1].tasks.length, 0);
  const again = await logIn(t, node, { luns: [0, 1] });
  t.same(
    (await again.command(1, read10(3, 1), { read: 512 })).data,
    data,
    'the write that had begun is whole',
  );
});

void t.test('bytes cut and late: everything still adds up', async t => {
  t.comment(`SANLET_SEED=${SEED}`);
  const random = new Random();
  const san = await startSan(t, { disks });
  for (const cut of [1, 7, 48, 1000, 70_000]) {
    const peer = connect(
      t,
      san,
      { cut, random, delayTurns: cut % 3 },
      { cut: cut * 2, random, delayTurns: cut % 2 },
    );
    await peer.login({
      target: TARGET,
      keys: {
        HeaderDigest: 'CRC32C',
        DataDigest: 'CRC32C',
        InitialR2T: 'No',
        MaxBurstLength: '16384',
        FirstBurstLength: '4096',
        MaxOutstandingR2T: '4',
      },
    });
    await peer.clear(0);
    const bytes = cut === 1 ? 4096 : 65536;
    for (let i = 0; i < 4; i++) {
      const data = pattern(bytes, i + cut);
      const lba = random.below(1000);
      t.equal((await peer.command(0, write10(lba, bytes / 512), { write: data })).status, 0);
      t.ok(
        (await peer.command(0, read10(lba, bytes / 512), { read: bytes })).data.equals(data),
        `cut ${cut}, ${i}`,
      );
    }
    peer.stream.destroy();
    await peer.ended;
  }
});

void t.test('RFC 7143 7.8: one byte that turns on its way does no harm', async t => {
  const random = new Random();
  const { node, device } = startNode(t);
  const keys = { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C', InitialR2T: 'No', FirstBurstLength: '2048' };
  const data = pattern(8192, 1);
  const outcomes = { written: 0, told: 0, dropped: 0 };
  for (let i = 0; i < 150; i++) {
    const [ours, theirs] = duplexPair({ corruptAt: 900 + random.below(9500) });
    node.handle(theirs);
    const peer = new Initiator(ours);
    try {
      await peer.login({ target: TARGET, keys, isid: '800000000077' });
      await peer.clear(0);
      const tag = peer.start(0, write10(0, 16), { write: data, immediateBytes: 1024, final: false });
      peer.sequence(0, tag, NONE, data, 1024, 2048, 512);
      const answers: Told[] = [];
      peer.finish(tag, 0, data, 1024).then(
        answer => {
          answers.push(answer);
        },
        () => {},
      );
      const over = (): boolean =>
        answers.length > 0 || peer.gone || peer.pdus.some(pdu => pdu.opcode === Opcode.REJECT);
      t.ok(await until(over), `an answer, a Reject or the end, seed ${SEED}, ${i}`);
      const [told] = answers;
      if (told === undefined) outcomes.dropped++;
      else if (told.status !== 0) outcomes.told++;
      else {
        outcomes.written++;
        const found = await peer.command(0, read10(0, 16), { read: 8192 }).catch(() => undefined);
        if (found !== undefined && !found.data.equals(data)) {
          t.fail(`another thing is on the disk, seed ${SEED}, ${i}`);
        }
      }
    } catch {
      outcomes.dropped++;
    }
    ours.destroy();
    await until(() => device.nexuses.size === 0);
  }
  t.equal(outcomes.written + outcomes.told + outcomes.dropped, 150, JSON.stringify(outcomes));
  t.ok(outcomes.dropped + outcomes.told > 0, 'some were hit');
});

void t.test('a peer that never reads', async t => {
  const { node } = startNode(t);
  const other = await logIn(t, node, { isid: '800000000002' });
  const memory = (): number => process.memoryUsage().arrayBuffers;

  await t.test('while it pings', async t => {
    const peer = await logIn(t, node, { keys: { MaxRecvDataSegmentLength: '1048576' } });
    peer.stream.pause();
    const ping = peer.bytes(
      Object.assign(Buffer.alloc(48), { 0: 0x40, 1: 0x80, 19: 9, 20: 0xff, 21: 0xff, 22: 0xff, 23: 0xff }),
      { data: pattern(MIB) },
    );
    const before = memory();
    let accepted = 0;
    for (let i = 0; i < 100; i++) {
      if (
        !(await Promise.race([
          new Promise<boolean>(resolve => peer.stream.write(ping, () => resolve(true))),
          turns(60).then(() => false),
        ]))
      )
        break;
      accepted++;
    }
    const grown = (memory() - before) >> 20;
    t.ok(accepted >= 3, `${accepted} pings of 1 MiB were taken`);
    t.ok(accepted < 20, 'and then no more');
    t.ok(grown < 40, `${grown} MiB are held`);
    t.equal((await other.command(0, '00')).status, 0, 'others are served');
    peer.stream.resume();
    const echoes = await until(() => peer.pdus.filter(pdu => pdu.opcode === Opcode.NOP_IN).length > accepted);
    t.ok(echoes, 'once it reads, it is served on');
    peer.stream.destroy();
    await peer.ended;
  });
  await t.test('while it pings without data', async t => {
    const peer = await logIn(t, node);
    peer.stream.pause();
    const ping = Object.assign(Buffer.alloc(48), {
      0: 0x40,
      1: 0x80,
      19: 9,
      20: 0xff,
      21: 0xff,
      22: 0xff,
      23: 0xff,
    });
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => ping));
    let accepted = 0;
    for (let i = 0; i < 200; i++) {
      if (
        !(await Promise.race([
          new Promise<boolean>(resolve => peer.stream.write(pings, () => resolve(true))),
          turns(60).then(() => false),
        ]))
      )
        break;
      accepted += 1000;
    }
    t.ok(accepted < 20_000, `${accepted} pings were taken`);
    peer.stream.resume();
    t.ok(await until(() => peer.pdus.filter(pdu => pdu.opcode === Opcode.NOP_IN).length >= accepted));
    peer.stream.destroy();
    await peer.ended;
  });
  await t.test('while it reads', async t => {
    const peer = await logIn(t, node, { keys: { MaxRecvDataSegmentLength: '262144' } });
    peer.stream.pause();
    const before = memory();
    for (let i = 0; i < 120; i++) peer.start(0, read10(0, 8192), { read: 4 * MIB });
    await turns(50);
    const grown = (memory() - before) >> 20;
    t.ok(grown < 160, `${grown} MiB are held for 480 MiB that were asked for`);
    t.equal((await other.command(0, '00')).status, 0, 'others are served');
    peer.stream.resume();
    const ended = (): number =>
      peer.pdus.filter(pdu => pdu.opcode === Opcode.DATA_IN && pdu.flag('hasStatus')).length;
    t.ok(await until(() => ended() === 120, 60_000), 'once it reads, all of it comes');
    peer.stream.destroy();
    await peer.ended;
  });
});

void t.test('a login that stops halfway is ended after its time', async t => {
  const { setTimeout: real } = globalThis;
  const due: (() => void)[] = [];
  globalThis.setTimeout = ((run: () => void, ms: number) => {
    const timer = real(ms === LOGIN_TIMEOUT_MS ? () => {} : run, ms);
    if (ms === LOGIN_TIMEOUT_MS) due.push(run);
    return timer;
  }) as typeof setTimeout;
  t.teardown(() => {
    globalThis.setTimeout = real;
  });
  const { node } = startNode(t);
  const silent = connect(t, node);
  const half = connect(t, node);
  half.stream.write(Buffer.alloc(20));
  const midway = connect(t, node);
  await midway.loginStep({ stage: 1 }, { InitiatorName: INITIATOR, TargetName: TARGET });
  const done = await logIn(t, node);
  t.equal(due.length, 4, 'each has its timer');
  for (const run of due) run();
  await Promise.all([silent.ended, half.ended, midway.ended]);
  t.notOk(done.gone, 'the one that is logged in stays');
  t.same(await done.settled(), []);
});

void t.test('1000 connects and drops over TCP', async t => {
  const san = await startSan(t, { disks });
  const [host, port] = san.portal.split(':') as [string, string];
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length;
  const before = sockets();
  const random = new Random();
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from(
        { length: 50 },
        () =>
          new Promise<void>(resolve => {
            const socket = connectTcp(Number(port), host);
            socket.on('error', () => {});
            socket.on('close', () => resolve());
            socket.on('connect', () => {
              const how = random.below(4);
              if (how === 0) socket.resetAndDestroy();
              else if (how === 1) socket.destroy();
              else if (how === 2) socket.write(random.bytes(100), () => socket.destroy());
              else socket.end(Buffer.alloc(48, 0x43));
            });
          }),
      ),
    );
  }
  t.ok(await until(() => sockets() <= before, 5_000), `${sockets()} sockets, ${before} before`);
  const peer = new Initiator(connectTcp(Number(port), host));
  await (await peer.login({ target: TARGET })).clear(0);
  t.equal((await peer.command(0, '00')).status, 0, 'and it still serves');
  peer.stream.destroy();
});

void t.test('the number of connections is bounded', async t => {
  const { node } = startNode(t);
  const ours = Array.from({ length: MOST_CONNECTIONS }, () => {
    const [one, other] = duplexPair();
    node.handle(other);
    return one;
  });
  const [more, refused] = duplexPair();
  node.handle(refused);
  t.ok(refused.destroyed, 'one more is refused');
  more.destroy();
  ours[0]!.destroy();
  await until(() => {
    const [one, other] = duplexPair();
    node.handle(other);
    if (other.destroyed) return false;
    ours.push(one);
    return true;
  });
  t.equal(ours.length, MOST_CONNECTIONS + 1, 'room again when one has gone');
  for (const each of ours) each.destroy();
  await turns(10);
});

void t.test('stop ends every connection, whatever it does', async t => {
  const { node, device, gate } = startNode(t);
  const idle = await logIn(t, node, { luns: [0, 1] });
  const busy = await logIn(t, node, { isid: '800000000002', luns: [0, 1] });
  const half = connect(t, node);
  await half.loginStep({ stage: 1 }, { InitiatorName: INITIATOR, TargetName: TARGET });
  busy.start(0, write10(0, 128), { write: pattern(65536) });
  gate.shut = true;
  busy.start(1, read10(0, 8), { read: 4096 });
  await until(() => gate.waiting === 1);
  let stopped = false;
  const stop = node.stop().then(() => {
    stopped = true;
  });
  await Promise.all([idle.ended, busy.ended, half.ended]);
  await turns(10);
  t.notOk(stopped, 'not before the medium is done');
  gate.open();
  await stop;
  t.equal(device.nexuses.size, 0);
  const [late, theirs] = duplexPair();
  node.handle(theirs);
  t.ok(theirs.destroyed, 'and takes none any more');
  late.destroy();
});
