/** ROD tokens: POPULATE TOKEN, WRITE USING TOKEN and what is told of them (SBC-3 4.28, 5.12, 5.25, 5.59; SPC-4 5.17.6). */
import t from 'tap';
import type { BlockBackend } from '../../lib/backends/block-backend.ts';
import { openDiskFile } from '../../lib/backends/file.ts';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import {
  DEFAULT_TOKEN_INACTIVITY_S,
  MAX_RANGES,
  MAX_ROD_BYTES,
  MAX_TOKEN_INACTIVITY_S,
  MAX_TOKEN_LIFETIME_S,
  MAX_TOKENS_OF_NEXUS,
  MIN_TOKEN_LIFETIME_S,
} from '../../lib/copy-manager/limits.ts';
import { LunView } from '../../lib/scsi-cmds/lun-view.ts';
import type { DiskUnit } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { type Answer, Commander, nexus, pointer, run } from '../harness/commands.ts';
import {
  cdb84lid4,
  copy,
  copy4,
  dump,
  fill,
  forwardedOf,
  list,
  list4,
  MIB,
  pointerOf,
  rig,
  segment,
  SlowDisk,
} from '../harness/copying.ts';
import { pattern, Random, SEED } from '../harness/random.ts';
import { until } from '../harness/rig.ts';
import {
  ANY,
  DEFAULT,
  information,
  PERSISTENT,
  populated,
  populateList,
  type Range,
  REFERENCE,
  sendPopulate,
  sendWrite,
  tokenCdb,
  VULNERABLE,
  writeList,
  ZERO_TOKEN,
} from '../harness/tokens.ts';

const B = 512;
const disks = async (...sizes: readonly number[]) => {
  const media = (sizes.length === 0 ? [4 * MIB, 4 * MIB] : sizes).map(bytes => memoryDisk({ bytes }));
  const made = await rig(...media.map(disk => ({ disk })));
  return { ...made, media: media as [BlockBackend, BlockBackend] };
};

const write16 = async (
  to: Commander,
  lun: number,
  lba: number,
  out: Buffer,
  blockBytes = B,
): Promise<Answer> => {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x8a;
  cdb.writeBigUInt64BE(BigInt(lba), 2);
  cdb.writeUInt32BE(out.length / blockBytes, 10);
  return to.send(lun, cdb, { out });
};

/** WRITE SAME(16) of zeros with UNMAP. */
const unmap = (to: Commander, lun: number, lba: number, blocks: number): Promise<Answer> => {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x93;
  cdb[1] = 0x09;
  cdb.writeBigUInt64BE(BigInt(lba), 2);
  cdb.writeUInt32BE(blocks, 10);
  return to.send(lun, cdb);
};

const blocks = (data: Buffer, ranges: readonly Range[], blockBytes = B): Buffer =>
  Buffer.concat(ranges.map(([lba, count]) => data.subarray(lba * blockBytes, (lba + count) * blockBytes)));

void t.test(
  'SBC-3 5.12 5.59: POPULATE TOKEN, RECEIVE ROD TOKEN INFORMATION, WRITE USING TOKEN: disk to disk',
  async t => {
    const { host, media } = await disks();
    const data = pattern(4 * MIB, 1);
    await fill(media[0], data);
    const ranges: Range[] = [
      [100, 50],
      [0, 0],
      [10, 20],
      [5000, 3000],
    ];
    const token = await populated(host, 0, ranges, { id: 0x1_0203 });
    const done = await sendWrite(
      host,
      1,
      writeList(token, [
        [7, 3000],
        [4000, 70],
      ]),
      9,
    );
    t.equal(done.said, '');
    t.equal(done.status, 0);
    const wanted = blocks(data, ranges);
    t.ok(
      blocks(await dump(media[1]), [
        [7, 3000],
        [4000, 70],
      ]).equals(wanted),
    );
    t.ok((await dump(media[1], 7 * B)).equals(Buffer.alloc(7 * B)), 'nothing before');
    t.ok((await dump(media[1], B, 4070 * B)).equals(Buffer.alloc(B)), 'nothing behind');

    const made = await information(host, 0x1_0203);
    t.match(made, { action: 0x10, status: 0x01, completion: 0, units: 0xf1, count: 3070, segments: 0 });
    t.equal(made.length, 0, 'the token has been fetched');
    const used = await information(host, 9);
    t.match(used, { action: 0x11, status: 0x01, units: 0xf1, count: 3070, segments: 0, length: 0 });
    t.match(
      await information(host, 9, 0, 0x05),
      { action: 0x11, status: 0x01, count: 3070 },
      '84h/05h says the same',
    );
  },
);

void t.test('SBC-3 5.25, SPC-4 6.26: RECEIVE ROD TOKEN INFORMATION byte by byte', async t => {
  const { host, units } = await disks();
  t.equal((await sendPopulate(host, 0, populateList([[8, 16]]), 0xa1b2c3d4)).status, 0);
  const all = cdb84lid4(7, 0xa1b2c3d4, 65536);
  const short = await host.send(0, cdb84lid4(7, 0xa1b2c3d4, 100));
  t.equal(short.data.length, 100, 'cut to the allocation length, and kept');
  const { data } = await host.send(0, all);
  t.equal(
    data.toString('hex', 0, 36),
    run('00000222 10010002 fffffffe 000000f1 0000000000000010 0000 000000000000 00000202'),
  );
  t.equal(data.length, 0x222 + 4);
  const token = data.subarray(38);
  t.equal(data.readUInt16BE(36), 0, 'no CSCD');
  t.equal(token.length, 512);
  t.equal(token.toString('hex', 0, 8), '00800000000001f8');
  t.equal(
    token.toString('hex', 16, 48),
    run(`e4000000 01030008 ${units[0]!.identity.naa.toString('hex')} ${'00'.repeat(12)} 00000200`),
    'CREATOR LOGICAL UNIT DESCRIPTOR',
  );
  t.equal(
    token.toString('hex', 48, 64),
    (16 * B).toString(16).padStart(32, '0'),
    'NUMBER OF BYTES REPRESENTED',
  );
  t.equal(token.toString('hex', 64, 96), '00'.repeat(32));
  t.equal(token.toString('hex', 96, 104), run('00000200 0003c000'), 'what READ CAPACITY(16) says');
  const capacity = await host.send(0, '9e10000000000000000000000020');
  t.equal(token.toString('hex', 96, 104), capacity.data.toString('hex', 8, 16));
  t.equal(token.toString('hex', 128, 132), '03280018', 'a SCSI name string of the target device');
  t.equal(token.toString('latin1', 132, 156).replace(/\0+$/, ''), 'iqn.2026-01.test:target');
  t.equal((await host.send(0, all)).data.readUInt32BE(32), 0, 'fetched, and so not kept');
  t.equal((await host.send(0, cdb84lid4(7, 5, 512))).said, '5/2400', 'no such list identifier');
  t.equal(pointer(await host.send(0, cdb84lid4(7, 5, 512))), 'cdb 2');

  t.equal((await sendPopulate(host, 0, populateList([[8, 16]]), 4)).status, 0);
  t.equal((await host.send(0, cdb84lid4(7, 4, 0))).status, 0);
  t.match(await information(host, 4), { status: 0x01, length: 0, count: 16 }, 'length 0 discards the token');
  t.match(await information(host, 4, 0, 0x05), { status: 0x01 }, 'and nothing else');
});

