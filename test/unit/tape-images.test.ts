/** Images of tapes: SIMH, AWSTAPE, HET and plain files, as their own readers and writers have them. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { bunzip2 } from '../../lib/tape-images/bzip2.ts';
import { formatNamed, formatOfContent, formatOfPath, IMAGE_FORMATS } from '../../lib/tape-images/formats.ts';
import type { ImageFormat } from '../../lib/tape-images/formats.ts';
import { ImageInput } from '../../lib/tape-images/image-input.ts';
import { ImageOutput } from '../../lib/tape-images/image-output.ts';
import type { ImageObject } from '../../lib/tape-images/image.ts';
import { pattern, Random, SEED } from '../harness/random.ts';

t.comment(`SANLET_SEED=${SEED}`);
const random = new Random();
const MIB = 1024 * 1024;
const RECORD_BYTES = 700;

const directory = t.testdir({});
let files = 0;
const newPath = (): string => join(directory, `image-${++files}`);

/** Records as they are, filemarks as null. */
type Tape = readonly (Buffer | null)[];

function formatOf(name: string): ImageFormat {
  const format = formatNamed(name);
  if (format === undefined) throw new Error(`there is no format ${name}`);
  return format;
}

async function written(name: string, tape: Tape): Promise<Buffer> {
  const path = newPath();
  const file = openSync(path, 'w');
  const output = new ImageOutput(file);
  const writer = formatOf(name).writer(output);
  for (const each of tape) await (each === null ? writer.filemark() : writer.record(each));
  await output.flush();
  t.equal(output.offset, readFileSync(path).length);
  closeSync(file);
  return readFileSync(path);
}

interface Read {
  readonly tape: (Buffer | null)[];
  readonly flawed: number[];
  readonly passed: Record<string, number>;
  readonly error: string | undefined;
}

async function withInput<T>(image: Buffer, work: (input: ImageInput) => Promise<T>): Promise<T> {
  const path = newPath();
  writeFileSync(path, image);
  const file = openSync(path, 'r');
  const input = new ImageInput(file);
  try {
    return await work(input);
  } finally {
    closeSync(file);
  }
}

/** What a reader makes of the bytes, up to where it refuses to go on. */
const read = (name: string, image: Buffer): Promise<Read> =>
  withInput(image, async input => {
    const reader = formatOf(name).reader(input, RECORD_BYTES);
    const tape: (Buffer | null)[] = [];
    const flawed: number[] = [];
    let error: string | undefined;
    try {
      for (;;) {
        const object: ImageObject = await reader.next();
        if (object.kind === 'end') break;
        if (object.kind === 'record' && object.flawed) flawed.push(tape.length);
        tape.push(object.kind === 'record' ? Buffer.from(object.data) : null);
      }
    } catch (thrown) {
      if ((thrown as Error).name !== 'ImageError') throw thrown;
      error = (thrown as Error).message;
    }
    return { tape, flawed, passed: Object.fromEntries(reader.passed), error };
  });

/** Compares without printing megabytes. */
function same(t: Test, got: Tape, wanted: Tape, what: string): void {
  const differs = wanted.findIndex((each, i) => {
    const other = got[i];
    return each === null || other === null || other === undefined ? each !== other : !each.equals(other);
  });
  t.equal(differs, -1, `${what}: the same objects`);
  t.equal(got.length, wanted.length, `${what}: as many objects`);
}

function randomTape(objects: number, longest: number): (Buffer | null)[] {
  return Array.from({ length: objects }, () =>
    random.chance(5) ? null : pattern(random.between(1, longest), random.below(2 ** 31)),
  );
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};
const GAP = u32(0xffff_fffe);
const EOM = u32(0xffff_ffff);
const MARK = u32(0);

/** A record as SIMH has it; as E11 has it without padding. */
const simh = (data: string, { padded = true, kind = 0 } = {}): Buffer => {
  const marker = u32((kind << 28) | data.length);
  const padding = padded && data.length % 2 === 1 ? '\0' : '';
  return Buffer.concat([marker, Buffer.from(data + padding), marker]);
};

/** A chunk as AWSTAPE has it. */
const chunk = (data: Buffer, previous: number, flags: number, more = 0): Buffer => {
  const header = Buffer.alloc(6);
  header.writeUInt16LE(data.length, 0);
  header.writeUInt16LE(previous, 2);
  header[4] = flags;
  header[5] = more;
  return Buffer.concat([header, data]);
};

void t.test('what a writer has written a reader reads', async t => {
  for (const name of ['simh', 'aws', 'het']) {
    for (const [objects, longest] of [
      [0, 1],
      [60, 3],
      [40, 70_000],
      [6, 3 * MIB],
    ] as const) {
      const tape = randomTape(objects, longest);
      const got = await read(name, await written(name, tape));
      t.equal(got.error, undefined, `${name} of ${objects} objects`);
      same(t, got.tape, tape, name);
    }
  }
  const longest = [pattern(0xff_ffff), null, pattern(1)];
  for (const name of ['simh', 'aws']) {
    same(t, (await read(name, await written(name, longest))).tape, longest, `${name}, the longest record`);
  }
});

