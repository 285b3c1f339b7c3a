/** A San as a program embeds it: what can change while initiators are at work, each change with a session attached. */
import { randomBytes } from 'node:crypto';
import { existsSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ConfigError, San } from '../../lib/index.ts';
import type { SanOptions } from '../../lib/config/options.ts';
import { decodeLun, encodeLun } from '../../lib/scsi-cmds/lun.ts';
import { type Initiator, lunField, read10, write10 } from '../harness/initiator.ts';
import { TARGET, logIn, startSan, until } from '../harness/rig.ts';

const MIB = 1024 * 1024;
const TEST_UNIT_READY = '00';
const INQUIRY = '12 00 00 00 60';
const REPORT_LUNS = 'a0 00 00 00 00 00 00 00 40 00';
const READ_CAPACITY_16 = '9e 10 00 00 00 00 00 00 00 00 00 00 00 20';
const MODE_SENSE = '1a 00 08 00 ff';

const ready = async (peer: Initiator, lun: number): Promise<string> =>
  (await peer.command(lun, TEST_UNIT_READY)).said;

/** What it is told, until it is told nothing. */
async function attentions(peer: Initiator, lun: number): Promise<string[]> {
  const said: string[] = [];
  for (let i = 0; i < 16; i++) {
    const one = await ready(peer, lun);
    if (one === '') break;
    said.push(one);
    if (!one.startsWith('6/')) break;
  }
  return said;
}

async function luns(peer: Initiator): Promise<number[]> {
  const { data } = await peer.command(0, REPORT_LUNS, { read: 16384 });
  const found: number[] = [];
  for (let at = 8; at < 8 + data.readUInt32BE(0); at += 8) found.push(decodeLun(data, at)!);
  return found;
}

async function blocks(peer: Initiator, lun: number): Promise<number> {
  const { data } = await peer.command(lun, READ_CAPACITY_16, { read: 32 });
  return Number(data.readBigUInt64BE(0)) + 1;
}

const peripheral = async (peer: Initiator, lun: number): Promise<number> =>
  (await peer.command(lun, INQUIRY, { read: 96 })).data[0]!;

const sentence = async (t: Test, work: Promise<unknown>, says: RegExp, isConfig = true): Promise<void> => {
  await t.rejects(work, says);
  const error = await work.catch((caught: unknown) => caught as Error);
  t.equal(error instanceof ConfigError, isConfig, String(error));
  t.notMatch((error as Error).message, /\n/);
};

void t.test(
  'SPC-4 6.33: a unit that is added is told of once, and REPORT LUNS takes it from all units',
  async t => {
    const san = await startSan(t, {
      disks: [
        { name: 'd0', memory: '1M' },
        { name: 'd1', memory: '1M' },
      ],
    });
    const peer = await logIn(t, san, { luns: [0, 1] });
    t.equal(await ready(peer, 7), '5/2500');
    const added = await san.add({ disk: { name: 'd7', memory: '2M', lun: 7 } });
    t.match(added, { lun: 7, name: 'd7', type: 'disk', bytes: 2 * MIB, blockSize: 512 });
    t.strictSame(
      san.luns.map(({ name }) => name),
      ['d0', 'd1', 'd7'],
    );
    t.strictSame(await attentions(peer, 0), ['6/3f0e']);
    t.strictSame(await luns(peer), [0, 1, 7]);
    t.strictSame(await attentions(peer, 1), [], 'REPORT LUNS has told it');
    t.strictSame(await attentions(peer, 7), ['6/2900'], 'a new unit');
    t.equal(await blocks(peer, 7), 4096);
    const tape = await san.add({ tape: { name: 't0', memory: true } });
    t.equal(tape.lun, 2, 'the lowest that is free');
    t.equal(await peripheral(peer, 2), 0x01);
  },
);

