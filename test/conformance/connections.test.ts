/** Several connections in one session, by clause of RFC 7143. */
import t, { type Test } from 'tap';
import { CONNECTIONS_A_SESSION } from '../../lib/iscsi/limits.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import type { IscsiNode } from '../../lib/iscsi/node.ts';
import { type Initiator, read10, write10 } from '../harness/initiator.ts';
import type { Pdu } from '../harness/peer.ts';
import { pattern } from '../harness/random.ts';
import { TARGET, clock, connect, logIn, startNode, startSan, turns, until } from '../harness/rig.ts';

const TUR = '00';
const keys = { MaxConnections: '4', InitialR2T: 'No' };

/** A session with connections 0 to `count` - 1. */
async function several(
  t: Test,
  node: IscsiNode,
  count: number,
  more: Readonly<Record<string, string>> = {},
): Promise<Initiator[]> {
  const leader = await logIn(t, node, { keys: { ...keys, ...more }, luns: [0, 1] });
  const peers = [leader];
  for (let cid = 1; cid < count; cid++) peers.push(await connect(t, node).join(leader, cid));
  return peers;
}

async function stalled(
  peer: Initiator,
  lun = 0,
  blocks = 8,
): Promise<{ tag: number; r2t: Pdu; data: Buffer }> {
  const data = pattern(blocks * 512, blocks);
  const tag = peer.start(lun, write10(0, blocks), { write: data });
  const r2t = await peer.next(pdu => pdu.opcode === Opcode.R2T && pdu.num('initiatorTaskTag') === tag);
  return { tag, r2t, data };
}

const statusOf = (pdu: Pdu): string => pdu.num('status').toString(16).padStart(4, '0');

void t.test('RFC 7143 6.3.1 and 13.2: a connection joins a session', async t => {
  const { node, device } = startNode(t);
  const leader = await logIn(t, node, { keys: { ...keys, MaxConnections: '3' } });
  t.equal(leader.agreed.get('MaxConnections'), '3');
  const second = connect(t, node);
  await second.join(leader, 7, { keys: { HeaderDigest: 'CRC32C', MaxRecvDataSegmentLength: '512' } });
  t.equal(second.tsih, leader.tsih);
  t.equal(device.nexuses.size, 1, 'one session is one nexus');
  t.equal((await second.command(0, TUR)).status, 0, 'and no new unit attention');
  const data = pattern(4096);
  t.equal((await leader.command(0, write10(3, 8), { write: data })).status, 0);
  const read = await second.command(0, read10(3, 8), { read: 4096 });
  t.same(read.data, data);
  t.equal(read.dataIns.length, 8, '13.12: MaxRecvDataSegmentLength is the connection’s');
  t.equal((await leader.command(0, read10(3, 8), { read: 4096 })).dataIns.length, 1);
  const names = { SessionType: 'Normal', InitiatorName: 'iqn.2026-01.test:initiator', TargetName: TARGET };
  const step = (peer: Initiator, options: object, more: object = {}): Promise<Pdu> =>
    peer.loginStep({ transit: true, stage: 1, next: 3 }, { ...names, ...more }, options);
  const { tsih } = leader;
  for (const [what, options, more] of [
    ['an unknown TSIH', { tsih: tsih + 99, cid: 2 }, {}],
    ['another ISID', { tsih, cid: 2, isid: '800000000009' }, {}],
    ['another initiator', { tsih, cid: 2 }, { InitiatorName: 'iqn.2026-01.test:other' }],
  ] as const) {
    const peer = connect(t, node);
    t.equal(statusOf(await step(peer, options, more)), '020a', `${what}: session does not exist`);
    await peer.ended;
  }
  const lo = await step(connect(t, node), { tsih, cid: 2 }, { MaxBurstLength: '512', HeaderDigest: 'None' });
  t.equal(lo.keys.get('MaxBurstLength'), 'Irrelevant', '13: keys of the leading login are settled');
  t.equal(lo.keys.get('HeaderDigest'), 'None', 'those of a connection are not');
  t.equal(statusOf(lo), '0000');
  const fourth = connect(t, node);
  t.equal(statusOf(await step(fourth, { tsih, cid: 3 })), '0206', '13.2: more than MaxConnections');
  t.equal((await leader.command(0, TUR)).status, 0, 'the session goes on');
  const greedy = await connect(t, node).login({
    target: TARGET,
    isid: '800000000002',
    keys: { MaxConnections: '65535' },
  });
  t.equal(greedy.agreed.get('MaxConnections'), String(CONNECTIONS_A_SESSION), 'and there is a limit');
});

