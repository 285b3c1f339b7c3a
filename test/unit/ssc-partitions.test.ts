/** SSC-4: where on a tape, by explicit address, in which partition, and what may be written over there. */
import t from 'tap';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { personalityNamed } from '../../lib/scsi-cmds/ssc/personality.ts';
import type { TapeDrive } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { ArrayTape } from '../harness/array-tape.ts';
import type { Answer } from '../harness/commands.ts';
import { heard, hexOf as hex, pointed, record, type TapeBench, tapeBench } from '../harness/tape-bench.ts';

async function select(b: TapeBench, page: string): Promise<string> {
  const list = Buffer.from(`00001000${page.replaceAll(' ', '')}`, 'hex');
  const answer = await b.send(`15 10 00 00 ${hex(list.length, 2)} 00`, list);
  return `${heard(answer)} ${pointed(answer)}`.trim();
}

void t.test('SSC-4 5.3, 5.5, 5.6: READ(16), VERIFY(16) and WRITE(16) say where', async t => {
  const medium = new ArrayTape();
  const b = await tapeBench(medium);
  const at = (opcode: string, flags: number, object: number, length: number, partition = 0): string =>
    `${opcode} ${hex(flags, 2)} 00 ${hex(partition, 2)} ${hex(object, 16)} ${hex(length, 6)} 00`;
  t.equal(await b.say(at('8a', 0, 0, 100), record(100)), '0');
  t.equal(await b.say(at('8a', 0x0c, 1, 50), record(50)), '0', 'FCS and LCS');
  t.equal(await b.say(at('8a', 0, 9, 50), record(50)), '8/0005', 'beyond end of data');
  t.same(
    medium.objects.map(o => o.length),
    [100, 50],
  );
  t.equal(await b.say(at('8a', 0, 1, 60), record(60)), '0', 'over what was there');
  t.same(
    medium.objects.map(o => o.length),
    [100, 60],
  );
  const elsewhere = await b.send(at('8a', 0, 0, 100, 1), record(100));
  t.equal(`${heard(elsewhere)} ${pointed(elsewhere)}`, '5/2400 cdb 3');
  t.equal(elsewhere.wantedOut, 0, 'before any data was fetched');
  const short = await b.send(at('8a', 0, 0, 100), record(99));
  t.equal(pointed(short), 'cdb 12', 'TRANSFER LENGTH');

  const read = await b.send(at('88', 0, 1, 60));
  t.equal(heard(read), '0');
  t.same(read.data, record(60));
  t.equal(heard(await b.send(at('88', 2, 0, 500))), '0', 'SILI');
  t.equal(pointed(await b.send(at('88', 3, 0, 1))), 'cdb 1.1', 'SILI and FIXED');
  t.equal(heard(await b.send(at('88', 0, 7, 60))), '8/0005');
  t.equal(pointed(await b.send(at('88', 0, 0, 60, 3))), 'cdb 3');
  await b.setBlock(10);
  await b.rewind();
  await b.writeFixed(5, record(50));
  const fixed = await b.send(at('88', 1, 2, 3));
  t.equal(heard(fixed), '0');
  t.same(fixed.data, record(50).subarray(20));

  t.equal(await b.say(at('8f', 1, 1, 4)), '0');
  t.equal(await b.say(at('8f', 1, 1, 5)), '8/0005 1');
  t.equal(await b.say(at('8f', 3, 1, 2), record(50).subarray(10, 30)), '0', 'BYTCMP');
  t.equal(await b.say(at('8f', 3, 0, 2), record(50).subarray(10, 30)), 'e/1d00 2', 'MISCOMPARE');
  const refused = await b.send(at('8f', 7, 0, 2));
  t.equal(pointed(refused), 'cdb 1.2', 'BYTCMP and IMMED');
  t.equal(pointed(await b.send(at('8f', 0x11, 0, 1))), 'cdb 1.4', 'a reserved bit');
});

void t.test('SSC-4 6.7: VERIFY(6) with BYTCMP', async t => {
  const medium = new ArrayTape();
  medium.objects = [record(10), record(20), 'filemark'];
  const b = await tapeBench(medium);
  t.equal(await b.say('13 02 00000a 00', record(10)), '0');
  t.equal(await b.say('13 02 000014 00', record(20, 9)), 'e/1d00 20');
  t.equal(await b.say('13 02 000014 00', record(20)), '0/0001 FM 20');
  await b.rewind();
  t.equal(await b.say('13 02 000014 00', record(20)), '0/0000 ILI 10');
  await b.rewind();
  t.equal(await b.say('13 02 00000a 00', record(9)), '5/2400', 'fewer bytes than the CDB says');
});

