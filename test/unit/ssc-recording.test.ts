/** What lies between a tape drive's commands and its medium: compression, protection of blocks on the wire, warnings. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import t from 'tap';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { crc32c } from '../../lib/bytes/crc32c.ts';
import { COMPRESSED } from '../../lib/scsi-cmds/ssc/recording/coding.ts';
import { decompress } from '../../lib/scsi-cmds/ssc/recording/compression.ts';
import { reedSolomonCrc } from '../../lib/scsi-cmds/ssc/recording/reed-solomon-crc.ts';
import { ArrayTape } from '../harness/array-tape.ts';
import { type Answer, Commander } from '../harness/commands.ts';
import { heard, hexOf as hex, pointed, record, type TapeBench, tapeBench } from '../harness/tape-bench.ts';

/** MODE SELECT(6) of one page behind a header that leaves the drive buffered. */
async function select(b: TapeBench, page: string): Promise<string> {
  const list = Buffer.from(`00001000${page.replaceAll(' ', '')}`, 'hex');
  const answer = await b.send(`15 10 00 00 ${hex(list.length, 2)} 00`, list);
  return `${heard(answer)} ${pointed(answer)}`.trim();
}

const compression = (b: TapeBench, on: boolean): Promise<string> =>
  select(b, `0f0e ${on ? 'c0' : '40'} 80 0000000100000001 00000000`);

const sequential = async (b: TapeBench): Promise<number[]> => {
  const { data } = await b.send('4d 00 4c 00 00 0000 ffff 00');
  return [0, 1, 2, 3].map(i => Number(data.readBigUInt64BE(8 + 12 * i)));
};

void t.test('SSC-4 8.3.2: DCE compresses, and a tape takes more', async t => {
  const medium = memoryCartridge({ capacityBytes: 1 << 20 });
  const b = await tapeBench(medium);
  t.equal(await compression(b, true), '0');
  for (let i = 0; i < 32; i++) t.equal(await b.write(record(64 * 1024, i)), '0');
  t.ok(medium.usedBytes < 64 * 1024, '2 MiB lie in less than a thirtieth');
  await b.rewind();
  const next = await medium.peek();
  t.match(next, { kind: 'record', length: 64 * 1024, coding: COMPRESSED });
  for (let i = 0; i < 32; i++) {
    const got = await b.read(64 * 1024);
    if (heard(got) !== '0' || !got.data.equals(record(64 * 1024, i))) t.fail(`record ${i}`);
  }
  const [came, written, read, went] = await sequential(b);
  t.equal(came, 2 << 20);
  t.equal(written, medium.usedBytes);
  t.equal(read, medium.usedBytes);
  t.equal(went, 2 << 20);

  await b.rewind();
  const short = await b.read(100);
  t.equal(heard(short), `0/0000 ILI ${100 - 64 * 1024}`, 'a short read of a compressed record');
  t.same(short.data, record(64 * 1024, 0).subarray(0, 100));
  t.equal(heard(await b.send(`13 00 ${hex(64 * 1024, 6)} 00`)), '0', 'VERIFY(6)');
  t.equal(await compression(b, false), '0');
  await b.rewind();
  t.equal(heard(await b.read(64 * 1024)), '0', 'DCE is for writing');
});

void t.test('SSC-4 8.3.2: what does not shrink is kept as it came', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  await compression(b, true);
  for (const length of [1, 20, 4096, 300_000]) {
    await b.rewind();
    const data = randomBytes(length);
    await b.write(data);
    await b.rewind();
    t.match(await medium.peek(), { length, storedBytes: length, coding: 0 });
    t.same((await b.read(length)).data, data);
  }
  const half = Buffer.concat([randomBytes(100_000), Buffer.alloc(200_000)]);
  await b.rewind();
  await b.write(half);
  await b.rewind();
  t.match(await medium.peek(), { length: 300_000, coding: COMPRESSED }, 'half of it shrinks');
  t.same((await b.read(300_000)).data, half);
});

void t.test('a compressed record that is not what it says is MEDIUM ERROR, and takes no memory', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  const bomb = deflateRawSync(Buffer.alloc(16_000_000));
  for (const [stored, length] of [
    [bomb, 1000],
    [bomb, 100_000],
    [deflateRawSync(Buffer.alloc(10)), 1000],
    [Buffer.from('no deflate'), 1000],
  ] as const) {
    await medium.rewind();
    await medium.write(stored, { length, coding: COMPRESSED });
    await medium.write(record(5));
    await medium.rewind();
    t.equal(heard(await b.read(length)), `3/1100 ${length}`);
    t.equal(await b.object(), 1, 'behind it, as behind any bad record');
  }
  for (const length of [4, 60_000]) {
    await medium.rewind();
    await medium.write(record(5), { length, coding: 0 });
    await medium.rewind();
    const got = await b.read(60_000);
    t.equal(heard(got), '3/1100 60000', `one that came as it is, and says ${length} bytes`);
    t.equal(got.data.length, 0);
  }
  t.throws(
    () => decompress(bomb, 0xffff_ffff),
    RangeError,
    'longer than any record: not a byte is taken for it',
  );
  await medium.rewind();
  await medium.write(record(9), { length: 9, coding: 0x40 });
  await medium.rewind();
  t.equal(heard(await b.read(9)), '3/1100 9', 'a coding of the future');
});

