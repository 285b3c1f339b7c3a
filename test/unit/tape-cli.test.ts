/** What `sanlet tape` does with cartridges and images, without a process for each; test/live has the words and outputs. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { WHOLE_MEDIUM, type TapePartition } from '../../lib/backends/tape-medium.ts';
import { createCartridge } from '../../lib/cli/tape/create.ts';
import { eraseCartridge } from '../../lib/cli/tape/erase.ts';
import { exportCartridge, type ExportWords, type Watch } from '../../lib/cli/tape/export.ts';
import { importImage, type ImportWords } from '../../lib/cli/tape/import.ts';
import { kindOf } from '../../lib/cli/tape/file-kinds.ts';
import { listCartridges } from '../../lib/cli/tape/list.ts';
import { MEDIA_TYPES, mediaTypeNamed, mediaTypeOfBarcode } from '../../lib/cli/tape/media-types.ts';
import { showCartridge, type ShownCartridge, type Teller } from '../../lib/cli/tape/show.ts';
import type { TapeFile } from '../../lib/cli/tape/contents.ts';
import { AttributeFormat, AttributeId } from '../../lib/scsi-cmds/ssc/attributes/identifiers.ts';
import { COMPRESSED, ENCRYPTED } from '../../lib/scsi-cmds/ssc/recording/coding.ts';
import { verifyCartridges, type Verified } from '../../lib/cli/tape/verify.ts';
import { pattern, Random, SEED } from '../harness/random.ts';

const { signal } = new AbortController();
const watch: Watch = {
  signal,
  begin: async () => ({ update: () => undefined, done: () => undefined }),
};

type Tape = readonly (Buffer | null)[];

/** A cartridge with these records, and filemarks for null. */
async function recorded(
  path: string,
  objects: Tape,
  options: { capacityBytes?: number; worm?: boolean } = {},
): Promise<string> {
  const medium = await openCartridgeFile({ path, barcode: 'SAN001L6', mediaType: 'LTO-6', ...options });
  for (const object of objects) await (object === null ? medium.writeFilemarks(1) : medium.write(object));
  await medium.close();
  return path;
}

async function content(path: string): Promise<(Buffer | null)[]> {
  const medium = await openCartridgeFile({ path, readOnly: true });
  const objects: (Buffer | null)[] = [];
  const into = Buffer.alloc(16 * 1024 * 1024);
  for (;;) {
    const object = await medium.read(into);
    if (object.kind === 'end-of-data') break;
    objects.push(object.kind === 'filemark' ? null : Buffer.from(into.subarray(0, object.length)));
  }
  await medium.close();
  return objects;
}

function same(t: Test, got: Tape, wanted: Tape, what: string): void {
  const differs = wanted.findIndex((each, i) => {
    const other = got[i];
    return each === null || other === null || other === undefined ? each !== other : !each.equals(other);
  });
  t.equal(differs, -1, `${what}: the same objects`);
  t.equal(got.length, wanted.length, `${what}: as many objects`);
}

const SAMPLE: Tape = [
  Buffer.from('VOL1SAN001'.padEnd(80)),
  null,
  ...Array.from({ length: 12 }, (_, i) => pattern(65_536, i)),
  pattern(4097, 99),
  null,
  null,
];

const leftovers = (directory: string): string[] =>
  readdirSync(directory).filter(name => name.startsWith('.') || name.includes('sanlet-lock'));

const exported = (path: string, out: string, words: ExportWords = {}) =>
  exportCartridge(path, out, words, watch);
const imported = (from: string, path: string, words: ImportWords = {}) =>
  importImage(from, path, words, watch);

/** What the command line ends with 2: words that are wrong. */
const usage = (message: RegExp) => ({ name: 'ConfigError', message });
/** What it ends with 1. */
const failure = (message: RegExp) => ({ name: 'Error', message });

/** A teller that keeps the files. */
function keeper(): { teller: Teller; files: TapeFile[] } {
  const files: TapeFile[] = [];
  const nothing = async (): Promise<void> => undefined;
  const teller: Teller = {
    cartridge: nothing,
    partition: nothing,
    record: nothing,
    partitionEnd: nothing,
    end: nothing,
    inUse: nothing,
    file: async file => void files.push(file),
  };
  return { teller, files };
}

async function filesOf(path: string): Promise<TapeFile[]> {
  const { teller, files } = keeper();
  await showCartridge(path, {}, teller, signal);
  return files;
}