void t.test('SSC-4 4.2.21, 7.1: append-only mode and ALLOW OVERWRITE', async t => {
  const medium = new ArrayTape();
  const b = await tapeBench(medium);
  const mode = (writeMode: number): Promise<string> =>
    select(b, `5001001c 00 ${hex(writeMode << 4, 2)} 0000 ${'00'.repeat(24)}`);
  const allow = (what: number, object: number, partition = 0): Promise<Answer> =>
    b.send(`82 00 ${hex(what, 2)} ${hex(partition, 2)} ${hex(object, 16)} 000000 00`);
  await b.write(record(10));
  t.equal(await mode(1), '5/2600 list 9.7', 'it begins at the beginning of the tape');
  await b.rewind();
  t.equal(await mode(1), '0');
  t.equal(await mode(2), '5/2600 list 9.5', 'no such mode');
  t.equal((await b.send('1a 08 10 01 ff 00')).data[9], 0x10);
  t.equal(await b.write(record(10)), '7/300c 10', 'over what is there');
  t.equal(await b.filemarks(1), '7/300c');
  t.equal(await b.say('19 00'), '7/300c', 'ERASE(6)');
  t.equal(await b.say('04 00'), '7/300c', 'FORMAT MEDIUM');
  t.equal(await b.say('0b 00 00 ff ff 00'), '7/300c', 'SET CAPACITY');
  t.equal(await b.say('10 00 000000 00'), '0', 'a count of 0 erases nothing');
  await b.locate(1);
  t.equal(await b.write(record(20)), '0', 'behind it');
  t.equal(await b.write(record(30)), '0');
  t.equal(medium.objects.length, 3);

  await b.locate(1);
  t.equal(heard(await allow(1, 0)), '5/3b00', 'not where the tape stands');
  t.equal(heard(await allow(1, 1, 1)), '5/3b00');
  t.equal(pointed(await allow(3, 1)), 'cdb 2.3');
  t.equal(await b.write(record(40)), '7/300c 40');
  t.equal(heard(await allow(1, 1)), '0');
  t.equal(heard(await allow(0, 1)), '0', 'taken back');
  t.equal(await b.write(record(40)), '7/300c 40');
  t.equal(heard(await allow(1, 1)), '0');
  await b.rewind();
  await b.locate(1);
  t.equal(await b.write(record(40)), '7/300c 40', 'a movement ends it');
  t.equal(heard(await allow(1, 1)), '0');
  t.equal(await b.write(record(40)), '0');
  t.equal(await b.write(record(50)), '0');
  t.same(
    medium.objects.map(o => o.length),
    [10, 40, 50],
  );
  t.equal(await mode(0), '5/2600 list 9.7', 'it ends with the cartridge');
  await b.rewind();
  t.equal(heard(await allow(2, 0)), '0');
  t.equal(await b.say('04 00'), '0', 'FORMAT MEDIUM, allowed');
  t.equal(medium.objects.length, 0);
  await b.say('1b 00 00 00 00 00');
  t.equal(await mode(0), '0');
  t.equal(await b.say('82 00 01'), '2/3a00');
});

void t.test('SSC-4 4.2.20: a WORM cartridge is appended to', async t => {
  const b = await tapeBench(memoryCartridge({ worm: true }));
  await b.write(record(10));
  await b.filemarks(2);
  await b.rewind();
  t.equal(await b.write(record(10)), '7/300c 10');
  t.equal(await b.say('19 00'), '7/300c');
  t.equal(await b.say('04 00'), '7/300c');
  await b.locate(2);
  t.equal(await b.write(record(10)), '0', 'over a filemark before end of data');
  const page = (await b.send('1a 08 1d 00 ff 00')).data.subarray(4);
  t.equal(page.subarray(0, 6).toString('hex'), '1d1e01000102', 'WORMM and its restrictions');
  const data = await tapeBench(memoryCartridge());
  t.equal(
    (await data.send('1a 08 1d 00 ff 00')).data.subarray(4, 10).toString('hex'),
    '1d1e00000000',
    'medium configuration of another',
  );
});