void t.test('SPC-4 5.17.6.5: tokens cannot be guessed, and differ all over', async t => {
  const { host } = await disks();
  const seen = new Set<string>();
  const ids = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const token = await populated(host, 0, [[0, 8]]);
    ids.add(token.toString('hex', 8, 16));
    for (let at = 256; at < 512; at += 16) seen.add(token.toString('hex', at, at + 16));
  }
  t.equal(ids.size, 20);
  t.equal(seen.size, 20 * 16, 'no 16 bytes twice');
});

void t.test(
  'SPC-4 5.17.6.2.3: POPULATE TOKEN makes points in time: what is written since does not show',
  async t => {
    for (const type of [undefined, DEFAULT, VULNERABLE, PERSISTENT, ANY]) {
      const { host, media, units } = await disks();
      const data = pattern(4 * MIB, 2);
      await fill(media[0], data);
      await unmap(host, 0, 2000, 1000);
      data.fill(0, 2000 * B, 3000 * B);
      const token = await populated(host, 0, [[0, 4000]], type === undefined ? {} : { type });
      t.equal(
        token.readUInt32BE(0),
        type === ANY ? PERSISTENT : (type ?? DEFAULT),
        'what the token says it is',
      );
      t.not((units[0] as DiskUnit).backend, media[0], 'writes go by what preserves');
      await write16(host, 0, 5, pattern(B, 9));
      await write16(host, 0, 100, pattern(64 * B, 3));
      await write16(host, 0, 110, pattern(64 * B, 4));
      await write16(host, 0, 2500, pattern(8 * B, 5));
      await unmap(host, 0, 0, 50);
      await unmap(host, 0, 1000, 2000);
      const now = await dump(media[0]);
      t.notOk(now.equals(data));
      t.equal((await sendWrite(host, 1, writeList(token, [[0, 4000]], { remove: true }))).said, '');
      t.ok(
        (await dump(media[1], 4000 * B)).equals(data.subarray(0, 4000 * B)),
        `${type?.toString(16) ?? 'no'} type`,
      );
      t.ok((await dump(media[0])).equals(now), 'the source is as it was written');
      t.equal((units[0] as DiskUnit).backend, media[0], 'and nothing is in the way of writes any more');
    }
  },
);

void t.test(
  'SPC-4 5.17.6.2.3: whatever command writes, POPULATE TOKEN made a point in time before it, on a disk in a file too',
  async t => {
    const commands: readonly (readonly [string, string, number])[] = [
      ['WRITE(6)', '0a 00 00 10 08 00', 8],
      ['WRITE(10)', '2a 00 00 00 00 10 00 00 08 00', 8],
      ['WRITE(12)', 'aa 00 00 00 00 10 00 00 00 08 00 00', 8],
      ['WRITE(16)', '8a 00 0000000000000010 00000008 00 00', 8],
      ['WRITE AND VERIFY(10)', '2e 00 00 00 00 10 00 00 08 00', 8],
      ['WRITE SAME(10)', '41 00 00 00 00 10 00 00 08 00', 1],
      ['WRITE SAME(16), UNMAP', '93 09 0000000000000010 00000008 00 00', 0],
      ['ORWRITE(16)', '8b 00 0000000000000010 00000008 00 00', 8],
      ['WRITE ATOMIC(16)', '9c 00 0000000000000010 0000 0008 00 00', 8],
      ['COMPARE AND WRITE', '89 00 0000000000000010 000000 08 00 00', 16],
    ];
    const dir = t.testdir();
    for (const [name, cdb, count] of commands) {
      for (const kind of ['memory', 'file'] as const) {
        const disk =
          kind === 'memory'
            ? memoryDisk({ bytes: MIB })
            : await openDiskFile({ path: `${dir}/${name.replaceAll(/\W/g, '')}`, bytes: MIB });
        const { host, device } = await rig({ disk }, { disk: memoryDisk({ bytes: MIB }) });
        const data = pattern(MIB, 1);
        await fill(disk, data);
        const token = await populated(host, 0, [[0, 64]]);
        const out = pattern(count * B, 2);
        if (name === 'COMPARE AND WRITE') data.copy(out, 0, 16 * B, 24 * B);
        const written = await host.send(0, cdb, count === 0 ? {} : { out });
        t.equal(written.said, '', `${name}, ${kind}`);
        t.notOk((await dump(disk, 64 * B)).equals(data.subarray(0, 64 * B)), name);
        t.equal((await sendWrite(host, 1, writeList(token, [[0, 64]]))).said, '');
        const copied = await host.send(1, '28 00 00 00 00 00 00 00 40 00');
        t.ok(copied.data.equals(data.subarray(0, 64 * B)), `${name}, ${kind}`);
        await device.close();
      }
    }
    const { host, media } = await disks();
    const data = pattern(4 * MIB, 1);
    await fill(media[0], data);
    const token = await populated(host, 0, [[0, 64]]);
    const list = Buffer.from(run('0016 0010 00000000 0000000000000010 00000008 00000000'), 'hex');
    t.equal((await host.send(0, '42 00 00 00 00 00 00 00 18 00', { out: list })).said, '', 'UNMAP');
    t.ok((await dump(media[0], 8 * B, 16 * B)).equals(Buffer.alloc(8 * B)));
    t.equal((await sendWrite(host, 1, writeList(token, [[0, 64]]))).said, '');
    t.ok((await dump(media[1], 64 * B)).equals(data.subarray(0, 64 * B)));
  },
);

void t.test('SBC-3 5.59: WRITE USING TOKEN onto the blocks that it was made of', async t => {
  for (const to of [10, 90, 150]) {
    const { host, media } = await disks();
    const data = pattern(4 * MIB, 4);
    await fill(media[0], data);
    const token = await populated(host, 0, [
      [0, 100],
      [200, 3000],
    ]);
    t.equal((await sendWrite(host, 0, writeList(token, [[to, 3100]]))).said, '');
    const wanted = Buffer.from(data);
    blocks(data, [
      [0, 100],
      [200, 3000],
    ]).copy(wanted, to * B);
    t.ok((await dump(media[0])).equals(wanted), `to ${to}`);
  }
});

void t.test(
  'SBC-3 5.59.2: WRITE USING TOKEN, OFFSET INTO ROD, less in the ROD than is asked for',
  async t => {
    const { host, media } = await disks();
    const data = pattern(4 * MIB, 5);
    await fill(media[0], data);
    const token = await populated(host, 0, [
      [10, 10],
      [100, 30],
    ]);
    const rod = blocks(data, [
      [10, 10],
      [100, 30],
    ]);
    t.equal(
      (
        await sendWrite(
          host,
          1,
          writeList(
            token,
            [
              [0, 8],
              [50, 12],
            ],
            { offset: 5 },
          ),
          6,
        )
      ).said,
      '',
    );
    t.ok(
      blocks(await dump(media[1]), [
        [0, 8],
        [50, 12],
      ]).equals(rod.subarray(5 * B, 25 * B)),
    );
    t.match(await information(host, 6), { status: 0x01, count: 20 });

    t.equal(
      (
        await sendWrite(
          host,
          1,
          writeList(
            token,
            [
              [1000, 8],
              [2000, 100],
            ],
            { offset: 30 },
          ),
          6,
        )
      ).said,
      '',
      'no error',
    );
    t.match(await information(host, 6), { status: 0x03, count: 10, completion: 0 }, 'partial use of the ROD');
    t.ok(
      blocks(await dump(media[1]), [
        [1000, 8],
        [2000, 2],
      ]).equals(rod.subarray(30 * B)),
    );
    t.ok((await dump(media[1], 98 * B, 2002 * B)).equals(Buffer.alloc(98 * B)));
    const beyond = await sendWrite(host, 1, writeList(token, [[0, 1]], { offset: 40 }), 6);
    t.equal(beyond.said, '5/2600');
    t.equal(pointer(beyond), 'list 8');
    t.match(await information(host, 6), { status: 0x02, count: 0, completion: 2 });
  },
);