void t.test('every format there and back', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  for (const extension of ['tap', 'aws', 'het']) {
    const image = join(directory, `image.${extension}`);
    const counts = { records: 14, filemarks: 3, bytes: 80 + 12 * 65_536 + 4097 };
    const notes = extension === 'tap' ? [] : [/65536 bytes, and Hercules reads records of up to 65535/];
    t.match(await exported(path, image), { ...counts, notes });
    const back = join(directory, `back-${extension}.tape`);
    t.match(await imported(image, back, { barcode: 'SAN009L9' }), {
      ...counts,
      notes: [],
      cartridge: { barcode: 'SAN009L9', mediaType: 'LTO-9', capacityBytes: 18e12 },
    });
    same(t, await content(back), SAMPLE, extension);
    await t.rejects(exported(path, image), usage(/is there already; --force writes over it$/));
    await t.rejects(imported(image, back), usage(/is there already; a cartridge is never written over/));
    writeFileSync(image, 'old');
    await exported(path, image, { force: true });
    t.ok(statSync(image).size > 300);
    const nameless = join(directory, `nameless-${extension}`);
    writeFileSync(nameless, readFileSync(image));
    const again = join(directory, `again-${extension}.tape`);
    await imported(nameless, again);
    same(t, await content(again), SAMPLE, `${extension}, by its content`);
  }
  await t.rejects(
    exported(path, join(directory, 'x')),
    usage(/the name .*\/x does not tell a format; name one with --format: simh, aws, het, raw$/),
  );
  await t.rejects(
    exported(path, 'x', { format: 'tar' }),
    usage(/^--format tar: a format is one of simh, aws, het, raw$/),
  );
  t.strictSame(leftovers(directory), []);
});

void t.test('one file of a tape as a plain file', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const out = join(directory, 'out');
  await exported(path, out, { format: 'raw', file: 1 });
  t.ok(readFileSync(out).equals(Buffer.concat(SAMPLE.slice(2, 15) as Buffer[])));
  const cases: [ExportWords, RegExp][] = [
    [{ format: 'raw' }, /has more than one file, and a plain file holds one: name it with --file$/],
    [{ format: 'raw', file: 3 }, /has no file 3$/],
    [{ format: 'simh', file: 0 }, /^--file is for --format raw/],
    [{ format: 'simh', partition: 1 }, /has no partition 1: partition 0 is all there is$/],
  ];
  for (const [words, sentence] of cases)
    await t.rejects(exported(path, join(directory, 'never'), words), usage(sentence));
  const blank = await recorded(join(directory, 'blank.tape'), []);
  await t.rejects(exported(blank, join(directory, 'never'), { format: 'raw' }), usage(/holds no records$/));
  await exported(blank, join(directory, 'blank.tap'));
  await t.rejects(
    imported(join(directory, 'blank.tap'), join(directory, 'never')),
    failure(/blank\.tap is empty, and no image of a tape$/),
  );
  t.notOk(existsSync(join(directory, 'never')));
  const made = join(directory, 'b.tape');
  await imported(out, made, { record: 10_240 });
  t.match(await filesOf(made), [
    {
      records: 78,
      shortest: 2049,
      longest: 10_240,
      runs: [
        { count: 77, bytes: 10_240 },
        { count: 1, bytes: 2049 },
      ],
    },
  ]);
});

