/** SSC-4 8.5 by clause: tape data encryption, in process. */
import t from 'tap';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { inspect, keyCheckOf, seal } from '../../lib/scsi-cmds/ssc/encryption/record-cipher.ts';
import { ArrayTape } from '../harness/array-tape.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';
import { heard, hexOf as hex, pointed, record, type TapeBench, tapeBench } from '../harness/tape-bench.ts';

const page = async (b: TapeBench, code: number, who: Commander = b.a, length = 0xffff): Promise<Answer> =>
  who.send(0, `a2 20 ${hex(code, 4)} 00 00 ${hex(length, 8)} 00 00`);
const body = async (b: TapeBench, code: number, who: Commander = b.a): Promise<Buffer> => {
  const { data } = await page(b, code, who);
  if (data.readUInt16BE(0) !== code || data.readUInt16BE(2) !== data.length - 4) throw new Error('no page');
  return data.subarray(4);
};

interface Request {
  scope?: number;
  lock?: boolean;
  flags?: number;
  encryption?: number;
  decryption?: number;
  algorithm?: number;
  key?: Buffer;
  kad?: Buffer;
  kadFormat?: number;
}
function list(of: Request): Buffer {
  const key = of.key ?? Buffer.alloc(0);
  const head = Buffer.alloc(20);
  head.writeUInt16BE(0x0010, 0);
  head[4] = ((of.scope ?? 2) << 5) | (of.lock === true ? 1 : 0);
  head[5] = of.flags ?? 0;
  head[6] = of.encryption ?? 2;
  head[7] = of.decryption ?? 2;
  head[8] = of.algorithm ?? 1;
  head[10] = of.kadFormat ?? 0;
  head.writeUInt16BE(key.length, 18);
  const all = Buffer.concat([head, key, of.kad ?? Buffer.alloc(0)]);
  all.writeUInt16BE(all.length - 4, 2);
  return all;
}
const put = (b: TapeBench, bytes: Buffer, who: Commander = b.a): Promise<Answer> =>
  who.send(0, `b5 20 0010 00 00 ${hex(bytes.length, 8)} 00 00`, { out: bytes });
const set = async (b: TapeBench, of: Request, who: Commander = b.a): Promise<string> => {
  const answer = await put(b, list(of), who);
  return `${heard(answer)} ${pointed(answer)}`.trim();
};
const KEY = Buffer.alloc(32, 0x11);
const OTHER_KEY = Buffer.alloc(32, 0x22);
const kad = (type: number, text: string): Buffer =>
  Buffer.concat([Buffer.of(type, 0, 0, text.length), Buffer.from(text)]);

void t.test('SPC-4 6.40, SSC-4 8.5.2: SECURITY PROTOCOL IN', async t => {
  const b = await tapeBench(new ArrayTape());
  t.equal((await b.send('a2 00 0000 00 00 000000ff 00 00')).data.toString('hex'), '00000000000000020020');
  const padded = await b.send('a2 00 0000 80 00 00000001 00 00');
  t.equal(padded.data.length, 512, 'INC_512');
  t.equal(
    (await b.send('a2 00 0001 00 00 000000ff 00 00')).data.toString('hex'),
    '00000000',
    'no certificate',
  );
  t.equal(pointed(await b.send('a2 00 0002 00 00 000000ff 00 00')), 'cdb 2');
  t.equal(pointed(await b.send('a2 21 0000 00 00 000000ff 00 00')), 'cdb 1', 'another protocol');
  t.equal(pointed(await b.send('a2 20 0000 80 00 00000001 00 00')), 'cdb 4.7', 'INC_512');
  t.equal(pointed(await page(b, 0x0031)), 'cdb 2', 'no key to wrap keys with');
  t.equal((await body(b, 0x0000)).toString('hex'), '00000001001000110012002000210030');
  t.equal((await body(b, 0x0001)).toString('hex'), '0010');
  t.equal((await body(b, 0x0011)).toString('hex'), '00', 'keys in plain text');
  t.equal((await body(b, 0x0012)).toString('hex'), '010700070000000000000000');
  const capabilities = await body(b, 0x0010);
  t.equal(capabilities.subarray(0, 16).toString('hex'), `05${'00'.repeat(15)}`);
  t.equal(
    capabilities.subarray(16).toString('hex'),
    '01000014b5980020000c0020280000000000000000010014',
    'AES-256-GCM, 32 bytes of key',
  );
  const random = await body(b, 0x0030);
  t.equal(random.length, 32);
  t.notSame(await body(b, 0x0030), random);
  t.equal((await page(b, 0x0010, b.a, 6)).data.length, 6);
  t.equal((await body(b, 0x0020)).toString('hex'), '00'.repeat(20), 'nothing is set');
});

