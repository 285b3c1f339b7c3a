/** RODs in EXTENDED COPY: CSCD FEh, segments BEh and BFh, tokens made by copies and used by them (SPC-4 5.17.7.5, 6.4.5.9, 6.4.6.20, 6.4.6.21). */
import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import {
  MAX_POINTS_IN_TIME,
  MAX_POINTS_OF_NEXUS,
  MAX_RANGES,
  MAX_TOKEN_INACTIVITY_S,
  MAX_TOKEN_LIFETIME_S,
  MAX_TOKENS_OF_COPY,
  MIN_TOKEN_LIFETIME_S,
} from '../../lib/copy-manager/limits.ts';
import { LunView } from '../../lib/scsi-cmds/lun-view.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';
import {
  cdb84,
  cdb84lid4,
  copy,
  copy4,
  dump,
  fill,
  list,
  list4,
  MIB,
  playback,
  pointerOf,
  rig,
  segment,
  segmentOf,
  SlowDisk,
} from '../harness/copying.ts';
import { pattern, Random, SEED } from '../harness/random.ts';
import {
  ANY,
  DEFAULT,
  information,
  PERSISTENT,
  populated,
  populateRange,
  populateRanges,
  type Range,
  REFERENCE,
  rodCscd,
  sendWrite,
  VULNERABLE,
  writeList,
  ZERO_TOKEN,
} from '../harness/tokens.ts';

const B = 512;
const OWN = 0xffff;
/** CSCD ID of the second disk in a list. */
const SECOND = 0;

/** A disk of data, an empty one, a tape. */
const ground = async (options: { nowMs?: () => number } = {}) => {
  const source = memoryDisk({ bytes: MIB });
  const target = memoryDisk({ bytes: MIB });
  const tape = memoryCartridge();
  const data = pattern(MIB, 1);
  await fill(source, data);
  return {
    source,
    target,
    tape,
    data,
    ...(await rig({ disk: source }, { disk: target }, { tape }, options)),
  };
};

const blocks = (data: Buffer, ...ranges: readonly Range[]): Buffer =>
  Buffer.concat(ranges.map(([lba, count]) => data.subarray(lba * B, (lba + count) * B)));

const scribble = (host: Commander, lba: number, count: number): Promise<Answer> => {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x8a;
  cdb.writeBigUInt64BE(BigInt(lba), 2);
  cdb.writeUInt32BE(count, 10);
  return host.send(0, cdb, { out: pattern(count * B, 77) });
};

void t.test(
  'SPC-4 5.17.7.6: EXTENDED COPY(LID1) from a ROD, populated by BEh and BFh, to a disk and to a tape',
  async t => {
    for (const type of [REFERENCE, DEFAULT, VULNERABLE, PERSISTENT, ANY]) {
      const { host, name, data, target, tape } = await ground();
      const done = await copy(
        host,
        0,
        list(
          [rodCscd({ type }), name(1), name(2)],
          [
            populateRanges(0, [
              [100, 3],
              [7, 0],
              [20, 5],
            ]),
            populateRange(0, [500, 8]),
            segment({ type: 2, from: 0, to: 1, blocks: 14, lba: 1, toLba: 9 }),
            segment({ type: 0, from: 0, to: 2, blocks: 16, lba: 0, sdtl: 1024 }),
          ],
          { usage: 0 },
        ),
      );
      t.equal(done.said, '');
      t.equal(done.status, 0);
      const rod = blocks(data, [100, 3], [20, 5], [500, 8]);
      t.ok(blocks(await dump(target), [9, 14]).equals(rod.subarray(B, 15 * B)), `type ${type.toString(16)}`);
      const records = await playback(tape);
      t.equal(records.length, 8);
      t.ok(Buffer.concat(records as Buffer[]).equals(rod));
      const status = await host.send(0, cdb84(0, 1));
      t.equal(status.data.readUInt32BE(8), 30 * B, 'populating writes nothing');
    }
  },
);