void t.test('images that are damaged, and what is no image', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const image = join(directory, 'a.tap');
  await exported(path, image);
  const whole = readFileSync(image);
  const into = join(directory, 'never.tape');
  const cases: [Buffer, RegExp][] = [
    [whole.subarray(0, -1000), /a\.tap ends in the middle of the record of 4097 bytes at byte \d+$/],
    [
      Buffer.from(whole).fill(9, 70_000, 140_000),
      /a\.tap is damaged: the record of 65536 bytes at byte \d+ does not end with the length that it begins with$/,
    ],
    [Buffer.alloc(0), /a\.tap is empty, and no image of a tape$/],
    [
      Buffer.from('It was a bright cold day in April, and the clocks were striking thirteen.'),
      /a\.tap is no SIMH image, although its name ends in \.tap$/,
    ],
  ];
  for (const [bytes, sentence] of cases) {
    writeFileSync(image, bytes);
    await t.rejects(imported(image, into), failure(sentence));
  }
  const other = join(directory, 'other');
  writeFileSync(other, pattern(5000));
  await t.rejects(
    imported(other, into),
    failure(/is no image of a tape that is known here .*; --format raw makes one file of it/),
  );
  await t.rejects(imported(directory, into), usage(/is a directory, not an image of a tape$/));
  await t.rejects(imported(join(directory, 'none'), into), usage(/none does not exist$/));
  await t.rejects(
    imported(other, into, { record: 99_999_999 }),
    usage(/^--record 99999999: a record has up to 16777215 bytes$/),
  );
  await t.rejects(
    imported(other, into, { record: 512, format: 'aws' }),
    usage(/^--record is for --format raw/),
  );
  await exported(path, image, { force: true });
  await t.rejects(
    imported(image, into, { size: 100 * 1024 }),
    failure(
      /never\.tape would be full after 2 records, at byte \d+ of the image: it has 100 KiB; give a larger --size$/,
    ),
  );
  await t.rejects(imported(image, join(directory, 'none', 'x.tape')), failure(/\/none does not exist$/));
  t.notOk(existsSync(into), 'a cartridge that is not whole is not there');
  t.strictSame(leftovers(directory), []);
});

void t.test('what an image says that a cartridge has no place for is told', async t => {
  const directory = t.testdir({});
  const record = (kind: number): Buffer => {
    const marker = Buffer.alloc(4);
    marker.writeUInt32LE(((kind << 28) | 2) >>> 0);
    return Buffer.concat([marker, Buffer.from('ab'), marker]);
  };
  const image = join(directory, 'a.tap');
  writeFileSync(image, Buffer.concat([record(0), record(8), record(14), record(3), record(3)]));
  const { notes, records } = await imported(image, join(directory, 'a.tape'));
  t.equal(records, 2);
  t.strictSame(notes, [
    'the image says of 1 record that reading the tape had failed there; what it has of them was taken',
    '1 tape description was passed over: a cartridge has no place for that',
    '2 private records were passed over: a cartridge has no place for that',
  ]);
});

void t.test('cartridges that are none, cut, or of another version', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const whole = readFileSync(path);
  const out = join(directory, 'a.tap');
  const changed = (at: number, byte: number): Buffer => {
    const bytes = Buffer.from(whole);
    // The label is there twice.
    for (const label of [0, 4096]) bytes[label + at] = byte;
    return bytes;
  };
  const cases: [string, Buffer, RegExp][] = [
    ['not a cartridge', Buffer.from('text'), /is not a sanlet cartridge$/],
    ['long, and not a cartridge', pattern(20_000), /is not a sanlet cartridge$/],
    ['empty', Buffer.alloc(0), /is empty and not a sanlet cartridge$/],
    ['another version', changed(11, 99), /is a cartridge of version 99, and only /],
    ['a damaged label', changed(40, 0x78), /is a cartridge whose label is damaged$/],
    ['cut behind its label', whole.subarray(0, 3000), /is cut short: a cartridge has 98304 bytes at least/],
    ['cut inside its label', whole.subarray(0, 200), /is cut short within its label$/],
  ];
  for (const [what, bytes, sentence] of cases) {
    writeFileSync(path, bytes);
    const yes = async (): Promise<boolean> => true;
    await t.rejects(filesOf(path), failure(sentence), `show: ${what}`);
    await t.rejects(exported(path, out), failure(sentence), `export: ${what}`);
    await t.rejects(eraseCartridge(path, yes), failure(sentence), `erase: ${what}`);
    t.match(await listCartridges([path], signal), [{ path, problem: sentence }], `ls: ${what}`);
    t.ok(readFileSync(path).equals(bytes), 'and it is as it was');
  }
  t.notOk(existsSync(out));
  t.strictSame(leftovers(directory), []);
});

void t.test('a record that fails its checksum', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf(SAMPLE[5] as Buffer) + 30_000]! ^= 0x10;
  writeFileSync(path, bytes);
  await t.rejects(
    exported(path, join(directory, 'a.tap')),
    failure(/a\.tape: record 5, in file 1, fails its checksum$/),
  );
  t.notOk(existsSync(join(directory, 'a.tap')));
  for (const [extension, records] of [
    ['tap', 14],
    ['aws', 13],
  ] as const) {
    const image = join(directory, `going.${extension}`);
    t.match(await exported(path, image, { keepGoing: true }), {
      records: 13,
      filemarks: 3,
      damage: ['record 5, in file 1, fails its checksum'],
    });
    const { notes, ...counts } = await imported(image, join(directory, `going-${extension}.tape`));
    t.equal(counts.records, records, `${extension}: ${records} records`);
    t.equal(notes.length, extension === 'tap' ? 1 : 0, 'only SIMH has a place for what is damaged');
  }
  const first = readFileSync(path);
  first[first.indexOf('SAN001'.padEnd(70)) + 3]! ^= 1;
  writeFileSync(path, first);
  t.match(await filesOf(path), [{ problem: /record 0 fails its checksum/ }, { records: 13 }]);
});

