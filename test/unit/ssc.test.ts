/** SSC-4 by clause: what a tape drive answers, in process. */
import t from 'tap';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { ArrayTape, type Stored } from '../harness/array-tape.ts';
import type { Answer } from '../harness/commands.ts';
import { heard, hexOf as hex, pointed, record, tapeBench as bench } from '../harness/tape-bench.ts';

for (const [name, make] of [
  ['a tape that answers at once', (): ArrayTape => new ArrayTape()],
  ['a tape that answers later', (): ArrayTape => Object.assign(new ArrayTape(), { later: true })],
] as const) {
  void t.test(`SSC-4 6.4, 6.8: READ(6) and WRITE(6), variable blocks, ${name}`, async t => {
    const b = await bench(make());
    t.equal(await b.write(record(100)), '0');
    t.equal(await b.write(record(1000, 7)), '0');
    t.equal(await b.filemarks(1), '0');
    t.equal(await b.object(), 3);
    t.equal(await b.rewind(), '0');

    const exact = await b.read(100);
    t.equal(heard(exact), '0');
    t.same(exact.data, record(100));

    const long = await b.read(300);
    t.equal(heard(long), '0/0000 ILI -700', 'a longer record: negative residual, truncated');
    t.same(long.data, record(1000, 7).subarray(0, 300));
    t.equal(long.totalIn, 300);

    t.equal(heard(await b.read(50)), '0/0001 FM 50');
    t.equal(await b.object(), 3, 'on the far side of the filemark');
    const end = await b.read(50);
    t.equal(heard(end), '8/0005 50');
    t.equal(end.data.length, 0);
    t.equal(await b.object(), 3);

    await b.rewind();
    const short = await b.read(4096);
    t.equal(heard(short), '0/0000 ILI 3996', 'a shorter record: its data and the residual');
    t.same(short.data, record(100));
    t.equal(short.totalIn, 100);
  });

  void t.test(`SSC-4 6.4, 6.8: READ(6) and WRITE(6), fixed blocks, ${name}`, async t => {
    const b = await bench(make());
    t.equal(await b.setBlock(512), '0');
    const data = Buffer.concat([1, 2, 3, 4].map(n => record(512, n)));
    const written = await b.writeFixed(4, data);
    t.equal(heard(written), '0');
    t.equal(written.wantedOut, 2048);
    t.equal(await b.write(record(200, 9)), '0');
    t.equal(await b.write(record(512, 5)), '0');
    t.equal(await b.write(record(600, 6)), '0');
    t.equal(await b.filemarks(1), '0');
    await b.rewind();

    const two = await b.read(2, { fixed: true });
    t.equal(heard(two), '0');
    t.same(two.data, data.subarray(0, 1024));
    t.equal(await b.object(), 2);

    const short = await b.read(5, { fixed: true });
    t.equal(heard(short), '0/0000 ILI 3', 'the short block is not counted as read');
    t.same(short.data, Buffer.concat([data.subarray(1024), record(200, 9)]));
    t.equal(await b.object(), 5, 'past the block of wrong length');

    const long = await b.read(2, { fixed: true });
    t.equal(heard(long), '0/0000 ILI 1');
    t.same(long.data, Buffer.concat([record(512, 5), record(600, 6).subarray(0, 512)]));

    await b.locate(5);
    const mixed = await b.read(1, { fixed: true });
    t.equal(heard(mixed), '0');
    await b.locate(7);
    t.equal(heard(await b.read(3, { fixed: true })), '0/0001 FM 3');
    t.equal(heard(await b.read(3, { fixed: true })), '8/0005 3');
    await b.locate(3);
    t.equal(await b.setBlock(512), '0');
    await b.say('10 01 00 00 01 00');
    await b.locate(2);
    const upToMark = await b.read(4, { fixed: true });
    t.equal(heard(upToMark), '0/0001 FM 3');
    t.same(upToMark.data, data.subarray(1024, 1536));
  });

  void t.test(`SSC-4 4.2.3: early warning and the end, ${name}`, async t => {
    const medium = make();
    const b = await bench(medium);
    medium.warnAfter = 2;
    medium.fullAfter = 5;
    t.equal(await b.write(record(10)), '0');
    t.equal(await b.write(record(10)), '0');
    const syncs = medium.syncs;
    t.equal(await b.write(record(10)), '0/0002 EOM 0', 'written, and said so');
    t.equal(medium.objects.length, 3);
    t.equal(medium.syncs, syncs + 1, 'SEW: on the medium before the status');
    t.equal(await b.filemarks(1), '0/0002 EOM 0');
    t.equal((await b.send('34 00')).data[0]! & 0x40, 0x40, 'EOP of READ POSITION');
    t.equal(await b.filemarks(3), 'd/0002 EOM 2', 'one of three fits');
    t.equal(await b.write(record(10)), 'd/0002 EOM 10');
    t.equal(medium.objects.length, 5);
    t.equal(heard(await b.read(10)), '8/0005 EOM 10', 'end of data past early warning has EOM');
    t.equal(await b.space(0, 1), '8/0005 EOM 1');
    t.equal(await b.locate(99), '8/0005 EOM');

    await b.rewind();
    await b.setBlock(8);
    medium.warnAfter = 100;
    medium.fullAfter = 3;
    const before = medium.syncs;
    t.equal(heard(await b.writeFixed(5, record(40))), 'd/0002 EOM 2', 'blocks not written');
    t.equal(medium.objects.length, 3);
    t.equal(medium.syncs, before + 1, 'and those that count as written are on the medium');
    medium.warnAfter = 1;
    medium.fullAfter = 100;
    await b.rewind();
    t.equal(heard(await b.writeFixed(5, record(40))), '0/0002 EOM 0', 'all blocks written past the warning');
    t.equal(medium.objects.length, 5);
  });

  void t.test(`SSC-4, error reporting: trouble at the medium, ${name}`, async t => {
    const medium = make();
    const b = await bench(medium);
    await b.setBlock(4);
    await b.writeFixed(4, record(16));
    await b.rewind();
    medium.bad = 2;
    const bad = await b.read(4, { fixed: true });
    t.equal(heard(bad), '3/1100 2');
    t.same(bad.data, record(16).subarray(0, 8), 'what was read before goes out');
    t.equal(await b.object(), 3);
    await b.locate(2);
    t.equal(heard(await b.read(100)), '3/1100 100');
    await b.locate(2);
    medium.fault = 'io';
    t.equal(await b.write(record(9)), '3/0c00 9');
    medium.fault = 'no-space';
    await b.locate(1);
    t.equal(
      heard(await b.writeFixed(4, record(16))),
      'd/0002 EOM 3',
      'a full file system is the end of the tape',
    );
    await b.locate(2);
    t.equal(await b.filemarks(2), 'd/0002 EOM 2');
  });
}

