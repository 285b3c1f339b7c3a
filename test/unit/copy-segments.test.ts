/** Every segment descriptor type by itself: what it moves, and where it is refused (SPC-4 6.4.6). */
import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { CheckCondition } from '../../lib/scsi-cmds/sense.ts';
import {
  MIB,
  cdb84,
  cdb84lid4,
  copy,
  copy4,
  dice,
  dump,
  fill,
  forwardedOf,
  informationOf,
  list,
  list4,
  pointerOf,
  playback,
  record,
  rig,
} from '../harness/copying.ts';

/** A segment descriptor from its fields: `[offset, bytes, value]`. */
const descriptor = (
  type: number,
  length: number,
  fields: readonly (readonly [number, number, number])[],
  flags = 0,
): Buffer => {
  const out = Buffer.alloc(length);
  out[0] = type;
  out[1] = flags;
  out.writeUInt16BE(length - 4, 2);
  for (const [at, bytes, value] of fields) {
    if (bytes === 8) out.writeBigUInt64BE(BigInt(value), at);
    else out.writeUIntBE(value, at, bytes);
  }
  return out;
};

const CAT = 1;
const NULL_STREAM = 0xc001;

/** Two disks of 512 and two tapes; CSCDs 0 to 3 in that order. */
const four = async () => {
  const a = memoryDisk({ bytes: 4 * MIB });
  const b = memoryDisk({ bytes: 4 * MIB });
  const data = dice(7).bytes(4 * MIB);
  const old = dice(8).bytes(4 * MIB);
  await fill(a, data);
  await fill(b, old);
  const x = memoryCartridge();
  const y = memoryCartridge();
  const made = await rig({ disk: a }, { disk: b }, { tape: x }, { tape: y });
  const cscds = [0, 1, 2, 3].map(lun => made.name(lun));
  const run = (segments: readonly Buffer[], lun = 0) => copy(made.host, lun, list(cscds, segments));
  return { ...made, a, b, x, y, data, old, cscds, run };
};

void t.test('SPC-4 6.4.6.5: 03h stream→stream, records cut anew', async t => {
  const { x, y, run, data } = await four();
  await record(x, [data.subarray(0, 3000), data.subarray(3000, 6000)]);
  const segment = descriptor(
    3,
    20,
    [
      [4, 2, 2],
      [6, 2, 3],
      [9, 3, 3000],
      [13, 3, 1000],
      [16, 4, 5000],
    ],
    CAT,
  );
  t.equal((await run([segment])).said, '');
  const found = await playback(y);
  t.same(
    found.map(one => one.length),
    [1000, 1000, 1000, 1000, 1000],
  );
  t.ok(Buffer.concat(found as Buffer[]).equals(data.subarray(0, 5000)));
});

void t.test('SPC-4 6.4.6.6, 6.4.6.7: 04h inline and 05h embedded data to a stream', async t => {
  const { y, host, cscds, run } = await four();
  const inline = Buffer.from('0123456789abcdef');
  const from = descriptor(4, 20, [
    [6, 2, 3],
    [9, 3, 6],
    [12, 4, 4],
    [16, 4, 12],
  ]);
  t.equal((await copy4(host, 0, list4(cscds, [from], { inline }))).said, '');
  t.same((await playback(y)).map(String), ['456789', 'abcdef']);
  const past = descriptor(4, 20, [
    [6, 2, 3],
    [9, 3, 6],
    [12, 4, 8],
    [16, 4, 12],
  ]);
  const refused = await copy4(host, 0, list4(cscds, [past], { inline }));
  t.equal(refused.said, 'a/260b');
  const embedded = Buffer.concat([
    descriptor(5, 24, [
      [6, 2, 3],
      [9, 3, 6],
      [12, 2, 6],
    ]).subarray(0, 16),
    Buffer.from('embedded'),
  ]);
  t.equal((await run([embedded])).said, '');
  t.same((await playback(y)).map(String), ['456789', 'abcdef', 'embedd']);
  embedded.writeUInt16BE(9, 12);
  const long = await run([embedded]);
  t.equal(long.said, '5/2600', 'more than there is');
  t.equal(pointerOf(long), `list ${16 + 4 * 32 + 12}`);
});