void t.test(
  'SPC-4 5.17.7.5.2: EXTENDED COPY(LID4) with R_TOKEN makes tokens: RECEIVE ROD TOKEN INFORMATION, CSCD FEh with a token',
  async t => {
    for (const type of [REFERENCE, DEFAULT, PERSISTENT, ANY]) {
      const { host, name, data, source, target } = await ground();
      const made = await copy4(
        host,
        0,
        list4(
          [name(1), rodCscd({ type, makes: true, lifetime: 600 }), rodCscd({ type: DEFAULT, makes: true })],
          [
            populateRanges(1, [
              [100, 3],
              [20, 5],
            ]),
            populateRange(2, [0, 4]),
          ],
          { id: 0xabcd, usage: 2 },
        ),
      );
      t.equal(made.said, '');
      const told = await information(host, 0xabcd);
      t.match(told, { action: 0x01, status: 0x01, segments: 2, count: 0, units: 0, length: 2 * 514 });
      t.strictSame(
        told.tokens.map(({ id }) => id),
        [1, 2],
        'CSCD IDs',
      );
      const [token, other] = told.tokens.map(each => each.token) as [Buffer, Buffer];
      t.equal(token.readUInt32BE(0), type === ANY ? PERSISTENT : type);
      t.equal(Number(token.readBigUInt64BE(56)), 8 * B);
      await scribble(host, 101, 1);
      const now = type === REFERENCE ? await dump(source) : data;
      const rod = blocks(now, [100, 3], [20, 5]);

      const inline = Buffer.concat([Buffer.alloc(8), token, other]);
      const used = await copy4(
        host,
        1,
        list4(
          [rodCscd({ type: 0, offset: 8 }), name(1), rodCscd({ type: 0, offset: 520, removes: true })],
          [
            segment({ type: 2, from: 0, to: 1, blocks: 8, toLba: 64 }),
            segment({ type: 2, from: 2, to: OWN, blocks: 4, toLba: 90 }),
          ],
          { id: 2, inline },
        ),
      );
      t.equal(used.said, '');
      const got = await dump(target);
      t.ok(blocks(got, [64, 8]).equals(rod), `type ${type.toString(16)}`);
      t.ok(blocks(got, [90, 4]).equals(blocks(data, [0, 4])));
      t.equal((await sendWrite(host, 1, writeList(other, [[0, 4]]))).said, '5/2309', 'DEL_TKN');
      t.equal(
        (await sendWrite(host, 1, writeList(token, [[0, 8]]))).said,
        '',
        'WRITE USING TOKEN takes it too',
      );
      t.ok(blocks(await dump(target), [0, 8]).equals(rod));
    }
  },
);

void t.test('SPC-4 5.17.7.6: EXTENDED COPY(LID1) from a ROD onto the blocks that it is made of', async t => {
  const bytes = 32 * MIB;
  const data = pattern(bytes, 1);
  for (const type of [REFERENCE, DEFAULT]) {
    const source = memoryDisk({ bytes });
    await fill(source, data);
    const { host, name, manager } = await rig({ disk: source });
    const image = Buffer.alloc(28);
    image[0] = 0x16;
    image.writeUInt16BE(24, 2);
    image.writeBigUInt64BE(40n, 16);
    image.writeUInt16BE(1, 6);
    const ranges: Range[] = [
      [0, 40_000],
      [45_000, 9_000],
    ];
    const done = await copy(host, 0, list([rodCscd({ type }), name(0)], [populateRanges(0, ranges), image]));
    t.equal(done.said, '');
    const wanted = Buffer.from(data);
    blocks(data, ...ranges).copy(wanted, 40 * B);
    t.ok((await dump(source)).equals(wanted), `type ${type.toString(16)}`);
    t.equal(manager.tokens.room.usedBytes, 0);

    const made = await copy4(host, 0, list4([rodCscd({ type, makes: true })], [populateRanges(0, ranges)]));
    t.equal(made.said, '');
    const [one] = (await information(host, 1)).tokens;
    blocks(Buffer.from(wanted), ...ranges).copy(wanted, 77 * B);
    t.equal((await sendWrite(host, 0, writeList(one!.token, [[77, 49_000]], { remove: true }))).said, '');
    t.ok((await dump(source)).equals(wanted), `WRITE USING TOKEN, type ${type.toString(16)}`);
    t.equal(manager.tokens.room.usedBytes, 0);
  }
});

