/**
 * A process that writes is killed (SIGKILL) at a random moment, again and again on the same two media. Everything that it
 * was told is done must be there afterwards, and what it was at work on must be there wholly or not at all.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import ts from 'typescript';
import { openDiskFile } from '../../lib/backends/file.ts';
import type { TapeMedium } from '../../lib/backends/tape-medium.ts';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { verifyCartridge } from '../../lib/backends/tape/verify-cartridge.ts';
import { content, generator } from './crash-content.ts';

const seed = Number(process.env['SANLET_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const random = generator(seed);
const ROUNDS = 10;
const DISK_BYTES = 4 * 1024 * 1024;
const BLOCK_BYTES = 512;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The worker and what it imports, as script: tap's loader would take seconds for each process that is to be killed. */
function compileWorker(into: string): string {
  const parts = ['bytes', 'state', 'backends', 'backends/tape'].map(part => join('lib', part));
  for (const part of [...parts, 'test/live']) {
    mkdirSync(join(into, part), { recursive: true });
    for (const name of readdirSync(join(ROOT, part)).filter(name => name.endsWith('.ts'))) {
      const { outputText } = ts.transpileModule(readFileSync(join(ROOT, part, name), 'utf8'), {
        compilerOptions: {
          target: ts.ScriptTarget.ES2022,
          module: ts.ModuleKind.ESNext,
          verbatimModuleSyntax: true,
          rewriteRelativeImportExtensions: true,
        },
      });
      writeFileSync(join(into, part, name.replace(/ts$/, 'js')), outputText);
    }
  }
  return join(into, 'test/live/crash-worker.js');
}

type Words = readonly string[];

