import t from 'tap';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';
import {
  cdb,
  cdb32,
  hex,
  information,
  MiB,
  pattern,
  pointer,
  read,
  rig,
  run,
  Watched,
  write,
} from '../harness/disk.ts';
import { logIn, startNode, until } from '../harness/rig.ts';

for (const late of [false, true]) {
  void t.test(`SBC-3 5.11-5.13, 5.33-5.35: READ and WRITE, medium ${late ? 'late' : 'at once'}`, async t => {
    const { a, medium } = await rig();
    medium.late = late;
    const pairs: [string, (lba: number, n: number) => Buffer, (lba: number, n: number) => Buffer][] = [
      [
        '6',
        (lba, n) => Buffer.from([0x08, lba >> 16, lba >> 8, lba, n, 0]),
        (lba, n) => Buffer.from([0x0a, lba >> 16, lba >> 8, lba, n, 0]),
      ],
      ['10', (lba, n) => cdb(0x28, lba, n), (lba, n) => cdb(0x2a, lba, n)],
      ['12', (lba, n) => cdb(0xa8, lba, n), (lba, n) => cdb(0xaa, lba, n)],
      ['16', (lba, n) => cdb(0x88, lba, n), (lba, n) => cdb(0x8a, lba, n)],
    ];
    let seed = 0;
    for (const [size, get, put] of pairs) {
      const data = pattern(3, ++seed);
      const written = await a.send(0, put(0x111, 3), { out: data });
      t.equal(written.status, Status.GOOD, `WRITE(${size})`);
      t.equal(written.wantedOut, 3 * 512);
      const { data: found, totalIn } = await a.send(0, get(0x111, 3));
      t.ok(found.equals(data), `READ(${size})`);
      t.equal(totalIn, 3 * 512);
      t.equal((await a.send(0, get(8191, 1))).status, Status.GOOD, 'the last block');
      const outside = await a.send(0, get(8191, 2));
      t.equal(outside.said, '5/2100', `READ(${size}) over the end`);
      t.equal(information(outside), 8192, 'the first block that is not there');
      t.equal(
        (await a.send(0, put(8192, 1), { out: Buffer.alloc(512) })).said,
        '5/2100',
        `WRITE(${size}) behind the end`,
      );
    }
    const all = pattern(256, 9);
    t.equal(
      (await a.send(0, '0a 00 00 00 00 00', { out: all })).wantedOut,
      256 * 512,
      'in 6 bytes 0 blocks are 256',
    );
    t.ok((await a.send(0, '08 00 00 00 00 00')).data.equals(all));
    t.equal((await a.send(0, '08 e0 00 00 01 00')).status, Status.GOOD, 'LUN bits of SCSI-2 are let through');
  });
}

void t.test('SBC-3 5: a length of 0 is no error, an address behind the end is one', async t => {
  const { a } = await rig();
  for (const opcode of [
    0x28, 0xa8, 0x88, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e, 0x2f, 0xaf, 0x8f, 0x34, 0x90, 0x8b, 0x35, 0x91,
  ]) {
    t.equal((await a.send(0, cdb(opcode, 0, 0))).status, Status.GOOD, `${opcode.toString(16)}h at 0`);
    t.equal(
      (await a.send(0, cdb(opcode, 8192, 0))).status,
      Status.GOOD,
      `${opcode.toString(16)}h just behind the end`,
    );
    t.equal((await a.send(0, cdb(opcode, 8193, 0))).said, '5/2100', `${opcode.toString(16)}h further on`);
    t.equal(
      (await a.send(0, cdb(opcode, 0xffff_ffff, 1))).said,
      '5/2100',
      `${opcode.toString(16)}h far away`,
    );
  }
  const farthest = Buffer.alloc(16, 0xff);
  farthest.set([0x88, 0]);
  farthest.fill(0, 10);
  const answer = await a.send(0, farthest);
  t.equal(answer.said, '5/2100', 'LBA FFFFFFFFFFFFFFFFh');
  t.equal(information(answer), undefined);
  await a.send(0, '15 10 00 00 10 00', { out: Buffer.from(run('000000000a0a0410000000 00ffff0000'), 'hex') });
  const described = await a.send(0, farthest);
  t.equal(described.said, '5/2100');
  t.equal(described.sense[0], 0x72, 'also in descriptor format');
});

void t.test('SBC-3 6.6: MAXIMUM TRANSFER LENGTH', async t => {
  const { a } = await rig({ bytes: 64 * MiB });
  t.equal((await a.send(0, cdb(0x88, 0, 32768))).data.length, 16 * MiB);
  for (const [opcode, at] of [
    [0x28, 7],
    [0xa8, 6],
    [0x88, 10],
    [0x2a, 7],
    [0xaa, 6],
    [0x8a, 10],
    [0x8b, 10],
    [0x2e, 7],
  ] as const) {
    const answer = await a.send(0, cdb(opcode, 0, 32769));
    t.equal(answer.said, '5/2400', `${opcode.toString(16)}h`);
    t.equal(pointer(answer), `cdb ${at}`);
  }
  t.equal(pointer(await a.send(0, cdb(0x8f, 0, 32769, 0x02))), 'cdb 10', 'VERIFY that compares');
  t.equal((await a.send(0, cdb(0x8f, 0, 32769))).status, Status.GOOD, 'VERIFY that does not');
});

