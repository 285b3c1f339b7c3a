/** Full feature phase but for the data of commands, by clause of RFC 7143. */
import t from 'tap';
import { BURST_BYTES, QUEUE_DEPTH, SILENCE_MS } from '../../lib/iscsi/limits.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { type Initiator, cdb16, hexBytes, lunField, read10, write10 } from '../harness/initiator.ts';
import { NONE, type Pdu, text } from '../harness/peer.ts';
import { pattern } from '../harness/random.ts';
import { TARGET, clock, connect, logIn, startNode, startSan, turns, until } from '../harness/rig.ts';

const disks = [{ name: 'd0', memory: '64MiB' }];
const TUR = '00';

/** A write of `blocks` that has its R2T and waits for its data. */
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

const bring = (peer: Initiator, { tag, r2t, data }: { tag: number; r2t: Pdu; data: Buffer }, lun = 0): void =>
  peer.dataOut(lun, tag, r2t.num('targetTransferTag'), data, 0, 0, true);

void t.test('RFC 7143 4.2.2.1: the CmdSN window', async t => {
  const san = await startSan(t, { disks });
  await t.test('numbers outside it are ignored in silence', async t => {
    const peer = await logIn(t, san);
    const { cmdSN } = peer;
    for (const away of [-1, -100, QUEUE_DEPTH, QUEUE_DEPTH + 1, 1 << 30, -(1 << 30)]) {
      peer.start(0, TUR, { cmdSN: (cmdSN + away) >>> 0 });
      peer.send(
        Opcode.TEXT_REQUEST,
        { final: true, initiatorTaskTag: 7, targetTransferTag: NONE, cmdSN: (cmdSN + away) >>> 0 },
        text({ SendTargets: '' }),
      );
    }
    t.same(await peer.settled(), [], 'no answer, no Reject, no close');
    t.equal(peer.expCmdSN, cmdSN);
    t.equal((await peer.command(0, TUR)).status, 0, 'and the one that is next is taken');
  });
  await t.test('those that come early wait for the ones before', async t => {
    const peer = await logIn(t, san);
    const first = peer.cmdSN;
    const data = pattern(512, 3);
    const read = peer.start(0, read10(50, 1), { read: 512, cmdSN: first + 2 });
    const write = peer.start(0, write10(50, 1), { write: data, cmdSN: first + 1, immediateBytes: 512 });
    const twice = peer.start(0, TUR, { cmdSN: first + 1 });
    t.same(await peer.settled(), [], 'nothing is done before its turn');
    t.equal(peer.expCmdSN, first);
    const ready = peer.start(0, TUR, { cmdSN: first });
    const order: number[] = [];
    for (let i = 0; i < 3; i++) {
      const pdu = await peer.next();
      order.push(pdu.num('initiatorTaskTag'));
      if (pdu.opcode === Opcode.DATA_IN)
        t.same(pdu.data, data, 'the read found what the write before it wrote');
    }
    t.same(order, [ready, write, read], 'in the order of their numbers');
    t.same(await peer.settled(), [], `the number that was there already (tag ${twice}) was ignored`);
    t.equal(peer.expCmdSN, first + 3);
    peer.cmdSN = first + 3;
  });
  await t.test('immediate commands use no number and come at once', async t => {
    const peer = await logIn(t, san);
    const { cmdSN } = peer;
    const early = peer.start(0, TUR, { cmdSN: cmdSN + 1 });
    for (let i = 0; i < 3; i++) t.equal((await peer.command(0, TUR, { immediate: true })).status, 0);
    t.equal(peer.expCmdSN, cmdSN);
    const next = peer.start(0, TUR);
    t.equal((await peer.next()).num('initiatorTaskTag'), next);
    t.equal((await peer.next()).num('initiatorTaskTag'), early);
    peer.cmdSN = cmdSN + 2;
  });
  await t.test('numbers wrap', async t => {
    const peer = connect(t, san);
    peer.cmdSN = 0xffff_fff0;
    await peer.login({ target: TARGET, isid: '800000000009' });
    t.equal(peer.maxCmdSN, (0xffff_fff0 + QUEUE_DEPTH - 1) >>> 0);
    await peer.clear(0);
    for (let i = 0; i < 40; i++) t.equal((await peer.command(0, TUR)).status, 0);
    t.ok(peer.cmdSN < 100, 'past zero');
  });
  await t.test('it is full at 128 outstanding and opens as they end', async t => {
    const peer = await logIn(t, san, { keys: { ImmediateData: 'No' } });
    const { cmdSN } = peer;
    const writes: { tag: number; r2t: Pdu; data: Buffer }[] = [];
    for (let i = 0; i < QUEUE_DEPTH; i++) writes.push(await stalled(peer));
    t.equal(peer.expCmdSN, cmdSN + QUEUE_DEPTH);
    t.equal(peer.maxCmdSN, cmdSN + QUEUE_DEPTH - 1, 'MaxCmdSN = ExpCmdSN - 1: closed');
    const ignored = peer.start(0, TUR, { cmdSN: peer.cmdSN });
    t.same(await peer.settled(), [], `a command more (tag ${ignored}) is ignored`);
    bring(peer, writes[5]!);
    const done = await peer.next();
    t.equal(done.num('initiatorTaskTag'), writes[5]!.tag);
    t.equal(done.num('maxCmdSN'), cmdSN + QUEUE_DEPTH, 'the response has the room that it made');
    t.equal((await peer.command(0, TUR)).status, 0, 'which can be used');
    for (const write of writes) if (write !== writes[5]) bring(peer, write);
    for (let i = 1; i < QUEUE_DEPTH; i++) t.equal((await peer.nextOf(Opcode.SCSI_RESPONSE)).num('status'), 0);
    t.equal(peer.maxCmdSN, peer.expCmdSN + QUEUE_DEPTH - 1, 'open again');
  });
  await t.test('a command that was outside when its header came stays outside', async t => {
    const peer = await logIn(t, san, { keys: { InitialR2T: 'No' } });
    const writes: { tag: number; r2t: Pdu; data: Buffer }[] = [];
    for (let i = 0; i < QUEUE_DEPTH; i++) writes.push(await stalled(peer));
    const before = await peer.command(0, read10(3000, 8), { read: 4096, immediate: true });
    peer.start(0, write10(3000, 8), {
      write: pattern(4096, 9),
      immediateBytes: 4096,
      cmdSN: peer.cmdSN,
      stopAt: 100,
    });
    // Its number comes into the window while its data is on the way.
    const other = await logIn(t, san, { isid: '800000000002' });
    t.equal(await other.manage(5), 0, 'LOGICAL UNIT RESET from another session ends the writes');
    peer.rest();
    t.same(await peer.settled(), [], 'no answer');
    t.same(
      (await other.clear(0), await other.command(0, read10(3000, 8), { read: 4096 })).data,
      before.data,
      'nothing written',
    );
  });
});

