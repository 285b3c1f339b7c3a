/** SSC-4 8.2 by clause: the log pages of a tape drive, and the VPD pages that go with them. */
import t from 'tap';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { ArrayTape } from '../harness/array-tape.ts';
import { hexOf as hex, pointed, record, type TapeBench, tapeBench } from '../harness/tape-bench.ts';

/** Parameters by code. */
async function page(b: TapeBench, code: number): Promise<Map<number, Buffer>> {
  const { data } = await b.send(`4d 00 ${hex(0x40 | code, 2)} 00 00 0000 ffff 00`);
  if ((data[0]! & 0x3f) !== code || data.readUInt16BE(2) !== data.length - 4) throw new Error('no page');
  const all = new Map<number, Buffer>();
  for (let at = 4; at < data.length; at += 4 + data[at + 3]!) {
    all.set(data.readUInt16BE(at), data.subarray(at + 4, at + 4 + data[at + 3]!));
  }
  return all;
}
const number = (parameters: Map<number, Buffer>, code: number): number =>
  [...parameters.get(code)!].reduce((sum, byte) => sum * 256 + byte, 0);
const numbers = async (b: TapeBench, code: number, ...of: number[]): Promise<number[]> => {
  const parameters = await page(b, code);
  return of.map(each => number(parameters, each));
};

const compression = '000010000f0ec080000000010000000100000000';

void t.test('SSC-4 8.2.2: LOG SENSE of sequential access', async t => {
  const b = await tapeBench(memoryCartridge({ capacityBytes: 100_000_000 }));
  await b.write(Buffer.alloc(3_000_000, 1));
  await b.write(Buffer.alloc(4_000_000, 1));
  await b.locate(1);
  await b.read(4_000_000);
  t.same(await numbers(b, 0x0c, 0, 1, 2, 3), [7_000_000, 7_000_000, 4_000_000, 4_000_000]);
  t.same(await numbers(b, 0x0c, 4, 5, 6, 7), [7, 95, 5, 7], 'places, in megabytes');
  await b.locate(1);
  t.same(await numbers(b, 0x0c, 7), [3]);
  t.same(await numbers(b, 0x0c, 0x100), [0], 'never wants cleaning');
  t.equal(await b.say('4c 02 0c 00 00 00 00 0000 00'), '0', 'LOG SELECT with PCR');
  t.same(await numbers(b, 0x0c, 0, 1, 2, 3, 4), [0, 0, 0, 0, 7]);
  await b.say('1b 00 00 00 00 00');
  t.same([...(await page(b, 0x0c)).keys()], [0, 1, 2, 3, 0x100], 'no places without a cartridge');
});

void t.test('SSC-4 8.2.8: LOG SENSE of volume statistics', async t => {
  const medium = memoryCartridge({
    capacityBytes: 1_000_000_000,
    barcode: 'SAN001L6',
    mediaType: 'LTO-6',
    worm: true,
  });
  const b = await tapeBench(medium);
  t.equal(await b.say('15 10 00 00 14 00', Buffer.from(compression, 'hex')), '0');
  for (let i = 0; i < 10; i++) await b.write(Buffer.alloc(1_000_000, 7));
  await b.rewind();
  await b.read(1_000_000);
  const parameters = await page(b, 0x17);
  const is = (code: number): number => number(parameters, code);
  const text = (code: number): string => parameters.get(code)!.toString('latin1').trimEnd();
  t.equal(is(0x0000), 1);
  t.equal(is(0x0001), 1, 'thread count');
  t.same([is(0x0002), is(0x0007)], [10, 1], 'records');
  t.same([is(0x000e), is(0x000f), is(0x0010), is(0x0011)], [10, 1, 10, 1]);
  t.ok(is(0x0012) > 10_000, 'zeros shrink a hundredfold');
  t.same([is(0x0016), is(0x0017)], [1000, 0]);
  t.equal(text(0x0040), medium.label.uuid);
  t.equal(text(0x0042), 'SAN001L6');
  t.equal(text(0x0045), 'Ultrium-6');
  t.same([is(0x0080), is(0x0081)], [0, 1], 'not write protected, WORM');
  t.equal(parameters.get(0x0202)!.toString('hex'), '07000000000003e8', 'a record a partition');
  t.equal(parameters.get(0x0203)!.toString('hex'), '0700000000000000');
  t.equal(parameters.get(0x0204)!.toString('hex'), '07000000000003e7');
  await b.say('1b 00 00 00 00 00');
  t.same([...(await page(b, 0x17)).entries()], [[0, Buffer.of(0)]], 'PAGE VALID 0 without a cartridge');
});

void t.test('SSC-4 8.2.9: data compression, and the pages of LTO drives', async t => {
  const b = await tapeBench(memoryCartridge({ capacityBytes: 200 << 20 }));
  t.same(await numbers(b, 0x1b, 0, 1), [100, 100], 'nothing was moved');
  await b.write(Buffer.alloc(2_500_000, 1));
  for (const code of [0x1b, 0x32]) {
    t.same(await numbers(b, code, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), [
      ...[100, 100],
      ...[0, 0, 0, 0],
      ...[2, 500_000, 2, 500_000],
    ]);
  }
  t.same(await numbers(b, 0x31, 1, 2, 3, 4), [197, 0, 200, 0], 'tape capacity in MiB');
  t.same(await numbers(b, 0x30, 1, 2, 7), [1, 1, 0], 'tape usage');
  await b.say('1b 00 00 00 00 00');
  t.same(await numbers(b, 0x31, 1, 2, 3, 4), [0, 0, 0, 0]);
});