void t.test('RFC 7143 6.3.1: a session of another target is none to join', async t => {
  const other = 'iqn.2026-01.io.sanlet:other';
  const disks = [{ name: 'd0', memory: '1MiB' }];
  const san = await startSan(t, { disks, targets: [{ iqn: other, disks }] });
  const leader = await logIn(t, san, { keys });
  await t.rejects(connect(t, san).join(leader, 1, { target: other }), { message: 'login refused: 020a' });
  t.equal((await leader.command(0, TUR)).status, 0);
});

void t.test('RFC 7143 4.2.2.1: CmdSN is the session’s, StatSN the connection’s', async t => {
  const { node } = startNode(t);
  const [one, two, three] = (await several(t, node, 3)) as [Initiator, Initiator, Initiator];
  const { cmdSN } = one;
  const late = two.start(0, TUR, { cmdSN: cmdSN + 1 });
  const later = three.start(0, TUR, { cmdSN: cmdSN + 2 });
  t.same([await two.settled(), await three.settled()], [[], []], 'they wait for one on another connection');
  const first = one.start(0, TUR, { cmdSN });
  one.cmdSN = cmdSN + 3;
  t.equal((await one.next()).num('initiatorTaskTag'), first);
  t.equal((await two.next()).num('initiatorTaskTag'), late, '4.2.5.1: answered where it came from');
  t.equal((await three.next()).num('initiatorTaskTag'), later);
  t.equal(three.expCmdSN, cmdSN + 3);
  three.start(0, TUR, { cmdSN });
  t.same(await three.settled(), [], 'a number that was used on another connection is ignored');
  await Promise.all(
    Array.from({ length: 90 }, (_, i) => [one, two, three][i % 3]!.command(0, read10(i, 1), { read: 512 })),
  );
  t.equal(one.expCmdSN <= three.expCmdSN, true);
});

void t.test('RFC 7143 4.2.5.1: connection allegiance', async t => {
  const { node } = startNode(t);
  const [one, two] = (await several(t, node, 2)) as [Initiator, Initiator];
  const write = await stalled(one);
  two.dataOut(0, write.tag, write.r2t.num('targetTransferTag'), write.data, 0, 0, true);
  t.same(await two.settled(), [], 'Data-Out by another connection is dropped');
  t.same(await one.settled(), []);
  one.dataOut(0, write.tag, write.r2t.num('targetTransferTag'), write.data, 0, 0, true);
  t.equal((await one.reply(write.tag)).num('status'), 0, 'by its own it is taken');
  const aborted = await stalled(one);
  t.equal(await two.manage(1, { tag: aborted.tag }), 0, '11.5: ABORT TASK may come by another');
  t.same(await one.settled(), [], 'and the task is not answered');
});

void t.test('RFC 7143 6.3.4: connection reinstatement', async t => {
  const { node, device, gate } = startNode(t);
  const [one, two] = (await several(t, node, 2)) as [Initiator, Initiator];
  const doomed = await stalled(two);
  gate.shut = true;
  const running = two.start(1, write10(5, 1), { write: pattern(512, 1), immediateBytes: 512 });
  await until(() => gate.waiting === 1);
  const fresh = connect(t, node);
  const login = fresh.join(one, 1);
  await two.ended;
  await turns(20);
  t.equal(fresh.pdus.length, 0, 'what the old one has at the medium ends first');
  gate.open();
  await login;
  t.equal(fresh.tsih, one.tsih);
  t.equal(device.units[0]![1].tasks.length + device.units[1]![1].tasks.length, 0, 'its tasks are gone');
  t.equal((await fresh.command(0, TUR)).said, '', 'the nexus is the same');
  t.same(await one.settled(), [], 'the other connection has noticed nothing');
  for (const tag of [doomed.tag, running]) {
    t.notOk(
      [...fresh.pdus, ...one.pdus].some(pdu => pdu.num('initiatorTaskTag') === tag),
      '7.6: no response',
    );
  }
  const only = await logIn(t, node, { isid: '800000000002' });
  const again = await connect(t, node).join(only, 0);
  await only.ended;
  t.equal((await again.command(0, TUR)).said, '', 'also where MaxConnections is 1');
  const racing = Array.from({ length: 6 }, () => connect(t, node));
  await Promise.allSettled(racing.map(peer => peer.join(again, 0)));
  await turns(20);
  t.equal(racing.filter(peer => !peer.gone).length, 1, 'of many at once one stays');
});