void t.test('RFC 7143 4.2.2.1 and 11.2.2.1: what cannot be a task', async t => {
  const san = await startSan(t, { disks });
  const peer = await logIn(t, san);
  const write = await stalled(peer);
  peer.start(0, TUR, { tag: write.tag });
  const twice = await peer.next();
  t.equal(twice.opcode, Opcode.REJECT);
  t.equal(twice.num('reason'), 0x07, '11.17.1: task in progress');
  t.equal(twice.num('initiatorTaskTag'), NONE);
  t.equal(twice.data.length, 48, 'with the header that is rejected');
  t.equal(twice.data.readUInt32BE(16), write.tag);
  t.equal(
    (await peer.command(0, TUR)).status,
    0,
    'its CmdSN is used up: the next command is not stuck behind it',
  );
  bring(peer, write);
  t.equal((await peer.reply(write.tag)).num('status'), 0, 'the task that has the tag goes on');
  peer.start(0, TUR, { tag: NONE });
  const none = await peer.next();
  t.equal(none.num('reason'), 0x09, '11.17.1: invalid PDU field');
  t.equal((await peer.command(0, TUR)).status, 0);
  const many: number[] = [];
  const slow: { tag: number; r2t: Pdu; data: Buffer }[] = [];
  for (let i = 0; i < 32; i++) {
    const data = pattern(4096);
    const tag = peer.start(0, write10(0, 8), { write: data, immediate: true });
    slow.push({ tag, data, r2t: await peer.nextOf(Opcode.R2T) });
  }
  many.push(peer.start(0, TUR, { immediate: true }));
  const more = await peer.next();
  t.equal(more.opcode, Opcode.REJECT);
  t.equal(more.num('reason'), 0x06, '11.17.1: immediate command rejected, too many');
  t.equal(more.data.readUInt32BE(16), many[0]);
  for (const each of slow) bring(peer, each);
  for (let i = 0; i < 32; i++) t.equal((await peer.nextOf(Opcode.SCSI_RESPONSE)).num('status'), 0);
  t.equal((await peer.command(0, TUR, { immediate: true })).status, 0, 'and room again');
});

void t.test('RFC 7143 11.17: Reject of what is unknown', async t => {
  const san = await startSan(t, { disks });
  const peer = await logIn(t, san);
  for (const opcode of [0x07, 0x0f, 0x10, 0x1c, 0x1f, 0x20, 0x21, 0x25, 0x31, 0x3f, 0x03]) {
    const header = Buffer.alloc(48, 0x11);
    header[0] = opcode;
    header[1] = 0x80;
    const data = pattern(20);
    peer.sendHeader(header, { data });
    const reject = await peer.next();
    t.equal(reject.opcode, Opcode.REJECT, `opcode ${opcode.toString(16)}h`);
    t.equal(reject.num('reason'), 0x05, '11.17.1: command not supported');
    t.same(reject.data, header, 'the header comes back');
    t.ok(reject.flag('final'));
  }
  t.same(await peer.settled(), []);
  t.equal((await peer.command(0, TUR)).status, 0, 'the session goes on');
  t.equal(await peer.manage(9), 5, '11.6.1: an unknown function is not supported');
  t.equal(await peer.manage(0x7f), 5);
});