void t.test('SPC-4 6.41, SSC-4 8.5.3: SECURITY PROTOCOL OUT, what is refused', async t => {
  const b = await tapeBench(new ArrayTape());
  t.equal(pointed(await b.send('b5 21 0010 00 00 00000014 00 00', list({}))), 'cdb 1');
  t.equal(pointed(await b.send('b5 20 0011 00 00 00000014 00 00', list({}))), 'cdb 2');
  t.equal(pointed(await b.send('b5 20 0010 00 00 7fffffff 00 00')), 'cdb 6', 'more than any page has');
  t.equal(await b.say('b5 20 0010 00 00 00000000 00 00'), '0', 'nothing at all');
  t.equal(heard(await put(b, list({ key: KEY }).subarray(0, 12))), '5/1a00');
  const wrong: readonly [string, string, Request][] = [
    ['a scope', '4.7', { scope: 3, key: KEY }],
    ['CEEM', '5.7', { flags: 0x80, key: KEY }],
    ['RDMC', '5.5', { flags: 0x10, key: KEY }],
    ['SDK', '5.3', { flags: 0x08, key: KEY }],
    ['CKORP without a reservation', '5.1', { flags: 0x02, key: KEY }],
    ['CKORL without a reservation', '5.0', { flags: 0x01, key: KEY }],
    ['an encryption mode', '6', { encryption: 3, key: KEY }],
    ['a decryption mode', '7', { decryption: 4, key: KEY }],
    ['an algorithm', '8', { algorithm: 0, key: KEY }],
    ['no key', '18', {}],
    ['a short key', '18', { key: KEY.subarray(1) }],
    ['a short key for nothing', '18', { encryption: 0, decryption: 0, key: KEY.subarray(1) }],
    ['data without encryption', '52', { encryption: 0, key: KEY, kad: kad(1, 'name') }],
    ['a nonce', '52', { key: KEY, kad: kad(2, 'nonce') }],
    ['data twice', '60', { key: KEY, kad: Buffer.concat([kad(1, 'name'), kad(1, 'name')]) }],
    ['too much of it', '54', { key: KEY, kad: kad(1, 'more than twelve') }],
    ['data that is cut', '52', { key: KEY, kad: Buffer.of(1, 0) }],
  ];
  for (const [what, where, of] of wrong) t.equal(await set(b, of), `5/2600 list ${where}`, what);
  t.equal(
    await set(b, { encryption: 0, decryption: 0, algorithm: 0, key: KEY }),
    '0',
    'off, as stenc sends it',
  );
  t.equal((await body(b, 0x0020)).subarray(1, 4).toString('hex'), '000000');
  await b.b.clear();
  const longer = list({ key: KEY });
  longer.writeUInt16BE(longer.length, 2);
  t.equal(pointed(await put(b, longer)), 'list 2', 'PAGE LENGTH');
  t.equal((await body(b, 0x0020)).subarray(1, 4).toString('hex'), '000000', 'nothing of all that was taken');
  await b.say('1b 00 00 00 00 00');
  t.equal(await set(b, { flags: 0x04, key: KEY }), '5/2600 list 5.2', 'CKOD without a cartridge');
});