void t.test('show tells of partitions and of the medium auxiliary memory', async t => {
  const directory = t.testdir({});
  const path = join(directory, 'a.tape');
  const medium = await openCartridgeFile({ path, barcode: 'SAN001L6', capacityBytes: 1_000_000_000 });
  await medium.format([200_000_000, 800_000_000]);
  await medium.write(pattern(100));
  await medium.changePartition(1);
  for (const object of [pattern(50), null, pattern(60)])
    await (object === null ? medium.writeFilemarks(1) : medium.write(object));
  const number = Buffer.alloc(8);
  number.writeUInt8(7, 7);
  await medium.attributes.set(WHOLE_MEDIUM, [
    { id: AttributeId.LOAD_COUNT, format: AttributeFormat.BINARY, value: number },
    { id: AttributeId.APPLICATION_NAME, format: AttributeFormat.ASCII, value: Buffer.from('tar'.padEnd(32)) },
    { id: 0x1401, format: AttributeFormat.BINARY, value: Buffer.alloc(9, 0xab) },
  ]);
  await medium.attributes.set(1, [
    {
      id: AttributeId.PARTITION_USER_TEXT_LABEL,
      format: AttributeFormat.TEXT,
      value: Buffer.from('zweite Hälfte'),
    },
  ]);
  await medium.close();
  const { teller, files } = keeper();
  let shown: ShownCartridge | undefined;
  const partitions: TapePartition[] = [];
  await showCartridge(
    path,
    {},
    {
      ...teller,
      cartridge: async what => void (shown = what),
      partition: async (_, what) => void partitions.push(what),
    },
    signal,
  );
  t.match(shown?.attributes, [
    { partition: undefined, id: 3, name: 'load count', value: 7 },
    { name: 'application name', value: 'tar' },
    { id: 0x1401, name: 'vendor specific', value: 'ab'.repeat(9) },
    { partition: 1, name: 'partition user text label', value: 'zweite Hälfte' },
  ]);
  t.match(partitions, [
    { capacityBytes: 200_000_000, usedBytes: 100 },
    { capacityBytes: 800_000_000, usedBytes: 110 },
  ]);
  t.match(files, [
    { partition: 0, file: 0, records: 1, filemarks: 0 },
    { partition: 1, file: 0, records: 1, filemarks: 1 },
    { partition: 1, file: 1, records: 1, filemarks: 0 },
  ]);
  t.match(await listCartridges([path], signal), [{ partitions: 2, files: 3, records: 3, usedBytes: 210 }]);
  const image = join(directory, 'a.tap');
  t.match(await exported(path, image, { partition: 1 }), {
    records: 2,
    notes: ['only partition 1 was exported; 1 more holds records'],
  });
  await imported(image, join(directory, 'b.tape'));
  same(t, await content(join(directory, 'b.tape')), [pattern(50), null, pattern(60)], 'one partition');
  t.ok(await eraseCartridge(path, async () => true));
  t.match(await listCartridges([path], signal), [
    { capacityBytes: 1_000_000_000, partitions: 1, files: 0, records: 0, usedBytes: 0 },
  ]);
});