void t.test('RFC 7143 11.18 and 11.19: NOP both ways', async t => {
  await t.test('a ping is echoed', async t => {
    const san = await startSan(t, { disks });
    const peer = await logIn(t, san, { keys: { MaxRecvDataSegmentLength: '4096' } });
    for (const [length, back] of [
      [0, 0],
      [1, 1],
      [3, 3],
      [4096, 4096],
      [4097, 4096],
      [100_000, 4096],
    ] as const) {
      const data = pattern(length, length);
      const tag = peer.newTag();
      const { cmdSN } = peer;
      peer.cmdSN++;
      peer.send(Opcode.NOP_OUT, { final: true, initiatorTaskTag: tag, targetTransferTag: NONE, cmdSN }, data);
      const echo = await peer.next();
      t.equal(echo.opcode, Opcode.NOP_IN);
      t.equal(echo.num('initiatorTaskTag'), tag);
      t.equal(echo.num('targetTransferTag'), NONE);
      t.same(echo.data, data.subarray(0, back), `${length} bytes, 11.19.3: cut to what the initiator takes`);
      t.equal(echo.num('expCmdSN'), cmdSN + 1, 'in CmdSN order');
    }
    peer.send(Opcode.NOP_OUT, {
      immediate: true,
      final: true,
      initiatorTaskTag: NONE,
      targetTransferTag: NONE,
      cmdSN: peer.cmdSN,
    });
    t.same(await peer.settled(), [], '11.18: one without a tag is not answered');
  });
  await t.test('a silent peer is asked, and dropped when it does not answer', async t => {
    const { watch, sleep } = clock(t);
    const { node, device } = startNode(t);
    const answering = await logIn(t, node);
    const mute = await logIn(t, node, { isid: '800000000002' });
    sleep(SILENCE_MS - 1_000);
    watch();
    t.same(
      [answering.pdus.at(-1)!.opcode, mute.pdus.at(-1)!.opcode],
      [Opcode.SCSI_RESPONSE, Opcode.SCSI_RESPONSE],
      'not yet',
    );
    sleep(2_000);
    watch();
    const ping = await answering.nextOf(Opcode.NOP_IN);
    t.equal(ping.num('initiatorTaskTag'), NONE, '11.19.1');
    t.not(ping.num('targetTransferTag'), NONE, '11.19.2');
    t.equal(ping.num('statSN'), answering.expStatSN, '11.19: the next StatSN, not used up');
    answering.send(Opcode.NOP_OUT, {
      immediate: true,
      final: true,
      initiatorTaskTag: NONE,
      targetTransferTag: ping.num('targetTransferTag'),
      cmdSN: answering.cmdSN,
      expStatSN: answering.expStatSN,
    });
    t.same(await answering.settled(), [], 'an answer is not answered');
    await mute.nextOf(Opcode.NOP_IN);
    watch();
    await turns(5);
    t.equal(mute.pdus.filter(pdu => pdu.opcode === Opcode.NOP_IN).length, 1, 'asked once');
    sleep(SILENCE_MS);
    watch();
    await mute.ended;
    t.equal(device.nexuses.size, 1, 'its session is gone');
    t.notOk(answering.gone, 'the one that answered is there');
    await answering.nextOf(Opcode.NOP_IN);
    t.equal((await answering.command(0, TUR)).status, 0);
  });
  await t.test('a write whose data does not come ends its connection', async t => {
    const { watch, sleep } = clock(t);
    const { node, device } = startNode(t);
    const peer = await logIn(t, node);
    await stalled(peer);
    for (let i = 0; i < 4; i++) {
      sleep(16_000);
      t.notOk(peer.gone, `${i * 16} s`);
      await peer.settled();
      watch();
    }
    await peer.ended;
    await until(() => device.nexuses.size === 0);
    t.equal(device.units[0]![1].tasks.length, 0, 'and the task');
  });
});