void t.test(
  'SBC-3: PROTECT is 0, so RDPROTECT and WRPROTECT are refused; DPO, FUA, FUA_NV and groups are taken',
  async t => {
    const { a } = await rig();
    for (const opcode of [
      0x28, 0xa8, 0x88, 0x2a, 0xaa, 0x8a, 0x2e, 0x8e, 0x2f, 0x8f, 0x8b, 0x41, 0x93, 0x89,
    ]) {
      const answer = await a.send(0, cdb(opcode, 0, 1, 0x80), { out: Buffer.alloc(512) });
      t.equal(answer.said, '5/2400', `${opcode.toString(16)}h`);
      t.equal(pointer(answer), 'cdb 1.7');
      for (const protect of [0x20, 0x40, 0xe0]) {
        t.equal((await a.send(0, cdb(opcode, 0, 1, protect), { out: Buffer.alloc(512) })).said, '5/2400');
      }
    }
    for (const opcode of [0x28, 0xa8, 0x88, 0x2a, 0xaa, 0x8a]) {
      for (const flags of [0x10, 0x08, 0x18, 0x02]) {
        const grouped = cdb(opcode, 0, 1, flags);
        grouped[opcode >= 0xa0 ? 10 : opcode >= 0x80 ? 14 : 6] = 3;
        t.equal((await a.send(0, grouped, { out: Buffer.alloc(512) })).status, Status.GOOD);
      }
    }
  },
);

void t.test('residuals: what the initiator announced is what is moved', async t => {
  const { a, medium } = await rig();
  await write(a, 0, pattern(4));
  medium.reads = [];
  const short = await a.send(0, cdb(0x28, 0, 4), { expectIn: 700 });
  t.equal(short.totalIn, 2048, 'the residual is counted from all of it');
  t.equal(short.data.length, 700);
  t.strictSame(medium.reads, [1024], 'no more than that in whole blocks is read');
  const none = await a.send(0, cdb(0x28, 0, 4), { expectIn: 0 });
  t.equal(none.status, Status.GOOD);
  t.equal(none.totalIn, 2048);
  t.equal(none.data.length, 0);

  const fresh = pattern(2, 2);
  const less = await a.send(0, cdb(0x2a, 0, 2), { out: fresh.subarray(0, 512) });
  t.equal(less.status, Status.GOOD);
  t.equal(less.wantedOut, 1024);
  const found = (await read(a, 0, 2)).data;
  t.ok(found.subarray(0, 512).equals(fresh.subarray(0, 512)), 'the block that came is written');
  t.ok(found.subarray(512).equals(pattern(4).subarray(512, 1024)), 'the other is as it was');
  t.equal((await a.send(0, cdb(0x2a, 0, 2))).status, Status.GOOD, 'no data at all writes nothing');
  const piece = await a.send(0, cdb(0x2a, 0, 1), { out: Buffer.alloc(200) });
  t.equal(piece.said, '5/0e03', 'INVALID FIELD IN COMMAND INFORMATION UNIT for a piece of a block');
  t.ok((await read(a, 0, 2)).data.equals(found), 'and nothing is written');
});

void t.test('SBC-3 4.15: FUA and SYNCHRONIZE CACHE', async t => {
  const { a, medium } = await rig();
  await a.send(0, cdb(0x2a, 0, 1), { out: Buffer.alloc(512) });
  t.equal(medium.flushes, 0, 'a write is cached');
  for (const opcode of [0x2a, 0xaa, 0x8a])
    await a.send(0, cdb(opcode, 0, 1, 0x08), { out: Buffer.alloc(512) });
  t.equal(medium.flushes, 3, 'FUA');
  medium.late = true;
  for (const opcode of [0x35, 0x91]) {
    t.equal((await a.send(0, cdb(opcode, 0, 0))).status, Status.GOOD);
  }
  t.equal(medium.flushes, 5, 'answered after it is done');
  t.equal((await a.send(0, cdb(0x35, 0, 0, 0x06))).status, Status.GOOD, 'IMMED and SYNC_NV');
  t.equal(medium.flushes, 5, 'IMMED: answered before it is done');
  t.ok(await until(() => medium.flushes === 6), 'which comes');
  t.equal((await a.send(0, cdb(0x35, 8000, 193))).said, '5/2100');
  medium.failure = new MediumError('io', 0, 'test');
  t.equal((await a.send(0, cdb(0x35, 0, 0))).said, '3/0c00', 'a flush that fails is a write that fails');
});

void t.test('SBC-3 5.15, 5.16: READ CAPACITY', async t => {
  const { a } = await rig();
  t.equal(hex((await a.send(0, '25')).data), '00001fff00000200');
  const long = await a.send(0, '9e 10 00 00 00 00 00 00 00 00 00 00 00 20');
  t.equal(hex(long.data), run('0000000000001fff 00000200 0003c000') + '00'.repeat(16), '512e, LBPME, LBPRZ');
  t.equal((await a.send(0, '9e 10 00 00 00 00 00 00 00 00 00 00 00 0c')).data.length, 12);
  t.equal((await a.send(0, '25 00 00 00 00 01')).said, '5/2400', 'a LOGICAL BLOCK ADDRESS is obsolete');
  const native = await rig({ blockSize: 4096 });
  t.equal(hex((await native.a.send(0, '25')).data), '000003ff00001000');
  const four = (await native.a.send(0, '9e 10 00 00 00 00 00 00 00 00 00 00 00 20')).data;
  t.equal(hex(four.subarray(8, 16)), '000010000000c000', '4Kn');
  const huge = await rig({ bytes: 4 * 2 ** 40 });
  t.equal(hex((await huge.a.send(0, '25')).data), 'ffffffff00000200', 'over 2 TiB');
  const top = 2 ** 33 - 1;
  t.equal(
    (await huge.a.send(0, '9e 10 00 00 00 00 00 00 00 00 00 00 00 20')).data.readBigUInt64BE(0),
    BigInt(top),
  );
  await huge.a.send(0, cdb(0x8a, top, 1), { out: pattern(1, 5) });
  t.ok((await huge.a.send(0, cdb(0x88, top, 1))).data.equals(pattern(1, 5)), 'its last block');
  t.ok(
    (await huge.a.send(0, cdb(0x28, 0xffff_ffff, 1))).data.equals(Buffer.alloc(512)),
    'and not one 32 bits below',
  );
});