void t.test('RFC 7143 11.14 and 11.15: Logout of one connection', async t => {
  const { node, device } = startNode(t);
  const [one, two, three, four] = (await several(t, node, 4)) as [Initiator, Initiator, Initiator, Initiator];
  t.equal((await one.logout(1, 9)).num('response'), 1, '11.15.1: CID not found');
  t.equal((await one.logout(2, 1)).num('response'), 2, '11.15.1: no recovery below level 2');
  const write = await stalled(two);
  t.equal((await one.logout(1, 1)).num('response'), 0, 'by another connection');
  await two.ended;
  t.equal(device.units[0]![1].tasks.length, 0, '11.14.5: its tasks end');
  t.notOk(
    two.pdus.some(pdu => pdu.opcode === Opcode.SCSI_RESPONSE && pdu.num('initiatorTaskTag') === write.tag),
  );
  t.equal((await three.logout(1, 2)).num('response'), 0, 'by itself');
  await three.ended;
  t.equal((await one.command(0, TUR)).status, 0, 'the session goes on');
  t.equal((await one.logout(1, 2)).num('response'), 1, 'once only');
  const again = await connect(t, node).join(one, 2);
  t.equal((await again.command(0, TUR)).said, '');
  t.equal((await four.logout(0)).num('response'), 0, 'close the session');
  await Promise.all([one.ended, four.ended, again.ended]);
  await until(() => device.nexuses.size === 0);
  t.equal(device.nexuses.size, 0, 'ends them all');

  const [last] = (await several(t, node, 1)) as [Initiator];
  t.equal((await last.logout(1, 0)).num('response'), 0);
  await last.ended;
  await until(() => device.nexuses.size === 0);
  t.equal(device.nexuses.size, 0, '6.3.5: the session ends with its last connection');
  const [odd] = (await several(t, node, 1)) as [Initiator];
  odd.send(Opcode.LOGOUT_REQUEST, {
    immediate: true,
    final: true,
    reason: 3,
    initiatorTaskTag: 5,
    cmdSN: odd.cmdSN,
  });
  t.equal((await odd.next()).num('reason'), 0x09, '11.14.1: a reason that is none');
});

void t.test('RFC 7143 7.14: a connection breaks and the session lives on', async t => {
  const { node, device } = startNode(t);
  const [one, two] = (await several(t, node, 2)) as [Initiator, Initiator];
  const mine = await stalled(one);
  await stalled(two, 1);
  const { cmdSN } = one;
  const data = pattern(512, 5);
  // Two is to carry cmdSN and cmdSN + 1; the first is lost on the way, the second waits for it.
  two.start(0, write10(40, 1), { write: data, immediateBytes: 512, cmdSN: cmdSN + 1, tag: 0x9001 });
  const waiting = one.start(0, read10(40, 1), { read: 512, cmdSN: cmdSN + 2 });
  one.cmdSN = cmdSN + 3;
  await two.settled();
  two.stream.destroy();
  await until(() => device.units[1]![1].tasks.length === 0);
  t.equal(device.units[1]![1].tasks.length, 0, '7.6: its tasks end');
  t.equal(device.nexuses.size, 1);
  one.dataOut(0, mine.tag, mine.r2t.num('targetTransferTag'), mine.data, 0, 0, true);
  t.equal((await one.reply(mine.tag)).num('status'), 0, 'those of the other go on');
  t.equal(one.expCmdSN, cmdSN, '7.2.1: what was not acknowledged …');
  one.start(0, TUR, { cmdSN, tag: 0x9000 });
  one.start(0, write10(40, 1), { write: data, immediateBytes: 512, cmdSN: cmdSN + 1, tag: 0x9001 });
  t.equal((await one.reply(0x9000)).num('status'), 0, '… comes again by the other connection');
  t.equal((await one.reply(0x9001)).num('status'), 0);
  t.same((await one.finish(waiting, 0)).data, data, 'and what waited goes on in its order');
  const plug = one.cmdSN;
  const after = one.start(0, TUR, { cmdSN: plug + 1 });
  t.same(await one.settled(), []);
  one.cmdSN = plug + 2;
  t.equal(await one.manage(1, { tag: 0x9999, refCmdSN: plug }), 0, '11.5.5: or it is aborted');
  t.ok(one.pdus.some(pdu => pdu.num('initiatorTaskTag') === after && pdu.num('status') === 0));
});

