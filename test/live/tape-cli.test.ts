/** `sanlet tape` as people and scripts call it: words, outputs, exit codes, and what other programs read of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { pattern } from '../harness/random.ts';
import { missing, succeeds } from './programs.ts';

const SANLET = resolve('dist/bin/sanlet.js');
const MIB = 1024 * 1024;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

interface How {
  readonly stdin?: Buffer;
  /** Words of the shell before it, such as `ulimit -f 8;`. */
  readonly shell?: string;
  /** Called when it has been started. */
  readonly meanwhile?: (child: ChildProcess) => Promise<void>;
}

/** tap puts its hooks into every Node that a test starts: env takes them out. */
async function run(words: readonly string[], { stdin, shell = '', meanwhile }: How = {}): Promise<Ended> {
  const command = [
    `${shell} exec "$@"`,
    'sh',
    'env',
    '-u',
    'NODE_OPTIONS',
    process.execPath,
    SANLET,
    ...words,
  ];
  const child = spawn('sh', ['-c', ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
  children.add(child);
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString('latin1')));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString('utf8')));
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const ended = new Promise<Ended>(done => {
    child.once('close', code => {
      children.delete(child);
      done({ code, ...said });
    });
  });
  await meanwhile?.(child);
  return ended;
}

const tape = (...words: string[]): Promise<Ended> => run(['tape', ...words]);

/** It ended well; what it printed. */
async function works(t: Test, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await tape(...words);
  t.equal(code, 0, `tape ${words.join(' ')}${code === 0 ? '' : `: ${stderr}`}`);
  return Buffer.from(stdout, 'latin1').toString('utf8');
}

/** It ended with that code, one sentence, and nothing on standard output. */
async function fails(t: Test, code: number, sentence: RegExp, ...words: string[]): Promise<void> {
  const ended = await tape(...words);
  t.equal(ended.code, code, `tape ${words.join(' ')}`);
  t.equal(ended.stdout, '');
  const lines = ended.stderr.trimEnd().split('\n');
  t.match(lines.at(-1), sentence);
  t.ok(lines.length <= 2, 'one sentence, and perhaps what was begun');
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const json = async (t: Test, ...words: string[]): Promise<unknown> =>
  JSON.parse(await works(t, ...words, '--json'));

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
  const into = Buffer.alloc(16 * MIB);
  for (;;) {
    const object = await medium.read(into);
    if (object.kind === 'end-of-data') break;
    objects.push(object.kind === 'filemark' ? null : Buffer.from(into.subarray(0, object.length)));
  }
  await medium.close();
  return objects;
}

const SAMPLE: Tape = [
  Buffer.from('VOL1SAN001'.padEnd(80)),
  null,
  ...Array.from({ length: 12 }, (_, i) => pattern(65_536, i)),
  pattern(4097, 99),
  null,
  null,
];

function same(t: Test, got: Tape, wanted: Tape, what: string): void {
  const sums = (tape: Tape): (string | null)[] => tape.map(each => (each === null ? null : sha256(each)));
  t.strictSame(sums(got), sums(wanted), what);
}

/** What is left of unfinished work. */
const leftovers = (directory: string): string[] =>
  readdirSync(directory).filter(name => name.startsWith('.') || name.includes('sanlet-lock'));

void t.test('words', async t => {
  const shelf = t.testdir({});
  t.match(await run(['tape', '--help']), {
    code: 0,
    stdout: /Usage: sanlet tape[^]*create[^]*ls[^]*show[^]*export[^]*import[^]*verify[^]*erase[^]*Examples:/,
  });
  t.match(await run(['tape', 'create', '--help']), { code: 0, stdout: /Usage: sanlet tape create/ });
  await fails(
    t,
    2,
    /^sanlet: unknown command 'crate' \(did you mean create\?\); see sanlet tape --help$/,
    'crate',
  );
  await fails(t, 2, /^sanlet: missing required argument 'PATH'; see sanlet tape create --help$/, 'create');
  await fails(
    t,
    2,
    /--size <SIZE>' argument '5MB' is invalid.*a size such as 64M/,
    'create',
    'x',
    '--size',
    '5MB',
  );
  await fails(t, 2, /^sanlet: .*\/none does not exist$/, 'show', join(shelf, 'none'));
  t.strictSame(readdirSync(shelf), [], 'and nothing was made');
});