void t.test('SBC-3 5.59.2: WRITE USING TOKEN between unequal block lengths', async t => {
  const small = memoryDisk({ bytes: 1 * MIB });
  const large = memoryDisk({ bytes: 1 * MIB, blockSize: 4096 });
  const { host } = await rig({ disk: small }, { disk: large });
  const data = pattern(1 * MIB, 6);
  await fill(small, data);
  const token = await populated(host, 0, [
    [15, 6],
    [40, 61],
  ]);
  const rod = blocks(data, [
    [15, 6],
    [40, 61],
  ]);
  t.equal((await sendWrite(host, 1, writeList(token, [[3, 4]], { offset: 1 }))).said, '');
  t.ok(
    (await dump(large, 4 * 4096, 3 * 4096)).equals(rod.subarray(4096, 5 * 4096)),
    'the offset counts in its own blocks',
  );
  await fill(large, pattern(1 * MIB, 7));
  t.equal((await sendWrite(host, 1, writeList(token, [[0, 20]]))).said, '');
  const padded = Buffer.alloc(9 * 4096);
  rod.copy(padded);
  t.ok((await dump(large, 9 * 4096)).equals(padded), 'zeros fill up the last block');
  t.match(await information(host, 2), { status: 0x03, count: 9 });

  const back = await populated(host, 1, [[1, 3]]);
  t.equal(
    (
      await sendWrite(
        host,
        0,
        writeList(
          back,
          [
            [0, 3],
            [100, 14],
          ],
          { offset: 5 },
        ),
      )
    ).said,
    '',
  );
  t.ok(
    blocks(await dump(small), [
      [0, 3],
      [100, 14],
    ]).equals(padded.subarray(4096 + 5 * B, 4096 + 22 * B)),
  );
});

void t.test('SBC-3 4.28.4: WRITE USING TOKEN with the block device zero ROD token unmaps', async t => {
  const { host, media } = await disks();
  await fill(media[1], pattern(4 * MIB, 8));
  t.equal(
    (
      await sendWrite(
        host,
        1,
        writeList(
          ZERO_TOKEN,
          [
            [8, 1000],
            [4096, 4096],
          ],
          { offset: 77 },
        ),
      )
    ).said,
    '',
  );
  const now = await dump(media[1]);
  t.ok(now.subarray(8 * B, 1008 * B).every(byte => byte === 0));
  t.ok(now.subarray(4096 * B).every(byte => byte === 0));
  t.ok(now.subarray(0, 8 * B).equals(pattern(4 * MIB, 8).subarray(0, 8 * B)));
  t.equal(media[1].mappedBytes, 4 * MIB - 5096 * B, 'unmapped');
  t.match(await information(host, 2), { status: 0x01, count: 5096 });
  const short = Buffer.from(ZERO_TOKEN);
  short[7] = 0;
  t.equal((await sendWrite(host, 1, writeList(short, [[8, 1]]))).said, '5/230a');
});

void t.test(
  'SPC-4 5.17.6.5.2: WRITE USING TOKEN takes no token that was not made here, bit by bit',
  async t => {
    const { host, media } = await disks();
    await fill(media[0], pattern(4 * MIB, 8));
    const token = await populated(host, 0, [[0, 100]]);
    const said = async (bad: Buffer): Promise<string> => {
      const answer = await sendWrite(host, 1, writeList(bad, [[0, 100]]));
      t.equal(pointer(answer), 'list 16');
      return answer.said;
    };
    const spoiled = (at: number, bit: number): Buffer => {
      const out = Buffer.from(token);
      out[at]! ^= 1 << bit;
      return out;
    };
    const random = new Random();
    for (let at = 8; at < 512; at++) {
      const bad = spoiled(at, random.below(8));
      t.equal(await said(bad), at < 16 ? '5/2304' : '5/2305', `byte ${at}, seed ${SEED}`);
    }
    t.equal(await said(spoiled(0, 0)), '5/2301', 'no such type');
    t.equal(await said(spoiled(3, 0)), '5/2305', 'another type');
    t.equal(await said(spoiled(7, 3)), '5/230a', 'another length');
    const other = await disks();
    t.equal(
      (await sendWrite(other.host, 1, writeList(token, [[0, 100]]))).said,
      '5/2304',
      'made by an earlier start of the target',
    );
    const foreign = Buffer.from(token);
    foreign.write('iqn.2026-01.test:tarXet', 132, 'latin1');
    foreign[15]! ^= 0x55;
    t.equal(await said(foreign), '5/2302', 'made by another target');
    t.ok((await dump(media[1])).equals(Buffer.alloc(4 * MIB)), 'nothing was ever written');
    t.equal((await sendWrite(host, 1, writeList(token, [[0, 100]]))).said, '', 'and the token is good');
  },
);

void t.test('SBC-3 5.12.2: POPULATE TOKEN, what is wrong with its list', async t => {
  const { host } = await disks();
  const good = populateList(
    [
      [0, 8],
      [100, 8],
    ],
    { type: DEFAULT },
  );
  const spoiled = (spoil: (list: Buffer) => void): Buffer => {
    const out = Buffer.from(good);
    spoil(out);
    return out;
  };
  for (const [what, out, said, where] of [
    ['list of 15 bytes', good.subarray(0, 15), '5/1a00', ''],
    ['DATA LENGTH', spoiled(l => l.writeUInt16BE(0x1d, 0)), '5/2600', 'list 0'],
    ['INACTIVITY TIMEOUT', spoiled(l => l.writeUInt32BE(MAX_TOKEN_INACTIVITY_S + 1, 4)), '5/2600', 'list 4'],
    ['ROD TYPE unknown', spoiled(l => l.writeUInt32BE(0x0080_0003, 8)), '5/2600', 'list 8'],
    ['ROD TYPE no point in time', spoiled(l => l.writeUInt32BE(REFERENCE, 8)), '5/2600', 'list 8'],
    ['ROD TYPE zeros', spoiled(l => l.writeUInt32BE(0xffff_0001, 8)), '5/2600', 'list 8'],
    ['RANGES LENGTH', spoiled(l => l.writeUInt16BE(15, 14)), '5/2600', 'list 14'],
    [
      'a block twice',
      populateList([
        [0, 8],
        [100, 8],
        [107, 1],
      ]),
      '5/2600',
      'list 16',
    ],
    [
      'a range behind the end',
      populateList([
        [0, 8],
        [8190, 3],
      ]),
      '5/2100',
      '',
    ],
    ['a range far behind the end', populateList([[2 ** 40, 1]]), '5/2100', ''],
    [
      'too many ranges',
      populateList(Array.from({ length: MAX_RANGES + 1 }, (_, i): Range => [i, 1])),
      '5/2608',
      'list 14',
    ],
  ] as const) {
    const answer = await sendPopulate(host, 0, out);
    t.equal(answer.said, said, what);
    t.equal(pointer(answer), where, what);
  }
  const out = await sendPopulate(host, 0, populateList([[8190, 3]]));
  t.equal(out.sense.readUInt32BE(3), 8192, 'the first block that there is not');
  t.equal((await host.send(0, tokenCdb(0x10, 1, 0))).status, 0, 'no list, no error');
  t.equal((await information(host, 1)).said, '5/2400', 'and no copy');
  t.equal((await sendPopulate(host, 0, good.subarray(0, 47))).status, 0, 'a range cut off is passed over');
  t.match(await information(host, 1), { count: 8 });
  t.equal(
    (
      await sendPopulate(
        host,
        0,
        populateList([
          [9000, 0],
          [4, 0],
        ]),
      )
    ).status,
    0,
    'no blocks, wherever',
  );
  t.match(await information(host, 1), { count: 0, status: 0x01 });
  const most = Array.from({ length: MAX_RANGES }, (_, i): Range => [2 * i, 1]);
  t.equal((await sendPopulate(host, 0, populateList(most))).status, 0);
  const { host: big } = await rig({ disk: memoryDisk({ bytes: 4 * MAX_ROD_BYTES }) });
  const whole = MAX_ROD_BYTES / B;
  t.equal((await sendPopulate(big, 0, populateList([[7, whole]]))).status, 0);
  t.equal(
    (
      await sendPopulate(
        big,
        0,
        populateList([
          [7, whole],
          [0, 1],
        ]),
      )
    ).said,
    '5/2600',
    'more than a ROD holds',
  );
});