void t.test('SSC-4 6.4: SILI', async t => {
  const b = await bench(new ArrayTape());
  await b.write(record(100));
  await b.rewind();
  const short = await b.read(300, { sili: true });
  t.equal(heard(short), '0');
  t.equal(short.totalIn, 100);
  t.same(short.data, record(100));
  await b.rewind();
  const long = await b.read(40, { sili: true });
  t.equal(heard(long), '0', 'a longer record, BLOCK LENGTH 0');
  t.same(long.data, record(100).subarray(0, 40));
  await b.setBlock(64);
  await b.rewind();
  t.equal(heard(await b.read(40, { sili: true })), '0/0000 ILI -60', 'a longer record, BLOCK LENGTH not 0');
  await b.rewind();
  t.equal(heard(await b.read(300, { sili: true })), '0');
  await b.rewind();
  const both = await b.read(1, { sili: true, fixed: true });
  t.equal(heard(both), '5/2400');
  t.equal(pointed(both), 'cdb 1.1');
  t.equal(heard(await b.read(300, { sili: true })), '0', 'nothing had moved');
  t.equal(heard(await b.read(300, { sili: true })), '8/0005 300', 'SILI hides no end');
});

void t.test('SSC-4 6.4, 6.8: what is refused, and lengths of 0', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  const fixed = await b.read(1, { fixed: true });
  t.equal(heard(fixed), '5/2400', 'FIXED with BLOCK LENGTH 0');
  t.equal(pointed(fixed), 'cdb 1.0');
  const write = await b.writeFixed(1, record(512));
  t.equal(heard(write), '5/2400');
  t.equal(write.wantedOut, 0, 'before any data was fetched');
  t.equal(heard(await b.read(0)), '0');
  t.equal(await b.say('0a 00 00 00 00 00'), '0');
  t.equal(medium.objects.length, 0);
  await b.setBlock(0x10000);
  const much = await b.read(257, { fixed: true });
  t.equal(heard(much), '5/2400', 'more than one buffer');
  t.equal(pointed(much), 'cdb 2');
  t.equal(heard(await b.read(256, { fixed: true })), '8/0005 256');
  t.equal(heard(await b.writeFixed(257, record(1))), '5/2400');
  t.equal(
    await b.say('0a 00 00 00 64 00', record(99)),
    '5/2400',
    'fewer bytes than the CDB says make no record',
  );
  t.equal(medium.objects.length, 0);
  t.equal(await b.say('08 04 00 00 00 00'), '5/2400', 'a reserved bit');
});

void t.test('SSC-4 6.4: as long as a record can be', async t => {
  const b = await bench(memoryCartridge());
  const limits = (await b.send('05 00 00 00 00 00')).data;
  const longest = limits.readUIntBE(1, 3);
  t.equal(await b.write(Buffer.alloc(longest, 0x5a)), '0');
  await b.rewind();
  const back = await b.read(longest);
  t.equal(heard(back), '0');
  t.equal(back.data.length, longest);
  t.equal(back.data.equals(Buffer.alloc(longest, 0x5a)), true);
});

void t.test('SSC-4, early warning: a small cartridge written to its end and read back', async t => {
  const b = await bench(memoryCartridge({ capacityBytes: 1 << 20 }));
  const said = new Map<string, number>();
  for (let i = 0; i < 40; i++) {
    const answer = await b.write(record(32 * 1024, i));
    said.set(answer, (said.get(answer) ?? 0) + 1);
  }
  t.equal([...said.keys()].join(', '), '0, 0/0002 EOM 0, d/0002 EOM 32768');
  const whole = said.get('0')! + said.get('0/0002 EOM 0')!;
  t.equal(whole, 32, 'as many as fit');
  t.equal(await b.filemarks(1), '0/0002 EOM 0', 'a filemark still goes behind them');
  await b.rewind();
  for (let i = 0; i < whole; i++) {
    const { data } = await b.read(32 * 1024);
    if (!data.equals(record(32 * 1024, i))) t.fail(`record ${i}`);
  }
  t.equal(heard(await b.read(32 * 1024)), '0/0001 FM 32768');
  t.equal(heard(await b.read(32 * 1024)), '8/0005 EOM 32768');
});

