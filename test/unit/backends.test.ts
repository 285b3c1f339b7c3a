import {
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { AllocationMap, MemoryPages } from '../../lib/backends/allocation-map.ts';
import type { BlockBackend } from '../../lib/backends/block-backend.ts';
import { FileChannel } from '../../lib/backends/file-channel.ts';
import { openDiskFile } from '../../lib/backends/file.ts';
import { Flusher } from '../../lib/backends/flusher.ts';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { Pace, SYNC_LIMIT_BYTES } from '../../lib/backends/pace.ts';
import type { TapeMedium, TapeObject } from '../../lib/backends/tape-medium.ts';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
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
const randomBytes = (length: number): Buffer => Buffer.alloc(length).map(() => 1 + random(255));

const KIB = 1024;
const MIB = 1024 * 1024;

/* ---- pace ---- */

void t.test(
  'pace: quick requests stay synchronous, a slow one is followed by a stretch of others',
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
    t.equal(stretch(), 8, 'quick ones make it forget');
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
    const fault = (fault: string): object => ({ name: 'MediumError', fault });
    t.throws(() => full.writeNow(Buffer.alloc(8), 0), fault('no-space'));
    await t.rejects(full.writeLater(Buffer.alloc(8), 0), fault('no-space'));
    t.throws(() => full.writePair(Buffer.alloc(8), Buffer.alloc(8), 0), fault('no-space'));
    const large = Buffer.alloc(SYNC_LIMIT_BYTES);
    await t.rejects(async () => full.writePair(Buffer.alloc(8), large, 0), fault('no-space'));
    const path = join(t.testdir({ short: 'abc' }), 'short');
    const short = new FileChannel(openSync(path, 'r'));
    t.throws(() => short.readNow(Buffer.alloc(4), 0), { fault: 'io', message: /ends at or before byte 3/ });
    await t.rejects(short.readLater(Buffer.alloc(4), 0), { fault: 'io', offset: 3 });
    t.throws(() => short.writeNow(Buffer.alloc(4), 0), { fault: 'io', offset: 0 }, 'opened for reading only');
    const into = Buffer.alloc(3);
    short.readNow(into, 0);
    t.equal(into.toString(), 'abc');
    await Promise.all([full.close(), full.close(), short.close()]);
    t.throws(() => short.readNow(into, 0), fault('io'), 'closed');
    await t.rejects(short.readLater(into, 0), { fault: 'io', message: 'the medium is closed' });
    await t.rejects(short.sync(), fault('io'));
  },
);

/* ---- allocation map ---- */

for (const beganMapped of [false, true]) {
  void t.test(
    `allocation map: like a list of booleans, began ${beganMapped ? 'mapped' : 'unmapped'}`,
    async t => {
      const blocks = 3 * 32768 + 1234;
      const map = new AllocationMap(blocks, beganMapped, new MemoryPages(blocks), 0);
      const model = Array.from({ length: blocks }, () => beganMapped);
      const wrong: string[] = [];
      for (let round = 0; round < 600; round++) {
        const first = round % 7 === 0 ? 32768 * random(4) : random(blocks);
        const width = [9, 300, 40_000, blocks][random(4)]!;
        const count = Math.min(1 + random(width), blocks - first);
        if (random(2) === 0) {
          map.mark(first, count);
          model.fill(true, first, first + count);
        } else {
          map.clear(first, count);
          model.fill(false, first, first + count);
        }
        const at = random(blocks);
        const length = Math.min(1 + random(70_000), blocks - at);
        const run = map.run(at, length);
        const end = model.indexOf(!model[at]!, at);
        const same = Math.min(end === -1 ? blocks - at : end - at, length);
        if (run.mapped !== model[at] || run.blocks !== same)
          wrong.push(`round ${round}: run(${at}, ${length})`);
        const all = model[at] && same === length;
        if (map.allMapped(at, length) !== all) wrong.push(`round ${round}: allMapped(${at}, ${length})`);
        if (map.mappedBlocks !== model.filter(Boolean).length) wrong.push(`round ${round}: mappedBlocks`);
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
    t.throws(() => map.mark(5, 10), { fault: 'no-space' });
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
    let blocks = 0;
    for (const mapped of this.mapped) blocks += mapped;
    return blocks * blockSize;
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

void t.test('disk file: what cannot be opened is said in a sentence', async t => {
  const dir = t.testdir({ odd: 'x'.repeat(700), even: 'x'.repeat(1024), empty: '', folder: {}, file: 'x' });
  const at = (name: string): string => join(dir, name);
  const refused = (options: Parameters<typeof openDiskFile>[0], message: string): Promise<unknown> =>
    t.rejects(openDiskFile(options), { message });
  await refused({ path: at('none') }, `${at('none')} does not exist, and no size is given to make it`);
  await refused({ path: at('none'), bytes: 1024, readOnly: true }, `${at('none')} does not exist`);
  await refused(
    { path: at('odd') },
    `${at('odd')} has 700 bytes, which is not a whole number of 512-byte blocks`,
  );
  await refused(
    { path: at('even'), bytes: 2048 },
    `${at('even')} has 1024 bytes, not the 2048 that are asked for`,
  );
  await refused(
    { path: at('even'), blockSize: 4096 },
    `${at('even')} has 1024 bytes, which is not a whole number of 4096-byte blocks`,
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
  await t.rejects(async () => disk.unmap(512, 512), { fault: 'write-protected', offset: 512 });
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

void t.test('disk file: after closing', async t => {
  const path = join(t.testdir(), 'disk');
  const disk = await openDiskFile({ path, bytes: 4 * MIB });
  const writing = disk.write(Buffer.alloc(MIB, 7), 0);
  await Promise.all([disk.close(), disk.close(), writing]);
  t.equal(readFileSync(path)[MIB - 1], 7, 'a write under way is ended first');
  t.throws(() => disk.write(Buffer.alloc(512), 0), { fault: 'io', message: 'the medium is closed' });
  t.throws(() => disk.read(Buffer.alloc(512), 0), { fault: 'io' });
  await t.rejects(async () => disk.unmap(0, 512), { fault: 'io' });
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