void t.test('create and ls', async t => {
  const shelf = t.testdir({ 'notes.txt': 'no cartridge' });
  t.equal(
    await works(t, 'create', shelf, '--barcode', 'SAN001L6'),
    `created ${shelf}/SAN001L6.tape: LTO-6 cartridge SAN001L6, 2.27 TiB\n`,
  );
  await works(t, 'create', shelf, '--barcode', 'SAN002LW', '--size', '2.5G');
  t.match(await json(t, 'create', join(shelf, 'plain'), '--type', 'lto8'), {
    path: join(shelf, 'plain'),
    barcode: '',
    mediaType: 'LTO-8',
    capacityBytes: 12e12,
    worm: false,
  });
  const before = readFileSync(join(shelf, 'plain'));
  await fails(
    t,
    2,
    /SAN001L6\.tape is there already; a cartridge is never written over/,
    'create',
    shelf,
    '--barcode',
    'SAN001L6',
  );
  await fails(t, 2, /notes\.txt is there already/, 'create', join(shelf, 'notes.txt'));
  t.strictSame(readFileSync(join(shelf, 'plain')), before);
  t.match(await json(t, 'ls', shelf), [
    {
      barcode: 'SAN001L6',
      mediaType: 'LTO-6',
      capacityBytes: 2.5e12,
      usedBytes: 0,
      files: 0,
      records: 0,
      worm: false,
    },
    { barcode: 'SAN002LW', mediaType: 'LTO-6', capacityBytes: 2.5 * 1024 * MIB, worm: true },
    { path: join(shelf, 'plain'), mediaType: 'LTO-8' },
  ]);
  await recorded(join(shelf, 'SAN001L6.tape'), SAMPLE);
  writeFileSync(join(shelf, 'broken.tape'), 'no cartridge either');
  const { code, stdout } = await tape('ls', shelf, join(shelf, 'plain'));
  t.equal(code, 1, 'one of them is damaged');
  t.matchOnlyStrict(
    stdout.split('\n').map(line => line.replaceAll(/ {2,}/g, '|').replaceAll(shelf, '.')),
    [
      'BARCODE|TYPE|SIZE|USED|FILES|RECORDS|FILE',
      'SAN001L6|LTO-6|2.27 TiB|772 KiB|2|14|./SAN001L6.tape',
      'SAN002LW|LTO-6|2.5 GiB|0 bytes|0|0|./SAN002LW.tape|WORM',
      '-|-|-|-|-|-|./broken.tape|is not a sanlet cartridge',
      '-|LTO-8|10.9 TiB|0 bytes|0|0|./plain',
      '-|LTO-8|10.9 TiB|0 bytes|0|0|./plain',
      '',
    ],
  );
  t.equal(await works(t, 'ls', t.testdir({ empty: {} })), 'no cartridges\n');
  t.strictSame(leftovers(shelf), []);
});

void t.test('show', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const text = await works(t, 'show', path);
  t.match(text, /^.*a\.tape\nSAN001L6, LTO-6, no limit, [0-9a-f]{32}\n\n/);
  t.equal(
    text.split('\n\n')[1],
    [
      '14 records, 3 filemarks, 772 KiB used',
      "file 0: 1 × 80 bytes, 80 bytes: ANSI label VOL1, volume 'SAN001'",
      '  filemark',
      'file 1: 13 records, 772 KiB',
      '  12 × 65536, 1 × 4097 bytes',
      '  2 filemarks',
      'end of data',
      '',
    ].join('\n'),
  );
  t.match(
    await works(t, 'show', path, '--records'),
    /file 1\n {2}record 2: 65536 bytes\n[^]* {2}record 14: 4097 bytes\n {2}13 records/,
  );
  const told = {
    barcode: 'SAN001L6',
    partitions: [
      {
        records: 14,
        filemarks: 3,
        files: [
          { file: 0, records: 1, looksLike: "ANSI label VOL1, volume 'SAN001'", filemarks: 1 },
          {
            file: 1,
            object: 2,
            records: 13,
            runs: [
              { count: 12, bytes: 65536 },
              { count: 1, bytes: 4097 },
            ],
            filemarks: 2,
          },
        ],
      },
    ],
  };
  t.match(await json(t, 'show', path), told);
  t.match(await json(t, 'show', path, '--records'), {
    partitions: [{ files: [{ list: [{ object: 0, length: 80 }] }, { list: { length: 13 }, file: 1 }] }],
  });
  const blank = await recorded(join(directory, 'blank.tape'), []);
  t.match(await works(t, 'show', blank), /\n\n0 records, 0 filemarks, 0 bytes used\nend of data\n$/);
  t.match(await json(t, 'show', blank, '--records'), { partitions: [{ files: [] }] });
  const open = await recorded(join(directory, 'open.tape'), [null, pattern(3), pattern(3), pattern(2)]);
  t.match(
    await works(t, 'show', open),
    /file 0: nothing\n {2}filemark\nfile 1: 3 records, 8 bytes\n {2}2 × 3, 1 × 2 bytes\nend of data/,
  );
});