void t.test('SBC-3 5.59.2: WRITE USING TOKEN, what is wrong with its list', async t => {
  const { host, media } = await disks();
  const token = await populated(host, 0, [[0, 8]]);
  const good = writeList(token, [[0, 8]]);
  const spoiled = (spoil: (list: Buffer) => void): Buffer => {
    const out = Buffer.from(good);
    spoil(out);
    return out;
  };
  for (const [what, out, said, where] of [
    ['list of 535 bytes', good.subarray(0, 535), '5/1a00', ''],
    ['list cut off', good.subarray(0, good.length - 1), '5/1a00', ''],
    ['DATA LENGTH', spoiled(l => l.writeUInt16BE(0x225, 0)), '5/2600', 'list 0'],
    ['DATA LENGTH and RANGES LENGTH', spoiled(l => l.writeUInt16BE(0x227, 0)), '5/2600', 'list 0'],
    [
      'a block twice',
      writeList(token, [
        [0, 8],
        [4, 8],
      ]),
      '5/2600',
      'list 536',
    ],
    ['a range behind the end', writeList(token, [[8192, 1]]), '5/2100', ''],
    ['token length', spoiled(l => l.writeUInt16BE(0x1f9, 22)), '5/230a', 'list 16'],
    [
      'too many ranges',
      writeList(
        token,
        Array.from({ length: MAX_RANGES + 1 }, (_, i): Range => [i, 1]),
      ),
      '5/2608',
      'list 534',
    ],
  ] as const) {
    const answer = await sendWrite(host, 1, out);
    t.equal(answer.said, said, what);
    t.equal(pointer(answer), where, what);
  }
  t.equal((await host.send(1, tokenCdb(0x11, 1, 0))).status, 0, 'no list, no error');
  t.equal(media[1].mappedBytes, 0);
});

void t.test(
  'SPC-4 5.17.4.2: POPULATE TOKEN and WRITE USING TOKEN share list identifiers with EXTENDED COPY',
  async t => {
    let open!: () => void;
    const gate = new Promise<void>(resolve => (open = resolve));
    const slow = new SlowDisk(memoryDisk({ bytes: MIB }));
    const { host, name, device } = await rig({ disk: slow }, { disk: memoryDisk({ bytes: MIB }) });
    const token = await populated(host, 0, [[0, 2048]]);
    slow.pace = () => gate;
    t.equal(
      (await sendWrite(host, 1, writeList(token, [[0, 2048]], { immediate: true }), 5)).status,
      0,
      'GOOD at once',
    );
    t.match(await information(host, 5), { action: 0x11, status: 0x12, count: 0, length: 0, completion: 0 });
    t.equal((await sendPopulate(host, 1, populateList([[0, 8]]), 5)).said, '5/0016');
    t.equal((await sendWrite(host, 1, writeList(token, [[0, 8]]), 5)).said, '5/0016');
    const one = segment({ type: 2, from: 0, to: 0, blocks: 1 });
    t.equal((await copy4(host, 1, list4([name(1)], [one], { id: 5 }))).said, '5/0016');
    t.equal((await copy(host, 1, list([name(1)], [one], { id: 5 }))).said, '5/2600', 'of the other format');
    const other = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
    t.equal((await sendPopulate(other, 1, populateList([[0, 8]]), 5)).status, 0, 'another nexus has its own');
    t.equal((await information(other, 5)).action, 0x10);
    open();
    for (let i = 0; i < 500 && (await information(host, 5)).status === 0x12; i++)
      await new Promise(go => setTimeout(go, 2));
    t.match(await information(host, 5), { action: 0x11, status: 0x01, count: 2048 });
    t.equal(
      (await sendPopulate(host, 1, populateList([[0, 8]]), 5)).status,
      0,
      'and again when it has ended',
    );
    t.match(
      await information(host, 5),
      { action: 0x10, status: 0x01, count: 8 },
      'which is all that is known of it',
    );
  },
);

void t.test(
  'SPC-4 6.3: COPY OPERATION ABORT ends WRITE USING TOKEN, in the background and the foreground',
  async t => {
    for (const immediate of [true, false]) {
      let open!: () => void;
      const gate = new Promise<void>(resolve => (open = resolve));
      const slow = new SlowDisk(memoryDisk({ bytes: 16 * MIB }));
      const { host } = await rig({ disk: slow }, { disk: memoryDisk({ bytes: 16 * MIB }) });
      await fill(slow.inner, pattern(16 * MIB, 1));
      const token = await populated(host, 0, [[0, 32768]]);
      slow.pace = () => gate;
      const writing = sendWrite(host, 1, writeList(token, [[0, 32768]], { immediate }), 5);
      await until(() => slow.underWay > 0);
      t.match(await information(host, 5), { status: immediate ? 0x12 : 0x11 });
      let ended = false;
      const aborting = host.send(0, cdb84lid4(0x1c, 5, 0, 0x83)).then(answer => ((ended = true), answer));
      await new Promise(go => setTimeout(go, 10));
      t.notOk(ended, 'not before its reads have');
      open();
      t.equal((await aborting).status, 0);
      const answer = await writing;
      t.equal(answer.said, immediate ? '' : 'a/2f02');
      const told = await information(host, 5);
      t.match(told, { status: immediate ? 0x60 : 0x02, completion: immediate ? 0x40 : 0x02, length: 0 });
      t.equal(
        (await sendWrite(host, 1, writeList(token, [[0, 8]]), 5)).said,
        '',
        'the token is good as before',
      );
    }
  },
);