void t.test('SSC-4 4.2.22: records are encrypted, and read with their key only', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  await b.write(record(100));
  const names = Buffer.concat([kad(0, 'for people'), kad(1, 'key 1')]);
  t.equal(await set(b, { key: KEY, kad: names, decryption: 3 }), '0');
  t.equal(heard(await b.b.send(0, '00')), '6/2a11', 'the others are told');
  const secret = Buffer.from('a secret that is nowhere on the tape'.repeat(10));
  t.equal(await b.write(secret), '0');
  t.equal(await b.filemarks(1), '0');

  await medium.locate(1);
  const lies = await medium.peek();
  const stored = Buffer.alloc(lies.kind === 'record' ? lies.storedBytes : 0);
  await medium.read(stored);
  t.notOk(stored.includes('secret'), 'not in plain text');
  t.notOk(stored.includes(KEY.subarray(0, 8)), 'nor the key');
  t.match(inspect(stored), { length: secret.length, noRawReads: false });
  t.ok(stored.includes('key 1'), 'its name is');

  await b.rewind();
  t.equal(heard(await b.read(100)), '0', 'MIXED: what is not encrypted is read too');
  const next = await body(b, 0x0021);
  t.equal(next.readBigUInt64BE(0), 1n);
  t.equal(next.subarray(8, 12).toString('hex'), '35010000', 'not compressed, encrypted, and the key is here');
  t.equal(next.subarray(12).toString('hex'), `0001000a${hexText('for people')}01020005${hexText('key 1')}`);
  const back = await b.read(secret.length);
  t.equal(heard(back), '0');
  t.same(back.data, secret);
  t.equal((await body(b, 0x0021))[8], 0x22, 'a filemark is no block');
  const status = await body(b, 0x0020);
  t.equal(status.subarray(0, 10).toString('hex'), '42020301000000010000');
  t.equal(status.subarray(20, 24).toString('hex'), '0000000a', 'the data that goes with the key');

  t.equal(await set(b, { key: KEY }), '0', 'DECRYPT');
  await b.rewind();
  t.equal(heard(await b.read(100)), '7/7402 100', 'UNENCRYPTED DATA ENCOUNTERED WHILE DECRYPTING');
  t.equal(await b.object(), 0, 'the position stays');
  t.equal(await set(b, { key: OTHER_KEY }), '0');
  await b.locate(1);
  t.equal((await body(b, 0x0021))[8], 0x06, 'not with this key');
  t.equal(heard(await b.read(500)), '7/7403 500', 'INCORRECT DATA ENCRYPTION KEY');
  t.equal(await b.object(), 1);
  t.equal(await set(b, { encryption: 0, decryption: 0 }), '0');
  t.equal(heard(await b.read(500)), '7/7401 500', 'UNABLE TO DECRYPT DATA');
  t.equal(await b.object(), 1);
  t.equal(heard(await b.send('13 00 0001f4 00')), '7/7401 500', 'VERIFY(6)');
  t.equal(await b.space(0, 1), '0', 'it can be passed over');
  await b.locate(1);
  t.equal(await set(b, { key: KEY, encryption: 0 }), '0', 'decryption alone');
  t.same((await b.read(secret.length)).data, secret);
  await b.rewind();
  t.equal(await b.write(record(50)), '0');
  await b.rewind();
  t.match(await medium.peek(), { coding: 0 }, 'ENCRYPTION MODE 0 writes in plain text');
});

const hexText = (text: string): string => Buffer.from(text).toString('hex');

void t.test('SSC-4 4.2.22: a record that was tampered with', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  await set(b, { key: KEY, kad: kad(1, 'key 1') });
  const data = record(1000);
  await b.write(data);
  await medium.rewind();
  const object = await medium.peek();
  if (object.kind !== 'record') throw new Error('no record');
  const stored = Buffer.alloc(object.storedBytes);
  await medium.read(stored);
  for (const at of [1, 8, 25, 34, 500, stored.length - 1]) {
    const changed = Buffer.from(stored);
    changed[at]! ^= 1;
    await medium.rewind();
    await medium.write(changed, { length: 1000, coding: object.coding });
    await medium.rewind();
    t.equal(heard(await b.read(1000)), '7/7404 1000', `byte ${at}`);
    t.equal(await b.object(), 0);
  }
  for (const length of [0, 1, 31, 47]) {
    await medium.rewind();
    await medium.write(Buffer.concat([stored.subarray(0, length), Buffer.of(0)]), {
      length: 1000,
      coding: object.coding,
    });
    await medium.rewind();
    t.equal(heard(await b.read(1000)), '7/7404 1000', `cut to ${length}`);
  }
  await medium.rewind();
  await medium.write(stored, { length: 1000, coding: object.coding });
  await medium.rewind();
  t.same((await b.read(1000)).data, data);
});