void t.test('SSC-4 7.2, 7.11: FORMAT MEDIUM and SET CAPACITY, what is refused', async t => {
  const medium = new ArrayTape();
  const b = await tapeBench(medium);
  await b.write(record(10));
  t.equal(await b.say('04 00 00 0000 00'), '5/3b0c', 'POSITION PAST BEGINNING OF MEDIUM');
  t.equal(await b.say('0b 00 00 ffff 00'), '5/3b0c');
  await b.rewind();
  t.equal(pointed(await b.send('04 00 03 0000 00')), 'cdb 2.3', 'a format that is reserved');
  t.equal(pointed(await b.send('04 00 00 0001 00')), 'cdb 3', 'TRANSFER LENGTH');
  t.equal(pointed(await b.send('04 02 00 0000 00')), 'cdb 1.1', 'VERIFY');
  t.equal(pointed(await b.send('0b 02 00 ffff 00')), 'cdb 1.1');
  t.equal(medium.objects.length, 1);
  t.equal(await b.say('04 01 00 0000 00'), '0', 'IMMED');
  t.equal(medium.objects.length, 0);
  medium.writeProtected = true;
  t.equal(await b.say('04 00 00 0000 00'), '7/2700');
  t.equal(await b.say('0b 00 00 ffff 00'), '7/2700');
});

const GB = 1_000_000_000;