void t.test('the bytes that are written', async t => {
  const tape = [Buffer.from('abc'), null, Buffer.from('de')];
  t.strictSame(await written('simh', tape), Buffer.concat([simh('abc'), MARK, simh('de')]));
  t.strictSame(
    await written('aws', tape),
    Buffer.concat([
      chunk(Buffer.from('abc'), 0, 0xa0),
      chunk(Buffer.alloc(0), 3, 0x40),
      chunk(Buffer.from('de'), 0, 0xa0),
    ]),
  );
  const zeros = Buffer.alloc(70_000);
  t.strictSame(
    await written('aws', [zeros]),
    Buffer.concat([chunk(zeros.subarray(0, 65_535), 0, 0x80), chunk(zeros.subarray(65_535), 65_535, 0x20)]),
    'a record longer than a chunk goes on in another',
  );
  const packed = deflateSync(zeros, { level: 4 });
  t.strictSame(await written('het', [zeros]), chunk(packed, 0, 0xa1), 'compressed before it is cut');
  const dense = random.bytes(500);
  t.strictSame(await written('het', [dense]), chunk(dense, 0, 0xa0), 'not where it gets no shorter');
  t.strictSame(await written('raw', tape), Buffer.from('abcde'));
});

void t.test('SIMH: gaps, flags, padding, classes and the end of the medium', async t => {
  const cases: [string, Buffer, Partial<Read>][] = [
    [
      'gaps are passed',
      Buffer.concat([GAP, simh('ab'), GAP, GAP, MARK, GAP]),
      { tape: [Buffer.from('ab'), null] },
    ],
    [
      'a gap that was written over at half of a marker',
      Buffer.concat([simh('ab'), GAP.subarray(2), GAP, simh('cd')]),
      { tape: [Buffer.from('ab'), Buffer.from('cd')] },
    ],
    [
      'what lies behind the end of the medium is not looked at',
      Buffer.concat([simh('ab'), EOM, Buffer.from('rubbish')]),
      { tape: [Buffer.from('ab')] },
    ],
    [
      'records that were read with an error are told',
      Buffer.concat([simh('ab'), simh('cd', { kind: 8 }), MARK]),
      { tape: [Buffer.from('ab'), Buffer.from('cd'), null], flawed: [1] },
    ],
    [
      'E11: odd records without padding',
      Buffer.concat([simh('abc', { padded: false }), simh('d', { padded: false }), MARK, simh('ef')]),
      { tape: [Buffer.from('abc'), Buffer.from('d'), null, Buffer.from('ef')] },
    ],
    [
      'both kinds of odd records in one image',
      Buffer.concat([simh('abc'), simh('d', { padded: false }), simh('e')]),
      { tape: [Buffer.from('abc'), Buffer.from('d'), Buffer.from('e')] },
    ],
    [
      'descriptions and private objects of the extended format',
      Buffer.concat([
        simh('A tape', { kind: 14 }),
        simh('ab'),
        simh('odd', { kind: 3 }),
        u32(0x7000_0001),
        MARK,
      ]),
      {
        tape: [Buffer.from('ab'), null],
        passed: { 'tape description': 1, 'private record': 1, 'private marker': 1 },
      },
    ],
  ];
  for (const [what, image, wanted] of cases) {
    t.match(await read('simh', image), { error: undefined, flawed: [], passed: {}, ...wanted }, what);
  }
  const wrong: [Buffer, RegExp][] = [
    [u32(0x9000_0002), /has 90000002h at byte 0, which SIMH reserves/],
    [Buffer.concat([MARK, u32(0xffff_0000)]), /has FFFF0000h at byte 4, which SIMH reserves/],
    [u32(0x8000_0000), /record of no bytes at byte 0/],
    [u32(0x0100_0000), /record of 16777216 bytes there, and the longest that a cartridge holds has 16777215/],
    [simh('abcd').subarray(0, 9), /ends in the middle of the record of 4 bytes at byte 0/],
    [Buffer.concat([simh('abcd'), Buffer.from([1, 0])]), /ends in the middle of a marker, at byte 14/],
    [simh('abcdef', { kind: 2 }).subarray(0, 8), /ends in the middle of the record of 6 bytes at byte 0/],
    [
      Buffer.concat([u32(4), Buffer.from('abcd'), u32(5)]),
      /is damaged: the record of 4 bytes at byte 0 does not end with the length that it begins with/,
    ],
  ];
  for (const [image, error] of wrong) t.match((await read('simh', image)).error, error);
});