void t.test('more than a reader wants to know', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), Array<Buffer>(20_000).fill(Buffer.from('a')));
  const all = await tape('show', path, '--records');
  t.match(all, { code: 0, stderr: '' });
  t.ok(all.stdout.split('\n').length > 20_000);
  for (const words of [['--records'], ['--records', '--json']]) {
    const left = await run(['tape', 'show', path, ...words], {
      meanwhile: async child => {
        await once(child.stdout!, 'data');
        child.stdout!.destroy();
      },
    });
    t.match(left, { code: 0, stderr: '' }, 'a reader that has gone is no trouble');
  }
});

void t.test('a cartridge that a process writes to', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const medium = await openCartridgeFile({ path });
  t.match(await tape('ls', path), {
    code: 0,
    stdout: new RegExp(`SAN001L6 .* in use by process ${process.pid}\n`),
  });
  t.match(await tape('show', path), {
    code: 1,
    stdout: new RegExp(
      `SAN001L6, LTO-6, no limit, .*\n\nin use by process ${process.pid}: what is on it can be shown when`,
    ),
  });
  for (const words of [
    ['export', path, join(directory, 'a.tap')],
    ['erase', path, '--yes'],
  ]) {
    await fails(t, 1, new RegExp(`a\\.tape is in use by process ${process.pid}$`), ...words);
  }
  await medium.close();
  await works(t, 'show', path);
});

void t.test('plain files, pipes and one file of several', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const wanted = Buffer.concat(SAMPLE.slice(2, 15) as Buffer[]);
  const out = join(directory, 'out');
  await works(t, 'export', path, out, '--format', 'raw', '--file', '1');
  t.equal(sha256(readFileSync(out)), sha256(wanted));
  const piped = await tape('export', path, '-', '--format', 'raw', '--file', '1');
  t.equal(piped.code, 0);
  t.equal(sha256(Buffer.from(piped.stdout, 'latin1')), sha256(wanted), 'and nothing else on standard output');

  const stdin = pattern(25_000);
  const made = join(directory, 'b.tape');
  t.match(await run(['tape', 'import', '-', made, '--record', '10K'], { stdin }), { code: 0 });
  same(
    t,
    await content(made),
    [stdin.subarray(0, 10_240), stdin.subarray(10_240, 20_480), stdin.subarray(20_480), null],
    'records of 10K',
  );
  await works(t, 'export', made, out, '--format', 'raw', '--force');
  t.equal(sha256(readFileSync(out)), sha256(stdin), 'the only file needs no name');
});

void t.test('mtdump reads what was exported', { skip: missing('mtdump') }, async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const image = join(directory, 'a.tap');
  await works(t, 'export', path, image);
  const said = (await succeeds(t, 'mtdump', image)).split('\n');
  const records = said.flatMap(line => /record \d+, length = (\d+)/.exec(line)?.[1] ?? []).map(Number);
  t.strictSame(
    records,
    SAMPLE.filter(each => each !== null).map(each => each.length),
  );
  t.equal(
    said.filter(line => /end of tape file/.test(line)).length,
    2,
    'and every filemark: it takes two in a row for the end',
  );
  t.notMatch(said.join('\n'), /invalid|error/i);
});