void t.test('SBC-3 6.6: VPD B0h, B1h, B2h', async t => {
  const { a } = await rig();
  const limits = (await a.send(0, '12 01 b0 00 ff 00')).data;
  t.equal(limits.length, 64);
  t.equal(limits[4], 1, 'WSNZ');
  t.equal(limits[5], 255, 'MAXIMUM COMPARE AND WRITE LENGTH');
  t.equal(limits.readUInt16BE(6), 8, 'OPTIMAL TRANSFER LENGTH GRANULARITY: a physical block');
  t.equal(limits.readUInt32BE(8), 32768, 'MAXIMUM TRANSFER LENGTH');
  t.equal(limits.readUInt32BE(12), 2048, 'OPTIMAL TRANSFER LENGTH');
  t.equal(limits.readUInt32BE(20), 0xffff_ffff, 'MAXIMUM UNMAP LBA COUNT');
  t.equal(limits.readUInt32BE(24), 256, 'MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT');
  t.equal(limits.readUInt32BE(28), 8, 'OPTIMAL UNMAP GRANULARITY');
  t.equal(limits.readUInt32BE(32), 0x8000_0000, 'UGAVALID, aligned');
  t.equal(limits.readBigUInt64BE(36), 32768n, 'MAXIMUM WRITE SAME LENGTH');
  const characteristics = (await a.send(0, '12 01 b1 00 ff 00')).data;
  t.equal(characteristics.length, 64);
  t.equal(characteristics.readUInt16BE(4), 1, 'non-rotating');
  t.equal(
    hex((await a.send(0, '12 01 b2 00 ff 00')).data),
    '00b200040be60200',
    'a threshold set is 1 MiB; LBPU, LBPWS, LBPWS10, LBPRZ, ANC_SUP; thin',
  );
  const native = await rig({ blockSize: 4096 });
  const four = (await native.a.send(0, '12 01 b0 00 ff 00')).data;
  t.equal(four.readUInt32BE(8), 4096);
  t.equal(four.readUInt32BE(28), 1);
});

void t.test('SBC-3 5.29-5.31: VERIFY', async t => {
  const { a, medium } = await rig();
  const data = pattern(8);
  await write(a, 0, data);
  const bad = Buffer.from(data);
  bad[4000]! ^= 1;
  for (const opcode of [0x2f, 0xaf, 0x8f]) {
    t.equal((await a.send(0, cdb(opcode, 0, 8))).status, Status.GOOD, 'BYTCHK 00b');
    t.equal((await a.send(0, cdb(opcode, 0, 8, 0x02), { out: data })).status, Status.GOOD, 'BYTCHK 01b');
    t.equal((await a.send(0, cdb(opcode, 0, 8, 0x12), { out: bad })).said, 'e/1d00', 'with DPO');
    t.equal(pointer(await a.send(0, cdb(opcode, 0, 8, 0x04), { out: data })), 'cdb 1.2', 'BYTCHK 10b');
    t.equal((await a.send(0, cdb(opcode, 0, 8, 0x06), { out: data })).said, 'e/1d00', 'BYTCHK 11b');
    t.equal((await a.send(0, cdb(opcode, 3, 1, 0x06), { out: data.subarray(3 * 512) })).status, Status.GOOD);
    t.equal((await a.send(0, cdb(opcode, 0, 0, 0x06))).status, Status.GOOD);
    t.equal(
      (await a.send(0, cdb(opcode, 0, 8, 0x02), { out: bad.subarray(0, 7 * 512) })).status,
      Status.GOOD,
      'what came',
    );
    t.equal((await a.send(0, cdb(opcode, 0, 8, 0x02), { out: bad.subarray(0, 100) })).said, '5/0e03');
  }
  await a.send(0, cdb(0x93, 0, 8192), { out: data.subarray(0, 512) });
  t.equal(
    (await a.send(0, cdb(0x8f, 0, 8192, 0x06), { out: data })).status,
    Status.GOOD,
    'one block over all of it',
  );
  await write(a, 5000, bad.subarray(0, 512));
  t.equal((await a.send(0, cdb(0x8f, 0, 8192, 0x06), { out: data })).status, Status.GOOD, 'the same block');
  await write(a, 5000, data.subarray(512, 1024));
  t.equal(
    (await a.send(0, cdb(0x8f, 0, 8192, 0x06), { out: data })).said,
    'e/1d00',
    'one that differs is found',
  );
  t.equal((await a.send(0, cdb(0x8f, 0, 8192))).status, Status.GOOD);
  medium.failure = new MediumError('corrupt', 5000 * 512, 'test');
  const failed = await a.send(0, cdb(0x8f, 0, 8192));
  t.equal(failed.said, '3/1100');
  t.equal(information(failed), 5000);
});

void t.test('SBC-3 5.37-5.39: WRITE AND VERIFY', async t => {
  const { a, medium } = await rig();
  let seed = 20;
  for (const opcode of [0x2e, 0xae, 0x8e]) {
    for (const flags of [0x00, 0x02, 0x12]) {
      const data = pattern(5, ++seed);
      const before = medium.flushes;
      t.equal((await a.send(0, cdb(opcode, 7, 5, flags), { out: data })).status, Status.GOOD);
      t.ok((await read(a, 7, 5)).data.equals(data));
      t.equal(medium.flushes, before + 1, 'what is verified is on the medium');
    }
    t.equal(pointer(await a.send(0, cdb(opcode, 7, 5, 0x06), { out: pattern(5) })), 'cdb 1.2');
  }
});

