/** SPC-4 6.17, 6.51, 7.4 by clause: the medium auxiliary memory of the cartridge in a tape drive. */
import { join } from 'node:path';
import t from 'tap';
import { WHOLE_MEDIUM } from '../../lib/backends/tape-medium.ts';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { personalityNamed } from '../../lib/scsi-cmds/ssc/personality.ts';
import { ArrayTape } from '../harness/array-tape.ts';
import type { Answer } from '../harness/commands.ts';
import { heard, hexOf as hex, pointed, record, type TapeBench, tapeBench } from '../harness/tape-bench.ts';

const read = (
  b: TapeBench,
  action: number,
  first = 0,
  { length = 0xffff, partition = 0, volume = 0 } = {},
): Promise<Answer> =>
  b.send(
    `8c ${hex(action, 2)} 000000 ${hex(volume, 2)} 00 ${hex(partition, 2)} ${hex(first, 4)} ${hex(length, 8)} 00 00`,
  );

interface Told {
  readonly readOnly: boolean;
  readonly format: number;
  readonly value: Buffer;
}
function parse(data: Buffer): Map<number, Told> {
  const all = new Map<number, Told>();
  if (data.readUInt32BE(0) !== data.length - 4) throw new Error('AVAILABLE DATA');
  for (let at = 4; at < data.length;) {
    const length = data.readUInt16BE(at + 3);
    all.set(data.readUInt16BE(at), {
      readOnly: (data[at + 2]! & 0x80) !== 0,
      format: data[at + 2]! & 3,
      value: data.subarray(at + 5, at + 5 + length),
    });
    at += 5 + length;
  }
  return all;
}
const value = async (b: TapeBench, id: number, partition = 0): Promise<Buffer | undefined> => {
  const answer = await read(b, 0, id, { partition });
  return answer.status === 0 ? parse(answer.data).get(id)!.value : undefined;
};
const number = async (b: TapeBench, id: number): Promise<number> =>
  [...(await value(b, id))!].reduce((sum, byte) => sum * 256 + byte, 0);

const attribute = (id: number, format: number, bytes: Buffer | string): Buffer => {
  const body = Buffer.from(bytes as string, 'latin1');
  const head = Buffer.alloc(5);
  head.writeUInt16BE(id, 0);
  head[2] = format;
  head.writeUInt16BE(body.length, 3);
  return Buffer.concat([head, body]);
};
function list(...attributes: Buffer[]): Buffer {
  const body = Buffer.concat(attributes);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length, 0);
  return Buffer.concat([head, body]);
}
async function write(
  b: TapeBench,
  bytes: Buffer,
  { partition = 0, length = bytes.length } = {},
): Promise<string> {
  const answer = await b.send(`8d 01 000000 00 00 ${hex(partition, 2)} 0000 ${hex(length, 8)} 00 00`, bytes);
  return `${heard(answer)} ${pointed(answer)}`.trim();
}