void t.test(
  'SPC-4 5.17.7.6: EXTENDED COPY(LID1) from a ROD onto its own unit, more segments than there are points in time',
  async t => {
    const { host, name, source, data, manager } = await ground();
    const move = segment({ type: 2, from: 0, to: 1, blocks: 2, lba: 0, toLba: 3 });
    const segments = Array.from({ length: MAX_POINTS_IN_TIME + 10 }, () => move);
    const cscds = [rodCscd({ type: REFERENCE }), name(0)];
    const done = await copy(host, 0, list(cscds, [populateRange(0, [2, 2]), ...segments]));
    t.equal(done.said, '');
    // Blocks 2 and 3 go to 3 and 4, again and again.
    const wanted = Buffer.from(data);
    blocks(data, [2, 1], [2, 1]).copy(wanted, 3 * B);
    t.ok((await dump(source)).equals(wanted));
    t.equal(manager.tokens.room.usedBytes, 0);
  },
);

void t.test('SPC-4 5.17.7.2: residual data of a ROD, and of its holes', async t => {
  const { host, name, data, tape } = await ground();
  const done = await copy(
    host,
    0,
    list(
      [rodCscd(), name(2, { pad: true })],
      [
        populateRanges(0, [
          [3, 1],
          [9, 2],
        ]),
        segment({ type: 0, from: 0, to: 1, blocks: 3, sdtl: 1000 }),
      ],
    ),
  );
  t.equal(done.said, '');
  const padded = Buffer.alloc(2000);
  blocks(data, [3, 1], [9, 2]).copy(padded);
  t.ok(Buffer.concat((await playback(tape)) as Buffer[]).equals(padded));
});

void t.test(
  'SPC-4 6.4.5.9: what a ROD CSCD must not say: EXTENDED COPY(LID1) is refused before any segment',
  async t => {
    const { host, name, target } = await ground();
    const fe = 16 + 32;
    const write = segment({ type: 2, from: 0, to: 0, blocks: 1, toLba: 5 });
    for (const [what, cscd, said, where] of [
      ['another producer', rodCscd({ producer: 0 }), '5/2302', `list ${fe + 4}`],
      ['own unit, type of a token', rodCscd({ type: 0, producer: OWN }), '5/2600', `list ${fe + 4}`],
      ['unit of the token, own type', rodCscd({ producer: 0xf800 }), '5/2600', `list ${fe + 4}`],
      ['type', rodCscd({ type: 0x0080_0003 }), '5/2600', `list ${fe + 8}`],
      ['type zeros', rodCscd({ type: 0xffff_0001 }), '5/2600', `list ${fe + 8}`],
      ['lifetime without a token', rodCscd({ lifetime: 1 }), '5/2600', `list ${fe + 12}`],
      ['lifetime', rodCscd({ makes: true, lifetime: MAX_TOKEN_LIFETIME_S + 1 }), '5/2600', `list ${fe + 12}`],
      ['inactivity without a token', rodCscd({ inactivity: 1 }), '5/2600', `list ${fe + 16}`],
      [
        'inactivity',
        rodCscd({ makes: true, inactivity: MAX_TOKEN_INACTIVITY_S + 1 }),
        '5/2600',
        `list ${fe + 16}`,
      ],
      ['a token of a token', rodCscd({ type: 0, makes: true }), '5/2600', `list ${fe + 22}.0`],
      ['DEL_TKN without a token', rodCscd({ removes: true }), '5/2600', `list ${fe + 23}.0`],
      ['offset without a token', rodCscd({ offset: 4 }), '5/2600', `list ${fe + 24}`],
      ['no token in the inline data', rodCscd({ type: 0, offset: 100 }), '5/260b', `list ${fe + 24}`],
      ['zeros for a token', rodCscd({ type: 0 }), '5/230a', `list ${fe + 32 + 28}`],
    ] as const) {
      const answer = await copy(host, 1, list([name(1), cscd], [write], { inline: 600 }));
      t.equal(answer.said, said, what);
      t.equal(pointerOf(answer).replace(/^segment/, 'list'), where, what);
    }
    const nameless = await copy(
      host,
      0,
      list([name(1), rodCscd({ makes: true })], [populateRange(1, [0, 1])], { id: 0, usage: 3 }),
    );
    t.equal(nameless.said, '5/2600', 'a token that could not be asked for');
    t.equal(pointerOf(nameless), `list ${fe + 22}.0`);
    t.equal(target.mappedBytes, 0);
  },
);