void t.test('SSC-4 6.9, 5.7: WRITE FILEMARKS', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  await b.write(record(10));
  t.equal(medium.syncs, 0, 'buffered: a write is not synchronised');
  t.equal(await b.filemarks(0), '0');
  t.equal(medium.syncs, 1, 'a count of 0 without IMMED synchronises');
  t.equal(medium.objects.length, 1);
  t.equal(await b.say('10 01 00 00 02 00'), '0', 'IMMED');
  t.equal(medium.syncs, 1);
  t.equal(medium.objects.length, 3);
  t.equal(await b.filemarks(1), '0');
  t.equal(medium.syncs, 2);
  t.equal(await b.say('10 02 00 00 01 00'), '5/2400', 'WSMK is obsolete');
  const at2 = '80 00 00 00 0000000000000002 000003 00';
  t.equal(await b.say(at2), '0');
  t.equal(medium.objects.length, 5, 'at the object it names');
  t.same(medium.objects.slice(1), ['filemark', 'filemark', 'filemark', 'filemark']);
  t.equal(await b.say('80 00 00 00 0000000000000009 000001 00'), '8/0005', 'beyond end of data');
  const elsewhere = await b.send('80 00 00 01 0000000000000000 000001 00');
  t.equal(pointed(elsewhere), 'cdb 3', 'there is one partition');
  t.equal(medium.objects.length, 5);
});

void t.test('SSC-4 8.3.1: BUFFERED MODE 0 puts every write on the medium', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  t.equal(await b.say('15 10 00 00 04 00', Buffer.of(0, 0, 0, 0)), '0');
  await b.write(record(10));
  t.equal(medium.syncs, 1);
  const immediate = await b.send('10 01 00 00 01 00');
  t.equal(heard(immediate), '5/2400', 'IMMED needs buffered mode');
  t.equal(pointed(immediate), 'cdb 1.0');
  t.equal((await b.send('1a 00 00 00 0c 00')).data[2], 0x00);
  t.equal(await b.say('15 10 00 00 04 00', Buffer.of(0, 0, 0x10, 0)), '0');
  await b.write(record(10));
  t.equal(medium.syncs, 1);
});

void t.test('SSC-4 6.6, 7.12: SPACE', async t => {
  const medium = new ArrayTape();
  // r0 r1 F2 r3 r4 F5 F6 r7
  medium.objects = [
    record(1),
    record(2),
    'filemark',
    record(3),
    record(4),
    'filemark',
    'filemark',
    record(5),
  ];
  const b = await bench(medium);
  const go = async (from: number, code: number, count: number): Promise<string> => {
    medium.at = from;
    return `${await b.space(code, count)} @${medium.at}`;
  };
  t.equal(await go(0, 0, 2), '0 @2', 'blocks');
  t.equal(await go(0, 0, 4), '0/0001 FM 2 @3', 'a filemark stops it on its far side');
  t.equal(await go(5, 0, -2), '0 @3');
  t.equal(await go(5, 0, -4), '0/0001 FM 2 @2', 'backwards on its near side');
  t.equal(await go(7, 0, 4), '8/0005 3 @8');
  t.equal(await go(1, 0, -3), '0/0004 EOM 2 @0', 'beginning of partition');
  t.equal(await go(0, 1, 2), '0 @6', 'filemarks');
  t.equal(await go(0, 1, 4), '8/0005 1 @8');
  t.equal(await go(8, 1, -1), '0 @6');
  t.equal(await go(8, 1, -3), '0 @2');
  t.equal(await go(8, 1, -5), '0/0004 EOM 2 @0');
  t.equal(await go(3, 0, 0), '0 @3', 'no count, no movement');
  t.equal(await go(3, 3, 0), '0 @8', 'end of data');
  t.equal(await go(0, 3, -7), '0 @8', 'its count is ignored');
  medium.at = 0;
  t.equal(await b.say('11 01 7f ff ff 00'), '8/0005 8388604', 'mt eod');
  for (const code of [4, 5, 0xf]) {
    const refused = await b.send(`11 ${hex(code, 2)} 00 00 01 00`);
    t.equal(`${heard(refused)} ${pointed(refused)}`, '5/2400 cdb 1.3', `code ${code}`);
  }
  // r0 r1 F2 r3 r4 F5 F6 r7: sequential filemarks
  t.equal(await go(0, 2, 1), '0 @3');
  t.equal(await go(0, 2, 2), '0 @7', 'two with nothing between them');
  t.equal(await go(8, 2, -2), '0 @5', 'backwards to the near side of the first');
  t.equal(await go(4, 2, -1), '0 @2');
  t.equal(await go(0, 2, 3), '8/0005 3 @8', 'no three in a row');
  t.equal(await go(8, 2, -3), '0/0004 EOM 3 @0');
  t.equal(await go(3, 2, 0), '0 @3');
  const space16 = (code: number, count: bigint, parameters = 0): Promise<string> =>
    b.say(
      `91 ${hex(code, 2)} 0000 ${BigInt.asUintN(64, count).toString(16).padStart(16, '0')} ${hex(parameters, 4)} 0000`,
    );
  medium.at = 0;
  t.equal(await space16(1, 3n), '0');
  t.equal(medium.at, 7);
  t.equal(await space16(0, -2n), '0/0001 FM 2');
  t.equal(
    await space16(0, 0x7fff_ffff_ffff_ffffn),
    '0/0001 FM',
    'a residual too wide for fixed sense is not VALID',
  );
  t.equal(await space16(3, 0n), '0');
  t.equal(medium.at, 8);
  t.equal(await space16(0, 1n, 16), '5/2400', 'a parameter list is for explicit addresses');
});