void t.test('AWSTAPE and HET: chunks, compression, and what is damaged', async t => {
  const [text, packed] = [Buffer.from('sanlet '.repeat(40)), bzip2Vector()];
  const zlib = deflateSync(text);
  const cases: [string, Buffer, Tape][] = [
    [
      'a record in chunks of any length',
      Buffer.concat([
        chunk(Buffer.from('ab'), 0, 0x80),
        chunk(Buffer.from('c'), 2, 0),
        chunk(Buffer.from('def'), 1, 0x20),
        chunk(Buffer.alloc(0), 3, 0x40),
      ]),
      [Buffer.from('abcdef'), null],
    ],
    ['compressed by zlib', chunk(zlib, 0, 0xa1), [text]],
    ['compressed by zlib, as Bus-Tech says it', chunk(zlib, 0, 0xa0, 0x80), [text]],
    ['compressed by bzip2', chunk(packed, 0, 0xa2), [text]],
    [
      'compressed, and in two chunks',
      Buffer.concat([chunk(zlib.subarray(0, 9), 0, 0x81), chunk(zlib.subarray(9), 9, 0x21)]),
      [text],
    ],
    ['a tape mark that says it begins and ends', chunk(Buffer.alloc(0), 0, 0xe0), [null]],
  ];
  for (const [what, image, tape] of cases) {
    const got = await read('aws', image);
    t.equal(got.error, undefined, what);
    same(t, got.tape, tape, what);
  }
  const bomb = deflateSync(Buffer.alloc(0x100_0000), { level: 9 });
  const wrong: [Buffer, RegExp][] = [
    [chunk(text, 3, 0xa0), /damaged: the chunk at byte 0 says that the one before has 3 bytes, and it has 0/],
    [chunk(text, 0, 0x20), /damaged: the chunk at byte 0 goes on with no record/],
    [chunk(text, 0, 0x80), /ends in the middle of the record at byte 0/],
    [chunk(text, 0, 0xa0).subarray(0, 100), /ends in the middle of the chunk of 280 bytes at byte 0/],
    [chunk(text, 0, 0xa0).subarray(0, 5), /ends in the middle of a chunk's header, at byte 5/],
    [chunk(text, 0, 0xb0), /has unknown flags at byte 4/],
    [chunk(text, 0, 0xa3), /has unknown flags at byte 4/],
    [chunk(text, 0, 0x40), /tape mark with data at byte 0/],
    [chunk(Buffer.alloc(0), 0, 0xa0), /record of no bytes at byte 0/],
    [
      Buffer.concat([chunk(text, 0, 0x80), chunk(text, text.length, 0xa0)]),
      /the chunk at byte 286 does not go on with its record/,
    ],
    [chunk(text, 0, 0xa1), /damaged: zlib cannot expand the record at byte 0/],
    [
      chunk(packed.subarray(0, -9), 0, 0xa2),
      /damaged: bzip2 cannot expand the record at byte 0: the data ends/,
    ],
    [chunk(bomb, 0, 0xa1), /has a record at byte 0 that is longer than the 16777215 bytes/],
  ];
  for (const [image, error] of wrong) t.match((await read('aws', image)).error, error);
});

void t.test('a plain file is cut into records, and closed with a filemark', async t => {
  const data = pattern(2 * RECORD_BYTES + 1);
  const { tape } = await read('raw', data);
  same(
    t,
    tape,
    [data.subarray(0, RECORD_BYTES), data.subarray(RECORD_BYTES, -1), data.subarray(-1), null],
    'raw',
  );
  same(t, (await read('raw', Buffer.alloc(0))).tape, [null], 'an empty file');
});

/** `printf 'sanlet %.0s' $(seq 40) | bzip2 -9` */
function bzip2Vector(): Buffer {
  return Buffer.from('QlpoOTFBWSZTWT1aKmcAAHeRgEAAIgUMACAAMQwAVKGalEURoiiNEaIoj4u5IpwoSB6tFTOA', 'base64');
}

void t.test('bzip2 as bzip2 made it', t => {
  // Python: bz2.compress(b'a' * 1000 + b'bcd' * 100 + bytes(range(256)), 1)
  const every = Buffer.from(
    'QlpoMTFBWSZTWdG25bgAADJ/////////////////////////////////////////////sADGtIACYCZoAAJgAAAAAIwAABGAAAAAaaAAAGgAmTJkMTAAAABMmAAAAADQ0SYACYAAmAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSqMJiYTEwABMEwmAACYCMAAAhmoYAAAACaZMTAAAAAARgAAAAEyNMEaYJkwJgBpDg8QERITFBX4CwuMDI0NjnxHR4APkBCREZISkxOUFJUVlhaXfIvMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJT+f0VFVWV1hZWltcXV5fYGFiY2RlZmcIGhRAAAEd4ABAQgAAO13/cEAQAD7wgCAARNmZ2hpamtsbW5vcHFyc3R1dnd/gIGCg4SFhoeIAxIKKi4yNjo+QkZKTlJWWl5iZmpucnZ4HP0FDRUdJS01PUfepqvxV1NVV1lbXV9hY2VnaWttb3FzdXd5e31/gYOFh4mLjY+Rk5WXmZudn6Gjpaepq62vsbO1r7Gztbe5u72/wcIHiBcfJy83P0dPV19nb3d/h4+XmEABvoD9fYL7i7kinChIaNty3AA==',
    'base64',
  );
  const expanded = Buffer.concat([
    Buffer.alloc(1000, 'a'),
    Buffer.from('bcd'.repeat(100)),
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  ]);
  t.strictSame(bunzip2(every, MIB), expanded);
  t.strictSame(bunzip2(every, expanded.length), expanded);
  t.throws(() => bunzip2(every, expanded.length - 1), { code: 'ERR_BUFFER_TOO_LARGE' });
  t.strictSame(bunzip2(Buffer.from('425a683917724538509000000000', 'hex'), 10), Buffer.alloc(0));
  for (let i = 0; i < every.length * 8; i++) {
    const bad = Buffer.from(every);
    bad[i >> 3]! ^= 0x80 >> (i & 7);
    let got: Buffer | undefined;
    try {
      got = bunzip2(bad, MIB);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    // The level, and what fills the last byte up, are the only bits that may be others.
    if (got !== undefined && !got.equals(expanded)) t.fail(`bit ${i} was not missed`);
  }
  t.end();
});

void t.test('what a file is, by its name and by how it begins', async t => {
  const names: [string, string | undefined][] = [
    ['a.tap', 'simh'],
    ['A.TAP', 'simh'],
    ['a.aws', 'aws'],
    ['a.het', 'het'],
    ['a.tar', undefined],
    ['tap', undefined],
  ];
  for (const [path, name] of names) t.equal(formatOfPath(path)?.name, name, path);
  const tape = [Buffer.from('VOL1'), null, pattern(9001), null];
  const contents: [string, Buffer, string | undefined][] = [
    ['SIMH', await written('simh', tape), 'simh'],
    ['SIMH with a long record', await written('simh', [pattern(5 * MIB + 1)]), 'simh'],
    ['E11', simh('abc', { padded: false }), 'simh'],
    ['SIMH that begins with a filemark', await written('simh', [null, ...tape]), 'simh'],
    ['SIMH, extended', Buffer.concat([simh('A tape', { kind: 14 }), simh('ab')]), 'simh'],
    ['filemarks only', Buffer.alloc(8), 'simh'],
    ['end of medium only', EOM, 'simh'],
    ['AWSTAPE', await written('aws', tape), 'aws'],
    ['AWSTAPE that begins with a tape mark', await written('aws', [null, ...tape]), 'aws'],
    ['HET, whose reader is the same', await written('het', [Buffer.alloc(9000), null]), 'aws'],
    ['nothing', Buffer.alloc(0), undefined],
    ['zeros', Buffer.alloc(MIB), undefined],
    ['text', Buffer.from('It was a bright cold day in April'), undefined],
    ['a number that is no length', Buffer.concat([u32(100), pattern(400)]), undefined],
    ['gzip', Buffer.from('1f8b080000000000', 'hex'), undefined],
  ];
  for (const [what, image, name] of contents) {
    t.equal((await withInput(image, formatOfContent))?.name, name, what);
  }
});

void t.test('an image that is cut or changed is refused, or read as far as it is one', async t => {
  const tape = randomTape(30, 400);
  for (const name of ['simh', 'aws', 'het']) {
    const image = await written(name, tape);
    for (let cut = 0; cut < image.length; cut += random.between(1, 40)) {
      const got = await read(name, image.subarray(0, cut));
      same(t, got.tape, tape.slice(0, got.tape.length), `${name}, cut at ${cut}`);
    }
    for (let i = 0; i < 60; i++) {
      const bad = Buffer.from(image);
      bad[random.below(bad.length)]! ^= 1 << random.below(8);
      // What it says is not known, but it ends, and well or with an ImageError.
      await read(name, bad);
    }
    await read(name, random.bytes(5000));
  }
});

void t.test('what cannot be written is told', async t => {
  const file = openSync('/dev/full', 'w');
  const output = new ImageOutput(file);
  const writer = formatOf('simh').writer(output);
  await writer.record(pattern(100));
  await t.rejects(async () => output.flush(), { code: 'ENOSPC' });
  closeSync(file);
});

void t.test('names of formats are told apart', t => {
  t.equal(new Set(IMAGE_FORMATS.map(({ name }) => name)).size, IMAGE_FORMATS.length);
  t.end();
});