void t.test('RFC 7143 11.10 and 11.11: Text', async t => {
  const san = await startSan(t, { disks });
  await t.test('13.12: MaxRecvDataSegmentLength is declared again', async t => {
    const peer = await logIn(t, san, { keys: { MaxRecvDataSegmentLength: '65536' } });
    t.equal((await peer.command(0, read10(0, 64), { read: 32768 })).dataIns.length, 1);
    const reply = await peer.ask({ MaxRecvDataSegmentLength: '1024' });
    t.same(reply.pairs, [['MaxRecvDataSegmentLength', '1048576']]);
    t.ok(reply.flag('final'));
    const { dataIns, data } = await peer.command(0, read10(0, 64), { read: 32768 });
    t.equal(data.length, 32768);
    t.same(new Set(dataIns.map(pdu => pdu.data.length)), new Set([1024]), 'Data-In is cut to it');
    await peer.ask({ MaxRecvDataSegmentLength: '262144' });
    t.equal((await peer.command(0, read10(0, 64), { read: 32768 })).dataIns.length, 1);
    t.same((await peer.ask({ MaxRecvDataSegmentLength: '1' })).pairs, [
      ['MaxRecvDataSegmentLength', 'Reject'],
    ]);
    t.equal(
      (await peer.command(0, read10(0, 64), { read: 32768 })).dataIns.length,
      1,
      'which changes nothing',
    );
  });
  await t.test('13: keys of the login are refused, unknown ones answered', async t => {
    const peer = await logIn(t, san);
    const keys = ['MaxBurstLength=512', 'HeaderDigest=CRC32C', 'X-what=is this', 'InitialR2T=No', 'Foo=bar'];
    t.same((await peer.ask(keys)).pairs, [
      ['MaxBurstLength', 'Reject'],
      ['HeaderDigest', 'Reject'],
      ['X-what', 'NotUnderstood'],
      ['InitialR2T', 'Reject'],
      ['Foo', 'NotUnderstood'],
    ]);
  });
  await t.test('6.2: a request in pieces', async t => {
    const peer = await logIn(t, san);
    const whole = text({ 'X-one': '1', SendTargets: '', 'X-two': '2' });
    const tag = peer.newTag();
    let transferTag = NONE;
    for (let at = 0; at < whole.length - 5; at += 5) {
      const reply = await peer.ask(whole.subarray(at, at + 5), {
        final: false,
        more: true,
        transferTag,
        tag,
      });
      t.equal(reply.opcode, Opcode.TEXT_RESPONSE);
      t.equal(reply.data.length, 0);
      t.notOk(reply.flag('final'));
      t.notOk(reply.flag('continue'));
      transferTag = reply.num('targetTransferTag');
      t.not(transferTag, NONE, '11.11.4: a tag that holds it together');
    }
    const reply = await peer.ask(whole.subarray(Math.floor((whole.length - 1) / 5) * 5), {
      transferTag,
      tag,
    });
    t.same(
      reply.pairs.map(([key]) => key),
      ['X-one', 'TargetName', 'TargetAddress', 'X-two'],
    );
    t.ok(reply.flag('final'));
    t.equal(reply.num('targetTransferTag'), NONE);
    t.equal(reply.num('initiatorTaskTag'), tag);
  });
  await t.test('11.10.2: F bit', async t => {
    const peer = await logIn(t, san);
    const open = await peer.ask({ 'X-a': '1' }, { final: false });
    t.notOk(open.flag('final'), 'F does not answer a request without it');
    t.same(open.pairs, [['X-a', 'NotUnderstood']]);
    const done = await peer.ask({ 'X-b': '1' }, { transferTag: open.num('targetTransferTag') });
    t.ok(done.flag('final'));
    t.same(done.pairs, [['X-b', 'NotUnderstood']]);
  });
  await t.test('wrong ones are rejected and the session goes on', async t => {
    const peer = await logIn(t, san);
    const cases: readonly (readonly [string, Parameters<Initiator['ask']>])[] = [
      ['11.10.4: a tag that was not given', [{ 'X-a': '1' }, { transferTag: 77 }]],
      ['F and C together', [{ 'X-a': '1' }, { final: true, more: true }]],
      ['no =', [Buffer.from('nonsense\0')]],
      ['no NUL at the end', [Buffer.from('a=b')]],
    ];
    for (const [why, args] of cases) {
      const reject = await peer.ask(...args);
      t.equal(reject.opcode, Opcode.REJECT, why);
      t.equal(reject.num('reason'), 0x04, '11.17.1: protocol error');
      t.same((await peer.ask({ 'X-a': '1' })).pairs, [['X-a', 'NotUnderstood']]);
    }
    let transferTag = NONE;
    let reply: Pdu;
    let pieces = 0;
    do {
      reply = await peer.ask(Buffer.alloc(16_384, 'a'), { final: false, more: true, transferTag });
      if (reply.opcode === Opcode.TEXT_RESPONSE) transferTag = reply.num('targetTransferTag');
    } while (reply.opcode === Opcode.TEXT_RESPONSE && ++pieces < 10);
    t.equal(reply.opcode, Opcode.REJECT, 'more than 64 KiB');
    t.equal(pieces, 4);
    t.equal((await peer.command(0, TUR)).status, 0);
  });
  await t.test('one that came early is rejected by its own header', async t => {
    const peer = await logIn(t, san);
    const { cmdSN } = peer;
    peer.send(
      Opcode.TEXT_REQUEST,
      { final: true, initiatorTaskTag: 0x7777, targetTransferTag: 99, cmdSN: cmdSN + 1 },
      text({ 'X-a': '1' }),
    );
    const early = peer.start(0, TUR, { cmdSN: cmdSN + 2 });
    const plug = peer.start(0, TUR, { cmdSN });
    t.equal((await peer.next()).num('initiatorTaskTag'), plug);
    const reject = await peer.next();
    t.equal(reject.opcode, Opcode.REJECT);
    t.equal(reject.data.readUInt32BE(16), 0x7777);
    t.equal((await peer.next()).num('initiatorTaskTag'), early, 'and what came after it is not forgotten');
    peer.cmdSN = cmdSN + 3;
  });
});

void t.test('RFC 7143 11.14 and 11.15: Logout', async t => {
  const san = await startSan(t, { disks });
  for (const [reason, what] of [
    [0, 'the session'],
    [1, 'the connection'],
  ] as const) {
    const peer = await connect(t, san).login({ target: TARGET, cid: 3 });
    const reply = await peer.logout(reason, 3);
    t.equal(reply.num('response'), 0, `closes ${what}`);
    t.equal(reply.num('time2Wait'), 0);
    t.equal(reply.num('time2Retain'), 0);
    t.ok(reply.flag('final'));
    await peer.ended;
    t.equal(peer.pdus.at(-1), reply, 'and nothing comes after');
  }
  const peer = await connect(t, san).login({ target: TARGET, cid: 3 });
  await peer.clear(0);
  t.equal((await peer.logout(1, 4)).num('response'), 1, '11.15.1: CID not found');
  t.equal((await peer.logout(2, 3)).num('response'), 2, '11.15.1: no recovery at level 0');
  t.equal((await peer.logout(2, 4)).num('response'), 2);
  t.equal((await peer.command(0, TUR)).status, 0, 'the session lives on');
  const write = await stalled(peer);
  const reply = await peer.logout(0);
  t.equal(reply.num('response'), 0, 'with a write that waits for data');
  await peer.ended;
  t.notOk(
    peer.pdus.some(pdu => pdu.opcode === Opcode.SCSI_RESPONSE && pdu.num('initiatorTaskTag') === write.tag),
    'which gets no response',
  );
  const again = await connect(t, san).login({ target: TARGET });
  t.equal((await again.command(0, TUR)).said, '6/2900', 'SAM-5 5.14: a new nexus');
  again.send(Opcode.LOGOUT_REQUEST, { final: true, reason: 0, initiatorTaskTag: 5, cmdSN: again.cmdSN + 1 });
  t.same(await again.settled(), [], 'a Logout that is not immediate waits for its turn');
  const last = again.start(0, TUR);
  t.equal((await again.next()).num('initiatorTaskTag'), last);
  t.equal((await again.next()).opcode, Opcode.LOGOUT_RESPONSE);
  await again.ended;
});