void t.test('SPC-4 6.17, 7.4: READ ATTRIBUTE ATTRIBUTE VALUES', async t => {
  const medium = memoryCartridge({ capacityBytes: 1 << 30, barcode: 'SAN001L6', mediaType: 'LTO-6' });
  const b = await tapeBench(medium);
  await b.write(Buffer.alloc(3 << 20));
  const all = parse((await read(b, 0)).data);
  const text = (id: number): string => all.get(id)!.value.toString('latin1');
  const count = (id: number): number => Number(BigInt(`0x${all.get(id)!.value.toString('hex')}`));
  t.same(
    [...all.keys()],
    [...all.keys()].sort((x, y) => x - y),
    'in ascending order',
  );
  t.equal(count(0x0000), 1021, 'REMAINING CAPACITY IN PARTITION, in MiB');
  t.equal(count(0x0001), 1024);
  t.equal(text(0x0005), 'LTO-CVE ');
  t.equal(count(0x0006), 0x5a);
  t.equal(text(0x0008), 'SAN001L6'.padEnd(32));
  t.equal(text(0x0401), medium.label.uuid);
  t.equal(count(0x0402), 846);
  t.equal(count(0x0403), 127);
  t.equal(count(0x0408), 0x00);
  t.match(text(0x0406), /^20\d{6}$/);
  t.equal(
    text(0x020a),
    `SANLET  ${b.unit.identity.serial.padEnd(32)}`,
    'the drive that it was loaded in last',
  );
  t.equal(count(0x0222), 3, 'megabytes of this load');
  t.equal(count(0x0003), 1, 'LOAD COUNT');
  for (const [id, { readOnly }] of all) t.equal(readOnly, true, `${id.toString(16)} is the drive's`);

  const from = parse((await read(b, 0, 0x0400)).data);
  t.equal([...from.keys()][0], 0x0400, 'from FIRST ATTRIBUTE IDENTIFIER on');
  t.equal(pointed(await read(b, 0, 0x0800)), 'cdb 8', 'one that is not there');
  t.equal(pointed(await read(b, 0, 0x0fff)), 'cdb 8', 'one that is not known');
  t.equal(pointed(await read(b, 0, 0, { partition: 1 })), 'cdb 7');
  t.equal(pointed(await read(b, 0, 0, { volume: 1 })), 'cdb 5');
  t.equal(pointed(await b.send('8c 00 0001 00 00 00 00 0000 0000ffff 00 00')), 'cdb 3.0', 'of no element');
  t.equal(pointed(await read(b, 4)), 'cdb 1.4', 'a service action that is reserved');

  const whole = (await read(b, 0)).data;
  for (const length of [0, 3, 4, 9, 50]) {
    const cut = (await read(b, 0, 0, { length })).data;
    t.same(cut, whole.subarray(0, length), `ALLOCATION LENGTH ${length}: cut, and AVAILABLE DATA the same`);
  }
});

void t.test(
  'SPC-4 6.17: READ ATTRIBUTE ATTRIBUTE LIST, READ ATTRIBUTE LOGICAL VOLUME LIST, READ ATTRIBUTE PARTITION LIST and READ ATTRIBUTE SUPPORTED ATTRIBUTES',
  async t => {
    const b = await tapeBench(memoryCartridge());
    const ids = (data: Buffer): number[] =>
      Array.from({ length: data.readUInt32BE(0) / 2 }, (_, i) => data.readUInt16BE(4 + 2 * i));
    const there = ids((await read(b, 1)).data);
    t.same(there, [...parse((await read(b, 0)).data).keys()]);
    t.equal((await read(b, 2)).data.toString('hex'), '00020001', 'one logical volume');
    t.equal((await read(b, 3)).data.toString('hex'), '00020001', 'one partition');
    const known = ids((await read(b, 5)).data);
    t.ok(there.every(id => known.includes(id)));
    t.ok([0x0800, 0x0806, 0x080b, 0x080c, 0x0820].every(id => known.includes(id) && !there.includes(id)));
    t.equal(
      await write(b, list(attribute(0x1623, 0, Buffer.of(0x80)))),
      '0',
      "a vendor's: LTFS locks a volume by it",
    );
    t.ok(ids((await read(b, 1)).data).includes(0x1623));
    await b.say('1b 00 00 00 00 00');
    t.equal(heard(await read(b, 0)), '2/3a00');
    t.equal(await write(b, list()), '2/3a00');
  },
);