void t.test(
  'SAM-5 4.7.3: a unit that is removed is gone, and one that comes to its LUN is a new one',
  async t => {
    const directory = t.testdir();
    const path = join(directory, 'd1.img');
    const san = await startSan(t, {
      disks: [
        { name: 'd0', memory: '1M' },
        { name: 'd1', path, size: '1M' },
      ],
    });
    const peer = await logIn(t, san, { luns: [0, 1] });
    const data = randomBytes(4096);
    t.equal((await peer.command(0, write10(0, 8), { write: data })).status, 0);
    t.equal((await peer.command(1, write10(0, 8), { write: data })).status, 0);
    await san.remove(1);
    t.strictSame(
      san.luns.map(({ lun }) => lun),
      [0],
    );
    t.notOk(existsSync(`${path}.sanlet-lock`), 'the file is not locked any more');
    t.equal(await ready(peer, 1), '5/2500');
    t.equal(await peripheral(peer, 1), 0x7f);
    t.equal((await peer.command(1, read10(0, 1), { read: 512 })).said, '5/2500');
    t.strictSame(await attentions(peer, 0), ['6/3f0e']);
    t.strictSame(await luns(peer), [0]);
    t.ok(
      (await peer.command(0, read10(0, 8), { read: 4096 })).data.equals(data),
      'the other one is as it was',
    );
    await san.add({ disk: { name: 'd1', path, lun: 1 } });
    t.strictSame(await attentions(peer, 1), ['6/2900']);
    t.ok(
      (await peer.command(1, read10(0, 8), { read: 4096 })).data.equals(data),
      'its file has kept what it had',
    );
    await san.remove(1);
    await san.add({ disk: { name: 'other', memory: '3M', lun: 1 } });
    t.strictSame(await attentions(peer, 1), ['6/2900']);
    t.equal(await blocks(peer, 1), 6144);
  },
);

void t.test('SBC-3 5.16: a disk that grows keeps its content, and is told of once', async t => {
  const path = join(t.testdir(), 'd0.img');
  const options: SanOptions = {
    disks: [
      { name: 'd0', path, size: '1M' },
      { name: 'd1', memory: '1M' },
    ],
  };
  const san = await startSan(t, options);
  const peer = await logIn(t, san, { luns: [0, 1] });
  const data = randomBytes(4096);
  await peer.command(0, write10(2040, 8), { write: data });
  await peer.command(1, write10(2040, 8), { write: data });
  for (const lun of [0, 1]) {
    t.match(await san.resize(lun, '300M'), { lun, bytes: 300 * MIB });
    t.strictSame(await attentions(peer, lun), ['6/2a09'], `LUN ${lun}`);
    t.equal(await blocks(peer, lun), 600 * 1024);
    t.ok((await peer.command(lun, read10(2040, 8), { read: 4096 })).data.equals(data));
    const last = write10(600 * 1024 - 8, 8);
    t.equal((await peer.command(lun, last, { write: data })).status, 0, 'its last blocks are written');
    const status = await peer.command(lun, '9e 12 00 00 00 00 00 00 08 00 00 00 00 18', { read: 24 });
    t.equal(status.data[20]! & 0x0f, 1, 'what is new is unmapped');
    t.strictSame(await attentions(peer, lun), []);
  }
  t.equal(statSync(path).size, 300 * MIB);
  t.equal((await san.resize(0, '300M')).bytes, 300 * MIB);
  t.strictSame(await attentions(peer, 0), [], 'nothing changed');
});

void t.test('SBC-3 5.11: beyond the new end of a disk that shrank there is nothing', async t => {
  const path = join(t.testdir(), 'd0.img');
  const san = await startSan(t, {
    disks: [
      { name: 'd0', path, size: '4M' },
      { name: 'd1', memory: '4M' },
    ],
  });
  const peer = await logIn(t, san, { luns: [0, 1] });
  const data = randomBytes(4096);
  for (const lun of [0, 1]) {
    await peer.command(lun, write10(0, 8), { write: data });
    await peer.command(lun, write10(8000, 8), { write: data });
    // Behind the change of size in the task set: what it was admitted for is no longer there.
    const resized = san.resize(lun, '1M');
    const late = peer.command(lun, write10(8000, 8), { write: data });
    await resized;
    t.match((await late).said, /^(5\/2100|6\/2a09|)$/);
    await attentions(peer, lun);
    t.equal((await peer.command(lun, write10(8000, 8), { write: data })).said, '5/2100');
    t.equal((await peer.command(lun, read10(2047, 2), { read: 1024 })).said, '5/2100');
    t.ok((await peer.command(lun, read10(0, 8), { read: 4096 })).data.equals(data));
    await san.resize(lun, '4M');
    await attentions(peer, lun);
    const again = await peer.command(lun, read10(8000, 8), { read: 4096 });
    t.ok(again.data.equals(Buffer.alloc(4096)), 'what was cut off does not come back');
  }
  t.equal(statSync(path).size, 4 * MIB);
});