void t.test('verify finds every bit that was flipped, and says where', async t => {
  t.comment(`SANLET_SEED=${SEED}`);
  const random = new Random();
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), [
    pattern(700),
    null,
    pattern(3000, 1),
    pattern(1),
    null,
  ]);
  const verified = async (): Promise<Verified> => {
    for await (const each of verifyCartridges([path], watch)) return each;
    throw new Error('nothing was verified');
  };
  const whole = readFileSync(path);
  t.match(await verified(), { whole: true, damage: [], damages: 0, notes: [] });
  const flipped = async (at: number): Promise<Verified> => {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << random.below(8);
    writeFileSync(path, bytes);
    return verified();
  };
  const record = whole.indexOf(pattern(3000, 1));
  t.match(await flipped(record + 1500), {
    whole: false,
    damage: [`byte ${record}: record 2 fails its checksum`],
    damages: 1,
  });
  t.match(await flipped(record - 20), {
    damage: [/^byte \d+: the header of object 2 is damaged, and the object is lost$/],
  });
  t.match(await flipped(20), { damage: ['byte 0: a copy of the label is damaged or out of date'] });
  for (let i = 0; i < 300; i++) {
    const at = random.below(whole.length);
    const { damages, damage } = await flipped(at);
    if (damages === 0) t.fail(`a bit of byte ${at} was not missed`);
    t.match(damage[0], /^byte \d+: /);
  }
  writeFileSync(path, whole.subarray(0, record + 100));
  t.match(await verified(), {
    whole: false,
    damage: [/bytes that were written are missing, from object 2 on$/],
  });
  writeFileSync(path, Buffer.concat([whole, pattern(100)]));
  t.match(await verified(), {
    whole: true,
    damages: 0,
    notes: [/100 bytes behind the end were begun and not finished/],
  });
  writeFileSync(path, 'text');
  t.match(await verified(), { whole: false, problem: `${path} is not a sanlet cartridge` });
  t.ok((await verified()).report === undefined);
  writeFileSync(path, whole);
  const medium = await openCartridgeFile({ path });
  t.match(await verified(), { whole: false, problem: `${path} is in use by process ${process.pid}` });
  await medium.close();
  await t.rejects(
    async () => {
      for await (const _ of verifyCartridges([join(directory, 'none')], watch));
    },
    usage(/\/none does not exist$/),
  );
});

void t.test('records that the drive has compressed or encrypted', async t => {
  const directory = t.testdir({});
  const path = join(directory, 'a.tape');
  const label = Buffer.from('VOL1SAN001'.padEnd(80));
  const text = Buffer.from('sanlet '.repeat(20_000));
  const coded = [label, text].map(record => ({ stored: deflateRawSync(record), length: record.length }));
  const medium = await openCartridgeFile({ path });
  for (const { stored, length } of coded) await medium.write(stored, { length, coding: COMPRESSED });
  await medium.writeFilemarks(1);
  await medium.write(text);
  await medium.close();
  t.match(await filesOf(path), [
    {
      records: 2,
      bytes: 80 + text.length,
      storedBytes: coded[0]!.stored.length + coded[1]!.stored.length,
      compressed: 2,
      encrypted: 0,
      looksLike: "ANSI label VOL1, volume 'SAN001'",
    },
    { records: 1, compressed: 0 },
  ]);
  const image = join(directory, 'a.tap');
  await exported(path, image);
  const back = join(directory, 'b.tape');
  await imported(image, back);
  same(t, await content(back), [label, text, null, text], 'they are exported as they were written');

  const broken = await openCartridgeFile({ path });
  await broken.spaceEndOfData();
  await broken.write(Buffer.from('rubbish'), { length: 100, coding: COMPRESSED });
  await broken.write(Buffer.from('of a later version'), { length: 100, coding: 0x80 });
  await broken.write(Buffer.from('sealed'), { length: 100, coding: COMPRESSED | ENCRYPTED });
  await broken.close();
  const going = { force: true, keepGoing: true };
  await t.rejects(
    exported(path, image, { force: true }),
    failure(/a\.tape: record 4, in file 1, cannot be expanded$/),
  );
  await t.rejects(
    exported(path, image, going),
    failure(/a\.tape: record 6, in file 1, is encrypted, and can be read only by a drive that has the key$/),
    'also when damage does not stop it',
  );
  t.match(await filesOf(path), [{}, { records: 4, compressed: 2, encrypted: 1 }]);
  const one = { ...going, format: 'raw', file: 0 };
  t.match(await exported(path, image, one), { records: 2, damage: [] });
});