void t.test('SSC-4 6.3, 7.4: LOCATE', async t => {
  const medium = new ArrayTape();
  medium.objects = [record(1), 'filemark', record(2), 'filemark', record(3)];
  const b = await bench(medium);
  const ends = async (cdb: string): Promise<string> => `${await b.say(cdb)} @${medium.at}`;
  t.equal(await ends('2b 00 00 00000003 00 00 00'), '0 @3');
  t.equal(await ends('2b 04 00 00000001 00 00 00'), '0 @1', 'BT, as mt seek sends it');
  t.equal(await ends('2b 00 00 00000005 00 00 00'), '0 @5', 'to end of data');
  t.equal(await ends('2b 00 00 00000006 00 00 00'), '8/0005 @5', 'not beyond it');
  t.equal(await ends('2b 02 00 00000002 00 00 00'), '0 @2', 'CP to the partition it is in');
  t.equal(await ends('2b 01 00 00000000 00 07 00'), '0 @0', 'PARTITION without CP is ignored; IMMED');
  const other = await b.send('2b 02 00 00000002 00 01 00');
  t.equal(`${heard(other)} ${pointed(other)}`, '5/2400 cdb 8');
  t.equal(await ends('92 00 00 00 0000000000000004 00000000'), '0 @4');
  t.equal(await ends('92 00 00 00 0000000100000000 00000000'), '8/0005 @5', 'a number of more than 32 bits');
  t.equal(await ends('92 08 00 00 0000000000000001 00000000'), '0 @2', 'logical file 1');
  t.equal(await ends('92 08 00 00 0000000000000000 00000000'), '0 @0', 'logical file 0');
  t.equal(await ends('92 08 00 00 0000000000000002 00000000'), '0 @4');
  t.equal(await ends('92 08 00 00 0000000000000003 00000000'), '8/0005 @5');
  await b.rewind();
  t.equal(await ends('92 18 00 00 0000000000000000 00000000'), '0 @5', 'end of data');
  const reserved = await b.send('92 10 00 00 0000000000000000 00000000');
  t.equal(`${heard(reserved)} ${pointed(reserved)}`, '5/2400 cdb 1.4');
  const partition = await b.send('92 02 00 02 0000000000000000 00000000');
  t.equal(pointed(partition), 'cdb 3');
});

void t.test('SSC-4 7.7: READ POSITION', async t => {
  const medium = new ArrayTape();
  medium.objects = [record(1), 'filemark', record(2), 'filemark', record(3)];
  const b = await bench(medium);
  const at = async (action: string, length = 0): Promise<string> =>
    (await b.send(`34 ${action} 00000000 00 ${hex(length, 4)} 00`)).data.toString('hex');
  t.equal(await at('00'), `80${'00'.repeat(19)}`, 'short form, beginning of partition');
  await b.locate(4);
  t.equal(await at('00'), '0000000000000004000000040000000000000000');
  t.equal(await at('01'), '0000000000000004000000040000000000000000', 'mt tell');
  t.equal(await at('06'), `${'00'.repeat(8)}00000000000000040000000000000002${'00'.repeat(8)}`, 'long form');
  const extended = `0000001c000000000000000000000004000000000000000400${'00'.repeat(7)}`;
  t.equal(await at('08', 32), extended, 'extended form');
  t.equal(await at('08', 12), extended.slice(0, 24), 'cut to ALLOCATION LENGTH');
  t.equal(await at('08', 0), '');
  const reserved = await b.send('34 02 00');
  t.equal(`${heard(reserved)} ${pointed(reserved)}`, '5/2400 cdb 1.4');

  Object.defineProperty(medium, 'position', { get: () => ({ object: 2 ** 32, file: 1 }) });
  t.equal(await at('00'), `02${'00'.repeat(19)}`, 'PERR: more than 32 bits can say');
  t.equal((await at('06')).slice(16, 32), '0000000100000000');
});

void t.test('SSC-4 7.10, 6.2, 5.2: REWIND and ERASE', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  for (let i = 0; i < 5; i++) await b.write(record(i + 1));
  t.equal(await b.say('01 01'), '0', 'IMMED');
  t.equal(medium.syncs, 1, 'what was written is safe before the tape moves');
  t.equal(medium.at, 0);
  await b.locate(4);
  t.equal(await b.say('19 00'), '0');
  t.equal(medium.objects.length, 4);
  t.equal(medium.syncs, 2);
  await b.locate(3);
  t.equal(await b.say('19 03'), '0', 'LONG and IMMED');
  t.equal(medium.objects.length, 3);
  t.equal(medium.syncs, 2);
  t.equal(heard(await b.read(9)), '8/0005 9');
  t.equal(await b.say('93 01 00 00 0000000000000001 00000000'), '0');
  t.equal(medium.objects.length, 1);
  t.equal(await b.say('93 01 00 00 0000000000000002 00000000'), '8/0005');
  t.equal(medium.objects.length, 1);
});