void t.test('SPC-4 5.17.6.5.2: EXTENDED COPY(LID4) with a token that is no good', async t => {
  const { host, name, device, target } = await ground();
  const token = await populated(host, 0, [[0, 8]]);
  const one = segment({ type: 2, from: 0, to: 1, blocks: 8 });
  const use = (to: Commander, lun: number, bytes: Buffer): Promise<Answer> =>
    copy4(to, lun, list4([rodCscd({ type: 0 }), name(1)], [one], { id: 9, inline: bytes }));
  const at = 48 + 64 + 28;
  const bad = Buffer.from(token);
  bad[300]! ^= 1;
  for (const [what, bytes, said] of [
    ['corrupt', bad, '5/2305'],
    ['zeros', ZERO_TOKEN, '5/2301'],
  ] as const) {
    const answer = await use(host, 1, bytes);
    t.equal(answer.said, said, what);
    t.equal(pointerOf(answer), `list ${at}`);
  }
  t.match(await information(host, 9), { status: 0x02, segments: 0, length: 0 });
  const view = new LunView(new Map([[1, { name: 'u1', readOnly: false }]]));
  const other = await new Commander(device, { ...nexus('iqn.2026-01.test:v', '40000000000b'), view }).clear();
  t.equal((await use(other, 1, token)).said, '5/2304', 'of a unit that the nexus does not see');
  t.equal(target.mappedBytes, 0, 'nothing was written');
  t.equal((await use(host, 1, token)).said, '');
});

void t.test('SPC-4 6.4.6.20, 6.4.6.21: what BEh and BFh must not say', async t => {
  const { host, name } = await ground();
  const first = 16 + 96;
  const cscds = [rodCscd(), name(1), rodCscd({ pdt: 3 })];
  const spoiled = (at: number, value: number): Buffer => {
    const out = populateRanges(0, [[0, 1]]);
    out.writeUInt16BE(value, at);
    return out;
  };
  for (const [what, segments, said, where, lun] of [
    ['another source', [populateRange(0, [0, 1], 1)], '5/2600', 4],
    ['another source', [populateRanges(0, [[0, 1]], 1)], '5/2600', 4],
    ['a source that is no disk', [populateRange(0, [0, 1])], '5/2600', 4, 2],
    ['a disk as destination', [populateRange(1, [0, 1])], '5/2600', 6],
    ['nothing as destination', [populateRanges(9, [[0, 1]])], '5/2600', 6],
    ['a ROD of another device type', [populateRange(2, [0, 1])], '5/2600', 6],
    ['RANGE DESCRIPTOR TYPE', [spoiled(12, 2)], '5/2600', 13],
    ['RANGES LENGTH', [spoiled(14, 15)], '5/2600', 14],
    ['RANGES LENGTH beyond the segment', [spoiled(14, 32)], '5/2600', 14],
    [
      'a block twice in a segment',
      [
        populateRanges(0, [
          [0, 4],
          [3, 2],
        ]),
      ],
      '5/2600',
      0,
    ],
    [
      'a block twice in two segments',
      [
        populateRange(0, [3, 2]),
        populateRanges(0, [
          [9, 1],
          [4, 2],
        ]),
      ],
      '5/2600',
      20,
    ],
    ['a ROD written to', [segment({ type: 2, from: 1, to: 0, blocks: 1 })], '5/2600', 6],
    ['a ROD as a tape', [segment({ type: 0, from: 1, to: 0, blocks: 1, sdtl: 512 })], '5/2609', 0],
  ] as const) {
    const answer = await copy(host, lun ?? 0, list(cscds, segments));
    t.equal(answer.said, said, what);
    t.equal(pointerOf(answer), `list ${first + where}`, what);
  }
  const many = Array.from({ length: MAX_RANGES + 1 }, (_, i): Range => [i, 1]);
  t.equal((await copy(host, 0, list(cscds, [populateRanges(0, many)]))).said, '5/550c');
});

