/** Rules of access, on the wire: who comes in, and what stands at which LUN for them. */
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import type { AccessOptions, SanOptions } from '../../lib/config/options.ts';
import { TaskFunction, TaskFunctionResponse } from '../../lib/iscsi/pdu/task-management.ts';
import type { San } from '../../lib/san.ts';
import { decodeLun } from '../../lib/scsi-cmds/lun.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { type Initiator, type LoginOptions, read10, write10 } from '../harness/initiator.ts';
import { TARGET, connect, logIn, startNode, startSan, turns } from '../harness/rig.ts';

const WEB = 'iqn.2026-01.test:web1';
const DB = 'iqn.2026-01.test:db';
const BACKUP = 'iqn.2026-01.test:backup';
const web = { user: 'web', secret: 'the secret of web' };
const admin = { user: 'admin', secret: 'the secret of admin' };

const UNITS: SanOptions = {
  disks: [
    { name: 'd0', memory: '1M' },
    { name: 'd1', memory: '2M' },
    { name: 'd2', memory: '3M' },
  ],
  tapes: [{ name: 't0', memory: true }],
};

const RULES: AccessOptions[] = [
  { initiators: ['iqn.2026-01.test:web*'], luns: { 0: 'd1', 300: { name: 'd2', ro: true } } },
  { initiators: [DB], luns: ['d2', 'd0'] },
  { initiators: [BACKUP], luns: { 0: { name: 'd0', ro: true }, 1: 't0', 2: { name: 'd1', ro: true } } },
  { chap: admin },
];

const start = (t: Test, access: AccessOptions[]): Promise<San> => startSan(t, { ...UNITS, access });
const as = (initiator: string, more: LoginOptions = {}): LoginOptions => ({
  initiator,
  target: TARGET,
  ...more,
});

const refusal = (t: Test, san: San, options: LoginOptions): Promise<string> =>
  connect(t, san)
    .login(options)
    .then(
      () => 'logged in',
      (error: unknown) => /refused: (\w+)/.exec((error as Error).message)?.[1] ?? String(error),
    );

async function luns(peer: Initiator, through = 0): Promise<number[]> {
  const { data } = await peer.command(through, 'a0 00 00 00 00 00 00 00 40 00', { read: 16384 });
  const found: number[] = [];
  for (let at = 8; at < 8 + data.readUInt32BE(0); at += 8) found.push(decodeLun(data, at)!);
  return found;
}
const naa = async (peer: Initiator, lun: number): Promise<string> => {
  const { data } = await peer.command(lun, '12 01 83 00 ff', { read: 255 });
  return data.subarray(-8).toString('hex');
};
const attention = async (peer: Initiator, lun: number): Promise<string> =>
  (await peer.command(lun, '00')).said;

void t.test('SPC-4 6.33: REPORT LUNS lists what the rule of the initiator shows, by its numbers', async t => {
  const san = await start(t, RULES);
  const byName = new Map(san.luns.map(lun => [lun.name, lun.naa]));
  for (const [initiator, seen] of [
    [
      WEB,
      [
        [0, 'd1'],
        [300, 'd2'],
      ],
    ],
    [
      DB,
      [
        [0, 'd2'],
        [1, 'd0'],
      ],
    ],
    [
      BACKUP,
      [
        [0, 'd0'],
        [1, 't0'],
        [2, 'd1'],
      ],
    ],
  ] as [string, [number, string][]][]) {
    const peer = await logIn(t, san, { ...as(initiator), luns: seen.map(([lun]) => lun) });
    t.strictSame(
      await luns(peer),
      seen.map(([lun]) => lun),
      initiator,
    );
    for (const [lun, name] of seen)
      t.equal(await naa(peer, lun), byName.get(name), `${initiator}: ${name} at ${lun}`);
    t.equal((await peer.command(3, '00')).said, '5/2500');
    t.equal((await peer.command(3, '12 00 00 00 60', { read: 96 })).data[0], 0x7f, 'INQUIRY: no unit');
  }
  const all = await logIn(t, san, as('iqn.2026-01.test:anybody', { chap: admin }));
  t.strictSame(await luns(all), [0, 1, 2, 3], 'a rule without LUNs shows all');
});