void t.test('SSC-4 7.3, 7.5: LOAD UNLOAD and PREVENT ALLOW MEDIUM REMOVAL', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  await b.write(record(10));
  await b.write(record(10));
  t.equal(await b.say('1b 00 00 00 00 00'), '0', 'unload');
  t.equal(medium.syncs, 1, 'what was written is safe');
  t.equal(medium.closed, false, 'the cartridge stays in the drive');
  for (const cdb of [
    '00',
    '08 00 00 00 01 00',
    '0a 00 00 00 00 00',
    '01',
    '11 00 00 00 01 00',
    '34 00',
    '2b',
    '19',
    '10',
    '13',
  ]) {
    t.equal(await b.say(cdb), '2/3a00', `NOT READY: ${cdb}`);
  }
  t.equal(await b.say('44 01 00 00 00 00 00 00 40 00'), '2/3a00', 'densities of no cartridge');
  t.equal(await b.say('05'), '0', 'READ BLOCK LIMITS needs none');
  t.equal(
    (await b.send('1a 00 00 00 0c 00')).data.toString('hex'),
    '0b0010080000000000000000',
    'nor MODE SENSE',
  );
  t.equal(await b.say('1b 00 00 00 00 00'), '0', 'unload again');
  t.equal(await b.say('1b 00 00 00 09 00'), '0', 'HOLD and LOAD leave it unthreaded');
  t.equal(await b.say('00'), '2/3a00');
  t.equal(await b.say('1b 00 00 00 01 00'), '0', 'load');
  t.equal(await b.say('00'), '0', 'no unit attention for who asked');
  t.equal(heard(await b.b.send(0, '00')), '6/2800', 'but for the others');
  t.equal(heard(await b.b.send(0, '00')), '0');
  t.equal(medium.at, 0);
  await b.locate(2);
  t.equal(await b.say('1b 01 00 00 03 00'), '0', 'load of a loaded one with RETEN: rewound');
  t.equal(medium.at, 0);
  t.equal(heard(await b.b.send(0, '00')), '0');
  const both = await b.send('1b 00 00 00 05 00');
  t.equal(`${heard(both)} ${pointed(both)}`, '5/2400 cdb 4.2', 'EOT with LOAD');

  t.equal(heard(await b.b.send(0, '1e 00 00 00 01 00')), '0', 'prevented by another nexus');
  t.equal(await b.say('1b 00 00 00 00 00'), '5/5302');
  t.equal(await b.say('00'), '0');
  t.equal(await b.say('1b 00 00 00 08 00'), '0', 'HOLD keeps it in');
  t.equal(await b.say('1b 00 00 00 01 00'), '0');
  await b.b.clear();
  b.device.detach(b.b.nexus);
  t.equal(await b.say('1b 00 00 00 00 00'), '0', 'the nexus that prevented it is gone');

  const empty = await bench();
  t.equal(await empty.say('00'), '2/3a00');
  t.equal(await empty.say('1b 00 00 00 01 00'), '2/3a00', 'nothing to load');
  await empty.unit.insert(new ArrayTape());
  t.equal(await empty.say('00'), '6/2800', 'a cartridge has come');
  t.equal(await empty.say('00'), '0');
});

void t.test('closing a drive closes its cartridge and synchronises nothing', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  await b.write(record(10));
  await b.unit.close();
  t.equal(medium.syncs, 0);
  t.equal(medium.closed, true);
  t.equal(await b.say('00'), '2/3a00', 'nothing is in it any more');
  await b.unit.close();
});

void t.test('a synchronise that fails is told, and tried again', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  await b.write(record(10));
  const sync = medium.sync.bind(medium);
  medium.sync = () => {
    throw new MediumError('io', 0, 'no');
  };
  t.equal(await b.filemarks(0), '3/0c00');
  t.equal(await b.rewind(), '3/1100');
  medium.sync = sync;
  t.equal(await b.filemarks(0), '0');
  t.equal(medium.syncs, 1);
});

void t.test('SSC-4 7.6: READ BLOCK LIMITS', async t => {
  const b = await bench(new ArrayTape());
  t.equal((await b.send('05')).data.toString('hex'), '00ffffff0001');
  t.equal((await b.send('05 01')).data.toString('hex'), `${'00'.repeat(12)}001fffffffffffff`, 'MLOI');
});

void t.test('SSC-4 7.9: REPORT DENSITY SUPPORT', async t => {
  const b = await bench(new ArrayTape());
  const of = (media: number, length = 0xffff): Promise<Answer> =>
    b.send(`44 ${hex(media, 2)} 0000000000 ${hex(length, 4)} 00`);
  const { data } = await of(0);
  t.equal(data.readUInt16BE(0), data.length - 2);
  const codes = [];
  for (let at = 4; at < data.length; at += 52) codes.push(data[at]);
  t.same(codes, [0x46, 0x58, 0x5a, 0x5c, 0x5e, 0x60], 'all that it reads, ascending');
  const lto6 = data.subarray(4 + 2 * 52, 4 + 3 * 52);
  t.equal(lto6[2], 0xa0, 'WRTOK and DEFLT');
  t.equal(data[4 + 2], 0x80, 'another is no default');
  t.equal(lto6.subarray(24, 32).toString(), 'U-616   ');
  t.equal(lto6.readUInt32BE(12), 2_500_000);
  const media = (await of(1)).data;
  t.equal(media.length, 56, 'what is in it');
  t.equal(media[4], 0x5a);
  t.equal(media.readUInt32BE(16), 3, "the cartridge's own capacity");
  t.same((await of(0, 6)).data, data.subarray(0, 6));
  const types = (await of(2)).data;
  t.equal(types.readUInt16BE(0), types.length - 2);
  t.equal(types.length, 4 + 12 * 56, 'medium types: each for data and for WORM');
  t.equal(types.subarray(4, 10).toString('hex'), '480000340146', 'LTO-4 for data, one density');
  t.equal(types[4 + 56], 0x4c, 'LTO-4 for WORM');
  t.equal((await of(3)).data.subarray(4, 10).toString('hex'), '68000034015a', 'the one that is in it');
  t.equal((await b.send('1a 00 00 00 0c 00')).data[4], 0x5a, 'the density of the block descriptor');
});