void t.test('SSC-4 8.2.3, 8.2.1, 8.4.4: TapeAlert', async t => {
  const medium = new ArrayTape();
  const b = await tapeBench(medium);
  const raised = async (): Promise<number[]> =>
    [...(await page(b, 0x2e))].filter(([, value]) => value[0] === 1).map(([flag]) => flag);
  t.equal((await page(b, 0x2e)).size, 64);
  t.same(await raised(), []);
  medium.writeProtected = true;
  await b.write(record(10));
  t.same(await raised(), [9], 'write protect');
  medium.writeProtected = false;
  await b.say('1e 00 00 00 01 00');
  await b.say('1b 00 00 00 00 00');
  t.same(await raised(), [9, 10], 'no removal');
  await b.say('1e 00 00 00 00 00');
  await b.write(record(10));
  await b.rewind();
  medium.bad = 0;
  await b.read(10);
  t.same(await raised(), [3, 5, 9, 10], 'a hard error, of reading');
  t.equal((await page(b, 0x12)).get(0)!.toString('hex'), '28c0000000000000', 'TapeAlert response');
  t.equal(await b.say('4c 02 2e 00 00 00 00 0000 00'), '0', 'LOG SELECT with PCR');
  t.same(await raised(), []);
  medium.fault = 'io';
  await b.rewind();
  await b.write(record(10));
  t.same(await raised(), [3, 6]);
  await b.say('1b 00 00 00 00 00');
  t.same(await raised(), [], 'they leave with the cartridge');
  t.equal(
    (await b.send('12 01 b2 00 ff 00')).data.toString('hex'),
    '01b200082cd0000000000010',
    'which there are',
  );

  const worm = await tapeBench(memoryCartridge({ worm: true }));
  await worm.write(record(10));
  await worm.rewind();
  await worm.write(record(10));
  t.equal((await page(worm, 0x2e)).get(60)![0], 1, 'WORM medium overwrite attempted');
});

void t.test('SSC-4 8.2.1, 8.2.4: DT device status and device statistics', async t => {
  const b = await tapeBench(memoryCartridge());
  const status = async (): Promise<string> => (await page(b, 0x11)).get(0)!.toString('hex');
  t.equal(await status(), '21170000', 'a cartridge, threaded and mounted; its memory can be read');
  await b.say('1e 00 00 00 01 00');
  t.equal(await status(), 'a1170000', 'its removal prevented');
  t.same(await numbers(b, 0x14, 0x0080, 0x0000, 0x000d), [1, 1, 1]);
  await b.say('1e 00 00 00 00 00');
  await b.say('1b 00 00 00 00 00');
  t.equal(await status(), '01340000', 'the robot may take it');
  await b.unit.eject();
  t.equal(await status(), '01200000', 'nothing in it');
  await b.unit.insert(memoryCartridge());
  await b.a.clear();
  t.same(await numbers(b, 0x14, 0x0000, 0x000d), [2, 2]);
  t.equal(await b.say('4c 02 14 00 00 00 00 0000 00'), '0');
  t.same(await numbers(b, 0x14, 0x0000, 0x000d), [2, 0]);
  t.equal((await page(b, 0x14)).get(0x0041)!.toString().trimEnd(), b.unit.identity.serial);
});

void t.test(
  'SPC-4 6.8: LOG SENSE, every page whole, from each parameter on, and behind the last',
  async t => {
    const b = await tapeBench(memoryCartridge());
    for (const code of (await b.send('4d 00 40 00 00 0000 ffff 00')).data.subarray(5)) {
      const codes = [...(await page(b, code)).keys()];
      t.same(
        codes,
        [...codes].sort((x, y) => x - y),
        `page ${hex(code, 2)}: ascending`,
      );
      const from = (pointer: number): string =>
        `4d 00 ${hex(0x40 | code, 2)} 00 00 ${hex(pointer, 4)} ffff 00`;
      const last = codes.at(-1)!;
      t.equal((await b.send(from(last))).data.readUInt16BE(4), last);
      t.equal(pointed(await b.send(from(last + 1))), 'cdb 5', 'PARAMETER POINTER out of range');
    }
  },
);

void t.test('SSC-4 8.4: VPD pages B1h, B3h and B5h; those that there are not are refused', async t => {
  const b = await tapeBench(memoryCartridge());
  const vital = async (code: number): Promise<string> =>
    (await b.send(`12 01 ${hex(code, 2)} 00 ff 00`)).data.subarray(4).toString('latin1');
  t.equal(await vital(0xb1), b.unit.identity.serial);
  t.equal(Buffer.from(await vital(0xb5), 'latin1').toString('hex'), '070104c000000000070204c000000000');
  for (const code of [0x01, 0x7f, 0xb3, 0xb4, 0xb6, 0xc0, 0xff]) {
    t.equal(pointed(await b.send(`12 01 ${hex(code, 2)} 00 ff 00`)), 'cdb 2', `page ${hex(code, 2)}`);
  }
  b.unit.inAutomation('LIBRARY1');
  t.equal(await vital(0xb3), 'LIBRARY1');
  t.ok((await vital(0x00)).includes('\xb3'));
});