void t.test('SPC-4 5.17.7.5.2: EXTENDED COPY(LID1) that goes wrong at its RODs: COPY ABORTED', async t => {
  const { host, name } = await ground();
  const move = segment({ type: 2, from: 0, to: 1, blocks: 1 });
  for (const [what, cscds, segments, said, number, where] of [
    ['nothing in it', [rodCscd(), name(1)], [move], 'a/0804', 0, 'list 16'],
    [
      'populated after it was used',
      [rodCscd(), name(1)],
      [populateRange(0, [0, 2]), move, populateRange(0, [9, 1])],
      'a/2600',
      2,
      'segment 6',
    ],
    [
      'another block length',
      [rodCscd({ blockLength: 4096 }), name(1)],
      [populateRange(0, [0, 2])],
      'a/2600',
      0,
      'list 45',
    ],
    [
      'behind its end',
      [rodCscd(), name(1)],
      [populateRange(0, [5, 1]), segment({ type: 2, from: 0, to: 1, blocks: 2 })],
      'a/0d02',
      1,
      'segment 10',
    ],
    ['LBA behind the unit', [rodCscd(), name(1)], [populateRange(0, [2048, 1])], 'a/0d02', 0, 'segment 8'],
    [
      'count behind the unit',
      [rodCscd(), name(1)],
      [
        populateRanges(0, [
          [0, 1],
          [2040, 9],
        ]),
      ],
      'a/0d02',
      0,
      'segment 40',
    ],
    [
      'F800h',
      [rodCscd(), name(1)],
      [segment({ type: 2, from: 0xf800, to: 1, blocks: 1 })],
      'a/0804',
      0,
      'segment 4',
    ],
  ] as const) {
    const answer = await copy(host, 0, list(cscds, segments));
    t.equal(answer.said, said, what);
    t.equal(segmentOf(answer), number, what);
    t.equal(pointerOf(answer), where, what);
  }
  const verify = Buffer.from('070000080000000001000000', 'hex');
  const fine = await copy(host, 0, list([rodCscd()], [populateRange(0, [0, 1]), verify]));
  t.equal(fine.said, '', 'one that is populated is there');
  t.equal((await copy(host, 0, list([rodCscd()], [verify]))).said, 'a/0804');
});

void t.test(
  'SPC-4 5.17.7.5: a copy that fails makes no token, and what it had preserved is let go: EXTENDED COPY(LID4)',
  async t => {
    const { host, name, manager, units, source } = await ground();
    const failed = await copy4(
      host,
      0,
      list4(
        [rodCscd({ makes: true }), name(1)],
        [populateRange(0, [0, 8]), segment({ type: 2, from: 0, to: 1, blocks: 8, toLba: 5000 })],
        { id: 4 },
      ),
    );
    t.equal(failed.said, 'a/0d02');
    t.match(await information(host, 4), { status: 0x02, length: 0 });
    t.equal(manager.tokens.size, 0);
    t.equal(manager.tokens.room.usedBytes, 0);
    t.equal((units[0] as unknown as { backend: unknown }).backend, source);
    const plain = await copy4(host, 0, list4([rodCscd()], [populateRange(0, [0, 8])], { id: 4 }));
    t.equal(plain.said, '');
    t.match(await information(host, 4), { status: 0x01, length: 0 }, 'no token was asked for');
    t.equal((units[0] as unknown as { backend: unknown }).backend, source, 'and its ROD is gone');
    const empty = await copy4(host, 0, list4([rodCscd({ makes: true })], [], { id: 4 }));
    t.equal(empty.said, '');
    t.match(await information(host, 4), { status: 0x01, length: 0 }, 'nothing, and no token of it');
  },
);