void t.test('RFC 7143 11.5 and 11.6: task management', async t => {
  await t.test('ABORT TASK', async t => {
    const { node, gate } = startNode(t);
    const peer = await logIn(t, node, { luns: [0, 1] });
    const write = await stalled(peer);
    t.equal(
      await peer.manage(1, { tag: write.tag, lun: 1, refCmdSN: peer.cmdSN + 500 }),
      1,
      'wrong LUN: no such task',
    );
    t.equal(await peer.manage(1, { tag: write.tag }), 0, 'a write that waits for data');
    bring(peer, write);
    t.same(await peer.settled(), [], 'its data is dropped in silence, and it gets no response');
    t.equal(await peer.manage(1, { tag: write.tag, refCmdSN: peer.cmdSN + 500 }), 1, 'a task that is gone');
    t.equal(
      await peer.manage(1, { tag: 0x1234_5678, refCmdSN: peer.cmdSN + 500 }),
      1,
      'a tag that never was',
    );
    t.equal(peer.maxCmdSN, peer.expCmdSN + QUEUE_DEPTH - 1, 'its place in the window is free');
    t.equal((await peer.command(0, TUR, {})).status, 0);
    gate.shut = true;
    const running = peer.start(1, read10(0, 8), { read: 4096 });
    await until(() => gate.waiting === 1);
    const answer = peer.manage(1, { tag: running, lun: 1 });
    await turns(20);
    t.equal(
      peer.pdus.at(-1)!.opcode,
      Opcode.SCSI_RESPONSE,
      'SAM-5 7.1: not complete while the medium is at it',
    );
    gate.open();
    t.equal(await answer, 0, 'a task at the medium');
    t.notOk(
      peer.pdus.some(
        pdu => pdu.opcode !== Opcode.TASK_MANAGEMENT_RESPONSE && pdu.num('initiatorTaskTag') === running,
      ),
      'no response of it came',
    );
  });
  await t.test('11.5.5: ABORT TASK of a command that has not come', async t => {
    const { node } = startNode(t);
    const peer = await logIn(t, node);
    const { cmdSN } = peer;
    const late = peer.start(0, TUR, { cmdSN: cmdSN + 1 });
    peer.cmdSN = cmdSN + 2;
    t.equal(await peer.manage(1, { tag: 0x4444, refCmdSN: cmdSN }), 0, 'its number counts as received');
    t.ok(
      peer.pdus.some(pdu => pdu.opcode === Opcode.SCSI_RESPONSE && pdu.num('initiatorTaskTag') === late),
      'what came after it goes on',
    );
    t.equal(peer.expCmdSN, cmdSN + 2);
    peer.start(0, TUR, { tag: 0x4444, cmdSN });
    t.same(await peer.settled(), [], 'and when it comes it is ignored');
  });
  await t.test('ABORT TASK of a command that came early', async t => {
    const { node } = startNode(t);
    const peer = await logIn(t, node);
    const { cmdSN } = peer;
    const data = pattern(512, 77);
    const early = peer.start(0, write10(9, 1), { write: data, immediateBytes: 512, cmdSN: cmdSN + 1 });
    t.equal(await peer.manage(1, { tag: early, refCmdSN: cmdSN + 1 }), 0);
    const plug = peer.start(0, TUR, { cmdSN });
    t.equal((await peer.next()).num('initiatorTaskTag'), plug);
    t.same(await peer.settled(), [], 'it is not carried out');
    peer.cmdSN = cmdSN + 2;
    t.notSame((await peer.command(0, read10(9, 1), { read: 512 })).data, data, 'and nothing is written');
    t.equal(peer.maxCmdSN, peer.expCmdSN + QUEUE_DEPTH - 1);
  });
  await t.test('commands that wait for credit start when an abort frees it', async t => {
    const { node } = startNode(t);
    const peer = await logIn(t, node);
    const sixteen = 16 << 20;
    const tags = Array.from({ length: 5 }, () =>
      peer.start(0, write10(0, 32768), { write: Buffer.alloc(0), expect: sixteen }),
    );
    for (const tag of tags.slice(0, 4)) t.equal((await peer.next()).num('initiatorTaskTag'), tag, 'an R2T');
    t.same(await peer.settled(), [], 'the fifth waits: 64 MiB are out');
    t.equal(await peer.manage(1, { tag: tags[0]! }), 0);
    const r2t = await peer.nextOf(Opcode.R2T);
    t.equal(r2t.num('initiatorTaskTag'), tags[4], 'its turn has come');
    for (const tag of tags.slice(1)) t.equal(await peer.manage(1, { tag }), 0);
    t.equal(peer.maxCmdSN, peer.expCmdSN + QUEUE_DEPTH - 1);
  });
  await t.test('ABORT TASK SET and CLEAR TASK SET', async t => {
    const { node, device } = startNode(t);
    const one = await logIn(t, node, { luns: [0, 1] });
    const two = await logIn(t, node, { isid: '800000000002', luns: [0, 1] });
    const mine = [await stalled(one), await stalled(one, 1)];
    const theirs = await stalled(two);
    t.equal(await one.manage(2), 0, 'ABORT TASK SET');
    t.same(
      device.units.map(([, unit]) => unit.tasks.length),
      [1, 1, 0],
      'the tasks of this nexus on this unit',
    );
    bring(two, theirs);
    t.equal((await two.reply(theirs.tag)).num('status'), 0, 'those of others are not touched');
    bring(one, mine[1]!, 1);
    t.equal((await one.reply(mine[1]!.tag)).num('status'), 0, 'nor those of other units');
    await stalled(one);
    await stalled(two);
    t.equal(await one.manage(4), 0, 'CLEAR TASK SET');
    t.equal(device.units[0]![1].tasks.length, 0, 'all of them');
    t.equal((await two.command(0, TUR)).said, '6/2f00', 'SAM-5 5.14: COMMANDS CLEARED BY ANOTHER INITIATOR');
    t.equal((await two.command(0, TUR)).said, '');
    t.equal((await one.command(0, TUR)).said, '', 'but not to the one that did it');
    t.equal(await one.manage(2, { lun: 9 }), 2, 'no such LUN');
    t.equal(await one.manage(4, { lun: 9 }), 2);
    t.equal(await one.manage(3), 5, 'CLEAR ACA: there is none');
    t.equal(await one.manage(8, { tag: 5 }), 4, 'TASK REASSIGN at level 0');
    t.equal(await one.manage(2, { immediate: false }), 0, 'in CmdSN order');
    t.equal((await one.command(0, TUR)).status, 0);
  });
  await t.test('LOGICAL UNIT RESET', async t => {
    const { node, device, gate } = startNode(t);
    const one = await logIn(t, node, { luns: [0, 1] });
    const two = await logIn(t, node, { isid: '800000000002', luns: [0, 1] });
    await stalled(one);
    await stalled(two);
    const other = await stalled(two, 1);
    t.equal(await one.manage(5), 0);
    t.equal(device.units[0]![1].tasks.length, 0);
    for (const peer of [one, two]) {
      t.equal((await peer.command(0, TUR)).said, '6/2900', 'everybody is told');
      t.equal((await peer.command(0, TUR)).said, '');
    }
    bring(two, other, 1);
    t.equal((await two.reply(other.tag)).num('status'), 0, 'other units are not touched');
    t.equal(await one.manage(5, { lun: 3 }), 2, 'no LUN there');
    t.equal(await one.manage(5, { field: hexBytes('c101000000000000') }), 2, 'a form that names none');
    gate.shut = true;
    two.start(1, read10(0, 8), { read: 4096 });
    await until(() => gate.waiting === 1);
    let done = false;
    const answer = one.manage(5, { lun: 1 }).then(response => {
      done = true;
      return response;
    });
    await turns(20);
    t.notOk(done, 'not complete while a task is at the medium');
    gate.open();
    t.equal(await answer, 0);
  });
  await t.test('TARGET WARM RESET and TARGET COLD RESET', async t => {
    const { node, device } = startNode(t);
    const one = await logIn(t, node, { luns: [0, 1, 2] });
    const two = await logIn(t, node, { isid: '800000000002', luns: [0, 1, 2] });
    await stalled(two, 1);
    t.equal(await one.manage(6), 0);
    t.equal(device.units[1]![1].tasks.length, 0);
    for (const lun of [0, 1, 2]) t.equal((await two.command(lun, TUR)).said, '6/2900', `LUN ${lun}`);
    t.equal(await one.manage(7), 0, 'cold: answered, then …');
    await one.ended;
    await two.ended;
    await until(() => device.nexuses.size === 0);
    t.equal(device.nexuses.size, 0, '… every session ends');
    const again = await logIn(t, node);
    t.equal((await again.command(0, TUR)).status, 0, 'and a new one begins');
  });
});