void t.test(
  'SSC-4 4.2.22: two records of the same bytes look different, and compress before they are encrypted',
  async t => {
    const medium = memoryCartridge();
    const b = await tapeBench(medium);
    const on = Buffer.from('000010000f0ec080000000010000000100000000', 'hex');
    t.equal(await b.say('15 10 00 00 14 00', on), '0');
    await set(b, { key: KEY });
    const data = record(40_000);
    await b.write(data);
    await b.write(data);
    await medium.rewind();
    const [one, two] = [Buffer.alloc(4000), Buffer.alloc(4000)];
    t.match(await medium.read(one), { coding: 3, length: 40_000 });
    await medium.read(two);
    t.notSame(one.subarray(32), two.subarray(32));
    t.ok(medium.usedBytes < 8000);
    await b.rewind();
    t.equal((await body(b, 0x0021))[8], 0x45, 'compressed and encrypted');
    t.same((await b.read(40_000)).data, data);
  },
);

void t.test('SSC-4 4.2.22: the longest record there is, encrypted', async t => {
  const b = await tapeBench(memoryCartridge());
  await set(b, { key: KEY, kad: Buffer.concat([kad(0, 'x'.repeat(32)), kad(1, 'y'.repeat(12))]) });
  const longest = Buffer.alloc(0xffffff, 0x5a);
  t.equal(await b.write(longest), '0');
  await b.rewind();
  const back = await b.read(longest.length);
  t.equal(heard(back), '0');
  t.ok(back.data.equals(longest));
});

void t.test('SSC-4 4.2.22: raw reads, and external encryption', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  await set(b, { key: KEY, kad: kad(1, 'key 1') });
  await b.write(record(1000));
  await set(b, { key: KEY, flags: 0x30 });
  await b.write(record(1000));
  await set(b, { encryption: 0, decryption: 1 });
  await b.rewind();
  const raw = await b.read(5000);
  t.match(heard(raw), /^0\/0000 ILI /, 'as long as it is stored');
  t.match(inspect(raw.data), { length: 1000, noRawReads: false });
  t.equal(heard(await b.read(5000)), '7/7401 5000', 'RDMC 11b: not this one');
  t.equal(await b.object(), 1);

  const copy = await tapeBench(memoryCartridge());
  await set(copy, { encryption: 1, decryption: 1 });
  t.equal(await copy.write(raw.data), '0', 'EXTERNAL writes it as it is');
  t.match(await copy.write(record(1000)), /^7\/7404/, 'and nothing that is not encrypted');
  await copy.rewind();
  await set(copy, { key: KEY });
  t.same((await copy.read(1000)).data, record(1000), 'a copy that its key opens');
});

void t.test('SSC-4 4.2.22: WRITE(6) of sealed records that are made up', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  const sealed = (length: number, compressed = false): Buffer =>
    seal(record(10), KEY, keyCheckOf(KEY), {
      format: 0,
      authenticated: Buffer.alloc(0),
      unauthenticated: Buffer.alloc(0),
      noRawReads: false,
      compressed,
      length,
    });
  await set(b, { encryption: 1, decryption: 1 });
  for (const [length, compressed] of [
    [0, false],
    [9, false],
    [60_000, false],
    [0x0100_0000, true],
    [0xffff_ffff, true],
    [0, true],
  ] as const) {
    t.match(await b.write(sealed(length, compressed)), /^7\/7404/, `${length} bytes, ${compressed}`);
  }
  t.equal(medium.end.object, 0);
  // One that lies on the cartridge already, which others may have made.
  await medium.write(sealed(60_000), { length: 60_000, coding: 2 });
  await medium.write(sealed(10), { length: 60_000, coding: 2 });
  await set(b, { key: KEY });
  await b.rewind();
  for (const what of ['7/7404 60000', '3/1100 60000']) {
    const { data, ...answer } = await b.read(60_000);
    t.equal(heard({ data, ...answer }), what);
    t.equal(data.length, 0, 'and nothing that somebody else has read');
    await b.locate(1);
  }
});

void t.test('SSC-4 4.2.22: DECRYPT meets a compressed record that is not encrypted', async t => {
  const b = await tapeBench(memoryCartridge());
  const on = Buffer.from('000010000f0ec080000000010000000100000000', 'hex');
  t.equal(await b.say('15 10 00 00 14 00', on), '0');
  await b.write(record(40_000));
  await set(b, { key: KEY });
  await b.rewind();
  t.equal(heard(await b.read(40_000)), '7/7402 40000', 'READ(6)');
  t.equal(await b.object(), 0, 'the position stays');
  t.equal(heard(await b.send('13 00 009c40 00')), '7/7402 40000', 'VERIFY(6)');
  await set(b, { key: KEY, decryption: 3 });
  t.same((await b.read(40_000)).data, record(40_000), 'MIXED');
});