void t.test('SBC-3 5.8, 5.9: PRE-FETCH', async t => {
  const { a, medium } = await rig();
  await a.send(0, '2a 00 00 00 00 08 00 00 01 00', { out: Buffer.alloc(512, 0xa5) });
  const before = medium.writes.length;
  for (const cdb of ['34 00 00 00 00 08 00 00 01 00', '90 00 00 00 00 00 00 00 00 08 00 00 00 01 00 00']) {
    const { status, totalIn } = await a.send(0, cdb);
    // CONDITION MET says that all of them fit into the cache, where every block of ours can be.
    t.ok(status === Status.GOOD || status === Status.CONDITION_MET, `${cdb}: ${status}`);
    t.equal(totalIn, 0, 'no data comes');
    t.equal((await a.send(0, cdb.replace(/^(..) 00/, '$1 02'))).said, '', 'IMMED');
  }
  t.equal((await a.send(0, '34 00 00 00 20 00 00 00 01 00')).said, '5/2100', 'behind the end');
  t.equal((await a.send(0, '34 01 00 00 00 00 00 00 01 00')).said, '5/2400', 'RELADR is reserved');
  t.equal(medium.writes.length, before, 'nothing is written');
});

void t.test(
  'SPC-4 4.2.3: READ(32), WRITE(32), VERIFY(32), WRITE AND VERIFY(32), ORWRITE(32), WRITE SAME(32)',
  async t => {
    const { a, medium } = await rig();
    const data = pattern(3, 31);
    const put = async (lba: number, out: Buffer, flags = 0): Promise<Answer> =>
      a.send(0, cdb32(0x0b, lba, out.length / 512, flags), { out });
    t.equal((await put(0x111, data)).status, Status.GOOD, 'WRITE(32)');
    t.ok((await a.send(0, cdb32(0x09, 0x111, 3))).data.equals(data), 'READ(32)');
    t.ok((await read(a, 0x111, 3)).data.equals(data), 'the same blocks as READ(10)');
    t.equal((await put(0x111, data, 0x18)).status, Status.GOOD);
    t.equal(medium.flushes, 1, 'FUA');
    t.equal((await a.send(0, cdb32(0x0a, 0x111, 3))).status, Status.GOOD, 'VERIFY(32)');
    t.equal((await a.send(0, cdb32(0x0a, 0x111, 3, 0x02), { out: data })).status, Status.GOOD);
    t.equal((await a.send(0, cdb32(0x0a, 0x111, 3, 0x02), { out: pattern(3, 5) })).said, 'e/1d00');
    t.equal(pointer(await a.send(0, cdb32(0x0a, 0x111, 3, 0x04), { out: data })), 'cdb 10.2', 'BYTCHK 10b');
    const both = pattern(3, 32);
    t.equal((await a.send(0, cdb32(0x0c, 0x111, 3, 0x02), { out: both })).status, Status.GOOD);
    t.ok((await read(a, 0x111, 3)).data.equals(both), 'WRITE AND VERIFY(32)');
    t.equal((await a.send(0, cdb32(0x0e, 0x111, 3), { out: data })).status, Status.GOOD);
    t.ok((await read(a, 0x111, 3)).data.equals(both.map((byte, i) => byte | data[i]!)), 'ORWRITE(32)');
    const generation = cdb32(0x0e, 0x111, 3);
    generation.writeUInt32BE(1, 20);
    t.equal((await a.send(0, generation, { out: data })).said, '5/2c0c', 'ORWRITE GENERATION DOES NOT MATCH');
    const other = cdb32(0x0e, 0x111, 3);
    other[2] = 1;
    t.equal(pointer(await a.send(0, other, { out: data })), 'cdb 2.2', 'BMOP');
    t.equal((await a.send(0, cdb32(0x0d, 0x10, 9), { out: data.subarray(0, 512) })).status, Status.GOOD);
    t.ok((await read(a, 0x18, 1)).data.equals(data.subarray(0, 512)), 'WRITE SAME(32)');
    medium.unmaps = [];
    t.equal((await a.send(0, cdb32(0x0d, 0x10, 9, 0x09))).status, Status.GOOD, 'UNMAP and NDOB');
    t.strictSame(medium.unmaps, [[0x10 * 512, 9 * 512]]);
    t.equal(
      pointer(await a.send(0, cdb32(0x0d, 0, 1, 0x10), { out: Buffer.alloc(512) })),
      'cdb 10.4',
      'ANCHOR without UNMAP',
    );
    for (const action of [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e]) {
      const outside = await a.send(0, cdb32(action, 8192, 1), { out: Buffer.alloc(512) });
      t.equal(outside.said, '5/2100', `${action.toString(16)}h behind the end`);
      const protect = await a.send(0, cdb32(action, 0, 1, 0x20), { out: Buffer.alloc(512) });
      t.equal(pointer(protect), 'cdb 10.5', `${action.toString(16)}h with RDPROTECT, WRPROTECT`);
      const tags = cdb32(action, 0, 1);
      tags.fill(0xff, 20, 28);
      const tagged = await a.send(0, tags, { out: Buffer.alloc(512) });
      if (action !== 0x0e) t.equal(tagged.status, Status.GOOD, 'expected tags are not looked at');
    }
    for (const [what, spoil, where] of [
      ['another length', (c: Buffer) => (c[7] = 0x10), 'cdb 7'],
      ['no service action of ours', (c: Buffer) => (c[9] = 0x77), 'cdb 8'],
      ['a reserved byte', (c: Buffer) => (c[11] = 1), 'cdb 11.0'],
    ] as const) {
      const spoiled = cdb32(0x09, 0, 1);
      spoil(spoiled);
      const answer = await a.send(0, spoiled);
      t.equal(answer.said, '5/2400', what);
      t.equal(pointer(answer), where);
    }
    t.equal(pointer(await a.send(0, cdb32(0x09, 0, 1).subarray(0, 16))), 'cdb 7', 'less than it says');
    t.equal(pointer(await a.send(0, cdb32(0x09, 0, 1).subarray(0, 31))), 'cdb 7', 'a byte less');
    const listed = (await a.send(0, 'a3 0c 02 7f 00 0b 00 00 10 00')).data;
    t.equal(listed[1]! & 0x07, 3, 'REPORT SUPPORTED OPERATION CODES');
    t.equal(listed.readUInt16BE(2), 32);
    t.equal(hex(listed.subarray(4, 16)), '7f00000000001fff000b1800', 'CDB USAGE DATA');
    const all = (await a.send(0, 'a3 0c 00 00 00 00 00 01 00 00')).data;
    for (let at = 4; at < all.length; at += 8) t.ok(all.readUInt16BE(at + 6) <= 16, 'listed: up to 16 bytes');
  },
);