void t.test('SPC-4 6.51: WRITE ATTRIBUTE', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  const label = 'a label'.padEnd(160, '\0');
  t.equal(
    await write(
      b,
      list(
        attribute(0x0800, 1, 'VENDOR  '),
        attribute(0x0803, 2, label),
        attribute(0x0805, 0, Buffer.of(0x81)),
      ),
    ),
    '0',
  );
  t.equal((await value(b, 0x0803))!.toString('latin1'), label);
  const told = parse((await read(b, 0, 0x0800)).data);
  t.match(told.get(0x0800), { readOnly: false, format: 1 });
  t.match(told.get(0x0803), { format: 2 });
  t.equal(await write(b, list(attribute(0x0800, 1, ''))), '0', 'a length of 0 deletes');
  t.equal(await value(b, 0x0800), undefined);
  t.equal(await write(b, list(attribute(0x0800, 1, ''))), '0', 'what is not there, too');
  t.equal(await write(b, Buffer.alloc(0)), '0');
  t.equal(await write(b, list()), '0');

  const name = attribute(0x0801, 1, 'x'.repeat(32));
  const wrong: readonly [string, string, Buffer][] = [
    ['read only', '5/2600 list 4', list(attribute(0x0003, 0, Buffer.alloc(8)))],
    ['a medium attribute', '5/2600 list 4', list(attribute(0x0401, 1, 'x'.repeat(32)))],
    ['not known', '5/2600 list 4', list(attribute(0x0810, 0, Buffer.of(1)))],
    ['too short', '5/2600 list 7', list(attribute(0x0801, 1, 'short'))],
    ['too long', '5/2600 list 44', list(name, attribute(0x0802, 1, 'too long a name'))],
    ['of another format', '5/2600 list 6.1', list(attribute(0x0801, 0, 'x'.repeat(32)))],
    ['a format that is reserved', '5/2600 list 6.1', list(attribute(0x1623, 3, 'x'))],
    ['a reserved bit', '5/2600 list 6.5', list(attribute(0x0801, 0x21, 'x'.repeat(32)))],
    ['out of order', '5/2600 list 41', list(name, attribute(0x0800, 1, 'VENDOR  '))],
    ['twice', '5/2600 list 41', list(name, name)],
    ['data behind the list', '5/2600 list 0', Buffer.concat([list(name), Buffer.of(0)])],
    ['cut in a value', '5/1a00', list(name).subarray(0, 20)],
    ['cut in the header', '5/1a00', list(name).subarray(0, 3)],
    ['a value longer than the list', '5/1a00', Buffer.concat([Buffer.of(0, 0, 0, 6), name.subarray(0, 6)])],
    ['a header that is cut', '5/1a00', Buffer.concat([Buffer.of(0, 0, 0, 3), name.subarray(0, 3)])],
  ];
  for (const [what, said, bytes] of wrong) t.equal(await write(b, bytes), said, what);
  t.equal(await value(b, 0x0801), undefined, 'a list is written whole, or not at all');
  t.equal(
    await write(b, list(name), { length: list(name).length + 1 }),
    '5/1a00',
    'fewer bytes than the CDB says',
  );
  t.equal(await write(b, list(name), { length: 0x10000 }), '5/2400 cdb 10');
  t.equal(await write(b, list(name), { partition: 1 }), '5/2400 cdb 7');
  t.equal(pointed(await b.send('8d 01 0001 00 00 00 00 0000 00000000 00 00')), 'cdb 3.0', 'of no element');

  const full: string[] = [];
  for (let id = 0x1400; id < 0x1410; id++)
    full.push(await write(b, list(attribute(id, 0, Buffer.alloc(1000)))));
  t.equal([...new Set(full)].join(', '), '0, 5/5506', 'AUXILIARY MEMORY OUT OF SPACE');
  const left = await number(b, 0x0004);
  t.ok(left < 1005);
  t.equal(
    await write(b, list(attribute(0x1500, 0, Buffer.alloc(left - 5)))),
    '0',
    'MAM SPACE REMAINING is true',
  );
  t.equal(await number(b, 0x0004), 0);
  t.equal(await write(b, list(attribute(0x1501, 0, Buffer.of(1)))), '5/5506');

  const readOnly = await tapeBench(memoryCartridge({ readOnly: true }));
  t.equal(await write(readOnly, list(name)), '7/2700');
});

void t.test(
  'SPC-4 7.4: VOLUME COHERENCY INFORMATION and VOLUME CHANGE REFERENCE, as LTFS uses them',
  async t => {
    const medium = memoryCartridge();
    const b = await tapeBench(medium);
    const reference = (): Promise<number> => number(b, 0x0009);
    const first = await reference();
    t.ok(first > 0);
    t.equal(await reference(), first, 'nothing was written');
    await b.write(record(10));
    const second = await reference();
    t.not(second, first, 'something was');
    t.equal(await reference(), second);
    await b.filemarks(0);
    await b.rewind();
    await b.read(10);
    t.equal(await reference(), second, 'reading changes nothing');
    await b.filemarks(1);
    await b.filemarks(1);
    const third = await reference();
    t.not(third, second);
    await b.say('19 00');
    t.not(await reference(), third, 'ERASE(6)');
    const fourth = await reference();
    t.equal(
      await write(b, list(attribute(0x080c, 0, Buffer.alloc(70, 1)))),
      '0',
      'volume coherency information',
    );
    t.equal(await reference(), fourth, 'the attributes are no data');
    t.equal(await write(b, list(attribute(0x080c, 0, Buffer.alloc(22)))), '5/2600 list 7');
    await b.say('1b 00 00 00 00 00');
    await b.say('1b 00 00 00 01 00');
    t.equal(await reference(), fourth, 'nor is another load');
    t.equal((await value(b, 0x080c))!.length, 70);
    await b.rewind();
    await b.write(record(5));
    t.not(await reference(), fourth);
  },
);