void t.test('SPC-4 5.17.6.7: tokens expire, WRITE USING TOKEN with one that has: TOKEN EXPIRED', async t => {
  let now = 1_000_000;
  const media = [memoryDisk({ bytes: MIB }), memoryDisk({ bytes: MIB })] as const;
  const { host, units, manager } = await rig({ disk: media[0] }, { disk: media[1] }, { nowMs: () => now });
  const use = async (token: Buffer): Promise<string> =>
    (await sendWrite(host, 1, writeList(token, [[0, 8]]))).said;
  const standard = await populated(host, 0, [[0, 8]]);
  const short = await populated(host, 0, [[0, 8]], { inactivity: 7 });
  now += 6_999;
  t.equal(await use(short), '');
  now += 6_999;
  t.equal(await use(short), '', 'each use counts anew');
  now += 7_001;
  t.equal(await use(short), '5/2307');
  now += 1000 * DEFAULT_TOKEN_INACTIVITY_S - 21_000;
  t.equal(await use(standard), '', 'the default is longer');
  now += 1000 * DEFAULT_TOKEN_INACTIVITY_S + 1;
  t.equal(await use(standard), '5/2307');
  t.equal(manager.tokens.size, 0);
  t.equal((units[0] as DiskUnit).backend, media[0], 'what they preserved is gone too');

  const busy = await populated(host, 0, [[0, 8]], { inactivity: 3000 });
  const end = now + 1000 * MAX_TOKEN_LIFETIME_S;
  while (now + 2_000_000 < end) {
    now += 2_000_000;
    if ((await use(busy)) !== '') t.fail('it is used often enough');
  }
  now = end + 1;
  t.equal(await use(busy), '5/2307', 'no longer than a token may live');
  now += 2000 * MAX_TOKEN_LIFETIME_S + 1;
  t.equal(await use(busy), '5/2304', 'and in the end nobody remembers it');
});

void t.test(
  'SPC-4 5.17.6.7: what a token preserves is let go when it expires, though nobody asks',
  async t => {
    const disk = memoryDisk({ bytes: MIB });
    const { host, units } = await rig({ disk });
    await populated(host, 0, [[0, 8]], { inactivity: 1 });
    t.not((units[0] as DiskUnit).backend, disk);
    await new Promise(go => setTimeout(go, 1100));
    t.equal((units[0] as DiskUnit).backend, disk);
  },
);

void t.test('SBC-3 5.59.2: WRITE USING TOKEN with DEL_TKN: TOKEN DELETED from then on', async t => {
  const { host } = await disks();
  const token = await populated(host, 0, [[0, 8]]);
  t.equal((await sendWrite(host, 1, writeList(token, [[0, 8]], { remove: true }))).said, '');
  t.equal((await sendWrite(host, 1, writeList(token, [[0, 8]]))).said, '5/2309');
  t.equal((await host.send(0, cdb84lid4(8, 0, 65536))).data.length, 8);
});

void t.test(
  'SPC-4 5.17.6.7: format, sanitize, another size and no room cancel: WRITE USING TOKEN: TOKEN CANCELLED',
  async t => {
    const use = async (host: Commander, token: Buffer): Promise<string> =>
      (await sendWrite(host, 1, writeList(token, [[0, 8]]))).said;
    for (const [what, change] of [
      ['FORMAT UNIT', (host: Commander) => host.send(0, '04 00 00 00 00 00')],
      ['SANITIZE', (host: Commander) => host.send(0, '48 02 00 00 00 00 00 00 00 00')],
      ['another size', (_host: Commander, unit: DiskUnit) => unit.resize(2 * MIB)],
    ] as const) {
      const { host, units, media } = await disks();
      await fill(media[0], pattern(4 * MIB, 1));
      const token = await populated(host, 0, [[0, 8]]);
      await change(host, units[0] as DiskUnit);
      await host.clear();
      t.equal(await use(host, token), '5/2308', what);
      t.equal((units[0] as DiskUnit).backend, media[0], what);
      t.equal(
        (await dump(media[1], 8 * B)).every(byte => byte === 0),
        true,
        'nothing written',
      );
    }
    const large = memoryDisk({ bytes: 200 * MIB });
    const { host, manager, units } = await rig({ disk: large }, { disk: memoryDisk({ bytes: MIB }) });
    const token = await populated(host, 0, [[0, (200 * MIB) / B]]);
    const some = pattern(8 * MIB, 1);
    for (let at = 0; at < 80; at += 8) t.equal((await write16(host, 0, (at * MIB) / B, some)).status, 0);
    t.equal(await use(host, token), '', 'what was zeros takes little room');
    const other = await populated(host, 0, [[0, (200 * MIB) / B]]);
    for (let at = 0; at < 80; at += 8)
      t.equal((await write16(host, 0, (at * MIB) / B, some)).status, 0, 'no write is refused');
    t.equal(await use(host, other), '5/2308', 'more than is preserved of one token');
    t.equal(await use(host, token), '', 'the other one has enough room still');
    await sendWrite(host, 1, writeList(token, [[0, 8]], { remove: true }));
    t.equal(manager.tokens.room.usedBytes, 0, 'and all of it is given back');
    t.equal((units[0] as DiskUnit).backend, large);
  },
);

void t.test(
  'SPC-4 5.17.6.2.3.4: a persistent ROD of POPULATE TOKEN has its room from the start, or there is none',
  async t => {
    const { host, manager, device } = await rig(
      { disk: memoryDisk({ bytes: 200 * MIB }) },
      { disk: memoryDisk({ bytes: MIB }) },
    );
    const most = (100 * MIB) / B;
    const refused = await sendPopulate(host, 0, populateList([[0, most]], { type: PERSISTENT }));
    t.equal(refused.said, '5/550c');
    t.match(await information(host, 1), { status: 0x02, length: 0 });
    t.equal(manager.tokens.size, 0);
    const any = await populated(host, 0, [[0, most]], { type: ANY });
    t.equal(any.readUInt32BE(0), VULNERABLE, 'any of them is then one that gives way');
    const small = await populated(host, 0, [[0, 8]], { type: PERSISTENT });
    const used = manager.tokens.room.usedBytes;
    t.ok(used >= 4096);
    await write16(host, 0, 0, pattern(8 * B, 1));
    await sendWrite(host, 1, writeList(any, [[0, 8]], { remove: true }));
    t.equal(manager.tokens.room.usedBytes, used, 'nothing more for what is written');
    t.equal((await sendWrite(host, 1, writeList(small, [[0, 8]]))).said, '');

    const large = populateList([[0, (60 * MIB) / B]], { type: PERSISTENT });
    t.equal((await sendPopulate(host, 0, large)).said, '');
    t.equal((await sendPopulate(host, 0, large)).said, '');
    t.equal((await sendPopulate(host, 0, large)).said, '5/550c', 'one nexus has no more');
    const other = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
    t.equal((await sendPopulate(other, 0, large)).said, '', 'another has its own');
  },
);