void t.test('SSC-4 8.3: mode parameters', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  t.equal(
    (await b.send('1a 00 00 00 0c 00')).data.toString('hex'),
    '0b0010085a00000000000000',
    "st's page 0",
  );
  t.equal(await b.setBlock(1024), '0');
  t.equal(heard(await b.b.send(0, '00')), '6/2a01', 'the others learn of it');
  t.equal(await b.say('00'), '0');
  t.equal((await b.send('1a 00 00 00 0c 00')).data.toString('hex'), '0b0010085a00000000000400');
  t.equal(await b.setBlock(1024), '0');
  t.equal(heard(await b.b.send(0, '00')), '0', 'no change, no attention');
  medium.writeProtected = true;
  t.equal((await b.send('1a 00 00 00 0c 00')).data[2], 0x90, 'WP');
  medium.writeProtected = false;

  const select = async (list: string): Promise<string> => {
    const bytes = Buffer.from(list.replaceAll(' ', ''), 'hex');
    const answer = await b.send(`15 10 00 00 ${hex(bytes.length, 2)} 00`, bytes);
    return `${heard(answer)} ${pointed(answer)}`.trim();
  };
  t.equal(await select('00001008 5a00000000000200'), '0', 'its own density');
  t.equal(await select('00001008 7f00000000000200'), '0', 'the same density');
  t.equal(await select('00001008 5800000000000200'), '5/2600 list 4', 'another density');
  t.equal(await select('00001008 0000000500000200'), '5/2600 list 5', 'for some blocks only');
  t.equal(await select('00003000'), '5/2600 list 2.6', 'a buffered mode that is reserved');
  t.equal(await select('00001300'), '5/2600 list 2.3', 'a speed');
  t.equal(await select('00001008 0000000000000400 0f0a'), '5/2600 list 13', 'a page of wrong length');
  t.equal(b.unit.blockLength, 0x200, 'and nothing of that list was taken');

  const page = async (code: string, control = 0): Promise<string> =>
    (await b.send(`1a 08 ${hex((control << 6) | Number.parseInt(code, 16), 2)} 00 ff 00`)).data
      .subarray(4)
      .toString('hex');
  t.equal(await page('0f'), '0f0e4080000000010000000100000000', 'data compression: capable, not enabled');
  t.equal(await page('0f', 1), '0f0e8000000000000000000000000000', 'DCE may be changed');
  t.equal(await page('10'), '100e0000000000004000180000000000', 'device configuration');
  t.equal(await select('00001000 0f0ec080000000010000000100000000'), '0');
  t.equal(b.unit.compression, true);
  t.equal(await page('0f'), '0f0ec080000000010000000100000000');
  t.equal(await page('10'), '100e0000000000004000180000000100', 'SELECT DATA COMPRESSION ALGORITHM follows');
  t.match(await page('01'), /^010a/);
  t.match(await page('02'), /^020e/);
  t.match(await page('0a'), /^0a0a/);
  t.match(await page('1c'), /^1c0a/);
  t.equal(await b.say('1a 00 1f 00 ff 00'), '5/2400', "a changer's page");

  await new Promise<void>(resolve => b.unit.reset(resolve));
  t.equal(await b.say('00'), '6/2900');
  t.equal(b.unit.blockLength, 0, 'a reset brings back variable blocks');
  t.equal(b.unit.compression, false);
});

void t.test('SSC-4: write protection', async t => {
  const medium = new ArrayTape();
  const b = await bench(medium);
  await b.write(record(10));
  medium.writeProtected = true;
  for (const cdb of ['0a 00 00 00 00 00', '10 00 00 00 00 00', '10 00 00 00 01 00', '80', '19', '93']) {
    t.equal(await b.say(cdb), '7/2700', cdb);
  }
  await b.rewind();
  t.equal(heard(await b.read(10)), '0', 'reading goes on');
  medium.writeProtected = false;
  const control = (await b.send('1a 08 0a 00 ff 00')).data;
  control[0] = 0;
  control[4 + 4]! |= 0x08; // SWP
  t.equal(await b.say('15 10 00 00 10 00', control), '0');
  t.equal(await b.write(record(10)), '7/2700');
  t.equal((await b.send('1a 00 00 00 0c 00')).data[2], 0x90);
});

void t.test('SSC-4 6.7: VERIFY', async t => {
  const medium = new ArrayTape();
  medium.objects = [record(10), record(20), 'filemark'];
  const b = await bench(medium);
  const verify = (fixed: number, length: number): Promise<Answer> =>
    b.send(`13 ${hex(fixed, 2)} ${hex(length, 6)} 00`);
  const good = await verify(0, 10);
  t.equal(heard(good), '0');
  t.equal(good.data.length, 0);
  t.equal(heard(await verify(0, 15)), '0/0000 ILI -5');
  t.equal(heard(await verify(0, 15)), '0/0001 FM 15');
  await b.setBlock(10);
  await b.rewind();
  t.equal(heard(await verify(1, 3)), '0/0000 ILI 2');
  medium.bad = 0;
  await b.rewind();
  t.equal(heard(await verify(1, 3)), '3/1100 3');
  t.equal(heard(await verify(2, 3)), '5/2400', 'BYTCMP');
});

void t.test(
  'SSC-4 5.4, 6.5, 7.8: READ REVERSE and RECOVER BUFFERED DATA are refused, as LTO drives do',
  async t => {
    const b = await bench(new ArrayTape());
    for (const [name, cdb] of [
      ['READ REVERSE(6)', '0f'],
      ['READ REVERSE(16)', '81'],
      ['RECOVER BUFFERED DATA', '14'],
      ['READ(10)', '28'],
    ] as const) {
      t.equal(await b.say(cdb), '5/2000', name);
    }
  },
);

