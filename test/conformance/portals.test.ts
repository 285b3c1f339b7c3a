/** Portal groups, redirection and addresses, by clause of RFC 7143. */
import { type AddressInfo, type Server, connect as connectTcp, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { Initiator as Client } from '../../lib/initiator/initiator.ts';
import { inventory } from '../../lib/initiator/inventory.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { INITIATOR, Initiator } from '../harness/initiator.ts';
import { type Pdu, build } from '../harness/peer.ts';
import { TARGET, connect, inGroup, logIn, startSan } from '../harness/rig.ts';

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET };
const FINAL = { transit: true, stage: 1, next: 3 } as const;
const disks = [{ name: 'd0', memory: '1MiB' }];
const statusOf = (pdu: Pdu): string => pdu.num('status').toString(16).padStart(4, '0');

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** What a discovery session over TCP is told by SendTargets. */
async function discovered(t: Test, portal: string): Promise<[string, string][]> {
  const parts = /^\[?([^\]]*?)\]?:([0-9]+)$/.exec(portal)!;
  const peer = new Initiator(connectTcp(Number(parts[2]), parts[1]));
  t.teardown(() => peer.stream.destroy());
  await peer.login({});
  return (await peer.ask({ SendTargets: 'All' })).pairs;
}

const refusal = async (t: Test, to: Parameters<typeof connect>[1], keys = NAMES): Promise<Pdu> => {
  const peer = connect(t, to);
  const reply = await peer.loginStep(FINAL, keys);
  if (statusOf(reply) !== '0000') await peer.ended;
  return reply;
};

void t.test('RFC 7143 4.4.1 and 13.9: portal groups', async t => {
  const OTHER = 'iqn.2026-01.io.sanlet:other';
  const san = await startSan(t, {
    portals: [
      '127.0.0.1:0',
      '127.0.0.1:0,group=2',
      { address: '127.0.0.1:0', group: 2, advertise: 'san.example' },
    ],
    disks,
    targets: [{ iqn: OTHER, disks, groups: [2] }],
  });
  const [one, two, three] = san.portals as [string, string, string];
  const addresses = [`${one},1`, `${two},2`, `san.example:${three.split(':')[1]},2`];

  await t.test('13.9: the first Login Response has the tag of the group that it came in by', async t => {
    for (const group of [1, 2]) {
      const reply = await connect(t, inGroup(san, group)).loginStep(
        { transit: true, stage: 0, next: 1 },
        { ...NAMES, AuthMethod: 'None' },
      );
      t.equal(reply.keys.get('TargetPortalGroupTag'), String(group));
    }
    const [host, port] = two.split(':') as [string, string];
    const peer = new Initiator(connectTcp(Number(port), host));
    t.teardown(() => peer.stream.destroy());
    t.equal((await peer.loginStep(FINAL, NAMES)).keys.get('TargetPortalGroupTag'), '2', 'over TCP, too');
  });
  await t.test('appendix C: SendTargets tells the tag of every address', async t => {
    const all = [
      ['TargetName', TARGET],
      ...addresses.map(address => ['TargetAddress', address]),
      ['TargetName', OTHER],
      ...addresses.slice(1).map(address => ['TargetAddress', address]),
    ];
    for (const portal of [one, two, three]) t.same(await discovered(t, portal), all, portal);
    const peer = await logIn(t, inGroup(san, 1));
    t.same((await peer.ask({ SendTargets: '' })).pairs.slice(1), all.slice(1, 4), 'in a normal session, too');
  });
  await t.test('a target is there only in the groups that serve it', async t => {
    const names = { InitiatorName: INITIATOR, TargetName: OTHER };
    t.equal(statusOf(await refusal(t, inGroup(san, 1), names)), '0203');
    t.equal(statusOf(await refusal(t, inGroup(san, 2), names)), '0000');
  });
  await t.test('4.4.1: a nexus by each group, and reinstatement within one', async t => {
    const first = await logIn(t, inGroup(san, 1));
    const second = await logIn(t, inGroup(san, 2));
    t.not(first.tsih, second.tsih);
    t.same(await first.settled(), [], '6.3.5: the same ISID by another group is another session');
    const again = await logIn(t, inGroup(san, 2));
    await second.ended;
    t.same(await first.settled(), [], 'and by the same one takes its place');
    t.same(await again.settled(), []);
  });
  await t.test('11.13.5: a session is joined in its own group only', async t => {
    const first = await logIn(t, inGroup(san, 1), { keys: { MaxConnections: '4' } });
    const reply = await connect(t, inGroup(san, 2)).loginStep(FINAL, NAMES, { tsih: first.tsih, cid: 1 });
    t.equal(statusOf(reply), '0208', 'cannot include in session');
    t.same(await first.settled(), []);
  });
  await t.test('SPC-4 7.8.6.7: the RELATIVE TARGET PORT IDENTIFIER is the tag', async t => {
    for (const group of [1, 2]) {
      const peer = await logIn(t, inGroup(san, group));
      const page = (await peer.command(0, '12 01 83 00 ff 00', { read: 255 })).data;
      const found: number[] = [];
      for (let at = 4; at < 4 + page.readUInt16BE(2); at += 4 + page[at + 3]!) {
        if ((page[at + 1]! & 0x3f) === 0x14) found.push(page.readUInt32BE(at + 4));
      }
      t.same(found, [group], `by group ${group}`);
    }
  });
});