void t.test('SSC-4 4.2.29: the Reed-Solomon CRC', async t => {
  // Made with the table of the LTFS reference implementation.
  for (const [text, crc] of [
    ['', 0],
    ['a', 0xcdbacd61],
    ['The quick brown fox', 0x594eac94],
    ['x'.repeat(1000), 0xf0c7a66c],
  ] as const) {
    t.equal(reedSolomonCrc(Buffer.from(text)), crc);
  }
});

const METHODS = [
  [1, 'Reed-Solomon', (data: Buffer): Buffer => word(reedSolomonCrc(data))],
  [2, 'CRC32C', (data: Buffer): Buffer => word(crc32c(data)).swap32()],
] as const;
function word(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}
const protect = (b: TapeBench, method: number, flags: number, length = 4): Promise<string> =>
  select(b, `4af0001c ${hex(method, 2)} ${hex(length, 2)} ${hex(flags, 2)} ${'00'.repeat(25)}`);

for (const [method, name, sum] of METHODS) {
  void t.test(`SSC-4 4.2.29: logical block protection of WRITE(6) and READ(6) by ${name}`, async t => {
    const medium = memoryCartridge();
    const b = await tapeBench(medium);
    t.equal(await protect(b, method, 0xc0), '0');
    const data = record(1000, 3);
    t.equal(await b.write(Buffer.concat([data, sum(data)])), '0');
    t.equal(medium.usedBytes, 1000, 'what protects it on the way is not on the tape');
    const bad = Buffer.concat([data, sum(data)]);
    bad[500]! ^= 1;
    t.equal(await b.write(bad), '4/1001 1004', 'LOGICAL BLOCK GUARD CHECK FAILED');
    bad[500]! ^= 1;
    bad[1003]! ^= 0x80;
    t.equal(await b.write(bad), '4/1001 1004');
    t.equal(medium.usedBytes, 1000, 'nothing of it was written');
    t.equal(await b.write(record(4)), '5/2400', 'a block of nothing but its protection');

    await b.rewind();
    const back = await b.read(1004);
    t.equal(heard(back), '0');
    t.same(back.data, Buffer.concat([data, sum(data)]));
    await b.rewind();
    t.equal(heard(await b.read(1000)), '0/0000 ILI -4', 'without room for it');
    await b.rewind();
    const wide = await b.read(2000);
    t.equal(heard(wide), '0/0000 ILI 996');
    t.same(wide.data, Buffer.concat([data, sum(data)]));

    await b.rewind();
    await b.setBlock(100);
    const blocks = Buffer.concat([1, 2, 3].map(n => record(100, n)).flatMap(d => [d, sum(d)]));
    t.equal(heard(await b.writeFixed(3, blocks)), '0', 'fixed blocks, each with its own');
    const second = Buffer.from(blocks);
    second[104]! ^= 1;
    t.equal(heard(await b.writeFixed(3, second)), '4/1001 2', 'the first one was written');
    await b.rewind();
    const fixed = await b.read(4, { fixed: true });
    t.equal(heard(fixed), '0');
    t.same(fixed.data.subarray(0, 312), blocks);

    t.equal(await protect(b, method, 0x40), '0', 'LBP_R alone');
    await b.rewind();
    await b.setBlock(0);
    t.equal(await b.write(data), '0');
    await b.rewind();
    t.same((await b.read(1004)).data, Buffer.concat([data, sum(data)]));
    t.equal(await protect(b, 0, 0, 0), '0');
    await b.rewind();
    t.same((await b.read(1000)).data, data, 'none any more');
  });
}

void t.test('SSC-4 4.2.29: a copy inside the target goes on without protection', async t => {
  const b = await tapeBench(memoryCartridge());
  t.equal(await protect(b, 2, 0xc0), '0');
  const inside = new Commander(b.device, { ...b.a.nexus, thirdParty: true });
  await b.a.clear();
  t.equal(heard(await inside.send(0, '0a 00 000064 00', { out: record(100) })), '0');
  await b.rewind();
  t.same((await inside.send(0, '08 00 000064 00')).data, record(100));
  await b.rewind();
  t.same((await b.read(104)).data, Buffer.concat([record(100), METHODS[1][2](record(100))]));
  t.equal((await b.send('12 00 00 00 60 00')).data[5]! & 1, 1, 'PROTECT');
});