void t.test('RFC 7143 11.2.2.3: READ(32) and WRITE(32) by an extended CDB', async t => {
  const { node } = startNode(t);
  const peer = await logIn(t, node);
  const data = pattern(4, 12);
  const ahs = (c: Buffer): Buffer => Buffer.concat([Buffer.of(0, c.length - 15, 1, 0), c.subarray(16)]);
  const put = cdb32(0x0b, 77, 4);
  t.equal((await peer.command(0, put.subarray(0, 16), { write: data, ahs: ahs(put) })).status, Status.GOOD);
  const get = cdb32(0x09, 77, 4);
  const found = await peer.command(0, get.subarray(0, 16), { read: data.length, ahs: ahs(get) });
  t.ok(found.data.equals(data));
  t.equal(
    (await peer.command(0, get.subarray(0, 16), { read: 512 })).said,
    '5/2400',
    'without the rest of it',
  );
  const short = await peer.command(0, get.subarray(0, 16), { read: 512, ahs: ahs(get.subarray(0, 28)) });
  t.equal(short.said, '5/2400', 'with less than it says');
  const plain = await peer.command(0, cdb(0x28, 77, 4), { read: data.length });
  t.ok(plain.data.equals(data), 'a task that is used again has a CDB of the usual length');
});

void t.test('SBC-4: WRITE ATOMIC(16)', async t => {
  const { a, medium } = await rig();
  medium.late = true;
  const atomic = (
    lba: number,
    out: Buffer,
    with_: { flags?: number; boundary?: number; blocks?: number } = {},
  ): Promise<Answer> => {
    const c = Buffer.alloc(16);
    c.set([0x9c, with_.flags ?? 0]);
    c.writeBigUInt64BE(BigInt(lba), 2);
    c.writeUInt16BE(with_.boundary ?? 0, 10);
    c.writeUInt16BE(with_.blocks ?? out.length / 512, 12);
    return a.send(0, c, { out });
  };
  const limits = (await a.send(0, '12 01 b0 00 ff 00')).data;
  t.equal(limits.readUInt32BE(44), 2048, 'MAXIMUM ATOMIC TRANSFER LENGTH');
  t.equal(limits.readUInt32BE(48), 8, 'ATOMIC ALIGNMENT');
  t.equal(limits.readUInt32BE(52), 8, 'ATOMIC TRANSFER LENGTH GRANULARITY');
  t.equal(limits.readUInt32BE(56), 2048, 'MAXIMUM ATOMIC TRANSFER LENGTH WITH ATOMIC BOUNDARY');
  t.equal(limits.readUInt32BE(60), 2048, 'MAXIMUM ATOMIC BOUNDARY SIZE');
  const most = pattern(2048, 3);
  t.equal((await atomic(8, most, { flags: 0x18 })).status, Status.GOOD);
  t.equal(medium.flushes, 1, 'FUA');
  t.ok((await read(a, 8, 2048)).data.equals(most));
  t.equal((await atomic(0, Buffer.alloc(0))).status, Status.GOOD, 'no blocks');
  t.equal((await atomic(8200, Buffer.alloc(0))).said, '5/2100');
  t.equal((await atomic(8184, pattern(16))).said, '5/2100');
  t.equal(pointer(await atomic(4, pattern(8))), 'cdb 2', 'alignment');
  t.equal(pointer(await atomic(8, pattern(12))), 'cdb 12', 'granularity');
  t.equal(pointer(await atomic(8, pattern(2056))), 'cdb 12', 'more than the maximum');
  t.equal(
    pointer(await atomic(8, pattern(16), { boundary: 12 })),
    'cdb 10',
    'a boundary that is no multiple',
  );
  t.equal((await atomic(8, pattern(16), { boundary: 8 })).status, Status.GOOD);
  t.equal((await atomic(8, pattern(8), { blocks: 16 })).said, '5/0e03', 'half of the data is none of it');
  t.equal(pointer(await atomic(8, pattern(8), { flags: 0x20 })), 'cdb 1.5', 'WRPROTECT');
  const seen = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      if (i % 2 === 0) return atomic(0, Buffer.alloc(64 * 512, i)).then(() => true);
      const { data } = await read(a, 0, 64);
      return data.every(byte => byte === data[0]);
    }),
  );
  t.ok(seen.slice(1).every(Boolean), 'a read sees all of a write or none of it');
  const without = await rig({ medium: new Watched(MiB, 512, undefined, false) });
  t.equal((await without.a.send(0, '9c')).said, '5/2000', 'a medium that has no atomic writes');
  t.equal((await without.a.send(0, '12 01 b0 00 ff 00')).data.readUInt32BE(44), 0);
});

