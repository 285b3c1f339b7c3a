/** Time-outs and limits that the user may set, on the wire. */
import { connect as connectTcp } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { LimitOptions } from '../../lib/config/options.ts';
import { r2t } from '../../lib/iscsi/pdu/data.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import type { San } from '../../lib/san.ts';
import { INITIATOR, Initiator } from '../harness/initiator.ts';
import { NONE, type Pdu } from '../harness/peer.ts';
import { TARGET, connect, logIn, startSan, turns } from '../harness/rig.ts';

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET };
const FINAL = { transit: true, stage: 1, next: 3 } as const;
const statusOf = (pdu: Pdu): string => pdu.num('status').toString(16).padStart(4, '0');

const limited = (t: Test, limits: LimitOptions): Promise<San> =>
  startSan(t, { disks: [{ name: 'd0', memory: '1MiB' }], limits });

const overTcp = (t: Test, san: San): Initiator => {
  const peer = new Initiator(connectTcp(Number(san.portal.split(':')[1]), '127.0.0.1'));
  t.teardown(() => peer.stream.destroy());
  return peer;
};

void t.test('RFC 7143 6.3: a login takes no longer than loginTimeoutMs', async t => {
  const san = await limited(t, { loginTimeoutMs: 200 });
  const silent = connect(t, san);
  const halfway = connect(t, san);
  await halfway.loginStep({ stage: 1 }, NAMES);
  const cut = connect(t, san);
  cut.stream.write(Buffer.alloc(20, 0x43));
  const done = await logIn(t, san);
  const from = performance.now();
  await Promise.all([silent.ended, halfway.ended, cut.ended]);
  t.ok(performance.now() - from < 5_000, 'all that have not logged in end');
  t.equal(silent.pdus.length, 0);
  t.same(await done.settled(), [], 'and who has does not');
});