void t.test(
  'SPC-4 6.4.6.8, 6.20, 6.21: 06h discards, 0Fh holds; RECEIVE COPY DATA(LID1) and (LID4)',
  async t => {
    const { x, host, cscds, data, run } = await four();
    await record(x, [data.subarray(0, 1000), data.subarray(1000, 2000), data.subarray(2000, 3000)]);
    const of = (type: number, bytes: number): Buffer =>
      descriptor(
        type,
        16,
        [
          [4, 2, 2],
          [9, 3, 1000],
          [12, 4, bytes],
        ],
        CAT,
      );
    t.equal((await run([of(6, 1500), of(0x0f, 700)])).said, '');
    const held = await host.send(0, cdb84(1, 1));
    t.equal(held.data.readUInt32BE(0), 700);
    t.ok(held.data.subarray(4).equals(data.subarray(1500, 2200)), 'what was processed, residue first');
    t.equal((await host.send(0, cdb84(1, 1))).said, '5/2400', 'told once');
    await x.rewind();
    t.equal((await copy4(host, 0, list4(cscds, [of(0x0f, 1000)], { id: 5 }))).said, '');
    const four_ = await host.send(0, cdb84lid4(6, 5, 4096));
    t.equal(four_.data.readUInt32BE(32), 1000);
    t.ok(four_.data.subarray(36).equals(data.subarray(0, 1000)));
    await x.rewind();
    t.equal(
      (await copy(host, 0, list(cscds, [of(0x0f, 1000)], { id: 0, usage: 3 }))).said,
      '5/2600',
      'held for nobody',
    );
  },
);

void t.test('SPC-4 6.4.6.9: 07h verify CSCD', async t => {
  const { run } = await four();
  const of = (id: number, tur: number): Buffer =>
    descriptor(7, 12, [
      [4, 2, id],
      [8, 1, tur],
    ]);
  t.equal((await run([of(0, 1), of(2, 1), of(1, 0)])).said, '');
  t.equal((await run([of(9, 0)])).said, 'a/0804');
  const { units, run: ask } = await four();
  units[2]!.commands.add({
    ...units[2]!.commands.byCode(0)!,
    run: () => {
      throw new CheckCondition({ key: 2, code: 0x0401 });
    },
  });
  const becoming = await ask([of(2, 1)]);
  t.equal(becoming.said, 'a/0d01');
  t.equal(forwardedOf(becoming)!.from, 'source', 'the CSCD of 07h is a source');
});