void t.test('SSC-4 7.2, 8.3.4: FORMAT MEDIUM by the medium partition mode page', async t => {
  const medium = memoryCartridge({ capacityBytes: 100 * GB });
  const b = await tapeBench(medium);
  const page = async (): Promise<string> =>
    (await b.send('1a 08 11 00 ff 00')).data.subarray(4).toString('hex');
  const sizes = (): number[] => medium.partitions.map(({ capacityBytes }) => capacityBytes / GB);
  const partition = (additional: number, flags: number, units: number, ...size: number[]): Promise<string> =>
    select(
      b,
      `110e 03 ${hex(additional, 2)} ${hex(flags, 2)} 03 ${hex(units, 2)} 00 ${[0, 1, 2, 3].map(i => hex(size[i] ?? 0, 4)).join('')}`,
    );
  t.equal(
    await page(),
    '110e03001c0309000064000000000000',
    'one partition of 100 GB; PSUM, POFM, format recognition',
  );

  t.equal(await partition(4, 0x3c, 9, 1, 1), '5/2600 list 7', 'at most four');
  t.equal(await partition(1, 0xbc, 9, 1, 1), '5/2600 list 8.7', 'FDP and IDP');
  t.equal(await partition(1, 0x3c, 9, 60, 60), '5/2600 list 14', 'more than there is');
  t.equal(await partition(1, 0x3c, 9, 100, 0xffff), '5/2600 list 14', 'nothing is left');
  t.equal(await partition(1, 0x3c, 9, 0xffff, 0xffff), '5/2600 list 14', 'the rest twice');
  t.equal(await partition(1, 0x3c, 9, 0xffff), '5/2600 list 14', 'a partition of nothing');
  t.equal(await partition(1, 0x38, 9, 1, 1), '5/2600 list 8.2', 'POFM cannot be changed');

  t.equal(await partition(1, 0x3c, 9, 0xffff, 5), '0', 'IDP: 5 GB for the second, the rest for the first');
  t.same(sizes(), [100], 'nothing has changed');
  t.equal(await b.say('04 00 01 0000 00'), '0');
  t.same(sizes(), [95, 5]);
  t.equal(await page(), '110e03011c030900005f000500000000', 'as it is now');

  t.equal(await b.write(record(10)), '0');
  t.equal(await b.say('2b 02 00 00000000 00 01 00'), '0', 'LOCATE(10), CP');
  t.equal((await b.send('34 00')).data.subarray(0, 2).toString('hex'), '8001', 'READ POSITION SHORT FORM');
  t.equal(await b.write(record(20)), '0');
  t.equal(await b.filemarks(1), '0');
  t.equal(await b.write(record(30)), '0');
  t.equal(
    (await b.send('34 06')).data.toString('hex'),
    `000000000000000100000000000000030000000000000001${'00'.repeat(8)}`,
  );
  t.equal((await b.send('34 08 0000000000 0020 00')).data.subarray(0, 4).toString('hex'), '0001001c');
  t.equal((await b.send('1a 08 10 00 ff 00')).data[7], 1, 'active partition');
  t.equal(await b.rewind(), '0');
  t.equal((await b.send('34 00')).data.subarray(0, 2).toString('hex'), '8001', 'REWIND stays in it');
  t.same((await b.read(20)).data, record(20));
  t.equal(await b.say('92 02 00 00 0000000000000000 00000000'), '0', 'LOCATE(16), CP');
  t.same((await b.read(10)).data, record(10));
  t.equal(heard(await b.read(10)), '8/0005 10', 'end of data of the first');
  t.equal(await b.say('92 0a 00 01 0000000000000001 00000000'), '0', 'a file of the second');
  t.same((await b.read(30)).data, record(30));
  t.equal(await b.say('92 1a 00 00 0000000000000000 00000000'), '0', 'end of data of the first');
  t.equal(await b.object(), 1);
  t.equal(await b.say('92 00 00 01 0000000000000000 00000000'), '0', 'PARTITION without CP is ignored');
  t.equal((await b.send('34 00')).data[1], 0);
  t.equal(pointed(await b.send('92 02 00 02 0000000000000000 00000000')), 'cdb 3');
  t.equal(pointed(await b.send('2b 02 00 00000000 00 02 00')), 'cdb 8');
  t.same((await b.send('88 00 00 01 0000000000000002 00001e 00')).data, record(30), 'READ(16)');
  t.equal(await b.say('80 00 00 01 0000000000000003 000001 00'), '0', 'WRITE FILEMARKS(16)');
  t.equal(await b.say('04 00 00 0000 00'), '5/3b0c', 'not at the beginning of the tape');
  t.equal(await b.say('2b 02 00 00000000 00 01 00'), '0');
  t.equal(await b.say('04 00 00 0000 00'), '5/3b0c', 'nor at the beginning of the second');
  t.equal(await b.say('93 01 00 01 0000000000000001 00000000'), '0', 'ERASE(16)');
  t.equal(await b.say('1b 00 00 00 01 00'), '0', 'LOAD');
  t.equal(
    (await b.send('34 00')).data.subarray(0, 2).toString('hex'),
    '8000',
    'to the beginning of the first',
  );
  t.same((await b.read(10)).data, record(10));

  await b.rewind();
  t.equal(await partition(3, 0x5c, 9), '0', 'SDP');
  t.equal(await b.say('04 00 02 0000 00'), '0');
  t.same(sizes(), [25, 25, 25, 25]);
  t.equal(heard(await b.read(10)), '8/0005 10', 'what was there is gone');
  t.equal(await partition(2, 0x9c, 9), '0', 'FDP');
  t.equal(await b.say('04 00 01 0000 00'), '0');
  t.same(sizes(), [93.75, 3.125, 3.125]);
  t.equal(await partition(1, 0x34, 9, 40_000, 60_000), '0', 'PSUM: megabytes');
  t.equal(await b.say('04 00 01 0000 00'), '0');
  t.same(sizes(), [40, 60]);
  t.equal(await b.say('04 00 01 0000 00'), '0', 'nothing new was asked for');
  t.same(sizes(), [40, 60]);
  t.equal(await b.say('04 00 00 0000 00'), '0');
  t.same(sizes(), [100], 'one again');
});

