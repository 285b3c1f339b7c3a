import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { AllocationMap, MemoryPages } from '../../lib/backends/allocation-map.ts';
import { AtomicJournal } from '../../lib/backends/atomic-journal.ts';
import type { BlockBackend } from '../../lib/backends/block-backend.ts';
import { FileChannel } from '../../lib/backends/file-channel.ts';
import { openDiskFile } from '../../lib/backends/file.ts';
import { Flusher } from '../../lib/backends/flusher.ts';
import { MapFile } from '../../lib/backends/map-file.ts';
import { MediumError } from '../../lib/backends/medium-error.ts';
import type { MediumFault } from '../../lib/backends/medium-error.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { Pace, SYNC_LIMIT_BYTES } from '../../lib/backends/pace.ts';
import { crc32c } from '../../lib/bytes/crc32c.ts';

const seed = Number(process.env['SANLET_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
t.comment(`SANLET_SEED=${seed}`);
let state = seed;
/** A whole number below `limit` (mulberry32). */
function random(limit: number): number {
  state = (state + 0x6d2b_79f5) | 0;
  let v = Math.imul(state ^ (state >>> 15), state | 1);
  v ^= v + Math.imul(v ^ (v >>> 7), v | 61);
  return ((v ^ (v >>> 14)) >>> 0) % limit;
}
function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = 1 + random(255);
  return bytes;
}
type Failure = { name: string; fault: MediumFault; offset?: number };
const failure = (fault: MediumFault, offset?: number): Failure => ({
  name: 'MediumError',
  fault,
  ...(offset === undefined ? {} : { offset }),
});

const KIB = 1024;
const MIB = 1024 * 1024;

/* ---- pace ---- */

void t.test(
  'pace: quick requests stay synchronous, two slow ones are followed by a stretch of others',
  async t => {
    const pace = new Pace();
    t.ok(pace.maySync(4096), 'it begins trusting');
    t.notOk(pace.maySync(SYNC_LIMIT_BYTES + 1), 'but never with long requests');
    for (let i = 0; i < 100; i++) {
      pace.took(4096, 0.004);
      if (!pace.maySync(4096)) t.fail('a quick one has ended the trust');
    }
    const stretch = (): number => {
      let length = 0;
      while (!pace.maySync(4096)) length++;
      return length;
    };
    for (let i = 0; i < 4; i++) {
      pace.took(4096, 5);
      t.equal(stretch(), 0, 'one slow request is the scheduler');
      pace.took(4096, 0.004);
    }
    pace.took(4096, 5);
    pace.took(4096, 5);
    const stretches = Array.from({ length: 10 }, () => {
      const length = stretch();
      pace.took(4096, 5);
      return length;
    });
    t.same(
      stretches,
      [8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024],
      'twice as long each time, to a limit',
    );
    stretch();
    for (let i = 0; i < 64; i++) pace.took(4096, 0.004);
    pace.took(4096, 5);
    t.equal(stretch(), 0, 'quick ones make it forget');
    pace.took(4096, 5);
    t.equal(stretch(), 8, 'and it begins again');
    for (let i = 0; i < 64; i++) pace.took(4096, 0.004);
    pace.took(SYNC_LIMIT_BYTES, 0.45);
    t.equal(stretch(), 0, 'a long request may take longer');
  },
);

/* ---- flusher ---- */

void t.test('flusher: a flush covers what was answered before it was asked for', async t => {
  const runs: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const flusher = new Flusher(() => new Promise((resolve, reject) => runs.push({ resolve, reject })));
  const order: string[] = [];
  const note = (name: string, flush: Promise<void>): Promise<unknown> =>
    flush.then(
      () => order.push(name),
      () => order.push(`${name} failed`),
    );
  const tick = (): Promise<void> => new Promise(resolve => void setImmediate(resolve));
  const all = [
    note('first', flusher.flush()),
    note('second', flusher.flush()),
    note('third', flusher.flush()),
  ];
  t.equal(runs.length, 1, 'the others wait, since something may have been written since it began');
  runs[0]!.reject(new Error('no'));
  await tick();
  t.same(order, ['first failed'], 'and do not share its outcome');
  t.equal(runs.length, 2, 'one run serves both');
  all.push(note('fourth', flusher.flush()));
  runs[1]!.resolve();
  await tick();
  t.same(order, ['first failed', 'second', 'third']);
  const settled = note('settled', flusher.settled());
  runs[2]!.resolve();
  await Promise.all([...all, settled]);
  t.same(order.slice(3), ['fourth', 'settled']);
  t.equal(runs.length, 3);
});

/* ---- file channel ---- */

void t.test(
  'file channel: what the system says becomes a fault',
  { skip: process.platform !== 'linux' },
  async t => {
    const full = new FileChannel(openSync('/dev/full', 'r+'));
    t.throws(() => full.writeNow(Buffer.alloc(8), 0), failure('no-space'));
    await t.rejects(full.writeLater(Buffer.alloc(8), 0), failure('no-space'));
    t.throws(() => full.writePair(Buffer.alloc(8), Buffer.alloc(8), 0), failure('no-space'));
    const large = Buffer.alloc(SYNC_LIMIT_BYTES);
    await t.rejects(async () => full.writePair(Buffer.alloc(8), large, 0), failure('no-space'));
    const path = join(t.testdir({ short: 'abc' }), 'short');
    const short = new FileChannel(openSync(path, 'r'));
    t.throws(() => short.readNow(Buffer.alloc(4), 0), { fault: 'io', message: /ends at or before byte 3/ });
    await t.rejects(short.readLater(Buffer.alloc(4), 0), failure('io', 3));
    t.throws(() => short.writeNow(Buffer.alloc(4), 0), failure('io', 0), 'opened for reading only');
    const into = Buffer.alloc(3);
    short.readNow(into, 0);
    t.equal(into.toString(), 'abc');
    await Promise.all([full.close(), full.close(), short.close()]);
    t.throws(() => short.readNow(into, 0), failure('io'), 'closed');
    await t.rejects(short.readLater(into, 0), { fault: 'io', message: 'the medium is closed' });
    await t.rejects(short.sync(), failure('io'));
  },
);

/* ---- allocation map ---- */

function sum(values: Uint8Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

for (const beganMapped of [false, true]) {
  void t.test(
    `allocation map: like a list of booleans, began ${beganMapped ? 'mapped' : 'unmapped'}`,
    async t => {
      const blocks = 3 * 32768 + 1234;
      const map = new AllocationMap(blocks, beganMapped, new MemoryPages(blocks), 0);
      const model = new Uint8Array(blocks).fill(beganMapped ? 1 : 0);
      const wrong: string[] = [];
      for (let round = 0; round < 600; round++) {
        const first = round % 7 === 0 ? 32768 * random(4) : random(blocks);
        const width = [9, 300, 40_000, blocks][random(4)]!;
        const count = Math.min(1 + random(width), blocks - first);
        const mapped = random(2);
        if (mapped === 1) map.mark(first, count);
        else map.clear(first, count);
        model.fill(mapped, first, first + count);
        const at = random(blocks);
        const length = Math.min(1 + random(70_000), blocks - at);
        const run = map.run(at, length);
        const end = model.indexOf(1 - model[at]!, at);
        const same = Math.min(end === -1 ? blocks - at : end - at, length);
        if (run.mapped !== (model[at] === 1) || run.blocks !== same)
          wrong.push(`round ${round}: run(${at}, ${length})`);
        const all = model[at] === 1 && same === length;
        if (map.allMapped(at, length) !== all) wrong.push(`round ${round}: allMapped(${at}, ${length})`);
        if (round % 5 === 0 && map.mappedBlocks !== sum(model)) wrong.push(`round ${round}: mappedBlocks`);
      }
      t.same(wrong, []);
      map.clear(0, blocks);
      t.equal(map.mappedBlocks, 0);
      t.same(map.run(0, blocks), { mapped: false, blocks });
    },
  );
}

void t.test('allocation map: what could not be kept is not believed', async t => {
  class Failing extends MemoryPages {
    fail: 'page' | 'state' | undefined;
    override savePage(): void {
      if (this.fail === 'page') throw new MediumError('no-space', 0, 'full');
    }
    override saveState(): void {
      if (this.fail === 'state') throw new MediumError('no-space', 0, 'full');
    }
  }
  for (const fail of ['page', 'state'] as const) {
    const pages = new Failing(100_000);
    const map = new AllocationMap(100_000, false, pages, 0);
    pages.fail = fail;
    t.throws(() => map.mark(5, 10), failure('no-space'));
    t.notOk(map.allMapped(5, 1), `${fail}: the blocks are not mapped`);
    t.equal(map.mappedBlocks, 0, `${fail}: nor counted`);
    pages.fail = undefined;
    map.mark(5, 10);
    t.ok(map.allMapped(5, 10) && map.mappedBlocks === 10, `${fail}: and can be marked later`);
  }
});

void t.test('allocation map: a bounded stretch of a huge medium at a time', async t => {
  const blocks = 2 ** 35;
  const map = new AllocationMap(blocks, false, new MemoryPages(blocks), 0);
  map.mark(blocks - 8, 8);
  let calls = 0;
  let at = 0;
  for (; at < blocks - 8; calls++) {
    const run = map.run(at, blocks - at);
    if (run.mapped || run.blocks === 0) break;
    at += run.blocks;
  }
  t.equal(at, blocks - 8);
  t.ok(calls > 1 && calls < 100, `${calls} calls`);
  t.same(map.run(at, 8), { mapped: true, blocks: 8 });
});

/* ---- block backends ---- */

/** Random work beside a plain buffer; the disk must say and hold the same. */
async function compareWithModel(
  t: Test,
  disk: BlockBackend,
  rounds: number,
  model: DiskModel,
): Promise<void> {
  const { blockSize, bytes } = disk;
  const blocks = bytes / blockSize;
  let wrong = 0;
  for (let round = 0; round < rounds; round++) {
    const first = random(blocks);
    const count = Math.min(1 + random(random(8) === 0 ? (2 * MIB) / blockSize : 24), blocks - first);
    const [offset, length] = [first * blockSize, count * blockSize];
    const verb = random(5);
    if (verb <= 1) {
      const data = randomBytes(64).fill(random(256), 0, 3);
      const from = Buffer.alloc(length, data);
      await disk.write(from, offset);
      from.copy(model.content, offset);
      model.mapped.fill(1, first, first + count);
    } else if (verb === 2) {
      await disk.unmap(offset, length);
      model.content.fill(0, offset, offset + length);
      model.mapped.fill(0, first, first + count);
    } else if (verb === 3) {
      const into = Buffer.alloc(length, 0xee);
      await disk.read(into, offset);
      if (into.compare(model.content, offset, offset + length) !== 0) wrong++;
    } else {
      const extent = await disk.extent(offset, length);
      if (extent.bytes === 0 || extent.bytes > length || extent.bytes % blockSize !== 0) wrong++;
      const told = model.mapped.subarray(first, first + extent.bytes / blockSize);
      if (told.some(mapped => (mapped === 1) !== extent.mapped)) wrong++;
    }
    if (disk.mappedBytes !== model.mappedBytes(blockSize)) wrong++;
  }
  t.equal(wrong, 0, `${rounds} rounds of random work`);
}

class DiskModel {
  readonly content: Buffer;
  readonly mapped: Uint8Array;

  constructor(bytes: number, blockSize: number, content?: Buffer) {
    this.content = content ?? Buffer.alloc(bytes);
    this.mapped = new Uint8Array(bytes / blockSize).fill(content === undefined ? 0 : 1);
  }

  mappedBytes(blockSize: number): number {
    return sum(this.mapped) * blockSize;
  }
}

async function contentOf(disk: BlockBackend): Promise<Buffer> {
  const content = Buffer.alloc(disk.bytes);
  await disk.read(content, 0);
  return content;
}

for (const blockSize of [512, 4096]) {
  void t.test(`memory disk: ${blockSize}-byte blocks`, async t => {
    const bytes = 6 * MIB + 3 * 4096;
    const model = new DiskModel(bytes, blockSize);
    const disk = memoryDisk({ bytes, blockSize });
    await compareWithModel(t, disk, 600, model);
    t.equal((await contentOf(disk)).compare(model.content), 0);
    await disk.close();
  });

  void t.test(`disk file: ${blockSize}-byte blocks, new and opened again`, async t => {
    const path = join(t.testdir(), 'disk');
    const bytes = 6 * MIB + 3 * 4096;
    const model = new DiskModel(bytes, blockSize);
    for (let round = 0; round < 4; round++) {
      const disk = await openDiskFile({ path, blockSize, ...(round === 0 ? { bytes } : {}) });
      t.equal(disk.mappedBytes, model.mappedBytes(blockSize), 'the map is as it was');
      await compareWithModel(t, disk, 150, model);
      if (round % 2 === 0) await disk.flush();
      await disk.close();
      t.equal(readFileSync(path).compare(model.content), 0, 'and so is the file');
    }
    t.same(readdirSync(join(path, '..')).sort(), ['disk', 'disk.sanlet-map'], 'the lock has gone');
  });

  void t.test(`disk file: a foreign image, ${blockSize}-byte blocks`, async t => {
    const content = Buffer.alloc(3 * MIB, randomBytes(777));
    content.fill(0, MIB, 2 * MIB);
    const path = join(t.testdir({ image: content }), 'image');
    writeFileSync(path, content);
    const disk = await openDiskFile({ path, blockSize });
    t.same(await disk.extent(0, disk.bytes), { mapped: true, bytes: disk.bytes }, 'is mapped whole');
    t.equal(disk.mappedBytes, disk.bytes);
    const model = new DiskModel(content.length, blockSize, Buffer.from(content));
    await compareWithModel(t, disk, 150, model);
    await disk.close();
    t.equal(readFileSync(path).compare(model.content), 0);
  });
}

void t.test('memory disk: ten tebibytes cost nothing', async t => {
  const before = process.memoryUsage().rss;
  const disk = memoryDisk({ bytes: 10 * 2 ** 40 });
  const data = randomBytes(4096);
  await disk.write(data, 9 * 2 ** 40);
  const into = Buffer.alloc(4096);
  await disk.read(into, 9 * 2 ** 40);
  t.equal(into.compare(data), 0);
  t.equal(disk.mappedBytes, 4096);
  await disk.unmap(0, disk.bytes);
  await disk.read(into, 9 * 2 ** 40);
  t.equal(into.compare(Buffer.alloc(4096)), 0);
  t.equal(disk.mappedBytes, 0);
  t.ok(process.memoryUsage().rss - before < 32 * MIB, 'memory');
  t.throws(() => memoryDisk({ bytes: 1000 }), /not a whole number of 512-byte blocks/);
  t.throws(() => memoryDisk({ bytes: 2 ** 51 }), /are possible/);
});

for (const kind of ['memory', 'file'] as const) {
  void t.test(`SBC-4 4.7: a ${kind} disk maps no more than its limit`, async t => {
    const path = join(t.testdir(), 'thin.img');
    const sizes = { bytes: 64 * MIB, blockSize: 512, allocationLimitBytes: 10 * 512 };
    const open = async (): Promise<BlockBackend> =>
      kind === 'memory' ? memoryDisk(sizes) : await openDiskFile({ path, ...sizes });
    let disk = await open();
    const block = Buffer.alloc(512, 1);
    await disk.write(Buffer.alloc(8 * 512, 1), 4 * 512);
    const crossing = async (): Promise<void> => disk.write(Buffer.alloc(16 * 512, 2), 0);
    await t.rejects(crossing(), failure('no-space', 2 * 512), 'the third unmapped block is one too many');
    t.equal(disk.mappedBytes, 8 * 512, 'and none of it is mapped');
    const found = Buffer.alloc(16 * 512);
    await disk.read(found, 0);
    t.ok(
      found.every((byte, i) => byte === (i >= 4 * 512 && i < 12 * 512 ? 1 : 0)),
      'nor written',
    );
    await disk.write(block, 0);
    await disk.write(block, 1024 * 512);
    await t.rejects(async () => disk.write(block, 2048 * 512), failure('no-space', 2048 * 512));
    await disk.write(block, 1024 * 512); // what is mapped can be written again
    await disk.unmap(0, 512);
    if (kind === 'file') {
      await disk.close();
      disk = await open();
    }
    await disk.write(block, 2048 * 512);
    await t.rejects(async () => disk.write(block, 0), failure('no-space'));
    t.equal(disk.mappedBytes, disk.allocationLimitBytes);
    await disk.close();
  });
}

/** A disk of zeros whose last process was killed when it had this atomic write in its journal. */
async function killedInAtomicWrite(
  t: Test,
  state: 'pending' | 'applied' | 'failed',
): Promise<{ path: string; data: Buffer }> {
  const path = join(t.testdir(), 'disk');
  await (await openDiskFile({ path, bytes: MIB })).close();
  const data = randomBytes(100 * KIB);
  const journal = new AtomicJournal(`${path}.sanlet-atomic`);
  await journal.put(statSync(path, { bigint: true }), 8 * KIB, data);
  if (state === 'applied') journal.applied();
  if (state === 'failed') await journal.cancel();
  const left = readFileSync(`${path}.sanlet-atomic`);
  journal.close();
  writeFileSync(`${path}.sanlet-atomic`, left);
  return { path, data };
}

/** Whether it holds that write when it is opened again; zeros are the other thing that it may hold. */
async function holds(t: Test, { path, data }: { path: string; data: Buffer }): Promise<boolean> {
  const disk = await openDiskFile({ path });
  const found = Buffer.alloc(data.length);
  await disk.read(found, 8 * KIB);
  const there = found.equals(data);
  t.ok(there || found.every(byte => byte === 0), 'all or nothing');
  if (there) t.ok((await disk.extent(8 * KIB, data.length)).mapped, 'and mapped');
  await disk.close();
  t.notOk(existsSync(`${path}.sanlet-atomic`), 'no journal is left');
  return there;
}

void t.test('SBC-4 WRITE ATOMIC(16): the journal of a disk file', async t => {
  t.ok(await holds(t, await killedInAtomicWrite(t, 'pending')), 'what had begun is carried out');
  t.notOk(
    await holds(t, await killedInAtomicWrite(t, 'applied')),
    'what was written stays as it has become since',
  );
  t.notOk(
    await holds(t, await killedInAtomicWrite(t, 'failed')),
    'one that failed, and was told so, is not carried out over what came after it',
  );

  const torn = await killedInAtomicWrite(t, 'pending');
  const bytes = readFileSync(`${torn.path}.sanlet-atomic`);
  writeFileSync(`${torn.path}.sanlet-atomic`, bytes.subarray(0, bytes.length - 1));
  t.notOk(await holds(t, torn), 'a journal that was not whole had not reached the image');
  const damaged = await killedInAtomicWrite(t, 'pending');
  bytes[5000]! ^= 1;
  writeFileSync(`${damaged.path}.sanlet-atomic`, bytes);
  t.notOk(await holds(t, damaged), 'nor had one with a wrong checksum');

  const foreign = await killedInAtomicWrite(t, 'pending');
  const file = openSync(foreign.path, 'r+');
  await sleep(5);
  writeSync(file, Buffer.alloc(512), 0, 512, 0);
  closeSync(file);
  t.notOk(await holds(t, foreign), 'an image that somebody has written to since is left alone');

  for (const [state, when, there, why] of [
    ['applied', new Date('2001-01-01'), true, 'after a loss of power it is written again'],
    ['pending', new Date('2001-01-01'), true, 'as is one that had begun'],
    ['applied', new Date(), false, 'but not over what was written since the machine was started'],
  ] as const) {
    const lost = await killedInAtomicWrite(t, state);
    const old = readFileSync(`${lost.path}.sanlet-atomic`);
    old.fill(0xee, 48, 64); // another boot
    old.writeUInt32BE(crc32c(old.subarray(0, 76)), 76);
    writeFileSync(`${lost.path}.sanlet-atomic`, old);
    utimesSync(lost.path, when, when);
    t.equal(await holds(t, lost), there, why);
  }

  const path = join(t.testdir(), 'disk');
  const disk = await openDiskFile({ path, bytes: 4 * MIB });
  for (let i = 0; i < 4; i++) {
    const data = randomBytes(MIB);
    await disk.writeAtomic!(data, 512);
    const found = Buffer.alloc(MIB);
    await disk.read(found, 512);
    t.ok(found.equals(data));
    t.ok(existsSync(`${path}.sanlet-atomic`), 'the record is kept until the image is flushed');
    if (i === 1) await disk.flush();
    t.equal(readFileSync(`${path}.sanlet-atomic`)[8] === 0, i === 1);
  }
  await disk.close();
  t.notOk(existsSync(`${path}.sanlet-atomic`));
});

for (const kind of ['memory', 'file'] as const) {
  void t.test(`anchored blocks: a ${kind} disk`, async t => {
    const path = join(t.testdir(), 'disk');
    const options = { bytes: 64 * MIB, blockSize: 512, allocationLimitBytes: 32 * MIB };
    let disk = kind === 'memory' ? memoryDisk(options) : await openDiskFile({ path, ...options });
    t.teardown(() => disk.close());
    const extents = async (from: number, to: number): Promise<string> => {
      let found = '';
      for (let at = from; at < to;) {
        const extent = await disk.extent(at, to - at);
        found += ` ${extent.mapped ? (extent.anchored === true ? 'anchored' : 'mapped') : 'none'} ${extent.bytes / 512}`;
        at += extent.bytes;
      }
      return found.trim();
    };
    await disk.write(Buffer.alloc(4 * MIB, 0x77), MIB);
    await disk.anchor!(512, 8 * MIB);
    t.equal(await extents(0, 10 * MIB), `none 1 anchored 16384 none ${4096 - 1}`);
    const there = Buffer.alloc(9 * MIB, 1);
    await disk.read(there, 0);
    t.ok(there.every(byte => byte === 0));
    t.equal(disk.mappedBytes, 8 * MIB);
    await disk.write(Buffer.alloc(1024, 2), MIB);
    await disk.writeAtomic!(Buffer.alloc(4096, 3), 2 * MIB);
    t.equal(await extents(0, 3 * MIB), 'none 1 anchored 2047 mapped 2 anchored 2046 mapped 8 anchored 2040');
    await disk.unmap(512, MIB);
    t.equal(await extents(0, MIB + 1024), 'none 2049 mapped 1');
    await t.rejects(async () => disk.anchor!(16 * MIB, 32 * MIB), failure('no-space'));
    t.equal(await extents(16 * MIB, 48 * MIB), 'none 65536', 'and nothing has changed');
    // Here and there, until the map of them would be too large: what is forgotten is mapped.
    const wide = memoryDisk({ bytes: 2 ** 37, blockSize: 512 });
    for (let i = 0; i < 4098; i++) await wide.anchor!(i * 16 * MIB, 512);
    t.equal(wide.mappedBytes, 4098 * 512);
    const first = await wide.extent(0, 512);
    t.ok(first.mapped && first.anchored !== true, 'no longer known as anchored');
    await disk.resize!(32 * MIB);
    t.equal(await extents(4 * MIB, 8 * MIB), 'mapped 8192', 'another size: mapped');
    if (kind === 'memory') return;
    await disk.anchor!(20 * MIB, MIB);
    await disk.close();
    disk = await openDiskFile({ path, blockSize: 512 });
    t.equal(await extents(20 * MIB, 22 * MIB), 'mapped 2048 none 2048', 'after a restart it has its room');
    await disk.read(there, 20 * MIB);
    t.ok(there.every(byte => byte === 0));
  });
}

void t.test('disk file: sixteen tebibytes cost nothing', async t => {
  const path = join(t.testdir(), 'disk');
  const bytes = 2 ** 43;
  const disk = await openDiskFile({ path, bytes });
  const data = randomBytes(512);
  await disk.write(data, bytes - 512);
  await disk.unmap(0, bytes - 1024);
  t.equal(disk.mappedBytes, 512);
  await disk.close();
  const again = await openDiskFile({ path });
  const into = Buffer.alloc(512);
  await again.read(into, bytes - 512);
  t.equal(into.compare(data), 0);
  t.equal(again.mappedBytes, 512);
  await again.close();
  const blocks = statSync(path).blocks + statSync(`${path}.sanlet-map`).blocks;
  t.ok(blocks * 512 < 256 * KIB, `${blocks * 512} bytes of real space`);
});

void t.test('disk file: a hole of a foreign image stays a hole when it is unmapped', async t => {
  const path = join(t.testdir({ image: '' }), 'image');
  truncateSync(path, 64 * MIB);
  const disk = await openDiskFile({ path });
  await disk.unmap(0, disk.bytes);
  t.equal(disk.mappedBytes, 0);
  await disk.close();
  t.ok(statSync(path).blocks * 512 < MIB, 'no zeros were written');
});

void t.test('disk file: a piece of a block at its end does not count', async t => {
  const path = join(t.testdir({ odd: 'x'.repeat(9000) }), 'odd');
  for (let i = 0; i < 2; i++) {
    const disk = await openDiskFile({ path, blockSize: 4096 });
    t.equal(disk.bytes, 8192);
    t.equal(disk.mappedBytes, i === 0 ? 8192 : 4096, 'its map is found again');
    await disk.unmap(4096, 4096);
    await disk.close();
  }
  t.equal(statSync(path).size, 9000);
});

/** Blocks that are mapped, as `first+count`. */
async function mapOf(disk: BlockBackend): Promise<string> {
  const runs: [number, number][] = [];
  for (let at = 0; at < disk.bytes;) {
    const { mapped, bytes } = await disk.extent(at, disk.bytes - at);
    const last = runs.at(-1);
    if (mapped && last !== undefined && last[0] + last[1] === at) last[1] += bytes;
    else if (mapped) runs.push([at, bytes]);
    at += bytes;
  }
  return runs.map(([at, bytes]) => `${at / disk.blockSize}+${bytes / disk.blockSize}`).join(' ');
}

void t.test('disks: another size, whatever the map looks like at its edge', async t => {
  const directory = t.testdir({ foreign: '' });
  truncateSync(join(directory, 'foreign'), 20 * MIB);
  const page = 4096 * 8;
  const kinds: [string, () => Promise<BlockBackend>, boolean][] = [
    ['memory', async () => memoryDisk({ bytes: 20 * MIB }), false],
    ['file', () => openDiskFile({ path: join(directory, 'new'), bytes: 20 * MIB }), false],
    ['foreign file', () => openDiskFile({ path: join(directory, 'foreign') }), true],
  ];
  for (const [name, make, beganMapped] of kinds) {
    let disk = await make();
    const blocks = disk.bytes / 512;
    if (beganMapped) await disk.unmap(0, disk.bytes);
    t.equal(await mapOf(disk), '', name);
    const data = Buffer.alloc(512, 0xa5);
    for (const lba of [0, page - 1, page, blocks - 1]) await disk.write(data, lba * 512);
    const reopen = async (): Promise<void> => {
      if (name === 'memory') return;
      await disk.close();
      disk = await openDiskFile({ path: join(directory, name === 'file' ? 'new' : 'foreign') });
    };
    const grown = 100 * MIB;
    const map = `0+1 ${page - 1}+2 ${blocks - 1}+1`;
    await disk.resize!(grown);
    t.equal(disk.bytes, grown);
    t.equal(await mapOf(disk), map, `${name}: what is new is unmapped`);
    t.equal(disk.mappedBytes, 4 * 512);
    await reopen();
    t.equal(await mapOf(disk), map, `${name}: and so it is when it is opened again`);
    await disk.write(data, grown - 512);
    const read = Buffer.alloc(512);
    await disk.read(read, (blocks - 1) * 512);
    t.ok(read.equals(data));
    // To the middle of a page, of a page that is wholly mapped, and back.
    await disk.write(Buffer.alloc(page * 512, 1), page * 512);
    await disk.resize!((page + 100) * 512);
    t.equal(await mapOf(disk), `0+1 ${page - 1}+101`, `${name}: cut in a page`);
    await reopen();
    t.equal(disk.mappedBytes, 102 * 512);
    await disk.resize!(grown);
    t.equal(await mapOf(disk), `0+1 ${page - 1}+101`, `${name}: what was cut off does not come back`);
    await disk.read(read, (page + 100) * 512);
    t.ok(read.equals(Buffer.alloc(512)));
    await reopen();
    t.equal(await mapOf(disk), `0+1 ${page - 1}+101`);
    await disk.close();
  }
});

void t.test('disk file: a change of size that kill -9 cuts short', async t => {
  for (const [what, size] of [
    ['before the file has it', 20 * MIB],
    ['when the file has it and the map has not', 90 * MIB],
    ['when another size was made of it', 50 * MIB],
  ] as const) {
    const path = join(t.testdir({}), 'image');
    const disk = await openDiskFile({ path, bytes: 20 * MIB });
    await disk.write(Buffer.alloc(4096, 1), 8192);
    await disk.close();
    const map = await MapFile.open({
      path: `${path}.sanlet-map`,
      image: statSync(path, { bigint: true }),
      blockSize: 512,
      fresh: false,
    });
    const now = BigInt(Date.now()) * 1_000_000n;
    map.stamp(statSync(path, { bigint: true }).mtimeNs, now + 60_000_000_000n); // as its lease does
    map.announce(90 * MIB);
    truncateSync(path, size);
    const found = await openDiskFile({ path });
    t.equal(await mapOf(found), size === 50 * MIB ? `0+${(50 * MIB) / 512}` : '16+8', what);
    t.equal(found.bytes, size);
    await found.close();
  }
});

void t.test('disk file: what cannot be opened is said in a sentence', async t => {
  const dir = t.testdir({ odd: 'x'.repeat(700), even: 'x'.repeat(1024), empty: '', folder: {}, file: 'x' });
  const at = (name: string): string => join(dir, name);
  const refused = (options: Parameters<typeof openDiskFile>[0], message: string): Promise<unknown> =>
    t.rejects(openDiskFile(options), { message });
  await refused({ path: at('none') }, `${at('none')} does not exist, and no size is given to make it`);
  await refused({ path: at('none'), bytes: 1024, readOnly: true }, `${at('none')} does not exist`);
  await refused(
    { path: at('new'), bytes: 700 },
    `${at('new')} of 700 bytes would not be a whole number of 512-byte blocks`,
  );
  await refused(
    { path: at('even'), bytes: 2048 },
    `${at('even')} has 1024 bytes, not the 2048 that are asked for`,
  );
  await refused(
    { path: at('even'), blockSize: 4096 },
    `${at('even')} has 1024 bytes, which is less than a block of 4096`,
  );
  await refused({ path: at('empty') }, `${at('empty')} is empty`);
  await refused({ path: at('folder') }, `${at('folder')} is a directory, not a regular file`);
  await refused({ path: '/dev/null' }, '/dev/null is a character device, not a regular file');
  await refused({ path: at('no/disk'), bytes: 512 }, `${at('no')} does not exist`);
  await refused(
    { path: at('file/disk'), bytes: 512 },
    `${at('file/disk')} lies behind something that is not a directory`,
  );
  await refused({ path: at('huge'), bytes: 2 ** 52 }, `${at('huge')} is larger than its file system allows`);
  t.notOk(existsSync(at('huge')), 'and nothing is left of it');
  symlinkSync('loop', at('loop'));
  await refused({ path: at('loop') }, `${at('loop')} is a loop of symbolic links`);
  const same = await openDiskFile({ path: at('even'), bytes: 1024 });
  t.equal(same.bytes, 1024, 'its own size may be given');
  await same.close();
});

void t.test('disk file: one writer, under whatever name', async t => {
  const dir = t.testdir({ image: 'x'.repeat(1024), states: {} });
  const path = join(dir, 'image');
  symlinkSync(path, join(dir, 'symbolic'));
  linkSync(path, join(dir, 'hard'));
  const disk = await openDiskFile({ path });
  for (const [name, stateDir] of [
    ['image'],
    ['symbolic'],
    ['hard'],
    ['image', join(dir, 'states')],
  ] as const) {
    const other = { path: join(dir, name), ...(stateDir === undefined ? {} : { stateDir }) };
    const message = `${other.path} is in use by process ${process.pid}`;
    await t.rejects(openDiskFile(other), { message }, `${name} ${stateDir ?? ''}`);
    await t.rejects(openDiskFile({ ...other, readOnly: true }), { message }, `${name} to read`);
  }
  await disk.close();
  const readers = [
    await openDiskFile({ path, readOnly: true }),
    await openDiskFile({ path: join(dir, 'hard'), readOnly: true }),
  ];
  await t.rejects(openDiskFile({ path }), /is in use/);
  await t.rejects(openDiskFile({ path: join(dir, 'symbolic') }), /is in use/);
  for (const reader of readers) await reader.close();
  const again = await openDiskFile({ path: join(dir, 'symbolic') });
  await again.close();
});

void t.test('disk file: read-only is never written', async t => {
  const dir = t.testdir({ image: 'abcd'.repeat(256) });
  const path = join(dir, 'image');
  utimesSync(path, 1000, 1000);
  const disk = await openDiskFile({ path, readOnly: true });
  t.equal((await contentOf(disk)).toString(), 'abcd'.repeat(256));
  t.ok(disk.readOnly);
  t.equal(disk.mappedBytes, 1024);
  t.same(await disk.extent(512, 512), { mapped: true, bytes: 512 });
  t.throws(() => disk.write(Buffer.alloc(512), 0), {
    name: 'MediumError',
    fault: 'write-protected',
    offset: 0,
  });
  await t.rejects(async () => disk.unmap(512, 512), failure('write-protected', 512));
  t.equal(disk.flush(), undefined);
  await disk.close();
  t.same(readdirSync(dir), ['image'], 'no map, no lock');
  t.equal(statSync(path).mtimeMs, 1000_000);
});

void t.test('disk file: a state directory holds the map', async t => {
  const dir = t.testdir({ one: { disk: '' }, two: { disk: '' } });
  const stateDir = join(dir, 'state', 'deep');
  for (const name of ['one', 'two']) {
    truncateSync(join(dir, name, 'disk'), 4096);
    const disk = await openDiskFile({ path: join(dir, name, 'disk'), stateDir });
    await disk.close();
    t.same(readdirSync(join(dir, name)), ['disk']);
  }
  const names = readdirSync(stateDir);
  t.equal(names.length, 2, 'two disks of one name have two maps');
  t.ok(
    names.every(name => /^disk-[0-9a-f]{10}\.sanlet-map$/.test(name)),
    names.join(' '),
  );
});

void t.test('disk file: writes come before or after a piece of an unmap, never in it', async t => {
  const path = join(t.testdir(), 'disk');
  const bytes = 8 * MIB;
  const disk = await openDiskFile({ path, bytes });
  await disk.write(Buffer.alloc(bytes, 0xaa), 0);
  const late = new Map<number, Promise<void> | void>();
  const data = Buffer.alloc(512 * KIB, 0x55);
  const early = disk.write(data, 7 * MIB);
  t.type(early, Promise, 'a long write goes through the thread pool');
  const unmapped = disk.unmap(0, bytes);
  for (let offset = 0; offset < 4 * MIB; offset += MIB) {
    late.set(offset, disk.write(data, offset));
    await new Promise(resolve => void setImmediate(resolve));
  }
  await Promise.all([early, unmapped, ...late.values()]);
  const content = await contentOf(disk);
  let wrong = 0;
  for (let offset = 0; offset < bytes; offset += 512) {
    const { mapped } = await disk.extent(offset, 512);
    if (!mapped && content.subarray(offset, offset + 512).some(byte => byte !== 0)) wrong++;
    if (content[offset] === 0xaa) wrong++;
  }
  t.equal(wrong, 0, 'what is unmapped is zero, and all of the old is gone');
  t.ok(
    content[0] === 0x55 && (await disk.extent(0, data.length)).bytes === data.length,
    'the write that followed is there',
  );
  t.notOk((await disk.extent(6 * MIB, 512)).mapped);
  await disk.close();
});

void t.test('disk file: an unmap waits for the writes under way in its place', async t => {
  const disk = await openDiskFile({ path: join(t.testdir(), 'disk'), bytes: MIB });
  const data = Buffer.alloc(512 * KIB, 0x55);
  let wrong = 0;
  for (let round = 0; round < 20; round++) {
    await Promise.all([disk.write(data, 0), disk.unmap(256 * KIB, 512 * KIB)]);
    const extent = await disk.extent(0, MIB);
    if (!extent.mapped || extent.bytes !== 256 * KIB) wrong++;
    const content = await contentOf(disk);
    if (content[256 * KIB - 1] !== 0x55 || content.subarray(256 * KIB).some(byte => byte !== 0)) wrong++;
  }
  t.equal(wrong, 0);
  await disk.close();
});

void t.test('disk file: after closing', async t => {
  const path = join(t.testdir(), 'disk');
  const disk = await openDiskFile({ path, bytes: 4 * MIB });
  const writing = disk.write(Buffer.alloc(MIB, 7), 0);
  await Promise.all([disk.close(), disk.close(), writing]);
  t.equal(readFileSync(path)[MIB - 1], 7, 'a write under way is ended first');
  t.throws(() => disk.write(Buffer.alloc(512), 0), { fault: 'io', message: 'the medium is closed' });
  t.throws(() => disk.read(Buffer.alloc(512), 0), failure('io'));
  await t.rejects(async () => disk.unmap(0, 512), failure('io'));
});

/* ---- which maps are believed ---- */

const HEADER_BYTES = 120;
const BOOT_AT = 64;
const FLAGS_AT = 12;

/** Changes the header of a map file, and its checksum with it. */
function patchHeader(path: string, patch: (header: Buffer) => void): void {
  const file = readFileSync(path);
  const header = file.subarray(0, HEADER_BYTES);
  patch(header);
  header.writeUInt32BE(crc32c(header.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4);
  writeFileSync(path, file);
}

const otherBoot = (header: Buffer): void => void header.fill(0x5a, BOOT_AT, BOOT_AT + 16);

async function mappedAfter(
  t: Test,
  { flush, spoil }: { flush: boolean; spoil: (map: string, open: Buffer, image: string) => void },
): Promise<number> {
  const path = join(t.testdir(), 'disk');
  const map = `${path}.sanlet-map`;
  const disk = await openDiskFile({ path, bytes: MIB });
  await disk.write(Buffer.alloc(8192, 1), 0);
  if (flush) await disk.flush();
  const open = readFileSync(map);
  await disk.close();
  spoil(map, open, path);
  const again = await openDiskFile({ path });
  const { mappedBytes } = again;
  await again.close();
  return mappedBytes;
}

const KEPT = 8192;
const FOREIGN = MIB;
const trust: readonly (readonly [
  string,
  boolean,
  number,
  (map: string, open: Buffer, image: string) => void,
])[] = [
  ['closed in good order', false, KEPT, () => undefined],
  ['killed', false, KEPT, (map, open) => writeFileSync(map, open)],
  [
    'killed, and the power lost',
    true,
    FOREIGN,
    (map, open) => {
      writeFileSync(map, open);
      patchHeader(map, otherBoot);
    },
  ],
  ['closed after a flush, and the power lost', true, KEPT, map => patchHeader(map, otherBoot)],
  ['closed without a flush, and the power lost', false, FOREIGN, map => patchHeader(map, otherBoot)],
  [
    'killed, and the image written to since',
    true,
    FOREIGN,
    (map, open, image) => {
      writeFileSync(map, open);
      const later = Date.now() / 1000 + 5;
      utimesSync(image, later, later);
    },
  ],
  [
    'killed, and an older image copied into its place',
    true,
    FOREIGN,
    (map, open, image) => {
      writeFileSync(map, open);
      utimesSync(image, 5, 5);
    },
  ],
  ['the image changed since it was closed', true, FOREIGN, (_map, _open, image) => utimesSync(image, 5, 5)],
  ['another size', true, 2 * MIB, (_map, _open, image) => truncateSync(image, 2 * MIB)],
  ['another inode', true, FOREIGN, map => patchHeader(map, header => header.writeBigUInt64BE(1n, 40))],
  ['another block size', true, FOREIGN, map => patchHeader(map, header => header.writeUInt32BE(4096, 16))],
  ['another version', true, FOREIGN, map => patchHeader(map, header => header.writeUInt32BE(99, 8))],
  [
    'a damaged header',
    true,
    FOREIGN,
    map => {
      const file = readFileSync(map);
      file[FLAGS_AT]! ^= 1;
      writeFileSync(map, file);
    },
  ],
  ['cut short', true, FOREIGN, map => truncateSync(map, 4096)],
  ['something else altogether', true, FOREIGN, map => writeFileSync(map, 'my notes')],
];

for (const [name, flush, expected, spoil] of trust) {
  void t.test(`disk file: the map, ${name}`, async t => {
    t.equal(await mappedAfter(t, { flush, spoil }), expected);
  });
}

void t.test('disk file: the map, killed at any time while writing', async t => {
  const path = join(t.testdir(), 'disk');
  const disk = await openDiskFile({ path, bytes: MIB });
  const wrong: number[] = [];
  for (const end = Date.now() + 2500; Date.now() < end;) {
    await disk.write(Buffer.alloc(512, 1), 0);
    const header = readFileSync(`${path}.sanlet-map`);
    const modified = statSync(path, { bigint: true }).mtimeNs;
    const from = header.readBigUInt64BE(48);
    const until = header.readBigUInt64BE(80);
    if (modified < from || modified > until || Number(until - modified) > 2e9) wrong.push(Number(modified));
    await sleep(20);
  }
  t.same(wrong, []);
  await disk.close();
});

void t.test('disk file: the map, killed while idle and the image written to at once', async t => {
  const path = join(t.testdir(), 'disk');
  const map = `${path}.sanlet-map`;
  const disk = await openDiskFile({ path, bytes: MIB });
  await disk.write(Buffer.alloc(512, 1), 0);
  await sleep(1300);
  const idle = readFileSync(map);
  const { mtimeNs } = statSync(path, { bigint: true });
  t.equal(idle.readBigUInt64BE(80), mtimeNs, 'the image is known to the nanosecond');
  await disk.close();
  writeFileSync(map, idle);
  const believed = await openDiskFile({ path });
  t.equal(believed.mappedBytes, 512);
  const again = readFileSync(map);
  await believed.close();
  writeFileSync(map, again);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(512, 2), 0, 512, 64 * KIB);
  closeSync(file);
  const changed = await openDiskFile({ path });
  t.equal(changed.mappedBytes, MIB);
  await changed.close();
});

/* ---- a sync that failed ---- */

/** Takes a file away from whoever has it open, for as long as `work` takes: it cannot be synchronised then. */
async function without(path: string, work: () => Promise<void>): Promise<void> {
  const real = realpathSync(path);
  const names = readdirSync('/proc/self/fd').map(Number);
  const file = names.find(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === real;
    } catch {
      return false;
    }
  })!;
  closeSync(file);
  try {
    await work();
  } finally {
    const others: number[] = [];
    for (let got = openSync(real, 'r+'); got !== file; got = openSync(real, 'r+')) others.push(got);
    for (const other of others) closeSync(other);
  }
}

const linux = existsSync('/proc/self/fd') ? {} : { skip: 'needs /proc' };

for (const name of ['disk', 'disk.sanlet-map']) {
  void t.test(`disk file: a failed sync of ${name} is not forgotten`, linux, async t => {
    const path = join(t.testdir(), 'disk');
    const disk = await openDiskFile({ path, bytes: MIB });
    await disk.write(Buffer.alloc(512, 1), 0);
    await without(join(path, '..', name), async () => {
      await t.rejects(async () => disk.flush(), failure('io'));
    });
    await t.rejects(async () => disk.flush(), failure('io'), 'nor by the next one');
    await disk.write(Buffer.alloc(512, 1), 512);
    await t.rejects(async () => disk.flush(), failure('io'), 'nor after another write');
    await disk.close();
    const again = await openDiskFile({ path });
    await again.flush();
    await again.close();
  });
}