void t.test('RFC 7143 6.3.5: session reinstatement', async t => {
  const { node, device, gate } = startNode(t);
  const old = await logIn(t, node, { luns: [0, 1] });
  const stay = await logIn(t, node, { isid: '800000000002' });
  const stranger = await logIn(t, node, { initiator: 'iqn.2026-01.test:other' });
  await stalled(old);
  gate.shut = true;
  old.start(1, write10(5, 1), { write: pattern(512, 1), immediateBytes: 512 });
  await until(() => gate.waiting === 1);
  const fresh = connect(t, node);
  const login = fresh.login({ target: TARGET });
  await old.ended;
  await turns(20);
  t.equal(fresh.pdus.length, 0, 'the old session ends first, with what is at the medium');
  gate.open();
  await login;
  t.not(fresh.tsih, old.tsih);
  t.equal(device.nexuses.size, 3);
  t.equal(device.units[0]![1].tasks.length, 0, 'its tasks are gone');
  t.equal((await fresh.command(0, TUR)).said, '6/2900', 'a new nexus');
  for (const peer of [stay, stranger])
    t.same(await peer.settled(), [], 'other ISIDs and other names live on');
  const upper = connect(t, node);
  await upper.login({ target: TARGET, initiator: 'IQN.2026-01.TEST:OTHER' });
  await stranger.ended;
  t.equal(device.nexuses.size, 3, '4.2.7.1: names that differ in case are one');
  const racing = Array.from({ length: 8 }, () => connect(t, node));
  const outcomes = await Promise.allSettled(racing.map(peer => peer.login({ target: TARGET })));
  await turns(20);
  t.equal(device.nexuses.size, 3, 'of many at once one stays');
  t.equal(racing.filter(peer => !peer.gone).length, 1);
  t.ok(outcomes.some(({ status }) => status === 'fulfilled'));
});