void t.test('SSC-4 8.5.2.8: the next block is damaged: asking for its status does not pass it', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  await set(b, { key: KEY });
  await b.write(record(100));
  await b.write(record(100));
  await b.rewind();
  const read = medium.read.bind(medium);
  medium.read = async into => {
    await read(into);
    throw new MediumError('corrupt', 0, 'record 0 fails its checksum');
  };
  t.equal(heard(await page(b, 0x0021)), '3/1100');
  t.equal(await b.object(), 0);
  medium.read = read;
  t.same((await b.read(100)).data, record(100));
});

void t.test('SPC-4 6.41: SECURITY PROTOCOL OUT leaves no key in the buffer of the transport', async t => {
  const b = await tapeBench(new ArrayTape());
  const brought: Buffer[] = [];
  const arrived = b.unit.dataArrived.bind(b.unit);
  b.unit.dataArrived = task => {
    brought.push(task.dataOut);
    arrived(task);
  };
  for (const of of [{ key: KEY }, { key: KEY, encryption: 3 }, { key: KEY, kad: kad(2, 'nonce') }]) {
    await put(b, list(of));
  }
  const long = Buffer.concat([list({ key: KEY }), Buffer.of(0)]);
  t.equal(pointed(await put(b, long)), 'list 2');
  t.equal(brought.length, 4);
  for (const bytes of brought) t.notOk(bytes.includes(KEY.subarray(0, 4)));
});

void t.test(
  'SSC-4 8.5.3: MODE SELECT and SECURITY PROTOCOL OUT through a view that may only read',
  async t => {
    const b = await tapeBench(memoryCartridge());
    await set(b, { key: KEY });
    await b.write(record(100));
    await b.rewind();
    const view = { map: new Map([[0, { name: 't0', readOnly: true }]]), sights: new Map() };
    const reader = await new Commander(b.device, {
      ...nexus('iqn.test:reader', '400000000003'),
      view,
    }).clear();
    t.equal(await set(b, { key: OTHER_KEY }, reader), '7/2700', 'a key for all');
    t.equal(await set(b, { encryption: 0, decryption: 0 }, reader), '7/2700', 'or none');
    t.equal(heard(await b.send('00')), '0', 'the others are told nothing');
    t.equal((await body(b, 0x0020)).subarray(0, 8).toString('hex'), '4202020100000001');
    t.equal(await set(b, { scope: 1, encryption: 0, key: KEY }, reader), '0', 'one of its own to read with');
    t.same((await reader.send(0, '08 00 000064 00')).data, record(100));

    const compression = Buffer.from('000010000f0ec080000000010000000100000000', 'hex');
    const select = async (cdb: string, list = ''): Promise<string> =>
      heard(await reader.send(0, cdb, { out: Buffer.from(list, 'hex') }));
    t.equal(heard(await reader.send(0, '15 10 00 00 14 00', { out: compression })), '7/2700', 'a page');
    t.equal(await select('15 12 00 00 00 00'), '7/2700', 'RTD');
    t.equal(await select('4c 02 c0 00 00 00 00 00 00 00'), '7/2700', 'LOG SELECT');
    t.equal(await select('82 00 02'), '7/2700', 'ALLOW OVERWRITE');
    t.equal(b.unit.compression, false);
    t.equal(await select('15 10 00 00 0c 00', '000010080000000000000200'), '0', 'setblk of st');
    t.equal(b.unit.blockLength, 512);
  },
);