void t.test('RFC 7143 11.13.5: who has no rule is refused, and who must prove itself does', async t => {
  const san = await start(t, [
    { initiators: [DB] },
    { initiators: [WEB], chap: web, luns: ['d0'] },
    { initiators: [WEB], chap: admin, luns: ['d1'] },
  ]);
  t.equal(await refusal(t, san, as('iqn.2026-01.test:stranger')), '0202');
  t.equal(await refusal(t, san, as(DB)), 'logged in');
  t.equal(await refusal(t, san, as(WEB)), '0201', 'it may not go without CHAP');
  t.equal(await refusal(t, san, as(WEB, { chap: { ...web, secret: 'the secret of web.' } })), '0201');
  t.equal(
    await refusal(t, san, as(WEB, { chap: { ...web, secret: admin.secret } })),
    '0201',
    'the secret of another user',
  );
  for (const [chap, bytes] of [
    [web, 2048],
    [admin, 4096],
  ] as const) {
    const peer = await logIn(t, san, as(WEB, { chap }));
    const { data } = await peer.command(0, '25', { read: 8 });
    t.equal(data.readUInt32BE(0) + 1, bytes, `${chap.user} sees its own disk at LUN 0`);
    await peer.logout();
  }
  const one = await start(t, [
    { initiators: [DB], chap: admin },
    { initiators: [WEB], user: 'admin', luns: ['d2'] },
  ]);
  t.equal(await refusal(t, one, as(WEB, { chap: admin })), 'logged in', 'a user of another rule by name');
  t.equal(await refusal(t, one, as(WEB, { chap: web })), '0201');
});

void t.test('RFC 7143 C: SendTargets tells of targets that have a rule for the asker', async t => {
  const other = 'iqn.2026-01.io.sanlet:other';
  const san = await startSan(t, {
    ...UNITS,
    access: [{ initiators: [WEB] }],
    targets: [
      { iqn: other, disks: [{ name: 'x', memory: '1M' }], access: [{ initiators: [DB], chap: web }] },
    ],
  });
  for (const [initiator, names] of [
    [WEB, [TARGET]],
    [DB, [other]],
    ['iqn.2026-01.test:stranger', []],
  ] as [string, string[]][]) {
    const peer = await connect(t, san).login({ initiator });
    const told = await peer.ask({ SendTargets: 'All' });
    t.strictSame(
      told.pairs.filter(([key]) => key === 'TargetName').map(([, value]) => value),
      names,
      initiator,
    );
  }
});

