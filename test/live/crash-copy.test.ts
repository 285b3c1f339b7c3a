/**
 * A target is killed (SIGKILL) in the middle of a background copy, again and again over the same media. What RECEIVE COPY STATUS
 * had told as transferred is there afterwards, both ends load, and nobody claims that the copy is done.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { openDiskFile } from '../../lib/backends/file.ts';
import { copyStatusLid4 } from '../../lib/initiator/copy-status.ts';
import { Initiator } from '../../lib/initiator/initiator.ts';
import { Unit } from '../../lib/initiator/unit.ts';
import { type BegunCopy, copyUrls } from '../../lib/initiator/url-copy.ts';
import { parseUrl } from '../../lib/initiator/url.ts';
import { portalOf } from '../../lib/initiator/url-portal.ts';
import { content, generator } from './crash-content.ts';

const seed = Number(process.env['SANLET_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const random = generator(seed);
const ROUNDS = 2;
const MIB = 1024 * 1024;
const BYTES = 64 * MIB;
const RECORD = 64 * 1024;
const SANLET = resolve('dist/bin/sanlet.js');
const ISID = Buffer.from('80abcdef0123', 'hex');

const alive = new Set<ChildProcess>();
process.on('exit', () => alive.forEach(child => child.kill('SIGKILL')));

/** A program without tap's hooks. */
// `env` becomes what it starts, so that the signal is for that.
const started = (words: readonly string[]): ChildProcess => {
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, SANLET, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SANLET_LOG: 'silent' },
  });
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
};

async function serving(words: readonly string[]) {
  const child = started(['serve', '--portal', '127.0.0.1:0', '--json', ...words]);
  let stderr = '';
  child.stderr!.on('data', chunk => {
    stderr += String(chunk);
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    const { portals, targets } = JSON.parse(line) as { portals: string[]; targets: { iqn: string }[] };
    return { child, url: (lun: number) => `iscsi://${portals[0]}/${targets[0]!.iqn}/${lun}` };
  }
  throw new Error(`it does not start: ${stderr}`);
}

async function said(words: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = started(words);
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (text += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, text };
}

interface Way {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}
const WAYS: readonly Way[] = [
  { name: 'disk to disk', from: 0, to: 1 },
  { name: 'disk to tape', from: 0, to: 2 },
  { name: 'tape to disk', from: 3, to: 1 },
];

/** Kills the target when it has told of so many bytes; gives what it told last. */
async function killedAt(
  { child, url }: Awaited<ReturnType<typeof serving>>,
  { from, to }: Way,
  threshold: number,
): Promise<{ listId: number; bytes: number; running: boolean }> {
  const watcher = {
    signal: new AbortController().signal,
    begin: () => Promise.resolve({ update: () => {}, done: () => {} }),
  };
  const begun = (await copyUrls(url(from), url(to), { background: true, isid: ISID }, watcher)) as BegunCopy;
  const where = parseUrl(url(from));
  const session = await Initiator.login({ ...portalOf(where), target: where.target!, isid: ISID });
  const unit = new Unit(session, from);
  await unit.awaitReady();
  let last = { bytes: 0, running: true };
  do {
    const { bytes, state } = (await copyStatusLid4(unit, begun.listId, 1))!;
    last = { bytes, running: state === 'running' };
  } while (last.running && last.bytes < threshold);
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  await session[Symbol.asyncDispose]().catch(() => {});
  return { listId: begun.listId, ...last };
}

/** The bytes of all records on a cartridge. */
async function onTape(path: string): Promise<Buffer> {
  const tape = await openCartridgeFile({ path });
  const parts: Buffer[] = [];
  for (;;) {
    const next = await tape.peek();
    if (next.kind === 'end-of-data') break;
    const record = Buffer.alloc(next.kind === 'record' ? next.length : 0);
    await tape.read(record);
    parts.push(record);
  }
  await tape.close();
  return Buffer.concat(parts);
}

void t.test(
  'SPC-4 5.17.4, 6.24: kill -9 in mid-copy: RECEIVE COPY STATUS(LID4) has told of nothing that is not there',
  { skip: process.platform === 'win32', timeout: 115_000 },
  async (t: Test) => {
    t.comment(`SANLET_SEED=${seed}`);
    const dir = t.testdir({ state: {} });
    const path = (name: string): string => join(dir, name);
    const image = content(1, BYTES);
    writeFileSync(path('from'), image);
    await (await openDiskFile({ path: path('to'), bytes: BYTES })).close();
    const source = await openCartridgeFile({ path: path('full') });
    for (let at = 0; at < BYTES; at += RECORD) await source.write(image.subarray(at, at + RECORD));
    await source.close();
    const words = [
      ...['--disk', `d0=${path('from')}`, '--disk', `d1=${path('to')}`],
      ...['--tape', `t0=${path('empty')}`, '--tape', `t1=${path('full')}`, '--state', path('state')],
    ];
    let cut = 0;
    for (const way of WAYS) {
      for (let round = 0; round < ROUNDS; round++) {
        const target = await serving(words);
        const told = await killedAt(target, way, random(Math.floor(BYTES * 0.9)));
        if (told.running && told.bytes > 0) cut++;
        const what = `${way.name}, ${told.bytes} bytes told`;

        const there = way.to === 2 ? await onTape(path('empty')) : readFileSync(path('to'));
        t.ok(there.subarray(0, told.bytes).equals(image.subarray(0, told.bytes)), `${what}, and there`);
        if (way.to === 2) t.ok(there.equals(image.subarray(0, there.length)), 'and nothing else');
        else {
          const disk = await openDiskFile({ path: path('to') });
          t.ok((await disk.extent(0, Math.max(512, told.bytes))).mapped, 'its blocks are mapped');
          await disk.unmap(0, BYTES);
          await disk.close();
        }

        const again = await serving(words);
        const isid = ISID.toString('hex');
        const one = await said([
          'copies',
          again.url(way.from),
          '--isid',
          isid,
          '--list-id',
          `${told.listId}`,
        ]);
        t.equal(one.code, 1);
        t.match(one.text, /nothing is known of a copy with list id \d+/, 'the copy is gone');
        t.match(one.text, /started anew/, 'and it is said why that may be');
        const ended = once(again.child, 'close');
        again.child.kill('SIGTERM');
        await ended;
      }
    }
    t.ok(cut > 0, `${cut} of ${WAYS.length * ROUNDS} copies were cut off when they had told of something`);
  },
);