void t.test('RFC 7143 7.8 and 13.1: digests', async t => {
  const { node, device } = startNode(t);
  const keys = {
    HeaderDigest: 'CRC32C',
    DataDigest: 'CRC32C',
    InitialR2T: 'No',
    MaxRecvDataSegmentLength: '65536',
  };
  await t.test('right ones', async t => {
    const peer = await logIn(t, node, { keys });
    for (const length of [512, 4096, 200 * 512]) {
      const data = pattern(length, length);
      t.equal((await peer.command(0, write10(8, length / 512), { write: data })).status, 0);
      t.same((await peer.command(0, read10(8, length / 512), { read: length })).data, data);
    }
    for (const length of [1, 2, 3, 5]) {
      peer.send(
        Opcode.NOP_OUT,
        { immediate: true, final: true, initiatorTaskTag: 1, targetTransferTag: NONE, cmdSN: peer.cmdSN },
        pattern(length),
      );
      t.same((await peer.next()).data, pattern(length), 'with padding');
    }
    const ahs = hexBytes('000501000000000000000000');
    t.equal((await peer.command(0, TUR, { ahs })).status, 0, 'with an AHS');
  });
  await t.test('a wrong header digest ends the connection', async t => {
    const peer = await logIn(t, node, { keys });
    peer.sendHeader(cdbHeader(peer), { headerDigest: 'wrong' });
    await peer.ended;
    t.equal(peer.pdus.at(-1)!.opcode, Opcode.SCSI_RESPONSE, 'without a word');
  });
  await t.test(
    'a wrong data digest of immediate data is rejected, and the command may come again',
    async t => {
      const peer = await logIn(t, node, { keys });
      const { cmdSN } = peer;
      const data = pattern(512, 8);
      const header = cdbHeader(peer, write10(7777, 1), 512);
      peer.sendHeader(header, { data, dataDigest: 'wrong' });
      const reject = await peer.next();
      t.equal(reject.num('reason'), 0x02, '11.17.1: data digest error');
      t.same(reject.data.subarray(24, 28), header.subarray(24, 28));
      t.equal(reject.num('expCmdSN'), cmdSN, '7.8: its number is not used up');
      t.equal(device.units[0]![1].tasks.length, 0);
      t.same(
        (await peer.command(0, read10(7777, 1), { read: 512, immediate: true })).data,
        Buffer.alloc(512),
      );
      peer.sendHeader(header, { data });
      t.equal((await peer.next()).num('status'), 0);
      peer.cmdSN = cmdSN + 1;
      t.same((await peer.command(0, read10(7777, 1), { read: 512 })).data, data);
    },
  );
  await t.test('a wrong data digest of Data-Out ends the task', async t => {
    const peer = await logIn(t, node, { keys });
    const { tag, r2t, data } = await stalled(peer);
    peer.dataOut(0, tag, r2t.num('targetTransferTag'), data, 0, 0, true, { dataDigest: 'wrong' });
    const two = [await peer.next(), await peer.next()];
    const reject = two.find(pdu => pdu.opcode === Opcode.REJECT)!;
    t.equal(reject.num('reason'), 0x02);
    const response = two.find(pdu => pdu.opcode === Opcode.SCSI_RESPONSE)!;
    t.equal(response.num('initiatorTaskTag'), tag);
    t.equal(response.num('status'), 2);
    t.same([response.data[4]! & 0xf, response.data.readUInt16BE(14)], [0xb, 0x4705], '11.4.7.2: CRC error');
    t.equal((await peer.command(0, TUR)).status, 0);
  });
  await t.test('a wrong data digest of a ping is rejected', async t => {
    const peer = await logIn(t, node, { keys });
    peer.send(
      Opcode.NOP_OUT,
      { immediate: true, final: true, initiatorTaskTag: 1, targetTransferTag: NONE, cmdSN: peer.cmdSN },
      { data: pattern(8), dataDigest: 'wrong' },
    );
    t.equal((await peer.next()).num('reason'), 0x02);
    t.same(await peer.settled(), []);
  });
  await t.test('7.7: a segment longer than was declared ends the connection', async t => {
    const peer = await logIn(t, node);
    const header = cdbHeader(peer, write10(0, 1), 512);
    header.writeUIntBE(BURST_BYTES + 4, 5, 3);
    peer.stream.write(header);
    await peer.ended;
    t.equal(peer.pdus.at(-1)!.opcode, Opcode.SCSI_RESPONSE, 'without a word');
  });
});