void t.test('SBC-3 6.5.1: a view that may not write', async t => {
  const san = await start(t, RULES);
  const reader = await logIn(t, san, { ...as(WEB), luns: [0, 300] });
  const writer = await logIn(t, san, { ...as(DB), luns: [0, 1] });
  const data = randomBytes(512);
  t.equal((await writer.command(0, write10(1, 1), { write: data })).status, 0);
  t.ok((await reader.command(300, read10(1, 1), { read: 512 })).data.equals(data), 'one unit, two LUNs');
  const wp = async (peer: Initiator, lun: number): Promise<number> =>
    (await peer.command(lun, '1a 00 3f 00 ff', { read: 255 })).data[2]! & 0x80;
  t.equal(await wp(writer, 0), 0);
  t.equal(await wp(reader, 300), 0x80);
  t.equal(await wp(reader, 0), 0);
  for (const [cdb, write] of [
    [write10(1, 1), Buffer.alloc(512)],
    ['8a 00 00 00 00 00 00 00 00 01 00 00 00 01', Buffer.alloc(512)],
    ['41 08 00 00 00 01 00 00 01', Buffer.alloc(512)],
    [
      '42 00 00 00 00 00 00 00 18',
      Buffer.from('0016001000000000000000000000000100000001 00000000'.replaceAll(' ', ''), 'hex'),
    ],
    ['89 00 00 00 00 00 00 00 00 01 00 00 00 01', Buffer.alloc(1024)],
    ['2e 00 00 00 00 01 00 00 01', Buffer.alloc(512)],
  ] as const) {
    t.equal((await reader.command(300, cdb, { write })).said, '7/2700', Buffer.from(cdb).toString('hex'));
  }
  t.ok((await writer.command(0, read10(1, 1), { read: 512 })).data.equals(data), 'nothing was written');
  const control = Buffer.from([0, 0, 0, 0, 0x0a, 0x0a, 0x04, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
  const list = (...bytes: number[]): Buffer => Buffer.from(bytes);
  for (const [what, cdb, write] of [
    ['MODE SELECT(6)', '15 10 00 00 10', control],
    ['LOG SELECT', '4c 02 c0 00 00 00 00 00 00', undefined],
    ['SET TIMESTAMP', 'a4 0f 00 00 00 00 00 00 00 0c', Buffer.alloc(12)],
    ['SET TARGET PORT GROUPS', 'a4 0a 00 00 00 00 00 00 00 08', list(0, 0, 0, 0, 1, 0, 0, 1)],
    ['SET IDENTIFYING INFORMATION', 'a4 06 00 00 00 00 00 00 00 01', list(1)],
  ] as const) {
    const to = (peer: Initiator, lun: number): Promise<{ said: string }> =>
      peer.command(lun, cdb, write === undefined ? {} : { write });
    t.equal((await to(reader, 300)).said, '7/2700', `${what}: what others have of it is not altered either`);
    t.equal((await to(reader, 0)).said, '', `${what}: where it may write it may`);
  }
  t.equal(await attention(writer, 0), '', 'there was nothing to be told');
  t.equal((await reader.command(300, '16')).status, 0, 'it may reserve');
  t.equal(await reader.manage(5, { lun: 300 }), 0, 'and reset the unit');
  t.equal(await attention(writer, 0), '6/2900');
  const tape = await logIn(t, san, { ...as(BACKUP), luns: [0, 1, 2] });
  t.equal((await tape.command(1, '0a 00 00 02 00', { write: data })).status, 0, 'beside it one that may');
});

const cscd = (id: string, deviceType = 0): Buffer => {
  const one = Buffer.alloc(32);
  one.set([0xe4, deviceType, 0, 0, 1, 3, 0, 8]);
  Buffer.from(id, 'hex').copy(one, 8);
  one.writeUIntBE(512, 29, 3);
  return one;
};
/** EXTENDED COPY of one block from the first to the second. */
async function copy(peer: Initiator, lun: number, from: string, to: string): Promise<string> {
  const segment = Buffer.alloc(28);
  segment.set([0x02, 0, 0, 24]);
  segment.writeUInt16BE(1, 6);
  segment.writeUInt16BE(1, 10);
  const list = Buffer.concat([Buffer.alloc(16), cscd(from), cscd(to), segment]);
  list.writeUInt16BE(64, 2);
  list.writeUInt32BE(28, 8);
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x83;
  cdb.writeUInt32BE(list.length, 10);
  const { said, sense } = await peer.command(lun, cdb, { write: list });
  return said === '' ? '' : `${said} ${sense.subarray(8).toString('hex')}`;
}

void t.test(
  'SPC-4 5.17.7.2: a copy reaches what its initiator addresses, and nothing else (CVE-2020-28374)',
  async t => {
    const san = await start(t, RULES);
    const id = (name: string): string => san.luns.find(lun => lun.name === name)!.naa;
    const peer = await logIn(t, san, { ...as(WEB), luns: [0, 300] });
    const owner = await logIn(t, san, { ...as(DB), luns: [0, 1] });
    const data = randomBytes(512);
    await owner.command(0, write10(0, 1), { write: data });
    t.equal(await copy(peer, 0, id('d2'), id('d1')), '', 'from a read-only view to what it may write');
    t.ok((await peer.command(0, read10(0, 1), { read: 512 })).data.equals(data));
    const nowhere = '3fffffffffffffff';
    const notYours = await copy(peer, 0, id('d0'), id('d1'));
    t.match(notYours, /^a\/0804/, 'UNREACHABLE COPY TARGET');
    t.equal(notYours, await copy(peer, 0, nowhere, id('d1')), 'not there and not yours answer alike');
    t.not(notYours, '');
    t.equal(await copy(peer, 0, id('d1'), id('d0')), await copy(peer, 0, id('d1'), nowhere));
    const protectedView = await copy(peer, 0, id('d1'), id('d2'));
    t.match(protectedView, /^a\/0d/, 'a read-only view is no destination');
    t.ok((await owner.command(0, read10(0, 1), { read: 512 })).data.equals(data));
    t.ok((await owner.command(1, read10(0, 1), { read: 512 })).data.equals(Buffer.alloc(512)));
  },
);

void t.test('RFC 7143 11.5.1: task management goes by the LUNs of the view', async t => {
  const san = await start(t, RULES);
  const peer = await logIn(t, san, { ...as(WEB), luns: [0, 300] });
  const other = await logIn(t, san, { ...as(DB), luns: [0, 1] });
  const manage = (code: number, lun = 0): Promise<number> => peer.manage(code, { lun });
  t.equal(
    await manage(TaskFunction.LOGICAL_UNIT_RESET, 1),
    TaskFunctionResponse.NO_SUCH_LUN,
    'd0 is not its own',
  );
  t.equal(await attention(other, 1), '');
  t.equal(await manage(TaskFunction.LOGICAL_UNIT_RESET, 300), TaskFunctionResponse.COMPLETE);
  t.match(await attention(other, 0), /^6\/29/, 'd2 by another number');
  t.equal(await attention(other, 1), '');
  await peer.clear(0, 300);
  t.equal(await manage(TaskFunction.TARGET_COLD_RESET), TaskFunctionResponse.NOT_AUTHORIZED);
  t.equal(await manage(TaskFunction.TARGET_WARM_RESET), TaskFunctionResponse.COMPLETE);
  t.match(await attention(other, 0), /^6\/29/);
  t.equal(await attention(other, 1), '', 'a unit that it does not see is not reset');
});

void t.test('SAM-5 5.14: unit attentions reach those who see the unit, and each of them once', async t => {
  const san = await start(t, RULES);
  const sees = await logIn(t, san, { ...as(WEB), luns: [0, 300] });
  const alsoSees = await logIn(t, san, { ...as(DB), luns: [0, 1] });
  const blind = await logIn(t, san, { ...as(BACKUP), luns: [0, 1, 2] });
  await san.resize(2, '8M');
  t.equal(await attention(sees, 300), '6/2a09');
  t.equal(await attention(sees, 300), '');
  t.equal(await attention(alsoSees, 0), '6/2a09');
  for (const lun of [0, 1, 2]) t.equal(await attention(blind, lun), '');
  await san.remove(2);
  t.equal(await attention(sees, 300), '5/2500');
  t.equal(await attention(sees, 0), '6/3f0e');
  t.equal(await attention(alsoSees, 1), '6/3f0e');
  t.equal(await attention(blind, 0), '', 'its LUNs are what they were');
  await san.add({ disk: { name: 'd9', memory: '1M' } });
  t.strictSame(await luns(sees), [0], 'no rule shows it');
  await san.add({ disk: { name: 'd2', memory: '1M', lun: 40 } });
  t.equal(await attention(sees, 300), '6/2900', 'the name is back, and so is its LUN of the rule');
  t.equal(await attention(sees, 0), '6/3f0e');
  t.strictSame(await luns(sees), [0, 300]);
});

void t.test(
  'SAM-5 5.6: what is under way at a unit that is taken away ends, at the latest when its time is over',
  async t => {
    const { node, device, gate } = startNode(t);
    const peer = await logIn(t, node, { luns: [0, 1] });
    const other = await logIn(t, node, { isid: '800000000002', luns: [0, 1] });
    const data = Buffer.alloc(512, 1);
    const write = (attribute: number): number =>
      peer.start(1, write10(0, 1), { write: data, immediateBytes: 512, attribute });
    gate.shut = true;
    let running = write(1);
    let waiting = write(2); // ORDERED
    await turns(5);
    t.equal(gate.waiting, 1, 'one is at the medium, and one behind it');
    let gone = false;
    const removed = device.remove(1, 20).finally(() => {
      gone = true;
    });
    t.equal(await attention(other, 1), '5/2500', 'for others it is gone at once');
    t.equal((await peer.finish(waiting, 1)).said, '5/2500', 'what waits, when the time is over');
    t.notOk(gone, 'the medium has not let go yet');
    gate.open();
    t.equal((await peer.finish(running, 1)).status, 0x40);
    const unit = await removed;
    t.equal(await attention(peer, 0), '6/3f0e');
    t.equal(await attention(peer, 0), '');

    device.add(1, disk({ identity: unit.identity, backend: gate.backend }));
    await peer.clear(0, 1);
    gate.shut = true;
    running = write(1);
    waiting = write(2);
    await turns(5);
    const taken = device.remove(1, 60_000);
    gate.open();
    t.equal((await peer.finish(running, 1)).status, 0, 'with time enough what is at the medium ends well');
    t.equal((await peer.finish(waiting, 1)).said, '5/2500', 'and what waited finds nothing');
    await (await taken).close();
  },
);

void t.test('rules that change hold at once for who is logged in', async t => {
  const san = await start(t, RULES);
  const peer = await logIn(t, san, { ...as(WEB), luns: [0, 300] });
  const db = await logIn(t, san, { ...as(DB), luns: [0, 1] });
  const apply = (access: AccessOptions[]): Promise<string[]> => san.apply({ iqn: TARGET, ...UNITS, access });
  t.strictSame(
    await apply([
      { initiators: ['iqn.2026-01.test:web*'], luns: { 0: { name: 'd1', ro: true }, 1: 'd2', 2: 't0' } },
      RULES[1]!,
    ]),
    ['access changed'],
  );
  t.equal(await attention(peer, 300), '5/2500');
  t.equal(await attention(peer, 0), '6/3f0e');
  t.equal(await attention(peer, 0), '6/2a01', 'it may not write it any more');
  t.equal((await peer.command(0, write10(0, 1), { write: Buffer.alloc(512) })).said, '7/2700');
  t.equal(await attention(peer, 2), '6/2900', 'what it sees anew');
  t.strictSame(await luns(peer), [0, 1, 2]);
  t.match(await attention(peer, 1), /^6\/2a01/, 'and this it may write');
  t.equal(await attention(peer, 1), '');
  t.equal(await attention(db, 0), '', 'the rule of the other is what it was');
  await apply([RULES[1]!]);
  t.equal(await attention(peer, 0), '5/2500', 'nothing lets it in any more');
  t.strictSame(await luns(peer), []);
  t.equal(await refusal(t, san, as(WEB)), '0202');
  t.equal(await attention(db, 0), '');
});