void t.test('RFC 7143 11.19: silence is asked about and then ended, by silenceMs', async t => {
  const san = await limited(t, { silenceMs: 600 });
  const deaf = await logIn(t, san);
  const lively = await logIn(t, san, { isid: '800000000002' });
  const ping = await deaf.nextOf(Opcode.NOP_IN);
  t.equal(ping.num('initiatorTaskTag'), NONE);
  t.not(ping.num('targetTransferTag'), NONE, 'it wants an answer');
  while (!deaf.gone) {
    await lively.command(0, '00');
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  t.same(await lively.settled(), [], 'a session that speaks goes on');
});

void t.test('RFC 7143 11.7: data of a write that does not come, by dataOutTimeoutMs', async t => {
  const san = await limited(t, { dataOutTimeoutMs: 200 });
  const peer = await logIn(t, san, { keys: { ImmediateData: 'No' } });
  peer.start(0, '2a 00 00 00 00 00 00 00 01 00', { write: Buffer.alloc(512), immediateBytes: 0 });
  t.equal((await peer.next()).opcode, Opcode.R2T);
  await peer.ended;
  t.equal(peer.pdus.at(-1)!.opcode, Opcode.R2T, 'no status: the connection ends');
});

void t.test('RFC 7143 11.7: a write whose data trickles in has its time, too', async t => {
  const san = await limited(t, { dataOutTimeoutMs: 100 });
  const peer = await logIn(t, san, { keys: { ImmediateData: 'No' } });
  const write = Buffer.alloc(256 * 512);
  const tag = peer.start(0, '2a 00 00 00 00 00 00 01 00 00', { write, immediateBytes: 0 });
  const asked = await peer.next();
  t.equal(asked.opcode, Opcode.R2T);
  const transferTag = r2t.targetTransferTag.get(asked.header);
  const end = peer.ended.then(() => 'ended');
  let over: string | undefined;
  for (let sent = 0; sent < 40 && over === undefined; sent++) {
    const at = sent * 512;
    peer.dataOut(0, tag, transferTag, write.subarray(at, at + 512), at, sent, false);
    over = await Promise.race([end, delay(50, undefined)]);
  }
  t.equal(over, 'ended', 'the connection ends although something came again and again');
});

void t.test('RFC 7143 11.13.5: 0302 for one session more than sessionsPerInitiator', async t => {
  const san = await limited(t, { sessionsPerInitiator: 2 });
  const first = await logIn(t, san);
  await logIn(t, san, { isid: '800000000002' });
  const more = connect(t, san);
  t.equal(statusOf(await more.loginStep(FINAL, NAMES, { isid: '800000000003' })), '0302');
  await more.ended;
  const again = await logIn(t, san);
  await first.ended;
  t.same(await again.settled(), [], '6.3.5: reinstatement takes the place of one');
  const other = connect(t, san);
  const names = { InitiatorName: 'iqn.2026-01.test:other', TargetName: TARGET };
  t.equal(statusOf(await other.loginStep(FINAL, names)), '0000', 'another initiator has its own');
  await again.logout();
  await again.ended;
  t.ok(await logIn(t, san, { isid: '800000000003' }), 'and room comes back');
});

void t.test('limits: connections, in all and before login from one address', async t => {
  const san = await limited(t, { connectionsBeforeLogin: 2 });
  const one = overTcp(t, san);
  const two = overTcp(t, san);
  for (const peer of [one, two])
    await peer.loginStep({ stage: 1 }, NAMES, { isid: peer === one ? '80ffffffff01' : '80ffffffff02' });
  const three = overTcp(t, san);
  await three.ended;
  t.equal(three.pdus.length, 0, 'refused without a word');
  t.equal(
    statusOf(await connect(t, san).loginStep(FINAL, NAMES)),
    '0000',
    'who comes by no socket has no address',
  );
  const options = { isid: '80ffffffff01' };
  t.equal(statusOf(await one.loginStep(FINAL, {}, options)), '0000');
  const four = overTcp(t, san);
  t.equal(
    statusOf(await four.loginStep(FINAL, NAMES, { isid: '80ffffffff04' })),
    '0000',
    'who is in counts no more',
  );

  const small = await limited(t, { connections: 2 });
  const kept = await logIn(t, small);
  const half = connect(t, small);
  await connect(t, small).ended;
  half.stream.destroy();
  const retry = async (): Promise<string> => {
    const peer = connect(t, small);
    return peer.loginStep(FINAL, NAMES, { isid: '800000000009' }).then(statusOf, () => 'refused');
  };
  let status = await retry();
  for (let i = 0; i < 200 && status === 'refused'; i++) {
    await new Promise(resolve => setTimeout(resolve, 5));
    status = await retry();
  }
  t.equal(status, '0000', 'a place is free again');
  t.same(await kept.settled(), []);
});

void t.test('RFC 7143 6.2: loginRequests and textBytes', async t => {
  const san = await limited(t, { loginRequests: 6, textBytes: 8192 });
  const peer = connect(t, san);
  let reply = await peer.loginStep({ stage: 1 }, NAMES);
  let count = 1;
  while (statusOf(reply) === '0000' && count < 20) {
    reply = await peer.loginStep({ stage: 1 });
    count++;
  }
  t.equal(`${count} ${statusOf(reply)}`, '7 0200');
  const long = connect(t, san);
  await long.loginStep({ more: true, stage: 1 }, Buffer.alloc(8192, 'a'));
  t.equal(statusOf(await long.loginStep({ more: true, stage: 1 }, Buffer.alloc(4, 'a'))), '0200');
  const full = await logIn(t, san);
  const reject = await full.ask({ 'X-org.example.long': 'v'.repeat(8192) });
  t.equal(reject.opcode, Opcode.REJECT, 'in full feature phase, too');
  t.equal(reject.num('reason'), 0x04);
  t.same(await full.settled(), []);
});

void t.test(
  'RFC 7143 6.3.6: sessions that wait for a connection take no more room than there is',
  async t => {
    const san = await limited(t, { connections: 3 });
    const keys = { DefaultTime2Retain: '20', DefaultTime2Wait: '3600' };
    const from = async (name: number): Promise<Initiator> => {
      const peer = connect(t, san);
      await peer.login({ target: TARGET, initiator: `iqn.2026-01.test:i${name}`, keys });
      return peer;
    };
    const stays = await from(0);
    const gone: Initiator[] = [];
    for (let name = 1; name <= 6; name++) {
      const peer = await from(name);
      peer.stream.destroy();
      await peer.ended;
      await turns(10);
      gone.push(peer);
    }
    const back = (peer: Initiator): Promise<Pdu> =>
      connect(t, san).loginStep(
        FINAL,
        { ...NAMES, InitiatorName: peer.asked.initiator! },
        { tsih: peer.tsih, cid: 1 },
      );
    t.equal(statusOf(await back(gone[0]!)), '020a', 'the oldest has given way');
    t.equal(statusOf(await back(gone[5]!)), '0000', 'the latest is there');
    t.equal((await stays.command(0, '00')).said, '6/2900', 'and one with a connection stays');
  },
);