void t.test(
  'SPC-4 5.17.6.7: what cannot be read cannot be preserved: WRITE USING TOKEN: TOKEN CANCELLED',
  async t => {
    const disk = new SlowDisk(memoryDisk({ bytes: MIB }));
    const { host } = await rig({ disk }, { disk: memoryDisk({ bytes: MIB }) });
    await fill(disk.inner, pattern(MIB, 1));
    const near = await populated(host, 0, [[0, 64]]);
    const far = await populated(host, 0, [[1024, 64]]);
    const read = disk.read.bind(disk);
    disk.read = () => Promise.reject(new MediumError('io', 0, 'this read was to fail'));
    t.equal((await write16(host, 0, 3, pattern(B, 2))).said, '', 'the write is done');
    disk.read = read;
    t.equal((await sendWrite(host, 1, writeList(near, [[0, 64]]))).said, '5/2308');
    t.equal((await sendWrite(host, 1, writeList(far, [[0, 64]]))).said, '', 'others are as good as before');
  },
);

void t.test(
  'SPC-4 5.17.6.7: a token that is cancelled while it is used brings nothing of another moment: WRITE USING TOKEN',
  async t => {
    const source = new SlowDisk(memoryDisk({ bytes: MIB }));
    const target = memoryDisk({ bytes: MIB });
    const { host } = await rig({ disk: source }, { disk: target });
    const data = pattern(MIB, 1);
    await fill(source.inner, data);
    const token = await populated(host, 0, [[0, 2048]]);
    let open!: () => void;
    const gate = new Promise<void>(resolve => (open = resolve));
    source.pace = () => gate;
    const using = sendWrite(host, 1, writeList(token, [[0, 2048]]));
    await until(() => source.underWay > 0);
    const read = source.read.bind(source);
    source.read = () => Promise.reject(new MediumError('io', 0, 'this read was to fail'));
    source.pace = () => Promise.resolve();
    t.equal((await write16(host, 0, 1000, pattern(64 * B, 2))).said, '');
    source.read = read;
    open();
    const lost = await using;
    t.equal(lost.said, '5/2308');
    t.equal(pointer(lost), 'list 16');
    const got = await dump(target);
    t.notOk(got.includes(pattern(B, 2)), 'nothing of what was written since');
    const { count } = await information(host, 2);
    t.ok(got.subarray(0, count * B).equals(data.subarray(0, count * B)), 'and what is told is there');
  },
);

void t.test('SPC-4 6.31: REPORT ALL ROD TOKENS', async t => {
  const { host, device } = await disks();
  const empty = await host.send(0, cdb84lid4(8, 0, 65536));
  t.equal(empty.data.toString('hex'), '0000000400000000');
  const tokens = [
    await populated(host, 0, [[0, 8]]),
    await populated(host, 1, [[3, 5]], { type: PERSISTENT }),
  ];
  const all = await host.send(1, cdb84lid4(8, 0, 65536));
  t.equal(all.data.readUInt32BE(0), 4 + 2 * 96);
  t.ok(
    all.data.subarray(8).equals(Buffer.concat(tokens.map(token => token.subarray(0, 96)))),
    'header and body of each',
  );
  t.equal((await host.send(0, cdb84lid4(8, 0, 20))).data.length, 20);
  const view = new LunView(new Map([[4, { name: 'u1', readOnly: false }]]));
  const other = await new Commander(device, { ...nexus('iqn.2026-01.test:v', '40000000000b'), view }).clear();
  t.equal((await other.send(4, cdb84lid4(8, 0, 65536))).data.length, 8 + 96, 'those of units that it sees');
  const forged = Buffer.alloc(512);
  tokens[0]!.copy(forged, 0, 0, 96);
  t.equal((await sendWrite(host, 1, writeList(forged, [[0, 8]]))).said, '5/2305', 'no token is made of them');
});

void t.test(
  'SPC-4 5.17.7.2: a token is good for whoever can address its unit: WRITE USING TOKEN by another nexus',
  async t => {
    const { host, device, media } = await disks(MIB, MIB, MIB);
    const data = pattern(MIB, 3);
    await fill(media[0], data);
    const token = await populated(host, 0, [[0, 100]]);
    const seeing = async (isid: string, map: Record<number, string>, readOnly: readonly string[] = []) => {
      const view = new LunView(
        new Map(
          Object.entries(map).map(([lun, name]) => [
            Number(lun),
            { name, readOnly: readOnly.includes(name) },
          ]),
        ),
      );
      return new Commander(device, { ...nexus('iqn.2026-01.test:v', isid), view }).clear();
    };
    const both = await seeing('400000000001', { 3: 'u1', 7: 'u0' });
    t.equal((await sendWrite(both, 3, writeList(token, [[0, 100]]))).said, '', 'by LUNs of its own');
    t.ok((await dump(media[1], 100 * B)).equals(data.subarray(0, 100 * B)));
    const one = await seeing('400000000002', { 0: 'u1' });
    const refused = await sendWrite(one, 0, writeList(token, [[200, 100]]));
    t.equal(refused.said, '5/2304', 'not yours is as not there');
    const forged = Buffer.from(token);
    forged[8]! ^= 1;
    t.equal((await sendWrite(one, 0, writeList(forged, [[200, 100]]))).said, '5/2304');
    const sourceOnlyRead = await seeing('400000000003', { 0: 'u1', 1: 'u0' }, ['u0']);
    t.equal(
      (await sendWrite(sourceOnlyRead, 0, writeList(token, [[0, 100]]))).said,
      '',
      'to read is enough for the source',
    );
    const onlyRead = await seeing('400000000004', { 0: 'u1', 1: 'u0' }, ['u1']);
    t.equal(
      (await sendWrite(onlyRead, 0, writeList(token, [[0, 100]]))).said,
      '7/2700',
      'not for the destination',
    );
    t.equal((await sendPopulate(onlyRead, 0, populateList([[0, 8]]))).said, '', 'but for a token');
    device.remap(both.nexus, new Map([[3, { name: 'u1', readOnly: false }]]));
    await both.clear();
    t.equal(
      (await sendWrite(both, 3, writeList(token, [[0, 100]]))).said,
      '5/2304',
      'what it sees now counts',
    );
    await device.remove(0, 100);
    await host.clear();
    t.equal(
      (await sendWrite(host, 1, writeList(token, [[0, 100]]))).said,
      '5/2304',
      'and a unit that is gone is nobody’s',
    );
  },
);

void t.test(
  'SPC-4 5.13: WRITE USING TOKEN and POPULATE TOKEN under reservations of another nexus',
  async t => {
    const { host, device, media } = await disks(MIB, MIB);
    await fill(media[0], pattern(MIB, 3));
    const token = await populated(host, 0, [[0, 2048]]);
    const other = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
    const reserve = async (lun: number, type: number): Promise<void> => {
      const out = Buffer.alloc(24);
      out[15] = 1;
      t.equal((await other.send(lun, '5f 00 00 00 00 00 00 00 18', { out })).status, 0);
      const held = Buffer.alloc(24);
      held[7] = 1;
      t.equal((await other.send(lun, `5f 01 0${type} 00 00 00 00 00 18`, { out: held })).status, 0);
    };
    await reserve(0, 3);
    t.equal((await sendPopulate(host, 0, populateList([[0, 8]]))).status, 0x18);
    const blocked = await sendWrite(host, 1, writeList(token, [[0, 2048]]));
    t.equal(blocked.said, 'a/0d01', 'the source may not be read');
    t.match(forwardedOf(blocked), { from: 'source', status: 0x18 });
    t.equal(pointerOf(blocked), 'list 16');
    t.equal(media[1].mappedBytes, 0);
    t.equal((await sendWrite(other, 1, writeList(token, [[0, 2048]]))).said, '', 'the holder may');
    await reserve(1, 1);
    t.equal((await sendWrite(host, 1, writeList(token, [[0, 8]]))).status, 0x18);
  },
);