void t.test("mt mkpartition and setpartition, as the kernel's st sends them", async t => {
  const medium = memoryCartridge({ capacityBytes: 10 * GB });
  const b = await tapeBench(medium);
  const make = async (change: (page: Buffer) => void): Promise<string> => {
    const list = Buffer.from((await b.send('1a 00 11 00 ff 00')).data);
    const page = list.subarray(4 + list[3]!);
    const needsFormat = (page[4]! & 0x04) !== 0;
    list[0] = 0;
    list[1] = 0;
    list[2]! &= 0x7f;
    page[0]! &= 0x3f;
    page[4] = 0x20 | 0x10 | (page[4]! & 0x07); // IDP, megabytes
    change(page);
    t.equal(await b.say(`15 10 00 00 ${hex(list.length, 2)} 00`, list), '0');
    return needsFormat ? b.say('04 00 01 00 00 00') : 'POFM';
  };
  t.equal(
    await make(page => {
      page[3] = 1;
      page.writeUInt16BE(0xffff, 8);
      page.writeUInt16BE(1000, 10);
    }),
    '0',
    'mkpartition 1000',
  );
  t.same(
    medium.partitions.map(({ capacityBytes }) => capacityBytes),
    [9 * GB, GB],
  );
  t.equal(await b.say('2b 02 00 00000000 00 01 00'), '0', 'setpartition 1');
  t.equal(await b.write(record(10)), '0');
  t.equal((await b.send('34 01')).data.subarray(0, 8).toString('hex'), '0001000000000001', 'tell');
  t.equal(await b.say('2b 06 00 00000000 00 00 00'), '0', 'partseek 0, BT');
  t.equal((await b.send('34 01')).data[1], 0);
  t.equal(await make(page => void (page[3] = 0)), '0', 'mkpartition 0');
  t.equal(medium.partitions.length, 1);
});

void t.test('SSC-4 7.11: SET CAPACITY takes a part, and gives it back', async t => {
  const medium = memoryCartridge({ capacityBytes: 655_350_000 });
  const b = await tapeBench(medium);
  await b.write(record(10));
  await b.rewind();
  t.equal(await b.say('0b 00 00 0100 00'), '0');
  t.equal(medium.label.capacityBytes, 2_560_000);
  t.equal(heard(await b.read(10)), '8/0005 10', 'what was there is gone');
  t.equal((await b.send('44 01 0000000000 ffff 00')).data.readUInt32BE(16), 2);
  let answer = '0';
  let records = 0;
  for (; !answer.startsWith('d'); records++) answer = await b.write(Buffer.alloc(100_000));
  t.equal(records, 26);
  await b.rewind();
  t.equal(await b.say('0b 00 00 ffff 00'), '0');
  t.equal(medium.label.capacityBytes, 655_350_000);
});

const drive = (name: string): Partial<TapeDrive> => ({ personality: personalityNamed(name) });

void t.test('drives of IBM take the cartridges that they should', async t => {
  for (const [name, writes, reads, neither] of [
    ['ULT3580-TD6', ['LTO-6', 'LTO-5', ''], ['LTO-4'], ['LTO-7', 'LTO-8']],
    ['ULT3580-TD7', ['LTO-7', 'LTO-6'], ['LTO-5'], ['LTO-4', 'LTO-8']],
    ['ult3580-td8', ['LTO-8', 'LTO-7'], [], ['LTO-6', 'LTO-9']],
    ['LTO', ['LTO-4', 'LTO-9', ''], [], []],
  ] as const) {
    for (const mediaType of writes) {
      const b = await tapeBench(memoryCartridge({ mediaType }), drive(name));
      t.equal(await b.write(record(10)), '0', `${name} writes ${mediaType}`);
    }
    for (const mediaType of reads) {
      const medium = memoryCartridge({ mediaType });
      await medium.write(record(10));
      await medium.rewind();
      const b = await tapeBench(medium, drive(name));
      t.equal(heard(await b.read(10)), '0', `${name} reads ${mediaType}`);
      t.equal(await b.write(record(10)), '7/3005', 'CANNOT WRITE MEDIUM - INCOMPATIBLE FORMAT');
      t.equal((await b.send('5a 00 3f 00 00 00 00 00 ff 00')).data[3]! & 0x80, 0x80, 'WP');
    }
    for (const mediaType of neither) {
      const b = await tapeBench(memoryCartridge({ mediaType }), drive(name));
      for (const cdb of ['00', '08 00 00000a 00', '01', '34']) {
        t.equal(await b.say(cdb), '3/3000', `${name} and ${mediaType}: INCOMPATIBLE MEDIUM INSTALLED`);
      }
      t.equal(await b.say('1b 00 00 00 00 00'), '0', 'it can be unloaded');
    }
  }
});