void t.test('RFC 7143 11.13.5: redirection', async t => {
  const SECRET = { user: 'alice', secret: 'a secret of 18 byt' };
  const home = await startSan(t, { disks, chap: SECRET });
  const [host, port] = home.portal.split(':') as [string, string];
  const GONE = 'iqn.2026-01.io.sanlet:gone';
  const front = await startSan(t, {
    portals: ['127.0.0.1:0', '127.0.0.1:0,group=2'],
    redirect: { to: home.portal, groups: [2] },
    disks,
    targets: [
      { iqn: GONE, redirect: { to: '[2001:db8::1]:3261', permanent: true } },
      { iqn: 'iqn.2026-01.io.sanlet:shut', initiators: ['iqn.nobody'], redirect: { to: home.portal } },
    ],
  });
  await t.test('by one portal group', async t => {
    t.equal(statusOf(await refusal(t, inGroup(front, 1))), '0000');
    const reply = await refusal(t, inGroup(front, 2));
    t.equal(statusOf(reply), '0101', 'temporarily');
    t.same(reply.pairs, [['TargetAddress', home.portal]], '13.8: without a portal group tag');
    t.notOk(reply.flag('final'));
    t.equal(reply.num('tsih'), 0);
  });
  await t.test('for good, by every group', async t => {
    for (const group of [1, 2]) {
      const reply = await refusal(t, inGroup(front, group), { InitiatorName: INITIATOR, TargetName: GONE });
      t.equal(statusOf(reply), '0102');
      t.same(reply.pairs, [['TargetAddress', '[2001:db8::1]:3261']], '13.8: IPv6 in brackets');
    }
  });
  await t.test('who may not come in is not told where', async t => {
    const names = { InitiatorName: INITIATOR, TargetName: 'iqn.2026-01.io.sanlet:shut' };
    const reply = await refusal(t, front, names);
    t.equal(statusOf(reply), '0202');
    t.same(reply.pairs, []);
  });
  await t.test('while it is served', async t => {
    const options = { iqn: TARGET, disks, portals: ['127.0.0.1:0', '127.0.0.1:0,group=2'] };
    const san = await startSan(t, options);
    const before = await logIn(t, san);
    await san.apply({ ...options, redirect: { to: home.portal, permanent: true } });
    t.equal(statusOf(await refusal(t, san)), '0102');
    t.same(await before.settled(), [], 'who is in stays');
    await san.apply({ ...options, limits: { sessionsPerInitiator: 1 } });
    const more = connect(t, san);
    t.equal(statusOf(await more.loginStep(FINAL, NAMES, { isid: '800000000005' })), '0302', 'limits, too');
    await t.rejects(san.apply({ ...options, groups: [2] }), /groups: portal groups of targets cannot change/);
  });
  await t.test('our own initiator follows', async t => {
    const [, second] = front.portals as [string, string];
    const at = { host, port: Number(second.split(':')[1]), user: SECRET.user, secret: SECRET.secret };
    const session = await Client.login({ ...at, target: TARGET });
    t.equal(session.peer, `${host}:${port}`);
    await session.logout();
    const [found] = await inventory(at, TARGET);
    t.equal(found?.luns.length, 1);
    await t.rejects(Client.login({ ...at, target: TARGET, secret: 'wrong' }), /does not take the secret/);
  });
  await t.test('but not for ever', async t => {
    // A ring needs ports that are known before: those of sockets that the test listens on itself.
    let logins = 0;
    const ring = createServer(socket => {
      socket.on('error', () => {});
      socket.once('data', request => {
        logins++;
        const text = Buffer.from(`TargetAddress=127.0.0.1:${portOf(ring)},1\0`);
        const answer = build(Opcode.LOGIN_RESPONSE, { status: 0x0101 });
        request.copy(answer, 16, 16, 20);
        answer.writeUIntBE(text.length, 5, 3);
        socket.end(Buffer.concat([answer, text, Buffer.alloc(-text.length & 3)]));
      });
    });
    await new Promise<void>(resolve => ring.listen(0, '127.0.0.1', resolve));
    t.teardown(() => ring.close());
    const login = Client.login({ host: '127.0.0.1', port: portOf(ring), target: TARGET });
    await t.rejects(login, { message: /is sent on more than 4 times, at last to 127/ });
    t.equal(logins, 5);
  });
});