void t.test('SSC-4 8.3.9: the control data protection mode page', async t => {
  const b = await tapeBench(new ArrayTape());
  t.equal(await protect(b, 3, 0), '5/2600 list 8', 'no such method');
  t.equal(await protect(b, 2, 0xc0, 8), '5/2600 list 9.5', 'of another length');
  t.equal(await protect(b, 0, 0x80, 0), '5/2600 list 10.7', 'protection by no method');
  t.equal(await protect(b, 2, 0xe0), '5/2600 list 10.5', 'RBDP: nothing is recovered here');
  t.equal(await protect(b, 2, 0xc0), '0');
  const page = (await b.send('1a 08 0a f0 ff 00')).data;
  t.equal(page.subarray(4, 12).toString('hex'), '4af0001c0204c000');
  t.equal(page[0], page.length - 1, 'MODE DATA LENGTH of a page with a subpage');
  await new Promise<void>(resolve => b.unit.reset(resolve));
  await b.a.clear();
  t.equal(await b.write(record(10)), '0', 'a reset ends it');
});

void t.test('SSC-4 4.2.4, 8.3.8: programmable early warning', async t => {
  const medium = memoryCartridge({ capacityBytes: 10_000_000 });
  const b = await tapeBench(medium);
  t.equal(await select(b, `5001001c 00 00 0002 ${'00'.repeat(24)}`), '0', 'PEWS: 2 MB before early warning');
  const said: string[] = [];
  const flags: number[] = [];
  for (let i = 0; i < 110; i++) {
    const answer = await b.write(Buffer.alloc(100_000, i));
    if (answer !== '0') said.push(`${i} ${answer}`);
    if (i === 70 || i === 80 || i === 98) flags.push((await b.send('34 00')).data[0]! & 0x41);
    if (answer.startsWith('d')) break;
  }
  t.same(said.slice(0, 2), ['75 0/0007 EOM 0', '95 0/0002 EOM 0'], 'once, and then early warning');
  t.equal(said.at(-1), '100 d/0002 EOM 100000');
  t.equal(said.length, 7, 'early warning each time, up to the end');
  t.same(flags, [0x00, 0x01, 0x41], 'BPEW and EOP of READ POSITION');
  await b.rewind();
  t.equal((await b.send('34 06')).data[0], 0x80);
  await b.locate(80);
  t.equal((await b.send('34 06')).data[0], 0x01, 'long form');
  t.equal((await b.send('34 08 00 00 00 00 00 00 20 00')).data[0], 0x01, 'extended form');
  t.equal(await b.write(record(10)), '0', 'it is told when it is come upon');
  await b.locate(74);
  t.equal(await b.write(Buffer.alloc(200_000)), '0/0007 EOM 0');
});

void t.test('SSC-4 8.3.3: SEW off, early warning synchronises nothing', async t => {
  const medium = Object.assign(new ArrayTape(), { warnAfter: 0 });
  const b = await tapeBench(medium);
  t.equal(await select(b, '100e 0000 0000 0000 4000 1000 0000 0000'), '0');
  t.equal(await b.write(record(10)), '0/0002 EOM 0');
  t.equal(medium.syncs, 0);
  t.equal(await select(b, '100e 0000 0000 0000 4000 1c00 0000 0000'), '0', 'SEW and SWP');
  t.equal(await b.write(record(10)), '7/2700', 'write protected by the device configuration page');
  t.equal((await b.send('1a 00 00 00 0c 00')).data[2], 0x90);
});

void t.test('SSC-4 8.3.1: BUFFERED MODE 2 writes what another nexus has left', async t => {
  const medium = new ArrayTape();
  const b = await tapeBench(medium);
  t.equal(await b.say('15 10 00 00 04 00', Buffer.of(0, 0, 0x20, 0)), '0');
  await b.b.clear();
  const other = (data: Buffer): Promise<Answer> =>
    b.b.send(0, `0a 00 ${hex(data.length, 6)} 00`, { out: data });
  t.equal(await b.write(record(10)), '0');
  t.equal(await b.write(record(10)), '0');
  t.equal(medium.syncs, 0);
  t.equal(heard(await other(record(20))), '0');
  t.equal(medium.syncs, 1);
  t.equal(heard(await other(record(20))), '0');
  t.equal(medium.syncs, 1, 'its own are not');
  t.equal(await b.filemarks(1), '0');
  t.equal(medium.syncs, 3);
});

void t.test('SSC-4 6.7: VERIFY(6) of long records lets others be served meanwhile', async t => {
  const path = join(t.testdir(), 'a.tape');
  const b = await tapeBench(await openCartridgeFile({ path }));
  const long = Buffer.alloc(4 << 20, 0x5a);
  for (let i = 0; i < 4; i++) await b.write(long);
  const turnsOf = async (cdb: string): Promise<number> => {
    await b.rewind();
    let turns = 0;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    t.equal(await b.say(cdb), '0');
    clearImmediate(next);
    return turns;
  };
  t.ok((await turnsOf('13 00 400000 00')) >= 2, 'one record');
  const list = Buffer.from('000010080000000000400000', 'hex');
  t.equal(await b.say('15 10 00 00 0c 00', list), '0');
  t.ok((await turnsOf('13 01 000004 00')) >= 8, 'four of them');
  await b.unit.close();
});