void t.test('RFC 7143 6.3.5, 6.3.6, 13.16: a session without a connection', async t => {
  const { node, device } = startNode(t);
  const kept = { ...keys, DefaultTime2Retain: '1', DefaultTime2Wait: '0' };
  const peer = await logIn(t, node, { keys: { ...keys, DefaultTime2Retain: '20' }, luns: [0, 1] });
  t.equal((await peer.command(0, '16')).status, 0, 'RESERVE(6), which a nexus loss would end');
  await stalled(peer);
  peer.stream.destroy();
  await until(() => device.units[0]![1].tasks.length === 0);
  t.equal(device.units[0]![1].tasks.length, 0, 'its tasks end');
  t.equal(device.nexuses.size, 1, 'it is kept for DefaultTime2Retain');
  const other = await logIn(t, node, { isid: '800000000002', keys: kept });
  t.equal((await other.command(0, TUR)).status, 0x18, 'with what its nexus holds');
  const back = await connect(t, node).join(peer, 5);
  t.equal((await back.command(0, TUR)).status, 0, '6.3.6: a new connection continues it');
  t.equal((await back.command(0, TUR)).said, '', 'without a unit attention');
  back.stream.destroy();
  const anew = connect(t, node);
  await anew.login({ target: TARGET });
  t.equal((await anew.command(0, TUR)).said, '6/2900', '6.3.5: TSIH 0 takes its place');
  t.equal(device.nexuses.size, 2);
  await turns(3);
  other.stream.destroy();
  await turns(20);
  t.equal(device.nexuses.size, 2);
  t.ok(await until(() => device.nexuses.size === 1), '13.16: it ends when the time is over');
  await t.rejects(connect(t, node).join(other, 1), { message: 'login refused: 020a' });
  const gone = await logIn(t, node, { isid: '800000000003' });
  gone.stream.destroy();
  await turns(20);
  t.ok(await until(() => device.nexuses.size === 1, 500), 'and at once where it is 0');
});

void t.test('RFC 7143 4.2.2.1: what waits for its turn is bounded', async t => {
  const { node } = startNode(t);
  const [one, two] = (await several(t, node, 2)) as [Initiator, Initiator];
  const { cmdSN } = one;
  const nop = (peer: Initiator, at: number): void =>
    peer.send(
      Opcode.NOP_OUT,
      { final: true, initiatorTaskTag: 0x7000 + at, targetTransferTag: 0xffff_ffff, cmdSN: cmdSN + at },
      pattern(1 << 20, at),
    );
  const before = process.memoryUsage().arrayBuffers;
  for (let at = 1; at <= 40; at++) nop(two, at);
  await two.settled();
  const held = (process.memoryUsage().arrayBuffers - before) >> 20;
  one.start(0, TUR, { cmdSN });
  one.cmdSN = cmdSN + 41;
  await two.settled();
  const echoes = two.pdus.filter(
    pdu => pdu.opcode === Opcode.NOP_IN && pdu.num('initiatorTaskTag') >= 0x7000,
  );
  const rejects = two.pdus.filter(pdu => pdu.opcode === Opcode.REJECT);
  t.equal(echoes.filter(pdu => pdu.num('initiatorTaskTag') < 0x8000).length, 2, 'two of them are held');
  t.same(new Set(rejects.map(pdu => pdu.num('reason'))), new Set([0x0a]), '11.17.1: out of resources');
  t.equal(rejects.length, 38, `the others are rejected in their turn (${held} MiB)`);
  t.equal((await one.command(0, TUR)).status, 0);
});