void t.test('SSC-4 8.5.3: SCOPE, LOCK and the key instance counter', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  t.equal(await set(b, { key: KEY }), '0');
  await b.b.clear();
  t.equal(await set(b, { scope: 1, key: OTHER_KEY }, b.b), '0', 'one nexus has its own');
  t.equal(heard(await b.send('00')), '0', 'which is no matter to the others');
  t.equal((await body(b, 0x0020, b.b)).subarray(0, 8).toString('hex'), '2102020100000002');
  t.equal((await body(b, 0x0020)).subarray(0, 8).toString('hex'), '4202020100000001');
  await b.write(record(10));
  await b.b.send(0, '0a 00 00000a 00', { out: record(10, 7) });
  await b.rewind();
  t.same((await b.read(10)).data, record(10));
  t.equal(heard(await b.read(10)), '7/7403 10', "the other's");
  t.same((await b.b.send(0, '08 00 00000a 00')).data, record(10, 7));
  t.equal(await set(b, { scope: 0 }, b.b), '0', 'back to what is shared');
  t.equal((await body(b, 0x0020, b.b)).subarray(0, 8).toString('hex'), '0202020100000001');

  t.equal(await set(b, { scope: 0, lock: true }, b.b), '0', 'LOCK');
  t.equal(heard(await b.b.send(0, '0a 00 00000a 00', { out: record(10) })), '0');
  t.equal(await set(b, { key: OTHER_KEY }), '0');
  await b.b.clear();
  t.equal(
    heard(await b.b.send(0, '0a 00 00000a 00', { out: record(10) })),
    '7/2a13',
    'another key than it was locked to',
  );
  t.equal(await b.write(record(10)), '0');
  t.equal(await set(b, { scope: 0 }, b.b), '0');
  t.equal(heard(await b.b.send(0, '0a 00 00000a 00', { out: record(10) })), '0');
});

void t.test('SSC-4 4.2.22: what ends a set of parameters', async t => {
  const medium = memoryCartridge();
  const b = await tapeBench(medium);
  const modes = async (who = b.a): Promise<string> =>
    (await body(b, 0x0020, who)).subarray(1, 3).toString('hex');
  await set(b, { key: KEY });
  await b.b.clear();
  await b.say('1b 00 00 00 00 00');
  await b.say('1b 00 00 00 01 00');
  t.equal(await modes(), '0202', 'without CKOD it outlives the cartridge');
  await b.b.clear();
  await set(b, { key: KEY, flags: 0x04 });
  await b.b.clear();
  await b.say('1b 00 00 00 00 00');
  t.equal(heard(await b.b.send(0, '00')), '6/2a12', 'changed by another event');
  t.equal(await b.say('00'), '6/2a12');
  t.equal(await modes(), '0000', 'CKOD');
  await b.say('1b 00 00 00 01 00');
  await b.b.clear();
  await set(b, { scope: 1, key: KEY });
  b.device.detach(b.a.nexus);
  b.device.attach(b.a.nexus);
  await b.a.clear();
  t.equal(await modes(), '0000', 'a nexus that is lost loses its own');
  await set(b, { key: KEY });
  await b.b.clear();
  await new Promise<void>(resolve => b.unit.reset(resolve));
  await b.a.clear();
  t.equal(await modes(), '0000', 'a reset');
  t.equal(b.unit.encryption.any, false);
});

void t.test('SSC-4 8.5.3: CKORP and CKORL, the key goes with the reservation', async t => {
  const reserve = async (who: Commander, action: number, key: string, list: string, type = 3) => {
    const out = Buffer.from(`${key}${list}`.padEnd(48, '0'), 'hex');
    return heard(await who.send(0, `5f ${hex(action, 2)} ${hex(type, 2)} 0000 00000018 00`, { out }));
  };
  const [mine, other] = ['00000000000000aa', '00000000000000bb'];
  const none = '0000000000000000';
  for (const [what, flags, end, cleared] of [
    ['CKORL, released', 0x01, 'release', true],
    ['CKORL, cleared', 0x01, 'clear', true],
    ['CKORL, preempted', 0x01, 'preempt', true],
    ['CKORP, released', 0x02, 'release', false],
    ['CKORP, preempted', 0x02, 'preempt', true],
    ['neither, preempted', 0x00, 'preempt', false],
  ] as const) {
    const b = await tapeBench(memoryCartridge());
    t.equal(await reserve(b.a, 0, none, mine), '0');
    t.equal(await reserve(b.b, 0, none, other), '0');
    t.equal(await reserve(b.a, 1, mine, ''), '0');
    t.equal(await set(b, { key: KEY, flags }), '0', what);
    if (end === 'release') t.equal(await reserve(b.a, 2, mine, ''), '0');
    else if (end === 'clear') t.equal(await reserve(b.a, 3, mine, ''), '0');
    else {
      await b.b.clear();
      t.equal(await reserve(b.b, 4, other, mine), '0');
    }
    t.equal(b.unit.encryption.any, !cleared, what);
  }
  const b = await tapeBench(memoryCartridge());
  t.equal(await b.say('16'), '0', 'RESERVE(6)');
  t.equal(await set(b, { key: KEY, flags: 0x01 }), '0');
  t.equal(await b.say('17'), '0');
  t.equal(b.unit.encryption.any, false);
});