void t.test('SPC-4 6.8: LOG SENSE', async t => {
  const b = await bench(new ArrayTape());
  await b.write(record(300));
  await b.rewind();
  await b.read(300);
  const log = (page: number, pointer = 0, length = 0xffff): Promise<Answer> =>
    b.send(`4d 00 ${hex(0x40 | page, 2)} 00 00 ${hex(pointer, 4)} ${hex(length, 4)} 00`);
  t.equal((await log(0)).data.toString('hex'), '0000001000020305060c10111214171b2e303132');
  const sequential = (await log(0x0c)).data;
  t.equal(sequential.readUInt16BE(2), sequential.length - 4);
  t.equal(sequential.subarray(4, 16).toString('hex'), '00000008000000000000012c', 'bytes written');
  t.equal(sequential.subarray(28, 40).toString('hex'), '00020008000000000000012c', 'bytes read');
  const alerts = (await log(0x2e)).data;
  t.equal(alerts.length, 4 + 64 * 5);
  t.equal(alerts.subarray(4, 9).toString('hex'), '0001030100');
  t.equal((await log(0x2e, 64)).data.toString('hex'), 'ae0000050040030100', 'from the parameter pointer on');
  t.equal(pointed(await log(0x2e, 65)), 'cdb 5', 'no such parameter');
  t.equal((await log(0x2e, 0, 3)).data.length, 3);
  t.equal(pointed(await log(0x13)), 'cdb 2.5', 'no such page');
  t.equal(await b.say('4d 01 40'), '5/2400');
  t.equal(
    (await b.send('4d 00 80 00 00 00 00 00 ff 00')).data.toString('hex'),
    '0000001000020305060c10111214171b2e303132',
    'whatever PC says',
  );
});

void t.test('SSC-4 8.4.2: VPD B0h, and INQUIRY', async t => {
  const b = await bench(new ArrayTape());
  t.equal((await b.send('12 01 b0 00 ff 00')).data.toString('hex'), '01b000020100', 'WORM');
  t.equal((await b.send('12 01 00 00 ff 00')).data.includes(0xb0, 4), true);
  const { data } = await b.send('12 00 00 00 60 00');
  t.equal(data.subarray(0, 3).toString('hex'), '018006', 'a removable sequential-access device');
});

void t.test('medium commands run in order of arrival', async t => {
  const medium = Object.assign(new ArrayTape(), { later: true });
  const b = await bench(medium);
  let release = (): void => {};
  const held = new Promise<void>(resolve => {
    release = resolve;
  });
  const slow = b.a.send(0, '0a 00 00 00 05 00', { out: record(5), holdData: held });
  const others = [b.write(record(6)), b.rewind(), b.read(5)] as const;
  t.equal(heard(await b.send('05')), '0', 'READ BLOCK LIMITS does not wait');
  t.equal(medium.objects.length, 0, 'nothing overtakes the write that waits for its data');
  release();
  t.equal(heard(await slow), '0');
  t.equal(await others[0], '0');
  t.equal(await others[1], '0');
  t.equal(heard(await others[2]), '0');
  t.same(
    medium.objects.map(o => o.length),
    [5, 6],
  );
});

void t.test('a long read can be aborted', async t => {
  const medium = Object.assign(new ArrayTape(), { later: true });
  const b = await bench(medium);
  await b.setBlock(1);
  await b.writeFixed(200, record(200));
  await b.rewind();
  const reading = b.read(200, { fixed: true });
  await new Promise(resolve => setImmediate(resolve));
  await new Promise<void>(resolve => b.unit.abort(() => true, resolve));
  t.equal((await reading).aborted, true);
  t.ok(medium.at < 200, 'it stopped early');
});

void t.test('SSC-4, reservations, and every row', async t => {
  const b = await bench(new ArrayTape());
  const access = new Map(b.unit.commands.all().map(row => [row.name, row.access]));
  for (const name of [
    'READ(6)',
    'READ(16)',
    'SPACE(6)',
    'SPACE(16)',
    'LOCATE(10)',
    'LOCATE(16)',
    'REWIND',
    'VERIFY(6)',
    'VERIFY(16)',
    'READ POSITION LONG FORM',
  ]) {
    t.equal(access.get(name), 'read', name);
  }
  for (const name of [
    'WRITE(6)',
    'WRITE(16)',
    'ALLOW OVERWRITE',
    'FORMAT MEDIUM',
    'SET CAPACITY',
    'SECURITY PROTOCOL OUT',
    'WRITE FILEMARKS(6)',
    'WRITE FILEMARKS(16)',
    'ERASE(6)',
    'ERASE(16)',
    'LOAD UNLOAD',
  ]) {
    t.equal(access.get(name), 'write', name);
  }
  for (const name of ['READ BLOCK LIMITS', 'REPORT DENSITY SUPPORT', 'LOG SENSE']) {
    t.equal(access.get(name), 'always', name);
  }
  for (const row of b.unit.commands.all()) {
    if (row.medium === true && row.opcode !== 0) t.equal(row.ordering, 'exclusive', row.name);
  }
});