void t.test(
  'SBC-3 5.59: WRITE USING TOKEN when the destination fails: COPY ABORTED, and how far it came',
  async t => {
    const target = new SlowDisk(memoryDisk({ bytes: 8 * MIB }));
    const source = memoryDisk({ bytes: 8 * MIB });
    const { host } = await rig({ disk: source }, { disk: target });
    await fill(source, pattern(8 * MIB, 3));
    const token = await populated(host, 0, [[0, 16384]]);
    target.failWriteAt = 3 * MIB;
    const failed = await sendWrite(host, 1, writeList(token, [[0, 16384]]));
    t.equal(failed.said, 'a/0d01');
    t.match(forwardedOf(failed), { from: 'destination', status: 2 });
    const told = await information(host, 2);
    t.match(told, { status: 0x02, completion: 2, count: 6144 }, 'three MiB in order from the first');
    t.ok(told.sense.equals(failed.sense.subarray(0, told.sense.length)));
    t.ok((await dump(target.inner, 3 * MIB)).equals(pattern(8 * MIB, 3).subarray(0, 3 * MIB)));
  },
);

void t.test('SBC-3 5.59: WRITE USING TOKEN reads no holes, and leaves holes', async t => {
  const source = new SlowDisk(memoryDisk({ bytes: 64 * MIB }));
  const target = memoryDisk({ bytes: 64 * MIB });
  const { host } = await rig({ disk: source }, { disk: target });
  await source.inner.write(pattern(MIB, 1), 8 * MIB);
  await target.write(pattern(MIB, 2), 20 * MIB);
  const token = await populated(host, 0, [
    [0, (32 * MIB) / B],
    [(40 * MIB) / B, (8 * MIB) / B],
  ]);
  let read = 0;
  const inner = source.read.bind(source);
  source.read = (into, offset) => ((read += into.length), inner(into, offset));
  await write16(host, 0, (10 * MIB) / B, pattern(4096, 5)); // was a hole then
  read = 0;
  t.equal((await sendWrite(host, 1, writeList(token, [[0, (40 * MIB) / B]]))).said, '');
  t.ok(read <= 3 * MIB, `${read} bytes were read`);
  t.equal(target.mappedBytes, MIB + 4096, 'only what was mapped then, and what was looked at');
  t.ok((await dump(target, MIB, 8 * MIB)).equals(pattern(MIB, 1)));
  t.ok((await dump(target, MIB, 10 * MIB)).equals(Buffer.alloc(MIB)), 'not what was written since');
  t.ok((await dump(target, MIB, 20 * MIB)).equals(Buffer.alloc(MIB)));
});

void t.test(
  'SPC-4 5.17.6.7: so many tokens of a nexus: POPULATE TOKEN: INSUFFICIENT RESOURCES TO CREATE ROD TOKEN',
  async t => {
    const { host, device, manager } = await disks();
    const first = await populated(host, 0, [[0, 8]]);
    for (let i = 1; i < MAX_TOKENS_OF_NEXUS; i++) await populated(host, 0, [[i, 8]]);
    t.equal((await sendPopulate(host, 0, populateList([[0, 8]]))).said, '5/550d');
    t.equal(manager.tokens.size, MAX_TOKENS_OF_NEXUS);
    const other = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
    t.equal((await sendPopulate(other, 0, populateList([[0, 8]]))).status, 0, 'another nexus has room');
    t.equal((await sendWrite(other, 1, writeList(first, [[0, 8]]))).status, 0);
    t.equal(
      (await sendPopulate(host, 0, populateList([[0, 8]]))).status,
      0,
      'one that has been used gives way',
    );
    t.equal((await sendWrite(other, 1, writeList(first, [[0, 8]]))).said, '5/2308');
    t.equal((await sendPopulate(host, 0, populateList([[0, 8]]))).said, '5/550d');
  },
);

void t.test(
  'SPC-4 5.17.4.5: results that nobody fetches: RECEIVE ROD TOKEN INFORMATION after a reset and for another nexus',
  async t => {
    const { host, device, units } = await disks();
    for (let i = 0; i < 40; i++)
      t.equal((await sendPopulate(host, 0, populateList([[0, 8]]), 100 + i)).status, 0);
    t.match(await information(host, 100), { length: 514 }, 'they are no copies under way');
    const other = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
    t.equal((await information(other, 101)).said, '5/2400');
    const { tokens } = await information(host, 102);
    await new Promise<void>(done => units[0]!.reset(done));
    await host.clear();
    t.equal((await information(host, 101)).said, '5/2400', 'a reset takes what was to be fetched');
    t.equal((await sendWrite(host, 1, writeList(tokens[0]!.token, [[0, 8]]))).said, '', 'and no token');
  },
);

void t.test('SPC-4 table 65: disks only have POPULATE TOKEN and WRITE USING TOKEN', async t => {
  const { host } = await rig({ tape: memoryCartridge() });
  t.equal((await sendPopulate(host, 0, populateList([[0, 8]]))).said, '5/2400');
  t.equal((await sendWrite(host, 0, writeList(ZERO_TOKEN, [[0, 8]]))).said, '5/2400');
  t.equal((await host.send(0, cdb84lid4(8, 0, 64))).status, 0);
});

void t.test('SPC-4 7.8.17: the ROD descriptors of VPD page 8Fh', async t => {
  const { host } = await rig({ disk: memoryDisk({ bytes: MIB, blockSize: 4096 }) });
  const { data: page } = await host.send(0, '12 01 8f 08 00 00');
  const found = new Map<number, Buffer>();
  for (let at = 4; at < page.length; at += 4 + page.readUInt16BE(at + 2)) {
    found.set(page.readUInt16BE(at), page.subarray(at, at + 4 + page.readUInt16BE(at + 2)));
  }
  const limits = found.get(0x0000)!;
  t.equal(limits.length, 0x24);
  t.strictSame(
    [
      limits.readUInt16BE(10),
      limits.readUInt32BE(12),
      limits.readUInt32BE(16),
      Number(limits.readBigUInt64BE(20)),
    ],
    [MAX_RANGES, MAX_TOKEN_INACTIVITY_S, DEFAULT_TOKEN_INACTIVITY_S, MAX_ROD_BYTES / 4096],
  );
  const features = found.get(0x0106)!;
  t.equal(features[4], 0, 'no tokens of other targets');
  t.strictSame(
    [
      features.readUInt32BE(16),
      features.readUInt32BE(20),
      features.readUInt32BE(24),
      features.readUInt16BE(46),
    ],
    [MIN_TOKEN_LIFETIME_S, MAX_TOKEN_LIFETIME_S, MAX_TOKEN_INACTIVITY_S, 48],
  );
  t.equal(features.length, 96);
  t.equal(features.toString('hex', 48, 56), '0000002c00000000');
  t.equal(Number(features.readBigUInt64BE(56)), MAX_ROD_BYTES);
  const types = found.get(0x0108)!;
  t.equal(types.readUInt16BE(6), 7 * 64);
  const rows = Array.from({ length: 7 }, (_, i) => [types.readUInt32BE(8 + 64 * i), types[12 + 64 * i]!]);
  t.strictSame(rows, [
    [0, 0x80],
    [REFERENCE, 0x83],
    [DEFAULT, 0x83],
    [VULNERABLE, 0x83],
    [PERSISTENT, 0x83],
    [ANY, 0x81],
    [0xffff_0001, 0x02],
  ]);
});