void t.test('what a ULT3580-TD6 says of itself and of its cartridge', async t => {
  const of = async (mediaType: string, worm = false): Promise<TapeBench> =>
    tapeBench(memoryCartridge({ mediaType, worm }), drive('ULT3580-TD6'));
  const header = async (b: TapeBench): Promise<string> =>
    (await b.send('5a 00 3f 00 00 00 00 00 ff 00')).data.subarray(2, 12).toString('hex');
  t.equal(
    await header(await of('LTO-6')),
    '6810000000085a000000',
    'MEDIUM TYPE and DENSITY CODE, as LTFS reads them',
  );
  t.equal((await header(await of('LTO-5'))).slice(0, 14), '58100000000858');
  t.equal((await header(await of('LTO-6', true))).slice(0, 2), '6c', 'WORM');
  const b = await of('');
  t.equal((await header(b)).slice(0, 2), '68', 'its own');
  t.equal((await b.send('05')).data.toString('hex'), '008000000001', '8 MiB a block');
  const much = await b.send('0a 00 800001 00', record(1));
  t.equal(`${heard(much)} ${pointed(much)} ${much.wantedOut}`, '5/2400 cdb 2 0', 'and no more');
  t.equal(await b.setBlock(0x800001), '5/2600');
  t.equal((await b.send('1a 08 0f 00 ff 00')).data[6], 0xc0, 'it compresses unless told not to');
  const list = (await b.send('44 00 0000000000 ffff 00')).data;
  t.same([list[4], list[56], list[108], list.length], [0x46, 0x58, 0x5a, 160], 'LTO-4 to LTO-6');
  t.same([list[6], list[58], list[110]], [0x00, 0x80, 0xa0], 'WRTOK and DEFLT');
});

void t.test('SSC-4 7.2, 8.3.4: FORMAT MEDIUM as st asks for two partitions, with two sizes', async t => {
  const medium = memoryCartridge({ capacityBytes: 1_000_000_000 });
  const b = await tapeBench(medium);
  const sizes = (): readonly number[] => medium.partitions.map(each => each.capacityBytes);
  t.equal(await select(b, '11 0a 03 01 34 03 00 00 ffff 0064'), '0', '100 MB for the second one');
  t.equal(await b.say('04 00 01 0000 00'), '0');
  t.same(sizes(), [900_000_000, 100_000_000]);
  t.equal(await select(b, '11 0a 03 01 34 03 00 00 0064 ffff'), '0', 'or for the first one');
  t.equal(await b.say('04 00 01 0000 00'), '0');
  t.same(sizes(), [100_000_000, 900_000_000]);
  t.equal(await select(b, '11 06 03 01 84 03 00 00'), '0', 'no size, where none is asked for');
  t.equal(await select(b, '11 0a 03 02 34 03 00 00 ffff 0064'), '5/2600 list 16', 'a size that is not there');
  t.equal(await select(b, '11 05 03 01 84 03 00'), '5/2600 list 5', 'not all of what is before the sizes');
  t.equal(await select(b, `11 10 03 01 84 03 00 00 ${'00'.repeat(10)}`), '5/2600 list 5', 'five sizes');
  t.equal(await b.say('04 00 00 0000 00'), '0');
  t.same(sizes(), [1_000_000_000], 'one partition again');
});

void t.test(
  'SSC-4 8.3.1: MODE SENSE(6) of a drive that a cartridge has left, which it could only read',
  async t => {
    const old = memoryCartridge({ mediaType: 'LTO-5' });
    const b = await tapeBench(old, drive('ULT3580-TD7'));
    t.equal((await b.send('1a 00 00 00 0c 00')).data[2]! & 0x80, 0x80, 'WP');
    await b.unit.eject();
    t.equal((await b.send('1a 00 00 00 0c 00')).data[2]! & 0x80, 0);
  },
);

void t.test('SSC-4 4.2.22: a drive that is taken away forgets its keys', async t => {
  const b = await tapeBench(memoryCartridge());
  const key = Buffer.alloc(32, 0x11);
  const list = Buffer.concat([
    Buffer.from('0010 0030 40 00 02 02 01 00 00 00000000000000 0020'.replaceAll(' ', ''), 'hex'),
    key,
  ]);
  t.equal(await b.say('b5 20 0010 00 00 00000034 00 00', list), '0', 'SECURITY PROTOCOL OUT');
  const { key: kept } = b.unit.encryption.of(b.a.nexus)!;
  t.same(kept, key);
  await b.unit.close();
  t.equal(b.unit.encryption.any, false);
  t.same(kept, Buffer.alloc(32), 'written over');
});