void t.test(
  'SPC-4 5.17.7.5: of two tokens, one of which cannot be preserved while the copy runs, there is none: EXTENDED COPY(LID4)',
  async t => {
    const media = [memoryDisk({ bytes: 100 * MIB }), memoryDisk({ bytes: 80 * MIB })];
    for (const [i, disk] of media.entries()) await fill(disk, Buffer.alloc(disk.bytes, i + 1));
    const { host, name, manager, units } = await rig(...media.map(disk => ({ disk })));
    const image = Buffer.alloc(28);
    image[0] = 0x16;
    image.writeUInt16BE(24, 2);
    image.writeUInt16BE(2, 4);
    image.writeUInt16BE(3, 6);
    image.writeBigUInt64BE(2048n, 16);
    const cscds = [rodCscd({ makes: true }), rodCscd({ makes: true }), name(1), name(0)];
    const segments = [populateRange(0, [0, 8]), populateRange(1, [2048, (90 * MIB) / B]), image];
    t.equal((await copy4(host, 0, list4(cscds, segments, { id: 4 }))).said, '5/550c');
    t.match(await information(host, 4), { status: 0x02, length: 0 });
    t.equal(manager.tokens.size, 0);
    t.equal(manager.tokens.room.usedBytes, 0);
    t.equal((units[0] as unknown as { backend: unknown }).backend, media[0], 'nothing is preserved any more');
  },
);

void t.test(
  'SPC-4 6.4.5.9: REQUESTED ROD TOKEN LIFETIME and INACTIVITY TIMEOUT of EXTENDED COPY(LID4)',
  async t => {
    let now = 5_000;
    const { host } = await ground({ nowMs: () => now });
    const make = async (lifetime: number, inactivity: number): Promise<Buffer> => {
      const cscd = rodCscd({ makes: true, lifetime, inactivity });
      const { said } = await copy4(host, 0, list4([cscd], [populateRange(0, [0, 8])], { id: 4 }));
      t.equal(said, '');
      return (await information(host, 4)).tokens[0]!.token;
    };
    const use = async (token: Buffer): Promise<string> =>
      (await sendWrite(host, 1, writeList(token, [[0, 8]]))).said;
    const least = await make(1, 0);
    const idle = await make(3000, 100);
    const long = await make(3000, 0);
    now += 1000 * MIN_TOKEN_LIFETIME_S - 1;
    t.equal(await use(least), '', 'at least the minimum');
    now += 2;
    t.equal(await use(least), '5/2307');
    now += 100_000;
    t.equal(await use(idle), '5/2307');
    t.equal(await use(long), '', '0: it may be idle');
    now += 3_000_000;
    t.equal(await use(long), '5/2307');
  },
);

void t.test('SPC-4 6.4.3.6: EXTENDED COPY(LID4) makes a token in the background', async t => {
  const { host, name, data, target } = await ground();
  const begun = await copy4(
    host,
    0,
    list4(
      [rodCscd({ makes: true }), name(1)],
      [populateRange(0, [0, 100]), segment({ type: 2, from: 0, to: 1, blocks: 100 })],
      { id: 8, immediate: true },
    ),
  );
  t.equal(begun.status, 0);
  let told = await information(host, 8);
  for (let i = 0; i < 500 && told.status === 0x12; i++) {
    t.equal(told.length, 0, 'not before it is done');
    await new Promise(go => setTimeout(go, 2));
    told = await information(host, 8);
  }
  t.match(told, { action: 0x01, status: 0x01, count: 100 * B, length: 514 });
  t.ok(blocks(await dump(target), [0, 100]).equals(blocks(data, [0, 100])));
  const all = (await host.send(0, cdb84lid4(8, 0, 65536))).data;
  t.ok(all.subarray(8).equals(told.tokens[0]!.token.subarray(0, 96)), 'REPORT ALL ROD TOKENS lists it');
});

void t.test(
  'SPC-4 6.25, 6.26: tokens of EXTENDED COPY(LID1) are there when RECEIVE COPY STATUS(LID1) has been read',
  async t => {
    const { host } = await ground();
    const cscds = [rodCscd({ makes: true })];
    t.equal((await copy(host, 0, list(cscds, [populateRange(0, [0, 8])], { id: 7, usage: 0 }))).said, '');
    t.equal((await host.send(0, cdb84(0, 7))).data[4], 0x01);
    const told = await information(host, 7);
    t.match(told, { action: 0x00, status: 0x01, length: 514 });
    t.equal((await sendWrite(host, 1, writeList(told.tokens[0]!.token, [[0, 8]]))).said, '');
    t.match(await information(host, 7), { length: 0 });
  },
);