void t.test('what fits on one cartridge, and what its barcode says', async t => {
  for (const { name, suffix, wormSuffix, capacityBytes } of MEDIA_TYPES) {
    t.match(mediaTypeOfBarcode(`SAN001${suffix}`), { type: { name, capacityBytes }, worm: false });
    t.match(mediaTypeOfBarcode(`SAN001${wormSuffix}`), { type: { name }, worm: true });
    t.equal(mediaTypeNamed(name.toLowerCase().replace('-', '')).name, name);
  }
  for (const barcode of ['', 'L6', 'SAN0001L6', 'SAN001XX', 'CLN001CU'])
    t.equal(mediaTypeOfBarcode(barcode), undefined);
  const directory = t.testdir({});
  await t.rejects(
    createCartridge(directory, { barcode: 'SAN001L6', type: 'LTO-99' }),
    usage(/^--type LTO-99: a type is one of LTO-4, LTO-5/),
  );
  await t.rejects(
    createCartridge(directory, {}),
    usage(/is a directory; give a --barcode, or the name of a file$/),
  );
  for (const barcode of ['a/b', '..', '.x'])
    await t.rejects(createCartridge(directory, { barcode }), usage(/cannot be the name of a file in/));
  await t.rejects(
    createCartridge(join(directory, 'x'), { barcode: 'ü' }),
    usage(/a barcode has up to 32 characters of ASCII$/),
  );
  t.strictSame(readdirSync(directory), []);
});

void t.test('what a file looks like', async t => {
  const at = (length: number, ...pieces: [number, Buffer | string][]): Buffer => {
    const head = Buffer.alloc(length);
    for (const [offset, piece] of pieces) head.set(Buffer.from(piece), offset);
    return head;
  };
  const tar = (flag: string, magic: string, name = 'etc/'): Buffer => {
    const head = at(512, [0, name], [148, '        '], [156, flag], [257, magic]);
    const sum = head.reduce((total, byte) => total + byte, 0);
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return head;
  };
  const ebcdic = Buffer.alloc(80, 0x40);
  Buffer.from('e5d6d3f1e2c1d5f0f0f1', 'hex').copy(ebcdic);
  const cases: [Buffer, string | undefined][] = [
    [at(80, [0, 'VOL1SAN001'.padEnd(80)]), "ANSI label VOL1, volume 'SAN001'"],
    [at(80, [0, `VOL1SAN001L${' '.repeat(13)}LTFS`.padEnd(80)]), "LTFS: ANSI label VOL1 'SAN001'"],
    [at(80, [0, 'HDR1PAYROLL.DATA'.padEnd(80)]), "ANSI label HDR1, file 'PAYROLL.DATA'"],
    [ebcdic, "EBCDIC label VOL1, volume 'SAN001'"],
    [at(81, [0, 'VOL1SAN001'.padEnd(80)]), undefined],
    [tar('0', 'ustar\x0000'), "tar (ustar), begins with 'etc/'"],
    [tar('0', 'ustar  \0'), "tar (GNU), begins with 'etc/'"],
    [tar('x', 'ustar\x0000'), 'tar (pax)'],
    [tar('V', 'ustar  \0', 'backup'), "tar (GNU), volume 'backup'"],
    [tar('M', 'ustar  \0', 'big'), "tar (GNU), goes on from another volume: 'big'"],
    [tar('\0', ''), "tar (of the seventh edition), begins with 'etc/'"],
    [at(512, [257, 'ustar\x0000']), undefined],
    [at(100, [0, '070701']), 'cpio (newc)'],
    [at(100, [0, '070707']), 'cpio (odc)'],
    [at(64, [12, 'BB02']), 'blocks of Bacula (BB02)'],
    [
      at(200, [12, 'BB02'], [36, 'Bacula 1.0 immortal\n\0'], [36 + 21 + 36, 'Vol-0001\0']),
      "Bacula volume 'Vol-0001'",
    ],
    [at(200, [0, '<?xml version="1.0"?><ltfsindex version="2.4.0">']), 'LTFS index'],
    [
      at(100, [0, 'AMANDA: TAPESTART DATE 20260101 TAPE DAILY01\n']),
      'AMANDA: TAPESTART DATE 20260101 TAPE DAILY01',
    ],
    [at(64, [24, Buffer.from('6cea0000', 'hex')]), 'dump'],
    [at(512, [510, Buffer.from('55aa', 'hex')]), 'disk image'],
    [at(600, [510, Buffer.from('55aa', 'hex')], [512, 'EFI PART']), 'disk image (GPT)'],
    [Buffer.from('1f8b08', 'hex'), 'gzip'],
    [Buffer.from('28b52ffd', 'hex'), 'zstd'],
    [Buffer.from('a'), undefined],
    [Buffer.alloc(512), undefined],
    [pattern(1000), undefined],
  ];
  for (const [head, wanted] of cases) t.equal(kindOf(head), wanted, wanted ?? 'nothing in particular');
});