/** Writes, unmaps, tokens made and used in any order, at once or one after the other, against arrays. */
void t.test('SPC-4 5.17.6.2.3.1: tokens and writes in any order, against a model', async t => {
  const random = new Random();
  t.comment(`SANLET_SEED=${SEED}`);
  for (const [late, blockSize, rounds, COUNT] of [
    [false, 512, 300, 509], // ends within what is preserved at a time
    [true, 512, 150, 512],
    [true, 4096, 100, 512],
  ] as const) {
    const bytes = COUNT * blockSize;
    const slow = [0, 1].map(() => new SlowDisk(memoryDisk({ bytes, blockSize })));
    if (!late) for (const each of slow) each.pace = () => Promise.resolve();
    const made = await rig(...slow.map(disk => ({ disk: late ? disk : disk.inner })));
    const { host } = made;
    const model = [Buffer.alloc(bytes), Buffer.alloc(bytes)];
    interface Known {
      readonly token: Buffer;
      readonly data: Buffer;
    }
    const known: Known[] = [];
    const place = (): Range => {
      const lba = random.below(COUNT);
      return [lba, random.between(1, Math.min(40, COUNT - lba))];
    };
    const apart = (): Range[] => {
      const starts = new Set(Array.from({ length: random.between(1, 5) }, () => random.below(COUNT)));
      const sorted = [...starts].sort((a, b) => a - b);
      const ranges = sorted.map((lba, i): Range => [lba, random.below((sorted[i + 1] ?? COUNT) - lba + 1)]);
      return random.chance(2) ? ranges : ranges.toReversed();
    };
    /** Something is written, to the model too. */
    const scribble = async (): Promise<void> => {
      const lun = random.below(2);
      const [lba, count] = place();
      const into = model[lun]!.subarray(lba * blockSize, (lba + count) * blockSize);
      if (random.chance(4)) {
        into.fill(0);
        t.equal((await unmap(host, lun, lba, count)).said, '');
        return;
      }
      const data = random.bytes(count * blockSize);
      data.copy(into);
      t.equal((await write16(host, lun, lba, data, blockSize)).said, '');
    };
    for (let i = 0; i < rounds; i++) {
      const what = random.below(10);
      if (what < 5) await scribble();
      else if (what < 7 && known.length < 12) {
        const lun = random.below(2);
        const ranges = apart();
        const type = random.pick([DEFAULT, VULNERABLE, PERSISTENT, ANY]);
        const token = await populated(host, lun, ranges, { type });
        known.push({ token, data: blocks(model[lun]!, ranges, blockSize) });
      } else if (known.length > 0) {
        const index = random.below(known.length);
        const { token, data } = known[index]!;
        const remove = random.chance(3);
        const lun = random.below(2);
        const ranges = apart();
        const offset = random.below(4);
        const wanted = ranges.reduce((sum, [, count]) => sum + count, 0);
        const there = data.length / blockSize - offset;
        const answer = await sendWrite(host, lun, writeList(token, ranges, { offset, remove }));
        if (remove) known.splice(index, 1);
        if (there <= 0) {
          t.equal(answer.said, '5/2600');
          continue;
        }
        t.equal(answer.said, '');
        const moved = Math.min(there, wanted);
        t.match(await information(host, 2), { count: moved, status: moved < wanted ? 0x03 : 0x01 });
        let at = offset * blockSize;
        let left = moved;
        for (const [lba, count] of ranges) {
          const now = Math.min(count, left);
          data.copy(model[lun]!, lba * blockSize, at, at + now * blockSize);
          at += now * blockSize;
          left -= now;
        }
      }
      if (i % 25 === 0 || i === rounds - 1) {
        for (const lun of [0, 1]) {
          if (!(await dump(slow[lun]!.inner)).equals(model[lun]!))
            throw new Error(`LUN ${lun} after ${i}, seed ${SEED}`);
        }
      }
    }
    for (const { token } of known) await sendWrite(host, 1, writeList(token, [[0, 1]], { remove: true }));
    t.equal(made.manager.tokens.size, 0);
    t.equal(made.manager.tokens.room.usedBytes, 0, 'all room is given back');
  }
});

void t.test(
  'SPC-4 5.17.6.2.3.1: tokens of a disk that is mostly holes, which come and go, against a model',
  async t => {
    const random = new Random();
    t.comment(`SANLET_SEED=${SEED}`);
    const bytes = 24 * MIB;
    const count = bytes / B;
    const source = memoryDisk({ bytes });
    const target = memoryDisk({ bytes });
    const { host } = await rig({ disk: source }, { disk: target });
    const model = Buffer.alloc(bytes);
    const change = async (): Promise<void> => {
      const lba = random.below(count - 1);
      if (random.chance(2)) {
        const length = Math.min(count - lba, random.pick([1, 128, 2048, 8192]));
        model.fill(0, lba * B, (lba + length) * B);
        t.equal((await unmap(host, 0, lba, length)).said, '');
        return;
      }
      const data = pattern(B * Math.min(count - lba, random.pick([1, 9, 256, 4096])), random.below(1000));
      data.copy(model, lba * B);
      t.equal((await write16(host, 0, lba, data)).said, '');
    };
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 6; i++) await change();
      const cut = random.between(1, count - 1);
      const ranges: Range[] = random.chance(2)
        ? [[0, count]]
        : [
            [cut, count - cut],
            [0, cut],
          ];
      const token = await populated(host, 0, ranges);
      const wanted = blocks(model, ranges);
      for (let i = 0; i < 6; i++) await change();
      const using = sendWrite(host, 1, writeList(token, [[0, count]], { remove: true }));
      await change();
      t.equal((await using).said, '');
      if (!(await dump(target)).equals(wanted)) throw new Error(`round ${round}, seed ${SEED}`);
    }
  },
);

void t.test('SPC-4 5.17.6.2.3.1: a token is used while its blocks are being written', async t => {
  const random = new Random();
  t.comment(`SANLET_SEED=${SEED}`);
  const bytes = 8 * MIB;
  const source = new SlowDisk(memoryDisk({ bytes }));
  source.pace = async () => {
    for (let i = random.below(4); i >= 0; i--) await new Promise(go => setImmediate(go));
  };
  const target = memoryDisk({ bytes });
  const { host } = await rig({ disk: source }, { disk: target });
  for (let round = 0; round < 8; round++) {
    const data = pattern(bytes, round);
    await fill(source.inner, data);
    const token = await populated(host, 0, [[0, bytes / B]]);
    const writing = { over: false };
    const scribbling = (async () => {
      while (!writing.over) {
        const at = random.below(bytes / B - 256);
        await Promise.all([
          write16(host, 0, at, random.bytes(B * random.between(1, 64))),
          unmap(host, 0, random.below(bytes / B - 300), random.between(1, 256)),
        ]);
      }
    })();
    t.equal((await sendWrite(host, 1, writeList(token, [[0, bytes / B]], { remove: true }))).said, '');
    writing.over = true;
    await scribbling;
    t.ok((await dump(target)).equals(data), `round ${round}`);
  }
});