void t.test('SBC-4: WRITE ATOMIC(32)', async t => {
  const { a, medium } = await rig();
  const atomic = (lba: number, out: Buffer, flags = 0, boundary = 0): Promise<Answer> => {
    const c = cdb32(0x0f, lba, out.length / 512, flags);
    c.writeUInt16BE(boundary, 4);
    return a.send(0, c, { out });
  };
  const data = pattern(16, 4);
  t.equal((await atomic(0x100, data, 0x08, 8)).status, Status.GOOD);
  t.equal(medium.flushes, 1, 'FUA');
  t.ok((await read(a, 0x100, 16)).data.equals(data));
  t.equal(pointer(await atomic(4, data)), 'cdb 12', 'alignment');
  t.equal(pointer(await atomic(8, pattern(12))), 'cdb 28', 'granularity');
  t.equal(pointer(await atomic(8, data, 0, 12)), 'cdb 4', 'a boundary that is no multiple');
  t.equal(pointer(await atomic(8, data, 0x20)), 'cdb 10.5', 'WRPROTECT');
  t.equal((await atomic(8184, data)).said, '5/2100');
  const { data: usage } = await a.send(0, 'a3 0c 02 7f 00 0f 00 00 00 ff');
  t.equal(hex(usage.subarray(4)), '7f000000ffff1fff000f1800ffffffffffffffff0000000000000000ffffffff');
});

void t.test('SPC-4 4.5.7: SYNCHRONIZE CACHE with IMMED that fails is told with the next command', async t => {
  const { a, device, medium } = await rig();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  medium.late = true;
  medium.failure = new MediumError('io', 512, 'test');
  t.equal((await a.send(0, cdb(0x35, 0, 0, 0x02))).status, Status.GOOD);
  await new Promise(resolve => setTimeout(resolve, 5));
  medium.failure = undefined;
  t.equal((await b.send(0, '00')).status, Status.GOOD, 'nobody else hears of it');
  const answer = await write(a, 0, pattern(1));
  t.equal(answer.said, '3/0c00');
  t.equal(answer.sense[0]! & 0x7f, 0x71, 'deferred');
  t.ok((await read(a, 0, 1)).data.equals(Buffer.alloc(512)), 'and the command that hears of it is not done');
});

void t.test('SBC-4 6.6: 512n, 512e and 4Kn', async t => {
  for (const [name, blockSize, physicalBlockSize, exponent] of [
    ['512n', 512, 512, 0],
    ['512e', 512, 4096, 3],
    ['4Kn', 4096, 4096, 0],
  ] as const) {
    const { a } = await rig({ blockSize, physicalBlockSize });
    const capacity = (await a.send(0, '9e 10 00 00 00 00 00 00 00 00 00 00 00 20')).data;
    t.equal(capacity[13]! & 0x0f, exponent, `${name}: LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT`);
    t.equal(capacity.readUInt16BE(14) & 0x3fff, 0, 'LOWEST ALIGNED LOGICAL BLOCK ADDRESS');
    const limits = (await a.send(0, '12 01 b0 00 ff 00')).data;
    t.equal(limits.readUInt16BE(6), 2 ** exponent, 'OPTIMAL TRANSFER LENGTH GRANULARITY');
    t.equal(limits.readUInt32BE(28), 2 ** exponent, 'OPTIMAL UNMAP GRANULARITY');
    t.equal(limits.readUInt32BE(48), 2 ** exponent, 'ATOMIC ALIGNMENT');
  }
});

void t.test('SBC-3 5.2: COMPARE AND WRITE', async t => {
  const { a, medium } = await rig();
  const caw = (lba: number, blocks: number, out: Buffer, flags = 0): Promise<Answer> => {
    const c = Buffer.alloc(16);
    c[0] = 0x89;
    c[1] = flags;
    c.writeBigUInt64BE(BigInt(lba), 2);
    c[13] = blocks;
    return a.send(0, c, { out });
  };
  const before = pattern(255, 1);
  const after = pattern(255, 2);
  await write(a, 100, before);
  t.equal((await caw(100, 255, Buffer.concat([before, after]))).status, Status.GOOD);
  t.ok((await read(a, 100, 255)).data.equals(after));
  const wrong = Buffer.from(after);
  wrong[777]! ^= 0x80;
  const answer = await caw(100, 255, Buffer.concat([wrong, before]));
  t.equal(answer.said, 'e/1d00');
  t.equal(information(answer), 777, 'the byte offset of the first difference');
  t.ok((await read(a, 100, 255)).data.equals(after), 'and nothing is written');
  t.equal((await caw(100, 0, Buffer.alloc(0))).status, Status.GOOD);
  t.equal((await caw(8191, 2, Buffer.alloc(2048))).said, '5/2100');
  t.equal(pointer(await caw(100, 1, Buffer.alloc(2048))), 'cdb 13', 'more data than two times its blocks');
  t.equal(pointer(await caw(100, 0, Buffer.alloc(256 * 1024))), 'cdb 13', '256 blocks do not fit the field');
  t.equal((await caw(100, 3, Buffer.alloc(2048))).said, '5/2400', 'less');
  await caw(0, 1, Buffer.alloc(1024), 0x18);
  t.equal(medium.flushes, 1, 'FUA');

  medium.late = true;
  await write(a, 0, Buffer.alloc(512));
  const counter = Buffer.alloc(1024);
  counter.writeUInt32BE(1, 512);
  const all = await Promise.all(Array.from({ length: 8 }, () => caw(0, 1, counter)));
  t.equal(all.filter(one => one.status === Status.GOOD).length, 1, 'of many at once one wins');
});