void t.test(
  'SPC-4 6.20: held data is there when RECEIVE COPY STATUS(LID1) has been read: RECEIVE COPY DATA(LID1)',
  async t => {
    const { host, name, data } = await ground();
    const hold = segment({ type: 2, from: 0, to: 1, blocks: 2 });
    hold[0] = 0x0d;
    t.equal((await copy(host, 0, list([name(0), name(1)], [hold], { id: 7, usage: 0 }))).said, '');
    t.equal((await host.send(0, cdb84(0, 7))).data[4], 0x01);
    t.equal((await host.send(0, cdb84(0, 7))).said, '5/2400', 'the status is told once');
    const held = await host.send(0, cdb84(1, 7, 65536));
    t.ok(held.data.subarray(4).equals(blocks(data, [0, 2])));
  },
);

void t.test(
  'SPC-4 5.17.6.2.1: EXTENDED COPY(LID4) for more tokens, or more points in time, than there may be',
  async t => {
    const { host, manager, device } = await ground();
    const cscds = (count: number): Buffer[] => Array.from({ length: count }, () => rodCscd({ makes: true }));
    const many = await copy4(host, 0, list4(cscds(MAX_TOKENS_OF_COPY + 1), [populateRange(0, [0, 1])]));
    t.equal(many.said, '5/550d');
    const each = MAX_POINTS_OF_NEXUS / MAX_TOKENS_OF_COPY;
    const segments = cscds(MAX_TOKENS_OF_COPY).flatMap((_, id) =>
      Array.from({ length: each }, (_, i) => populateRange(id, [i, 1])),
    );
    const full = list4(cscds(MAX_TOKENS_OF_COPY), segments);
    const one = list4(cscds(1), [populateRange(0, [0, 1])]);
    const other = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
    const third = await new Commander(device, nexus('iqn.2026-01.test:c')).clear();
    t.equal((await copy4(host, 0, full)).said, '');
    t.equal((await copy4(host, 0, one)).said, '5/550c', 'all that one nexus may have');
    t.equal((await copy4(other, 0, full)).said, '', 'and others have theirs');
    t.equal(2 * MAX_POINTS_OF_NEXUS, MAX_POINTS_IN_TIME);
    t.equal((await copy4(third, 0, one)).said, '5/550c', 'all that there may be');
    t.equal((await scribble(host, 0, 8)).said, '', 'writes go on');
    const nothing = Array.from({ length: 100 }, () => populateRanges(0, []));
    t.equal((await copy4(host, 0, list4([rodCscd()], nothing))).said, '', 'no blocks need none');
    manager.tokens.clear();
    t.equal(
      (await copy4(host, 0, list4(cscds(1), [populateRange(0, [0, 1])]))).said,
      '',
      'and all is given back',
    );
  },
);