void t.test(
  'SBC-3 5.16: a file that grew from outside is looked at again, in whole blocks of 4096',
  async t => {
    const path = join(t.testdir(), 'd0.img');
    const san = await startSan(t, { disks: [{ name: 'd0', path, size: '1M', block: 4096 }] });
    const peer = await logIn(t, san);
    truncateSync(path, 2 * MIB + 5000);
    t.equal((await san.resize(0)).bytes, 2 * MIB + 4096);
    t.strictSame(await attentions(peer, 0), ['6/2a09']);
    t.equal(await blocks(peer, 0), 513);
    const status = await peer.command(0, '9e 12 00 00 00 00 00 00 01 01 00 00 00 18', { read: 24 });
    t.equal(status.data[20]! & 0x0f, 0, 'somebody else may have written it: it counts as mapped');
    t.equal((await san.resize(0, 3 * MIB + 1)).bytes, 3 * MIB, 'an odd size is rounded down');
    t.equal(statSync(path).size, 3 * MIB);
  },
);

void t.test('SBC-3 6.5.1: write protection comes and goes, and is told of once', async t => {
  const directory = t.testdir({ 'ro.img': Buffer.alloc(MIB, 7).toString('latin1') });
  const path = join(directory, 'ro.img');
  const san = await startSan(t, {
    disks: [
      { name: 'd0', memory: '1M' },
      { name: 'd1', path, ro: true },
      { name: 'd2', memory: '1M', ro: true },
    ],
    tapes: [{ name: 't0', memory: true }],
  });
  const peer = await logIn(t, san, { luns: [0, 1, 2, 3] });
  const data = randomBytes(512);
  const wp = async (lun: number): Promise<number> =>
    (await peer.command(lun, MODE_SENSE.replace('08', '3f'), { read: 255 })).data[2]! & 0x80;
  t.equal(await wp(0), 0);
  await san.protect(0, true);
  t.strictSame(await attentions(peer, 0), ['6/2a01']);
  t.equal(await wp(0), 0x80);
  t.equal((await peer.command(0, write10(0, 1), { write: data })).said, '7/2700');
  await san.protect(0, true);
  t.strictSame(await attentions(peer, 0), [], 'it was so already');
  await san.protect(0, false);
  t.strictSame(await attentions(peer, 0), ['6/2a01']);
  t.equal((await peer.command(0, write10(0, 1), { write: data })).status, 0);
  // Opened to be read only: the file is opened anew.
  t.equal((await peer.command(1, write10(0, 1), { write: data })).said, '7/2700');
  await san.protect(1, false);
  await peer.clear(0, 1, 2, 3);
  t.equal((await peer.command(1, write10(0, 1), { write: data })).status, 0);
  t.equal((await peer.command(1, read10(1, 1), { read: 512 })).data[0], 7);
  t.equal((await peer.command(2, write10(0, 1), { write: data })).said, '7/2700', 'in memory and protected');
  await san.protect(2, false);
  await peer.clear(2);
  t.equal((await peer.command(2, write10(0, 1), { write: data })).status, 0);
  await san.protect(3, true);
  t.strictSame(await attentions(peer, 3), ['6/2a01']);
  t.equal((await peer.command(3, '0a 00 00 02 00', { write: data })).said, '7/2700', 'WRITE(6) of a tape');
});