void t.test('SPC-4 6.4.6.10-12: 08h, 09h and 0Ah, byte offsets', async t => {
  const { a, b, x, run, host, data, old } = await four();
  const out = descriptor(
    8,
    28,
    [
      [4, 2, 0],
      [6, 2, 2],
      [9, 3, 1000],
      [12, 4, 3000],
      [16, 8, 3],
      [26, 2, 100],
    ],
    CAT,
  );
  t.equal((await run([out])).said, '');
  const records = (await playback(x)) as Buffer[];
  t.same(
    records.map(one => one.length),
    [1000, 1000, 1000],
  );
  t.ok(Buffer.concat(records).equals(data.subarray(3 * 512 + 100, 3 * 512 + 3100)));
  await x.rewind();
  const back = descriptor(
    9,
    28,
    [
      [4, 2, 2],
      [6, 2, 1],
      [9, 3, 1000],
      [12, 4, 2500],
      [16, 8, 10],
      [26, 2, 700],
    ],
    CAT,
  );
  t.equal((await run([back])).said, '');
  const want = Buffer.from(old);
  data.copy(want, 10 * 512 + 700, 3 * 512 + 100, 3 * 512 + 2600);
  t.ok((await dump(b)).equals(want), 'what is around the range stays');
  for (const [from, to, bytes] of [
    [100, 5000, 3000],
    [1, 600_001, 1_500_003],
    [700_003, 9, 1_000_000],
    [9, 700_003, 1_000_000],
    [512, 1024, 5120],
  ] as const) {
    const move = descriptor(
      0x0a,
      32,
      [
        [8, 4, bytes],
        [12, 8, Math.floor(from / 512)],
        [20, 8, Math.floor(to / 512)],
        [28, 2, from % 512],
        [30, 2, to % 512],
      ],
      CAT,
    );
    for (const [source, target] of [
      [0, 1],
      [1, 1],
    ] as const) {
      move.writeUInt16BE(source, 4);
      move.writeUInt16BE(target, 6);
      const before = source === 0 ? await dump(a) : await dump(b);
      const expected = await dump(b);
      before.copy(expected, to, from, from + bytes);
      t.equal((await run([move])).said, '');
      t.ok((await dump(b)).equals(expected), `${bytes} bytes from ${from} of ${source} to ${to}`);
    }
  }
  const up = descriptor(0x0a, 32, [
    [4, 2, 1],
    [6, 2, 1],
    [8, 4, 3000],
    [20, 8, 1],
    [30, 2, 10],
  ]);
  const { said, sense } = await run([up]);
  t.equal(said, 'a/260a', 'the last block of the source has more');
  t.equal(sense[0]! & 0x80, 0x80);
  t.equal(sense.readUInt32BE(3), 0, 'nothing is left to be written');
  t.equal((await host.send(0, cdb84(0, 1))).data.readUInt32BE(8), 3072, 'in whole blocks');
});

void t.test('SPC-4 6.4.6.13-15: 10h filemarks, 11h space, 12h locate', async t => {
  const { x, run, data } = await four();
  await record(x, [data.subarray(0, 100), 'filemark', data.subarray(100, 300)]);
  const mark = descriptor(0x10, 12, [
    [6, 2, 2],
    [9, 3, 2],
  ]);
  const space = descriptor(0x11, 12, [
    [6, 2, 2],
    [8, 1, 1],
    [9, 3, 1],
  ]);
  const locate = descriptor(0x12, 12, [
    [6, 2, 2],
    [8, 4, 1],
  ]);
  t.equal((await run([space])).said, '');
  t.equal(x.position.object, 2);
  t.equal((await run([locate])).said, '');
  t.equal(x.position.object, 1);
  t.equal((await run([mark])).said, '');
  t.same(await playback(x), [data.subarray(0, 100), 'filemark', 'filemark']);
  mark.writeUInt16BE(0, 6);
  const wrong = await run([mark]);
  t.equal(wrong.said, 'a/260c');
  t.equal(pointerOf(wrong), 'segment 6');
});

void t.test('SPC-4 6.4.6.16: 13h tape image', async t => {
  const { x, y, run, data } = await four();
  const objects = [
    data.subarray(0, 100),
    data.subarray(0, 600_000),
    'filemark',
    data.subarray(5, 6),
    'filemark',
    'filemark',
    data.subarray(0, 77),
  ] as const;
  await record(x, objects);
  const image = (count: number): Buffer =>
    descriptor(0x13, 12, [
      [4, 2, 2],
      [6, 2, 3],
      [8, 4, count],
    ]);
  t.equal((await run([image(2)])).said, '');
  t.same(await playback(y), objects.slice(0, 6));
  t.equal((await run([image(0)])).said, '', 'to the end of data');
  t.same(await playback(y), objects);
  await x.rewind();
  const short = memoryCartridge({ capacityBytes: 2 * MIB });
  const tight = await rig({ tape: x }, { tape: short });
  const onto = await copy(
    tight.host,
    0,
    list([tight.name(0), tight.name(1)], [descriptor(0x13, 12, [[6, 2, 1]])]),
  );
  t.equal(onto.said, '', 'it fits');
  await x.rewind();
  const big = Array.from({ length: 5 }, () => data.subarray(0, 600_000));
  await record(x, big);
  await short.rewind();
  const ended = await copy(
    tight.host,
    0,
    list([tight.name(0), tight.name(1)], [descriptor(0x13, 12, [[6, 2, 1]])], { id: 4 }),
  );
  t.equal(ended.said, 'a/0d01');
  t.equal(forwardedOf(ended)!.sense[2]! & 0x40, 0x40, 'EOM');
  t.equal(informationOf(ended), 0, 'no residue');
  const written = (await playback(short)).length;
  const { data: told } = await tight.host.send(0, cdb84(0, 4));
  t.equal(told.readUInt32BE(8), written * 600_000, 'what came with early warning is written, and counts');
  t.equal(x.position.object, written, 'the source stands behind what was copied');
  t.equal(
    (await copy(tight.host, 0, list([tight.name(0), tight.name(1)], [descriptor(0x13, 12, [[6, 2, 1]])])))
      .said,
    'a/0d01',
    'there is no more room',
  );
  t.equal((await playback(short)).length, x.position.object, 'nor does it lose a record then');
});