/** Lists that populate RODs, take tokens along and read both by 02h, 0Ah and 16h, with writes in between, against arrays. */
void t.test('SPC-4 5.17.7.6: EXTENDED COPY(LID4) from RODs of every kind, against a model', async t => {
  const random = new Random();
  t.comment(`SANLET_SEED=${SEED}`);
  const COUNT = 400;
  const bytes = COUNT * B;
  const media = [0, 1].map(() => new SlowDisk(memoryDisk({ bytes })));
  const { host, name, manager } = await rig(...media.map(disk => ({ disk })));
  const model = [Buffer.alloc(bytes), Buffer.alloc(bytes)] as const;
  const apart = (): Range[] => {
    const starts = new Set(Array.from({ length: random.between(1, 4) }, () => random.below(COUNT)));
    const sorted = [...starts].sort((a, b) => a - b);
    const ranges = sorted.map((lba, i): Range => [lba, random.between(1, (sorted[i + 1] ?? COUNT) - lba)]);
    return random.chance(2) ? ranges : ranges.toReversed();
  };
  /** Blocks of the model, looked at when they are needed. */
  const content = (ranges: readonly Range[]): Buffer => blocks(model[0], ...ranges);
  const tokens: { readonly token: Buffer; readonly data: () => Buffer }[] = [];

  /** A segment from a ROD with that data to the second disk, done to the model. */
  const move = (id: number, data: Buffer): Buffer => {
    const there = data.length / B;
    const from = random.below(there);
    const to = random.below(COUNT);
    const most = Math.min(there - from, COUNT - to);
    switch (random.below(3)) {
      case 0: {
        const count = random.between(1, most);
        data.copy(model[1], to * B, from * B, (from + count) * B);
        return segment({ type: 2, from: id, to: SECOND, blocks: count, lba: from, toLba: to });
      }
      case 1: {
        const [a, b] = [random.below(B), random.below(B)];
        const count = random.below(Math.max(1, Math.min((there - from) * B - a, (COUNT - to) * B - b)));
        const out = Buffer.alloc(32);
        out[0] = 0x0a;
        out[1] = 1; // CAT: what the last block has behind it is thrown away
        out.writeUInt16BE(28, 2);
        out.writeUInt16BE(id, 4);
        out.writeUInt16BE(SECOND, 6);
        out.writeUInt32BE(count, 8);
        out.writeBigUInt64BE(BigInt(from), 12);
        out.writeBigUInt64BE(BigInt(to), 20);
        out.writeUInt16BE(a, 28);
        out.writeUInt16BE(b, 30);
        data.copy(model[1], to * B + b, from * B + a, from * B + a + count);
        return out;
      }
      default: {
        const out = Buffer.alloc(28);
        out[0] = 0x16;
        out.writeUInt16BE(24, 2);
        out.writeUInt16BE(id, 4);
        out.writeUInt16BE(SECOND, 6);
        out.writeBigUInt64BE(BigInt(from), 8);
        out.writeBigUInt64BE(BigInt(to), 16);
        data.copy(model[1], to * B, from * B, (from + most) * B);
        return out;
      }
    }
  };

  for (let round = 0; round < 120; round++) {
    for (let i = random.below(3); i > 0; i--) {
      const lba = random.below(COUNT);
      const data = random.bytes(B * random.between(1, Math.min(30, COUNT - lba)));
      data.copy(model[0], lba * B);
      const cdb = Buffer.alloc(16);
      cdb[0] = 0x8a;
      cdb.writeBigUInt64BE(BigInt(lba), 2);
      cdb.writeUInt32BE(data.length / B, 10);
      t.equal((await host.send(0, cdb, { out: data })).said, '');
    }
    const type = random.pick([REFERENCE, DEFAULT, VULNERABLE, PERSISTENT, ANY]);
    const makes = random.chance(2);
    const ranges = apart();
    const segments = random.chance(2)
      ? [populateRanges(1, ranges)]
      : ranges.map(range => populateRange(1, range));
    const cscds = [name(1), rodCscd({ type, makes })];
    const inline: Buffer[] = [];
    const data = content(ranges);
    // One segment from the ROD at most: what it leaves over must not go in front of another's.
    const source = tokens.length > 0 && random.chance(2) ? random.below(tokens.length) : undefined;
    const removes = random.chance(3);
    if (source === undefined) {
      if (random.chance(2)) segments.push(move(1, data));
    } else {
      const { token, data: now } = tokens[source]!;
      cscds.push(rodCscd({ type: 0, removes }));
      inline.push(token);
      segments.push(move(2, now()));
      if (removes) tokens.splice(source, 1);
    }
    const answer = await copy4(host, 0, list4(cscds, segments, { id: 3, inline: Buffer.concat(inline) }));
    t.equal(answer.said, '');
    if (makes) {
      const { token } = (await information(host, 3)).tokens[0]!;
      tokens.push({ token, data: type === REFERENCE ? () => content(ranges) : () => data });
    }
    for (const lun of [0, 1] as const) {
      if (!(await dump(media[lun]!.inner)).equals(model[lun])) {
        throw new Error(`LUN ${lun} after round ${round}, seed ${SEED}`);
      }
    }
  }
  manager.tokens.clear();
  t.equal(manager.tokens.room.usedBytes, 0);
});