void t.test('SBC-3 5.5: ORWRITE(16)', async t => {
  const { a, medium } = await rig();
  medium.late = true;
  const one = pattern(4, 1);
  const two = pattern(4, 2);
  await write(a, 50, one);
  t.equal((await a.send(0, cdb(0x8b, 50, 4), { out: two })).status, Status.GOOD);
  t.ok((await read(a, 50, 4)).data.equals(one.map((byte, i) => byte | two[i]!)));
});

void t.test('SBC-3 5.10, 5.25: START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL', async t => {
  const { a, device, unit } = await rig({ removable: true });
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  t.equal((await a.send(0, '12 00 00 00 24')).data[1], 0x80, 'RMB');
  for (const cdb4 of ['00', '01', '04', '05']) {
    await a.send(0, `1b 00 00 00 ${cdb4}`);
    t.equal((await a.send(0, '00')).status, Status.GOOD, 'START and STOP without LOEJ leave it ready');
  }
  for (let power = 1; power < 16; power++) {
    t.equal((await a.send(0, `1b 01 00 00 ${((power << 4) | 2).toString(16)}`)).status, Status.GOOD);
    t.equal((await a.send(0, '00')).status, Status.GOOD, 'with a POWER CONDITION nothing is ejected');
  }
  t.equal((await a.send(0, '1e 00 00 00 01')).status, Status.GOOD);
  t.equal((await b.send(0, '1b 00 00 00 02')).said, '5/5302', 'MEDIUM REMOVAL PREVENTED');
  t.equal((await b.send(0, '1e 00 00 00 00')).status, Status.GOOD);
  t.equal((await b.send(0, '1b 00 00 00 02')).said, '5/5302', 'each nexus for itself');
  t.equal((await a.send(0, '1e 00 00 00 00')).status, Status.GOOD);
  t.equal((await b.send(0, '1b 00 00 00 02')).status, Status.GOOD);
  for (const opcode of [
    0x25, 0x28, 0x2a, 0x35, 0x91, 0x88, 0x8a, 0x2e, 0x2f, 0x34, 0x90, 0x8b, 0x89, 0x41, 0x93, 0x42,
  ]) {
    const answer = await a.send(0, opcode === 0x25 ? '25' : cdb(opcode, 0, opcode === 0x89 ? 0 : 1), {
      out: Buffer.alloc(512),
    });
    t.equal(answer.said, '2/3a00', `${opcode.toString(16)}h without a medium`);
  }
  t.equal((await a.send(0, '9e 12 00 00 00 00 00 00 00 00 00 00 00 18')).said, '2/3a00');
  t.equal((await a.send(0, '12 00 00 00 24')).status, Status.GOOD);
  await a.send(0, '1e 00 00 00 01');
  t.equal((await b.send(0, '1b 00 00 00 03')).said, '5/5302', 'nor is one loaded');
  await a.send(0, '1e 00 00 00 00');
  t.equal((await b.send(0, '1b 00 00 00 03')).status, Status.GOOD);
  t.equal((await b.send(0, '00')).status, Status.GOOD);
  t.equal((await a.send(0, '00')).said, '6/2800', 'the other hears that the medium may have changed');
  await a.send(0, '1e 00 00 00 01');
  await new Promise<void>(resolve => unit.reset(resolve));
  t.equal((await (await a.clear()).send(0, '1b 00 00 00 02')).status, Status.GOOD, 'a reset lifts PREVENT');
  await a.send(0, '1b 00 00 00 03');
  await a.send(0, '1e 00 00 00 01');
  device.detach(a.nexus);
  t.equal(
    (await (await b.clear()).send(0, '1b 00 00 00 02')).status,
    Status.GOOD,
    'so does the loss of the nexus',
  );

  const fixed = await rig();
  t.equal(pointer(await fixed.a.send(0, '1b 00 00 00 02')), 'cdb 4.1', 'LOEJ on what is not removable');
  t.equal((await fixed.a.send(0, '1b 00 00 00 00')).status, Status.GOOD);
  t.equal(fixed.medium.flushes, 1, 'STOP flushes');
  await fixed.a.send(0, '1b 00 00 00 04');
  t.equal(fixed.medium.flushes, 1, 'NO_FLUSH');
  t.equal(pointer(await fixed.a.send(0, '1e 00 00 00 02')), 'cdb 4.1');
});

void t.test('SBC-3 5.17, 5.18: READ DEFECT DATA', async t => {
  const { a } = await rig();
  t.equal(hex((await a.send(0, '37 00 1d 00 00 00 00 00 ff')).data), '001d0000');
  t.equal(hex((await a.send(0, 'b7 0b 00 00 00 00 00 00 00 ff')).data), '000b000000000000');
});

void t.test('a read-only medium', async t => {
  const { a, medium } = await rig();
  medium.readOnly = true;
  t.equal((await a.send(0, '1a 00 3f 00 04')).data[2], 0x90, 'WP');
  for (const opcode of [0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e, 0x8b, 0x89, 0x41, 0x93, 0x42]) {
    const c = opcode === 0x0a ? Buffer.from([0x0a, 0, 0, 0, 1, 0]) : cdb(opcode, 0, 1);
    t.equal((await a.send(0, c, { out: Buffer.alloc(512) })).said, '7/2700', `${opcode.toString(16)}h`);
  }
  t.equal((await read(a, 0, 1)).status, Status.GOOD);
  t.equal((await a.send(0, '35')).status, Status.GOOD, 'there is nothing to synchronize');
});