void t.test('SPC-4 7.4: what a cartridge remembers of its loads', async t => {
  const medium = memoryCartridge({ mediaType: 'LTO-6' });
  const one = await tapeBench(medium);
  await one.write(Buffer.alloc(4_000_000));
  await one.unit.eject();
  const two = await tapeBench(undefined, { personality: personalityNamed('ULT3580-TD7') });
  await two.unit.insert(medium);
  await two.a.clear();
  await two.read(4_000_000);
  t.equal(await number(two, 0x0003), 2, 'LOAD COUNT');
  t.equal(await number(two, 0x0220), 4, 'written in its life');
  t.equal(await number(two, 0x0221), 4);
  t.equal(await number(two, 0x0222), 0, 'in this load');
  t.match((await value(two, 0x020b))!.toString(), /^SANLET {2}/, 'the load before');
  t.equal(await value(two, 0x020c), undefined, 'there was none');
  await two.say('1b 00 00 00 00 00');
  await two.say('1b 00 00 00 01 00');
  t.equal(await number(two, 0x0003), 3);
  t.equal(await number(two, 0x0221), 4);
  t.equal(await number(two, 0x0007), 0);
  t.equal(await two.say('04 00'), '0');
  t.equal(await number(two, 0x0007), 1, 'INITIALIZATION COUNT');
});

void t.test('a cartridge that says the impossible of itself', async t => {
  const medium = memoryCartridge();
  const full = (id: number, length: number) => ({ id, format: 0, value: Buffer.alloc(length, 0xff) });
  await medium.attributes.set(WHOLE_MEDIUM, [
    full(0x0003, 8),
    full(0x0007, 40),
    full(0x0009, 9),
    full(0x020a, 3),
    full(0x0406, 1),
    full(0x1000, 16),
  ]);
  const b = await tapeBench(medium);
  t.equal(await b.write(record(10)), '0');
  t.equal((await read(b, 0)).status, 0);
  t.equal((await b.send('4d 00 57 00 00 0000 ffff 00')).status, 0);
  await b.unit.eject();
  t.equal(await tapeBench(medium).then(c => c.write(record(10))), '0');
});

void t.test('a cartridge that cannot keep attributes', async t => {
  const medium = new ArrayTape();
  const b = await tapeBench(medium);
  medium.attributes.set = () => Promise.reject(new Error('no'));
  t.match(await b.write(record(10)), /^4\/4400/, 'nothing is written that would not be told');
  t.equal(medium.objects.length, 0);
  await b.unit.eject();
  t.equal(b.unit.cartridge, undefined, 'it can be taken out');
});

void t.test('attributes of a cartridge file are there when it is opened again', async t => {
  const path = join(t.testdir(), 'a.tape');
  const first = await openCartridgeFile({ path, capacityBytes: 100_000_000 });
  const one = await tapeBench(first);
  t.equal(
    await one.say('15 10 00 00 14 00', Buffer.from('00001000110e03013c0306000032ffff00000000', 'hex')),
    '0',
  );
  t.equal(await one.say('04 00 01 0000 00'), '0', 'two partitions');
  await one.write(record(10));
  const reference = await number(one, 0x0009);
  t.equal(await write(one, list(attribute(0x080c, 0, Buffer.alloc(70, 1)))), '0');
  t.equal(await write(one, list(attribute(0x080c, 0, Buffer.alloc(70, 2))), { partition: 1 }), '0');
  t.equal(await write(one, list(attribute(0x0806, 1, 'SAN001L6'.padEnd(32)))), '0');
  await one.unit.close();

  const two = await tapeBench(await openCartridgeFile({ path }));
  t.equal(await number(two, 0x0009), reference, 'the same reference');
  t.equal(await number(two, 0x0003), 2, 'another load');
  t.equal((await value(two, 0x080c))![0], 1);
  t.equal((await value(two, 0x080c, 1))![0], 2, 'each partition its own');
  t.match((await value(two, 0x0806, 1))!.toString(), /^SAN001L6/, 'the same in both');
  t.equal((await read(two, 3)).data.toString('hex'), '00020002', 'two partitions');
  await two.unit.close();
});