/** Repeatable numbers: mulberry32. */
function random(seed: number): (below: number) => number {
  return below => {
    seed = (seed + 0x6d2b79f5) | 0;
    let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** What a drive should do, as plainly as can be said: `object` is the position, `said` what is heard. */
class Model {
  tape: Stored[] = [];
  at = 0;
  blockLength = 0;

  read(count: number, fixed: boolean): { said: string; data: Buffer } {
    const parts: Buffer[] = [];
    const length = fixed ? this.blockLength : count;
    const records = fixed ? count : Math.min(count, 1);
    for (let left = records; left > 0; left--) {
      const residual = fixed ? left : length;
      const next = this.tape[this.at];
      if (next === undefined) return { said: `8/0005 ${residual}`, data: Buffer.concat(parts) };
      this.at++;
      if (next === 'filemark') return { said: `0/0001 FM ${residual}`, data: Buffer.concat(parts) };
      parts.push(next.subarray(0, length));
      if (next.length !== length) {
        const wrong = fixed ? left : length - next.length;
        return { said: `0/0000 ILI ${wrong}`, data: Buffer.concat(parts) };
      }
    }
    return { said: '0', data: Buffer.concat(parts) };
  }
  put(...objects: Stored[]): void {
    if (objects.length > 0) this.tape.length = this.at;
    this.tape.push(...objects);
    this.at += objects.length;
  }
  space(code: number, count: number): string {
    const step = Math.sign(count);
    for (let left = Math.abs(count); left > 0;) {
      const next = this.tape[step > 0 ? this.at : this.at - 1];
      if (next === undefined) return step > 0 ? `8/0005 ${left}` : `0/0004 EOM ${left}`;
      this.at += step;
      if (code === 1) left -= next === 'filemark' ? 1 : 0;
      else if (next === 'filemark') return `0/0001 FM ${left}`;
      else left--;
    }
    return '0';
  }
}

void t.test('a drive and a model of it, the same commands at random', async t => {
  const seed = Number(process.env['SANLET_SEED'] ?? Date.now() % 1_000_000);
  t.comment(`SANLET_SEED=${seed}`);
  const rnd = random(seed);
  const b = await bench(memoryCartridge());
  const model = new Model();
  const lengths = [1, 7, 512, 512, 512, 1000, 4096];
  const some = (): number => lengths[rnd(lengths.length)]!;
  const log: string[] = [];

  const steps: (() => Promise<[string, string]>)[] = [
    async () => {
      const data = record(some(), rnd(80));
      model.put(data);
      log.push(`write ${data.length}`);
      return [await b.write(data), '0'];
    },
    async () => {
      const count = rnd(6);
      if (model.blockLength === 0) return ['', ''];
      const data = record(count * model.blockLength, rnd(80));
      log.push(`write fixed ${count}`);
      for (let i = 0; i < count; i++) {
        model.put(Buffer.from(data.subarray(i * model.blockLength, (i + 1) * model.blockLength)));
      }
      return [heard(await b.writeFixed(count, data)), '0'];
    },
    async () => {
      const count = rnd(3);
      log.push(`filemarks ${count}`);
      model.put(...Array.from({ length: count }, (): Stored => 'filemark'));
      return [await b.filemarks(count), '0'];
    },
    async () => {
      const fixed = model.blockLength > 0 && rnd(2) === 0;
      const count = fixed ? rnd(8) : rnd(10) === 0 ? 0 : some();
      log.push(`read ${count} ${fixed}`);
      const got = await b.read(count, { fixed });
      const want = model.read(count, fixed);
      return [`${heard(got)} ${got.data.toString('base64')}`, `${want.said} ${want.data.toString('base64')}`];
    },
    async () => {
      const code = rnd(2);
      const count = rnd(17) - 8;
      log.push(`space ${code} ${count}`);
      return [await b.space(code, count), model.space(code, count)];
    },
    async () => {
      const object = rnd(model.tape.length + 3);
      log.push(`locate ${object}`);
      model.at = Math.min(object, model.tape.length);
      return [await b.locate(object), object > model.tape.length ? '8/0005' : '0'];
    },
    async () => {
      const marks = model.tape.flatMap((o, i) => (o === 'filemark' ? [i + 1] : []));
      const file = rnd(marks.length + 3);
      log.push(`locate file ${file}`);
      model.at = file === 0 ? 0 : (marks[file - 1] ?? model.tape.length);
      const said = await b.say(`92 08 00 00 ${hex(file, 16)} 00000000`);
      return [said, file > marks.length ? '8/0005' : '0'];
    },
    async () => {
      model.blockLength = [0, 1, 512, 1000][rnd(4)]!;
      log.push(`setblk ${model.blockLength}`);
      return [await b.setBlock(model.blockLength), '0'];
    },
    async () => {
      if (rnd(8) > 0) return ['', ''];
      log.push('erase');
      model.tape.length = model.at;
      return [await b.say('19 01'), '0'];
    },
    async () => {
      log.push('space to end of data');
      model.at = model.tape.length;
      return [await b.space(3, 0), '0'];
    },
  ];

  for (let i = 0; i < 5000; i++) {
    const [got, want] = await steps[rnd(steps.length)]!();
    const { data } = await b.send('34 06');
    const place = `@${data.readBigUInt64BE(8)} file ${data.readBigUInt64BE(16)}`;
    const wanted = `@${model.at} file ${model.tape.slice(0, model.at).filter(o => o === 'filemark').length}`;
    if (got !== want || place !== wanted || data[0] !== (model.at === 0 ? 0x80 : 0)) {
      t.equal(`${got} ${place}`, `${want} ${wanted}`, `step ${i}: ${log.slice(-12).join('; ')}`);
      return;
    }
  }
  t.ok(model.tape.length > 0);
  t.ok(log.length > 3000, 'enough was done');
});