void t.test('medium errors as sense', async t => {
  for (const late of [false, true]) {
    const { a, medium } = await rig();
    medium.late = late;
    const expected: [MediumError['fault'], string, string][] = [
      ['io', '3/1100', '3/0c00'],
      ['corrupt', '3/1100', '3/1100'],
      ['no-space', '7/2707', '7/2707'],
      ['write-protected', '7/2700', '7/2700'],
    ];
    for (const [fault, reading, writing] of expected) {
      medium.failure = new MediumError(fault, 1234 * 512, 'test');
      const answer = await read(a, 1230, 8);
      t.equal(answer.said, reading, `${fault} in a read`);
      if (fault !== 'write-protected') t.equal(information(answer), 1234, 'INFORMATION is the block');
      t.equal((await write(a, 1230, pattern(8))).said, writing, `${fault} in a write`);
    }
  }
});

void t.test('close lets the medium go, and what nobody asked for is not flushed', async t => {
  const { unit, medium } = await rig();
  await unit.close();
  t.equal(medium.flushes, 0);
  t.equal(medium.closed, 1);
});

void t.test('random commands against a model', async t => {
  const seed = Number(process.env.SANLET_SEED ?? Date.now() % 1_000_000);
  t.comment(`SANLET_SEED=${seed}`);
  let state = seed + 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const blocks = 512;
  const { a, medium } = await rig({ bytes: blocks * 512 });
  const model = Buffer.alloc(blocks * 512);
  let wrong = 0;
  const check = (right: boolean, what: string): void => {
    if (!right && ++wrong <= 5) t.fail(`${what}, SANLET_SEED=${seed}`);
  };
  for (let i = 0; i < 1500; i++) {
    medium.late = random(4) === 0;
    const lba = random(blocks);
    const count = random(Math.min(blocks - lba, 40)) + 1;
    const [from, to] = [lba * 512, (lba + count) * 512];
    switch (random(10)) {
      case 0: {
        const data = pattern(count, i);
        check(
          (await a.send(0, cdb([0x2a, 0xaa, 0x8a][random(3)]!, lba, count), { out: data })).status === 0,
          'WRITE',
        );
        data.copy(model, from);
        break;
      }
      case 1: {
        const { data } = await a.send(0, cdb([0x28, 0xa8, 0x88][random(3)]!, lba, count));
        check(data.equals(model.subarray(from, to)), `READ ${lba}+${count}`);
        break;
      }
      case 2: {
        const data = random(2) === 0 ? Buffer.alloc(512) : pattern(1, i);
        check(
          (await a.send(0, cdb(0x93, lba, count, random(2) * 8), { out: data })).status === 0,
          'WRITE SAME',
        );
        model.fill(data, from, to);
        break;
      }
      case 3: {
        const data = pattern(count, i);
        check((await a.send(0, cdb(0x8b, lba, count), { out: data })).status === 0, 'ORWRITE');
        for (let j = 0; j < data.length; j++) model[from + j]! |= data[j]!;
        break;
      }
      case 4: {
        const expected = Buffer.from(model.subarray(from, to));
        const spoiled = random(2) === 0;
        if (spoiled) expected[random(expected.length)]! ^= 1;
        const { said } = await a.send(0, cdb(0x8f, lba, count, 0x02), { out: expected });
        check(said === (spoiled ? 'e/1d00' : ''), 'VERIFY');
        break;
      }
      case 5: {
        const list = Buffer.alloc(24);
        list.writeUInt16BE(22, 0);
        list.writeUInt16BE(16, 2);
        list.writeUInt32BE(lba, 12);
        list.writeUInt32BE(count, 16);
        check((await a.send(0, '42 00 00 00 00 00 00 00 18', { out: list })).status === 0, 'UNMAP');
        model.fill(0, from, to);
        break;
      }
      case 6: {
        const data = pattern(count, i);
        const action = [0x0b, 0x0c][random(2)]!;
        check((await a.send(0, cdb32(action, lba, count), { out: data })).status === 0, 'WRITE(32)');
        data.copy(model, from);
        break;
      }
      case 7: {
        const { data } = await a.send(0, cdb32(0x09, lba, count));
        check(data.equals(model.subarray(from, to)), `READ(32) ${lba}+${count}`);
        break;
      }
      case 8: {
        const [first, data] = [lba & ~7, pattern(8 * (1 + random(8)), i)];
        if (first * 512 + data.length > model.length) break;
        const c = Buffer.alloc(16);
        c[0] = 0x9c;
        c.writeUInt32BE(first, 6);
        c.writeUInt16BE(data.length / 512, 12);
        check((await a.send(0, c, { out: data })).status === 0, 'WRITE ATOMIC');
        data.copy(model, first * 512);
        break;
      }
      case 9: {
        const found = Buffer.from(model.subarray(from, to));
        const spoiled = random(2) === 0 ? random(found.length) : undefined;
        if (spoiled !== undefined) found[spoiled]! ^= 1;
        const data = pattern(count, i);
        const c = Buffer.alloc(16);
        c[0] = 0x89;
        c.writeUInt32BE(lba, 6);
        c[13] = count;
        const answer = await a.send(0, c, { out: Buffer.concat([found, data]) });
        check(answer.said === (spoiled === undefined ? '' : 'e/1d00'), 'COMPARE AND WRITE');
        if (spoiled === undefined) data.copy(model, from);
        else check(information(answer) === spoiled, 'COMPARE AND WRITE, where');
        break;
      }
    }
  }
  medium.late = false;
  check((await read(a, 0, blocks)).data.equals(model), 'all of it at the end');
  t.equal(wrong, 0);
});