void t.test('SAM-5 4.7.7: LUNs above 255 are addressed in flat space, up to 16383', async t => {
  const san = await startSan(t, {
    disks: [
      { name: 'd0', memory: '1M' },
      { name: 'd1', memory: '1M', lun: 300 },
      { name: 'd2', memory: '1M', lun: 16383 },
    ],
  });
  const peer = await logIn(t, san, { luns: [0, 300, 16383] });
  const { data } = await peer.command(0, REPORT_LUNS, { read: 4096 });
  t.equal(data.subarray(8, 32).toString('hex'), '0000000000000000412c0000000000007fff000000000000');
  const written = randomBytes(512);
  t.equal((await peer.command(300, write10(5, 1), { write: written })).status, 0);
  t.ok((await peer.command(300, read10(5, 1), { read: 512 })).data.equals(written));
  t.equal((await peer.command(16383, read10(5, 1), { read: 512 })).data[0], 0, 'another unit');
  t.equal(await ready(peer, 299), '5/2500');
  const field = Buffer.alloc(8);
  encodeLun(16383, field, 0);
  t.equal(decodeLun(field, 0), 16383);
  t.equal(decodeLun(Buffer.from('4000000000000000', 'hex'), 0), 0, 'flat space names LUN 0 too');
  for (const [form, what] of [
    ['0100000000000000', 'another bus'],
    ['8000000000000000', 'logical unit addressing'],
    ['c102000000000000', 'a well-known unit that is not there'],
    ['d200010000000000', 'extended flat space'],
    ['0000000100000000', 'a second level'],
    ['412c000000000001', 'flat space and more'],
  ] as const) {
    t.equal(decodeLun(Buffer.from(form, 'hex'), 0), undefined, what);
  }
  t.ok(lunField(300).equals(Buffer.from('412c000000000000', 'hex')));
});

void t.test('SBC-3 4.11: a disk that is being sanitized keeps its size, and can be taken away', async t => {
  const san = await startSan(t, {
    disks: [
      { name: 'd0', memory: '1G' },
      { name: 'd1', memory: '1M', physical: 512 },
    ],
  });
  const peer = await logIn(t, san, { luns: [0, 1] });
  const sanitize = await peer.command(0, '48 81 00 00 00 00 00 00 08', {
    write: Buffer.from('0100000400000000', 'hex'),
  });
  t.equal(sanitize.said, '', 'SANITIZE OVERWRITE with IMMED');
  t.match(await ready(peer, 0), /^2\/041b/);
  await sentence(t, san.resize(0, '2G'), /d0 cannot be resized: it is being formatted or sanitized/, false);
  await san.remove(0);
  t.equal(await ready(peer, 0), '5/2500');
  const { data } = await peer.command(1, READ_CAPACITY_16, { read: 32 });
  t.equal(data[13]! & 0x0f, 0, 'physical blocks of 512');
});

void t.test('SBC-3 4.7.3.6: thin says how much of a disk may be in use', async t => {
  const disks = [{ name: 'd0', memory: '1M', thin: '4K' }];
  const san = await San.start({ iqn: TARGET, disks }); // it logs that the space has run out
  t.teardown(() => san.stop());
  const peer = await logIn(t, san);
  t.equal((await peer.command(0, write10(0, 8), { write: Buffer.alloc(4096) })).said, '');
  let { said } = await peer.command(0, write10(8, 8), { write: Buffer.alloc(4096) });
  // A threshold may be told first.
  if (said.startsWith('6/')) ({ said } = await peer.command(0, write10(8, 8), { write: Buffer.alloc(4096) }));
  t.equal(said, '7/2707', 'SPACE ALLOCATION FAILED WRITE PROTECT');
  t.equal(
    (await peer.command(0, write10(0, 8), { write: Buffer.alloc(4096, 1) })).said,
    '',
    'what is in use is written',
  );
});

void t.test('misuse is told in one sentence, and changes nothing', async t => {
  const path = join(t.testdir(), 'd1.img');
  const san = await startSan(t, {
    disks: [
      { name: 'd0', memory: '1M' },
      { name: 'd1', path, size: '1M' },
    ],
    tapes: [{ name: 't0', memory: true }],
  });
  const before = JSON.stringify(san.targets);
  await sentence(t, san.add({ disk: { name: 'd0', memory: true } }), /disk\.name: there is a d0/);
  await sentence(t, san.add({ disk: { name: 'x', memory: true, lun: 1 } }), /disk\.lun: LUN 1 is d1/);
  await sentence(t, san.add({ disk: { name: 'x', path } }), /disk\.path: .*holds d1 already/);
  await sentence(t, san.add({ disk: { name: 'x', memory: 'much' } }), /disk\.memory: "much" is not a size/);
  await sentence(t, san.add({ disk: { name: 'x', memory: true, lun: 16384 } }), /from 0 to 16383, not 16384/);
  await sentence(
    t,
    san.add({ tape: { name: 'x', memory: true, blok: 1 } as never }),
    /tape\.blok: there is no such key/,
  );
  for (const nothing of [{}, undefined, 7, { disk: { name: 'a' }, tape: { name: 'b' } }, { disc: {} }]) {
    await sentence(t, san.add(nothing as never), /what is added is written/);
  }
  await sentence(
    t,
    san.add({ disk: { name: 'x', memory: true } }, { target: 'iqn.none' }),
    /there is no target "iqn.none"/,
  );
  await sentence(t, san.add({ disk: { name: 'x', path: join(path, 'y') } }), /d1\.img/, false);
  await sentence(t, san.remove(9), /there is no LUN 9 in /);
  await sentence(t, san.resize(9, '1M'), /there is no LUN 9 in /);
  await sentence(t, san.resize(0, 'big'), /size: "big" is not a size/);
  await sentence(t, san.resize(0, 0), /size: 0 is not a size/);
  await sentence(t, san.resize(0, 100), /d0 cannot be resized: /, false);
  await sentence(t, san.resize(1, 100), /d1 cannot be resized: 0 bytes are less than a block of 512/, false);
  await sentence(t, san.resize(2, '1M'), /t0 is a tape/, false);
  await sentence(t, san.protect(0, 'yes' as never), /ro: must be true or false/);
  t.equal(JSON.stringify(san.targets), before);
  t.equal((await san.resize(0)).bytes, MIB, 'memory that nobody resized');
  await san.stop();
  await sentence(t, san.remove(0), /the SAN has stopped/, false);
});