function cdbHeader(peer: Initiator, cdb: Buffer = cdb16(TUR), write = 0): Buffer {
  const header = Buffer.alloc(48);
  header[0] = Opcode.SCSI_COMMAND;
  header[1] = 0x81 | (write > 0 ? 0x20 : 0);
  lunField(0).copy(header, 8);
  header.writeUInt32BE(peer.newTag(), 16);
  header.writeUInt32BE(write, 20);
  header.writeUInt32BE(peer.cmdSN, 24);
  cdb.copy(header, 32);
  return header;
}

void t.test('SAM-5 4.7: the LUN field', async t => {
  const san = await startSan(t, {
    disks: [
      { name: 'd0', memory: '1MiB' },
      { name: 'd300', memory: '1MiB', lun: 300 },
    ],
  });
  const peer = await logIn(t, san, { luns: [0, 300] });
  const forms: readonly (readonly [string, boolean])[] = [
    ['0000000000000000', true],
    ['4000000000000000', true],
    ['412c000000000000', true],
    ['012c000000000000', false],
    ['0001000000000000', false],
    ['8000000000000000', false],
    ['c101000000000000', false],
    ['0000000100000000', false],
    ['0000000000000001', false],
    ['ffffffffffffffff', false],
  ];
  for (const [field, there] of forms) {
    const header = cdbHeader(peer);
    peer.cmdSN++;
    hexBytes(field).copy(header, 8);
    peer.sendHeader(header);
    t.equal((await peer.next()).num('status'), there ? 0 : 2, field);
  }
  const absent = await peer.command(5, TUR);
  t.equal(absent.said, '5/2500', 'LOGICAL UNIT NOT SUPPORTED');
  const inquiry = await peer.command(5, '12 00 00 00 24 00', { read: 36 });
  t.equal(inquiry.status, 0, 'INQUIRY is answered');
  t.equal(inquiry.data[0], 0x7f);
});

void t.test('house.md: two targets are two address spaces', async t => {
  const unit = { memory: '1MiB' } as const;
  const san = await startSan(t, {
    disks: [{ name: 'd0', ...unit }],
    targets: [
      {
        iqn: 'iqn.2026-01.io.sanlet:two',
        disks: [
          { name: 'd0', ...unit },
          { name: 'd1', ...unit },
        ],
      },
    ],
  });
  const one = await logIn(t, san);
  const two = await logIn(t, san, { target: 'iqn.2026-01.io.sanlet:two', luns: [0, 1] });
  t.equal((await one.command(1, TUR)).said, '5/2500');
  t.equal((await two.command(1, TUR)).said, '');
  const data = pattern(512, 5);
  await one.command(0, write10(0, 1), { write: data });
  t.same(
    (await two.command(0, read10(0, 1), { read: 512 })).data,
    Buffer.alloc(512),
    'what one writes the other does not see',
  );
  const naas = [san.targets[0]!.luns[0]!, ...san.targets[1]!.luns].map(({ naa }) => naa);
  t.equal(new Set(naas).size, 3, 'three units, three names');
  const local = await two.command(0, cdb16(xcopyCdb(xcopy(naas[1]!, naas[2]!))), {
    write: xcopy(naas[1]!, naas[2]!),
  });
  t.equal(local.said, '', 'a copy inside a target');
  const across = await one.command(0, cdb16(xcopyCdb(xcopy(naas[0]!, naas[2]!))), {
    write: xcopy(naas[0]!, naas[2]!),
  });
  t.equal(across.said, 'a/0804', 'COPY ABORTED, UNREACHABLE COPY TARGET');
  const nowhere = xcopy(naas[0]!, '6000000000000000');
  t.equal(
    (await one.command(0, cdb16(xcopyCdb(nowhere)), { write: nowhere })).said,
    'a/0804',
    'as for a unit that is not there',
  );
  t.same((await two.command(1, read10(0, 1), { read: 512 })).data, Buffer.alloc(512));
});

const xcopyCdb = (list: Buffer): Buffer => {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x83;
  cdb.writeUInt32BE(list.length, 10);
  return cdb;
};

/** EXTENDED COPY(LID1) of one block: two E4h descriptors and a 02h segment (SPC-4 6.4). */
function xcopy(from: string, to: string): Buffer {
  const descriptor = (naa: string): Buffer => {
    const id = hexBytes(naa);
    const cscd = Buffer.alloc(32);
    cscd[0] = 0xe4;
    cscd[4] = 0x01;
    cscd[5] = 0x03;
    cscd[7] = id.length;
    id.copy(cscd, 8);
    cscd.writeUIntBE(512, 29, 3);
    return cscd;
  };
  const segment = Buffer.alloc(28);
  segment[0] = 0x02;
  segment.writeUInt16BE(0x18, 2);
  segment.writeUInt16BE(1, 6);
  segment.writeUInt16BE(1, 10);
  const head = Buffer.alloc(16);
  head[0] = 1;
  head.writeUInt16BE(64, 2);
  head.writeUInt32BE(28, 8);
  return Buffer.concat([head, descriptor(from), descriptor(to), segment]);
}