void t.test('RFC 7143 13.8: addresses', async t => {
  await t.test('IPv6, in brackets', async t => {
    const san = await startSan(t, { disks, portals: ['[::1]:0'] });
    t.match(san.portal, /^\[::1\]:[0-9]+$/);
    t.same(await discovered(t, san.portal), [
      ['TargetName', TARGET],
      ['TargetAddress', `${san.portal},1`],
    ]);
    const session = await Client.login({
      host: '::1',
      port: Number(san.portal.split(':').at(-1)),
      target: TARGET,
    });
    t.equal(session.peer, san.portal);
    await session.logout();
  });
  await t.test('[::] listens on both, and tells each the address that it came in by', async t => {
    const san = await startSan(t, { disks, portals: ['[::]:0', '[::1]:0,group=2', '0.0.0.0:0,group=3'] });
    const [wild, six, four] = san.portals.map(portal => portal.split(':').at(-1)!) as [
      string,
      string,
      string,
    ];
    for (const [from, told] of [
      [`[::1]:${wild}`, [`[::1]:${wild},1`, `[::1]:${six},2`]],
      [`127.0.0.1:${wild}`, [`127.0.0.1:${wild},1`, `[::1]:${six},2`, `127.0.0.1:${four},3`]],
      [`[::1]:${six}`, [`[::1]:${wild},1`, `[::1]:${six},2`]],
      [`127.0.0.1:${four}`, [`127.0.0.1:${wild},1`, `[::1]:${six},2`, `127.0.0.1:${four},3`]],
    ] as const) {
      const pairs = await discovered(t, from);
      t.same(
        pairs.slice(1).map(([, address]) => address),
        told,
        `to one that came by ${from}`,
      );
    }
  });
  await t.test('a domain name', async t => {
    const san = await startSan(t, { disks, portals: ['localhost:0'], advertise: 'san.example' });
    const port = san.portal.split(':').at(-1)!;
    t.equal(san.portal, `localhost:${port}`);
    const session = await Client.login({ host: 'localhost', port: Number(port), target: TARGET });
    const [own] = await session.text([{ key: 'SendTargets', value: '' }]);
    t.equal(own?.value, TARGET);
    await session.logout();
    const [found] = await Client.discover({ host: 'localhost', port: Number(port) });
    t.same(found?.addresses, [`san.example:${port},1`], 'advertised with the port of the portal');
  });
});