void t.test('changes that are asked for together are made one after the other', async t => {
  const san = await startSan(t, { disks: [{ name: 'd0', memory: '1M' }] });
  const peer = await logIn(t, san);
  const all = [];
  for (let i = 1; i <= 20; i++) all.push(san.add({ disk: { name: `d${i}`, memory: '1M' } }));
  for (let i = 1; i <= 10; i++) all.push(san.remove(i));
  await Promise.all(all);
  t.strictSame(
    san.luns.map(({ lun }) => lun),
    [0, ...Array.from({ length: 10 }, (_, i) => i + 11)],
  );
  t.strictSame(await attentions(peer, 0), ['6/3f0e'], 'told once for all');
});

void t.test('data is intact while the units around it come, go and change their size', async t => {
  const path = join(t.testdir(), 'd0.img');
  const san = await startSan(t, {
    disks: [
      { name: 'd0', path, size: '8M' },
      { name: 'd1', memory: '8M' },
    ],
  });
  const peer = await logIn(t, san, { luns: [0, 1] });
  const end = new AbortController();
  const model = Buffer.alloc(4 * MIB);
  let written = 0;
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const lba = Math.floor(Math.random() * 8000);
      const data = randomBytes(4096);
      for (;;) {
        const { said, status } = await peer.command(0, write10(lba, 8), { write: data });
        if (said.startsWith('6/')) continue;
        if (status !== 0) failures.push(`${lba}: ${said}`);
        break;
      }
      data.copy(model, lba * 512);
      written++;
    }
  };
  const working = work();
  for (let i = 0; i < 30; i++) {
    await san.add({ disk: { name: 'x', memory: '1M', lun: 5 } });
    await san.resize(0, `${8 + (i % 5) * 40}M`);
    await san.resize(1, `${1 + (i % 3)}M`);
    await san.protect(1, i % 2 === 0);
    await san.remove(5);
  }
  end.abort();
  await working;
  await attentions(peer, 0);
  t.strictSame(failures, []);
  t.ok(written > 10, `${written} writes`);
  for (let lba = 0; lba < 8192; lba += 64) {
    const { data } = await peer.command(0, read10(lba, 64), { read: 32768 });
    if (!data.equals(model.subarray(lba * 512, lba * 512 + 32768))) t.fail(`differs at ${lba}`);
  }
});