void t.test('verify', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  t.equal(await works(t, 'verify', path), `${path}: whole: 14 records, 3 filemarks, 772 KiB\n`);
  const bad = await recorded(join(directory, 'b.tape'), SAMPLE);
  const bytes = readFileSync(bad);
  const at = bytes.indexOf(SAMPLE[5] as Buffer);
  bytes[at + 30_000]! ^= 0x10;
  writeFileSync(bad, bytes);
  const { code, stdout, stderr } = await tape('verify', directory);
  t.equal(code, 1);
  t.equal(
    stdout,
    [
      `${path}: whole: 14 records, 3 filemarks, 772 KiB`,
      `${bad}: byte ${at}: record 5 fails its checksum`,
      `${bad}: damaged in 1 place: 14 records, 3 filemarks, 772 KiB`,
      '2 cartridges, 1 whole',
      '',
    ].join('\n'),
  );
  t.match(stderr, /^verifying a\.tape: .*\nverifying b\.tape: /);
  const told = JSON.parse((await tape('verify', directory, '--json')).stdout) as unknown;
  t.match(told, [
    { path, whole: true, barcode: 'SAN001L6', partitions: [{ records: 14, filemarks: 3 }] },
    { path: bad, whole: false, damages: 1, flaws: [{ kind: 'record', byte: at, object: 5, partition: 0 }] },
  ]);
});

void t.test('erase', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  await fails(t, 2, /erasing .*a\.tape needs --yes where there is no terminal to ask$/, 'erase', path);
  same(t, await content(path), SAMPLE, 'nothing was erased');
  t.equal(await works(t, 'erase', path, '--yes'), `erased ${path}\n`);
  same(t, await content(path), [], 'everything was');
  t.match(await json(t, 'ls', path), [{ barcode: 'SAN001L6', mediaType: 'LTO-6' }]);
  const worm = await recorded(join(directory, 'worm.tape'), SAMPLE, { worm: true });
  await fails(t, 1, /is a WORM cartridge: what is written on it stays$/, 'erase', worm, '--yes');
  same(t, await content(worm), SAMPLE, 'it stays');
});

void t.test('a disk that is full', async t => {
  const directory = t.testdir({});
  const path = await recorded(join(directory, 'a.tape'), SAMPLE);
  const image = join(directory, 'a.tap');
  await works(t, 'export', path, image);
  const shell = 'ulimit -f 200;'; // blocks of 512 bytes
  const words = ['tape', 'export', path, join(directory, 'b.tap')];
  t.match(await run(words, { shell }), {
    code: 1,
    stderr: /\nsanlet: .*b\.tap is larger than its file system allows\n$/,
  });
  const imported = ['tape', 'import', image, join(directory, 'b.tape')];
  t.match(await run(imported, { shell }), {
    code: 1,
    stderr: /\nsanlet: .*b\.tape is larger than its file system allows\n$/,
  });
  const created = ['tape', 'create', join(directory, 'c.tape')];
  t.match(await run(created, { shell: 'ulimit -f 100;' }), {
    code: 1,
    stderr: /^sanlet: .*c\.tape is larger than its file system allows\n$/,
  });
  t.match(await tape('export', path, '/dev/full', '--format', 'simh'), {
    code: 1,
    stderr: /\nsanlet: \/dev\/full does not fit on its file system\n$/,
  });
  t.strictSame(readdirSync(directory).sort(), ['a.tap', 'a.tape']);
});

void t.test('what is interrupted leaves nothing', async t => {
  const directory = t.testdir({});
  const path = await recorded(
    join(directory, 'a.tape'),
    Array.from({ length: 64 }, (_, i) => pattern(MIB, i)),
  );
  const interrupted = async (...words: string[]): Promise<void> => {
    const ended = await run(['tape', ...words], {
      meanwhile: async child => {
        while (
          child.exitCode === null &&
          leftovers(directory).filter(name => name.endsWith('.tmp')).length === 0
        )
          await delay(1);
        child.kill('SIGINT');
      },
    });
    t.match(ended, { code: 130, stderr: /\nsanlet: interrupted\n$/ }, words.join(' '));
    t.strictSame(leftovers(directory), []);
  };
  await interrupted('export', path, join(directory, 'b.het'));
  await works(t, 'export', path, join(directory, 'a.het'));
  await interrupted('import', join(directory, 'a.het'), join(directory, 'b.tape'));
  t.strictSame(readdirSync(directory).sort(), ['a.het', 'a.tape']);
});