/** Runs the worker, kills it, and gives back what it said: what was done, and what it was at work on. */
async function killed(
  script: string,
  tape: string,
  disk: string,
  round: number,
): Promise<{ done: Words[]; pending: Words | undefined }> {
  const worker = fork(script, [tape, disk, String((seed % 100_000) + round * 100_000)], {
    execArgv: [],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const out = worker.stdout!.setEncoding('latin1');
  let said = '';
  const ready = new Promise<void>((resolve, reject) => {
    out.on('data', chunk => {
      said += chunk;
      if (said.includes('ready\n')) resolve();
    });
    worker.once('exit', code => reject(new Error(`the worker ended by itself, with ${code}`)));
  });
  await ready;
  await delay(20 + random(250));
  const closed = once(worker, 'close');
  worker.kill('SIGKILL');
  await closed;
  const lines = said
    .slice(0, said.lastIndexOf('\n'))
    .split('\n')
    .map(line => line.split(' '));
  const done: Words[] = [];
  let pending: Words | undefined;
  for (const [word, ...rest] of lines) {
    if (word === 'begin') pending = rest;
    if (word === 'done' && pending !== undefined) {
      done.push(pending);
      pending = undefined;
    }
  }
  return { done, pending };
}

/* ---- the tape ---- */

type TapeItem = { readonly version: number; readonly length: number } | 'filemark';

/** What the partitions hold, and what their attributes are. */
interface Tape {
  readonly partitions: readonly (readonly TapeItem[])[];
  readonly attributes: readonly ReadonlyMap<number, { readonly version: number; readonly length: number }>[];
}

const BLANK: Tape = { partitions: [[]], attributes: [new Map()] };

function applyToTape(tape: Tape, [verb, first, a, b, c]: Words): Tape {
  const partition = Number(first);
  const on = (change: (objects: readonly TapeItem[]) => readonly TapeItem[]): Tape => ({
    ...tape,
    partitions: tape.partitions.map((objects, i) => (i === partition ? change(objects) : objects)),
  });
  if (verb === 'record') return on(objects => [...objects, { version: Number(a), length: Number(b) }]);
  if (verb === 'filemarks')
    return on(objects => [...objects, ...Array.from({ length: Number(a) }, () => 'filemark' as const)]);
  if (verb === 'cut') return on(objects => objects.slice(0, Number(a)));
  if (verb === 'format')
    return {
      partitions: Array.from({ length: partition }, () => []),
      attributes: Array.from({ length: partition }, (_, i) => tape.attributes[i] ?? new Map()),
    };
  if (verb !== 'attribute') return tape;
  return {
    ...tape,
    attributes: tape.attributes.map((kept, i) => {
      if (i !== partition) return kept;
      const changed = new Map(kept);
      if (Number(c) === 0) changed.delete(Number(a));
      else changed.set(Number(a), { version: Number(b), length: Number(c) });
      return changed;
    }),
  };
}

/** What a tape that was cut off in `pending` holds: as before, as after, or with some of the filemarks. */
function whatIsThere(tape: TapeMedium, before: Tape, pending: Words | undefined): Tape {
  if (pending === undefined) return before;
  const after = applyToTape(before, pending);
  const [verb, partition] = pending;
  if (verb === 'filemarks') {
    const there = tape.partitions[Number(partition)]!.end.object;
    const cut = applyToTape(after, ['cut', partition!, String(there)]);
    return there >= before.partitions[Number(partition)]!.length ? cut : before;
  }
  if (verb === 'attribute') {
    const [id, version] = [Number(pending[2]), Number(pending[3])];
    const found = tape.attributes.get(Number(partition), id)?.value;
    const length = Number(pending[4]);
    const isAfter =
      length === 0 ? found === undefined : found?.length === length && content(version, length).equals(found);
    return isAfter ? after : before;
  }
  const counts = JSON.stringify(tape.partitions.map(({ end }) => end.object));
  return counts === JSON.stringify(before.partitions.map(({ length }) => length)) ? before : after;
}

/** Compares the cartridge with what it should hold; gives back what it does hold. */
async function checkTape(t: Test, path: string, due: Tape, pending: Words | undefined): Promise<Tape> {
  const { flaws } = await verifyCartridge(path);
  const damage = flaws.filter(({ kind }) => !['unfinished', 'label', 'attributes', 'point'].includes(kind));
  t.same(damage, [], 'no damage but of what was being written');
  const tape = await openCartridgeFile({ path });
  const there = whatIsThere(tape, due, pending);
  t.same(
    tape.partitions.map(({ end }) => end.object),
    there.partitions.map(({ length }) => length),
    'all objects are on the tape',
  );
  let wrong = 0;
  for (const [partition, objects] of there.partitions.entries()) {
    await tape.changePartition(partition);
    for (const item of objects) {
      const next = await tape.peek();
      const into = Buffer.alloc(item === 'filemark' ? 0 : item.length);
      await tape.read(into);
      if (item === 'filemark') wrong += next.kind === 'filemark' ? 0 : 1;
      else if (
        next.kind !== 'record' ||
        next.storedBytes !== item.length ||
        next.length !== item.length + 1 ||
        next.coding !== 2 ||
        !into.equals(content(item.version, item.length))
      )
        wrong++;
    }
    const kept = there.attributes[partition]!;
    const found = tape.attributes.entries(partition);
    if (found.length !== kept.size) wrong++;
    for (const { id, value } of found) {
      const attribute = kept.get(id);
      if (attribute === undefined || !content(attribute.version, attribute.length).equals(value)) wrong++;
    }
  }
  t.equal(wrong, 0, 'and all of them are what was written');
  await tape.close();
  t.equal((await verifyCartridge(path)).flawCount, 0, 'a close leaves nothing to find fault with');
  return there;
}

/* ---- the disk ---- */

/** What each block holds: where its write began, and which version it was. */
type Block = { readonly version: number; readonly first: number; readonly count: number } | undefined;

function applyToDisk(blocks: Block[], [verb, a, b, c]: Words): void {
  const [first, count] = [Number(a), Number(b)];
  const block: Block = { version: Number(c), first, count };
  if (verb !== 'write' && verb !== 'atomic' && verb !== 'unmap') return;
  for (let at = first; at < first + count; at++) blocks[at] = verb === 'unmap' ? undefined : block;
}

/**
 * The same for the disk; blocks that the last command was at work on may be old or new, but not unmapped with data. Those of
 * an atomic write are all new or all old.
 */
async function checkDisk(t: Test, path: string, due: Block[], pending: Words | undefined): Promise<void> {
  const disk = await openDiskFile({ path });
  if (pending?.[0] === 'atomic') {
    const [, first, count, version] = pending.map(Number);
    const found = Buffer.alloc(count! * BLOCK_BYTES);
    await disk.read(found, first! * BLOCK_BYTES);
    if (found.equals(content(version!, found.length))) applyToDisk(due, pending);
  }
  const concerned = (block: number): boolean =>
    block >= Number(pending?.[1]) && block < Number(pending?.[1]) + Number(pending?.[2]);
  const busy = (block: number): boolean =>
    (pending?.[0] === 'write' || pending?.[0] === 'unmap') && concerned(block);
  // Marked before anything is written: of an atomic write that did not come to be, blocks may be mapped that hold zeros.
  const marked = (block: number): boolean => pending?.[0] === 'atomic' && concerned(block);
  const bytes = Buffer.alloc(disk.bytes);
  await disk.read(bytes, 0);
  const zeros = Buffer.alloc(BLOCK_BYTES);
  const sources = new Map<number, Buffer>();
  const counts = { content: 0, unmapped: 0, mapped: 0, dirty: 0 };
  let mapped = 0;
  for (const [index, block] of due.entries()) {
    const found = bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    const extent = await disk.extent(index * BLOCK_BYTES, BLOCK_BYTES);
    if (extent.mapped) mapped++;
    else if (!found.equals(zeros)) counts.dirty++;
    if (busy(index)) continue;
    if (block === undefined) {
      if (extent.mapped && !marked(index)) counts.mapped++;
      if (!found.equals(zeros)) counts.content++;
      continue;
    }
    if (!extent.mapped) counts.unmapped++;
    let source = sources.get(block.version);
    if (source === undefined)
      sources.set(block.version, (source = content(block.version, block.count * BLOCK_BYTES)));
    const at = (index - block.first) * BLOCK_BYTES;
    if (!found.equals(source.subarray(at, at + BLOCK_BYTES))) counts.content++;
  }
  t.same(
    counts,
    { content: 0, unmapped: 0, mapped: 0, dirty: 0 },
    'every block on the disk is what was written',
  );
  t.equal(disk.mappedBytes, mapped * BLOCK_BYTES, 'what is mapped is counted right');
  // The blocks that were in doubt are settled for the next round.
  await disk.unmap(0, disk.bytes);
  due.fill(undefined);
  await disk.close();
}

void t.test('kill -9 at a random moment', { skip: process.platform === 'win32' }, async t => {
  t.comment(`SANLET_SEED=${seed}`);
  const dir = t.testdir({ media: {}, build: {} });
  const worker = compileWorker(join(dir, 'build'));
  const [tape, disk] = [join(dir, 'media', 'tape'), join(dir, 'media', 'disk')];
  await (await openDiskFile({ path: disk, bytes: DISK_BYTES })).close();
  let kept = BLANK;
  const blocks: Block[] = Array.from({ length: DISK_BYTES / BLOCK_BYTES }, () => undefined);
  let commands = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { done, pending } = await killed(worker, tape, disk, round);
    commands += done.length;
    for (const words of done) {
      kept = applyToTape(kept, words);
      applyToDisk(blocks, words);
    }
    kept = await checkTape(t, tape, kept, pending);
    await checkDisk(t, disk, blocks, pending);
  }
  t.ok(commands > ROUNDS * 4, `${commands} commands were answered before they were cut off`);
  t.same(
    readdirSync(dirname(tape)).sort(),
    ['disk', 'disk.sanlet-map', 'tape'],
    'no lock of the dead is left',
  );
});