void t.test('a copy that uses a unit which is taken away fails, and writes to nobody else', async t => {
  const san = await startSan(t, {
    disks: [
      { name: 'src', memory: '64M' },
      { name: 'dst', memory: '64M' },
    ],
  });
  const peer = await logIn(t, san, { luns: [0, 1] });
  const fill = Buffer.alloc(MIB, 0x5a);
  for (let lba = 0; lba < 64 * 2048; lba += 2048) await peer.command(0, write10(lba, 2048), { write: fill });
  const naa = san.luns.map(lun => Buffer.from(lun.naa, 'hex'));
  const cscd = (id: Buffer): Buffer => {
    const one = Buffer.alloc(32);
    one.set([0xe4, 0, 0, 0, 1, 3, 0, 8]);
    id.copy(one, 8);
    one.writeUIntBE(512, 29, 3);
    return one;
  };
  const segment = Buffer.alloc(28);
  segment.set([0x02, 0, 0, 24]);
  segment.writeUInt16BE(1, 6);
  segment.writeUInt16BE(65535, 10);
  const list = Buffer.concat([Buffer.alloc(16), cscd(naa[0]!), cscd(naa[1]!), segment, segment]);
  list[1] = 0x10;
  list.writeUInt16BE(64, 2);
  list.writeUInt32BE(56, 8);
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x83;
  cdb.writeUInt32BE(list.length, 10);
  const copied = peer.command(0, cdb, { write: list });
  await until(() => false, 2);
  await san.remove(1);
  await san.add({ disk: { name: 'new', memory: '64M', lun: 1 } });
  const told = await copied;
  t.match(told.said, /^a\/0d/, 'COPY ABORTED');
  await peer.clear(0, 1);
  for (let lba = 0; lba < 65535; lba += 8192) {
    const { data } = await peer.command(1, read10(lba, 8), { read: 4096 });
    t.ok(data.equals(Buffer.alloc(4096)), 'the new unit has nothing of it');
  }
});

void t.test('options applied to a San that serves', async t => {
  const path = join(t.testdir(), 'd1.img');
  const start: SanOptions = {
    iqn: TARGET,
    disks: [
      { name: 'd0', memory: '1M' },
      { name: 'd1', path, size: '1M' },
    ],
    tapes: [{ name: 't0', memory: true }],
  };
  const san = await startSan(t, start);
  const peer = await logIn(t, san, { luns: [0, 1, 2] });
  const apply = (more: SanOptions): Promise<string[]> => san.apply({ iqn: TARGET, ...more });
  t.strictSame(await san.apply(start), [], 'the same again is no change');
  const changed = await apply({
    disks: [
      { name: 'new', memory: '1M' },
      { name: 'd1', path, size: '2M', ro: true },
    ],
    tapes: [{ name: 't0', memory: true }],
  });
  t.strictSame(changed, [
    'd0 removed from LUN 0',
    'd1 write protected',
    'd1 resized to 2 MiB',
    'new added at LUN 0',
  ]);
  t.strictSame(
    san.luns.map(({ lun, name }) => [lun, name]),
    [
      [0, 'new'],
      [1, 'd1'],
      [2, 't0'],
    ],
    'nobody has moved',
  );
  t.strictSame(await attentions(peer, 1), ['6/3f0e', '6/2a01', '6/2a09']);
  await peer.clear(0, 2);
  const now = JSON.stringify(san.targets);
  const disk = { name: 'd1', path, size: '2M', ro: true };
  const new0 = { name: 'new', memory: '1M' };
  for (const [options, says] of [
    [{ disks: [new0, { ...disk, lun: 5 }] }, /d1: its LUN cannot change/],
    [{ disks: [new0, { name: 'd1', memory: '2M', ro: true }] }, /d1: its medium cannot change/],
    [{ disks: [new0, { ...disk, block: 4096 }] }, /d1: its block size cannot change/],
    [{ disks: [new0, disk], tapes: [{ name: 't0', memory: '1G' }] }, /t0: the size of a tape/],
    [{ disks: [new0, disk], portals: ['127.0.0.1:1'] }, /portals: portals cannot change/],
    [{ disks: [new0, disk], state: '/tmp' }, /state: cannot change/],
    [{ disks: [new0, disk], isns: '127.0.0.1' }, /isns: cannot change/],
    [{ disks: [new0, disk], targets: [{ iqn: 'iqn.2026-01.io.x:b' }] }, /targets: the targets/],
    [{ disks: [{ name: 'new', memory: 'x' }] }, /disks\[0\]\.memory/],
    [{ disks: [new0, disk, { name: 'd9', path: join(path, 'no') }] }, /d9/],
    [
      { disks: [new0, disk], access: [{ luns: ['nobody'] }] },
      /access\[0\]\.luns\[0\]: there is no unit "nobody"/,
    ],
  ] as [SanOptions, RegExp][]) {
    await sentence(t, apply(options), says);
    t.equal(JSON.stringify(san.targets), now, String(says));
    t.strictSame(await attentions(peer, 1), []);
  }
});