void t.test('RFC 7143 11.9: Asynchronous Message', async t => {
  await t.test('11.9.1: the target asks for a logout', async t => {
    const { node, device } = startNode(t);
    const [one, two] = (await several(t, node, 2)) as [Initiator, Initiator];
    const deaf = await logIn(t, node, { isid: '800000000002' });
    const expected = one.expStatSN;
    const began = performance.now();
    const asked = node.requestLogout(300, device);
    for (const peer of [one, two, deaf]) {
      const message = await peer.nextOf(Opcode.ASYNC_MESSAGE);
      t.equal(message.num('event'), 1);
      t.equal(message.num('parameter3'), 1, 'within so many seconds');
      t.equal(message.num('initiatorTaskTag'), 0xffff_ffff);
      t.equal(message.data.length, 0);
    }
    t.equal(one.expStatSN, expected + 1, 'it has a StatSN of its own');
    t.equal((await one.command(0, TUR)).status, 0, 'until then all goes on');
    t.equal((await one.logout(0)).num('response'), 0, 'who logs out in time gets a response');
    await Promise.all([one.ended, two.ended]);
    t.notOk(deaf.gone);
    const drop = await deaf.nextOf(Opcode.ASYNC_MESSAGE);
    t.equal(drop.num('event'), 3, 'who does not is told that all connections go');
    await deaf.ended;
    await asked;
    t.ok(performance.now() - began >= 290);
    t.equal(device.nexuses.size, 0);
  });
  await t.test('a stop does not wait for longer than it was told', async t => {
    const san = await startSan(t, { disks: [{ name: 'd0', memory: '1MiB' }] });
    const deaf = await logIn(t, san);
    await san.stop({ graceMs: 50 });
    t.same(
      deaf.pdus.filter(pdu => pdu.opcode === Opcode.ASYNC_MESSAGE).map(pdu => pdu.num('event')),
      [1, 3],
    );
    const quick = await startSan(t, { disks: [{ name: 'd0', memory: '1MiB' }] });
    const peer = await logIn(t, quick);
    await quick.stop();
    t.notOk(
      peer.pdus.some(pdu => pdu.opcode === Opcode.ASYNC_MESSAGE),
      'nor at all by itself',
    );
  });
  await t.test('11.9.1: the target drops a connection', async t => {
    const { watch, sleep } = clock(t);
    const { node } = startNode(t);
    const [one, two] = (await several(t, node, 2, { DefaultTime2Retain: '7' })) as [Initiator, Initiator];
    await stalled(two);
    for (let i = 0; i < 4; i++) {
      sleep(16_000);
      await Promise.all([one.settled(), two.settled()]);
    }
    watch();
    const message = await one.nextOf(Opcode.ASYNC_MESSAGE);
    t.same(
      ['event', 'parameter1', 'parameter2', 'parameter3'].map(name => message.num(name)),
      [2, 1, 2, 7],
      'its CID, Time2Wait and Time2Retain, by another one of the session',
    );
    await two.ended;
    t.equal((await one.command(0, TUR)).status, 0);
  });
});

void t.test('RFC 7143 4.2.3.3: what a multi-task abort affects', async t => {
  const { node, device } = startNode(t);
  const [one, two] = (await several(t, node, 2)) as [Initiator, Initiator];
  const other = await logIn(t, node, { isid: '800000000002', luns: [0, 1] });
  const sixteen = 16 << 20;
  const hold = async (): Promise<number> => {
    for (let i = 0; i < 4; i++) {
      other.start(1, write10(0, 32_768), { write: Buffer.alloc(0), expect: sixteen });
      await other.nextOf(Opcode.R2T);
    }
    const held = other.start(0, write10(0, 32_768), { write: Buffer.alloc(0), expect: sixteen });
    t.same(await other.settled(), [], 'it waits for credit');
    return held;
  };
  const freed = async (): Promise<void> => {
    t.equal(await other.manage(2, { lun: 1 }), 0);
    t.same(await other.settled(), [], 'it does not start when there is credit');
    t.equal(other.maxCmdSN, other.expCmdSN + 127, 'and its place in the window is free');
  };
  await hold();
  t.equal(await one.manage(2), 0, 'ABORT TASK SET');
  t.equal(await other.manage(2, { lun: 1 }), 0);
  t.equal(
    (await other.nextOf(Opcode.R2T)).num('initiatorTaskTag') > 0,
    true,
    'does not touch what others hold',
  );
  t.equal(await other.manage(2), 0);
  await hold();
  t.equal(await one.manage(4), 0, 'CLEAR TASK SET');
  await freed();
  t.equal(
    (await other.command(0, TUR)).said,
    '6/2f00',
    'SAM-5 5.14: who lost what waited for credit is told',
  );
  await hold();
  t.equal(await one.manage(5), 0, 'LOGICAL UNIT RESET');
  await freed();
  await other.clear(0);
  await one.clear(0);

  const { cmdSN } = one;
  const data = pattern(4096, 3);
  let done = false;
  one.cmdSN = cmdSN + 1;
  const answer = one.manage(2).then(response => {
    done = true;
    return response;
  });
  await two.settled();
  t.notOk(done, 'it waits for a command that was sent before it by another connection');
  const late = two.start(0, write10(0, 8), { write: data, cmdSN });
  t.equal(await answer, 0);
  await two.settled();
  t.equal(device.units[0]![1].tasks.length, 0, 'and that is aborted');
  t.notOk(two.pdus.some(pdu => pdu.opcode === Opcode.SCSI_RESPONSE && pdu.num('initiatorTaskTag') === late));
  const hole = one.cmdSN;
  one.cmdSN = hole + 2;
  t.equal(await one.manage(6), 0, 'TARGET WARM RESET does not wait …');
  t.equal(one.expCmdSN, hole + 2, '… what has not come counts as come');
});