void t.test('SPC-4 6.4.6.17, 6.4.6.18: 14h and 15h, persistent reservations', async t => {
  const { run, units } = await four();
  const key = descriptor(0x14, 28, [
    [6, 2, 2],
    [16, 8, 0xabc],
  ]);
  t.equal((await run([key])).said, '');
  t.same(
    units[2]!.reservations.registrations.map(one => one.key),
    [0xabcn],
  );
  key.writeBigUInt64BE(5n, 8);
  const wrong = await run([key]);
  t.equal(wrong.said, 'a/0d01', 'RESERVATION CONFLICT');
});

void t.test('SPC-4 6.4.6.19: 16h block image', async t => {
  const { a, b, run, data, old } = await four();
  const image = (fields: readonly (readonly [number, number, number])[]): Buffer =>
    descriptor(0x16, 28, [[4, 2, 0], [6, 2, 1], ...fields]);
  const all = image([
    [8, 8, 16],
    [16, 8, 4096],
  ]);
  t.equal((await run([all])).said, '');
  const want = Buffer.concat([old.subarray(0, 2 * MIB), data.subarray(16 * 512, 16 * 512 + 2 * MIB)]);
  t.ok((await dump(b)).equals(want), 'to the end of the destination');
  t.equal((await run([image([[24, 4, 3]])])).said, '');
  t.ok((await dump(b, 1536)).equals(data.subarray(0, 1536)));
  t.ok((await dump(a)).equals(data));
  for (const [what, at] of [
    ['source', 8],
    ['destination', 16],
  ] as const) {
    t.equal((await run([image([[at, 8, 8192]])])).said, '', `nothing, from the end of the ${what} on`);
    const beyond = await run([image([[at, 8, 8193]])]);
    t.equal(beyond.said, 'a/0d02', `${what} beyond the end`);
    t.equal(pointerOf(beyond), `segment ${at}`);
  }
});

void t.test('SPC-4 6.4.6.1: the null devices', async t => {
  const { x, run, data } = await four();
  await record(x, [data.subarray(0, 1000)]);
  const away = descriptor(3, 20, [
    [4, 2, 2],
    [6, 2, NULL_STREAM],
    [9, 3, 1000],
    [13, 3, 500],
    [16, 4, 1000],
  ]);
  t.equal((await run([away])).said, '');
  t.equal(x.position.object, 1, 'it was read');
  const flush = descriptor(6, 16, [
    [4, 2, NULL_STREAM],
    [9, 3, 1],
  ]);
  t.equal((await run([flush])).said, '');
  flush.writeUInt32BE(1, 12);
  t.equal((await run([flush])).said, 'a/0804', 'there is nothing to be read');
  await x.rewind();
  await record(x, [data.subarray(0, 100), 'filemark', data.subarray(0, 200)]);
  const image = descriptor(0x13, 12, [
    [4, 2, 2],
    [6, 2, NULL_STREAM],
  ]);
  const marks = descriptor(0x10, 12, [
    [6, 2, NULL_STREAM],
    [9, 3, 2],
  ]);
  t.equal((await run([image, marks])).said, '', 'filemarks go where records go');
  t.equal(x.position.object, 3);
});
