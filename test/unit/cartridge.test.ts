/** Tape cartridges, in files and in memory: what they hold, how they are found again, and what is said of bad ones. */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { MediumError } from '../../lib/backends/medium-error.ts';
import type { MediumFault } from '../../lib/backends/medium-error.ts';
import { FileChannel } from '../../lib/backends/file-channel.ts';
import { WHOLE_MEDIUM } from '../../lib/backends/tape-medium.ts';
import type {
  MediumAttribute,
  TapeMedium,
  TapeObject,
  TapePosition,
} from '../../lib/backends/tape-medium.ts';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { CartridgeAttributes } from '../../lib/backends/tape/attributes.ts';
import { LogCartridge } from '../../lib/backends/tape/cartridge.ts';
import { openStore } from '../../lib/backends/tape/file-store.ts';
import { FRAME_BYTES, FRAME_MAGIC, INDEX } from '../../lib/backends/tape/frame.ts';
import { ATTRIBUTE_SLOTS, ATTRIBUTE_SLOT_BYTES } from '../../lib/backends/tape/header-area.ts';
import { overFilemarks, toObject } from '../../lib/backends/tape/motion.ts';
import { newLabel } from '../../lib/backends/tape/label.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { chunkReader } from '../../lib/backends/tape/load-partition.ts';
import { ObjectIndex } from '../../lib/backends/tape/object-index.ts';
import { Partition } from '../../lib/backends/tape/partition.ts';
import { regionBytes } from '../../lib/backends/tape/partition-plan.ts';
import type { LogPoint, TapeLog } from '../../lib/backends/tape/tape-log.ts';
import { verifyCartridge } from '../../lib/backends/tape/verify-cartridge.ts';
import { Random, SEED, pattern } from '../harness/random.ts';

t.comment(`SANLET_SEED=${SEED}`);
const random = new Random();
const randomBytes = (length: number): Buffer => Buffer.from(pattern(length, random.below(2 ** 31)));
type Failure = { name: string; fault: MediumFault; offset?: number };
const failure = (fault: MediumFault, offset?: number): Failure => ({
  name: 'MediumError',
  fault,
  ...(offset === undefined ? {} : { offset }),
});

const KIB = 1024;
const MIB = 1024 * 1024;
/** Where the partitions begin in a file. */
const START = 98_304;
/** Where the first partition's sync points lie. */
const SYNC_POINTS = 8192;

/** What lies on a tape: a record as it is stored, or a filemark. */
type Item = { readonly stored: Buffer; readonly length: number; readonly coding: number } | 'filemark';

const plain = (stored: Buffer): Exclude<Item, 'filemark'> => ({ stored, length: stored.length, coding: 0 });

/** A tape as a list a partition, moved over one object at a time: what the standard says, and nothing clever. */
class TapeModel {
  partitions: Item[][] = [[]];
  partition = 0;
  at = 0;

  get objects(): Item[] {
    return this.partitions[this.partition]!;
  }

  get position(): TapePosition {
    const file = this.objects.slice(0, this.at).filter(object => object === 'filemark').length;
    return { partition: this.partition, object: this.at, file };
  }

  peek(): TapeObject {
    const object = this.objects[this.at];
    if (object === undefined) return { kind: 'end-of-data' };
    if (object === 'filemark') return { kind: 'filemark' };
    const { length, stored, coding } = object;
    return { kind: 'record', length, storedBytes: stored.length, coding };
  }

  put(...objects: Item[]): void {
    this.objects.splice(this.at, Infinity, ...objects);
    this.at += objects.length;
  }

  space(count: number, kind: 'record' | 'filemark'): { moved: number; stop: string } {
    const step = Math.sign(count);
    for (let moved = 0; ;) {
      if (moved === Math.abs(count)) return { moved, stop: 'none' };
      const passed = this.objects[step > 0 ? this.at : this.at - 1];
      if (passed === undefined) return { moved, stop: step > 0 ? 'end-of-data' : 'beginning' };
      this.at += step;
      if (kind === 'record' && passed === 'filemark') return { moved, stop: 'filemark' };
      if (kind === 'filemark' ? passed === 'filemark' : true) moved++;
    }
  }
}

async function randomTapeWork(t: Test, tape: TapeMedium, model: TapeModel, rounds: number): Promise<void> {
  const wrong: string[] = [];
  for (let round = 0; round < rounds && wrong.length < 3; round++) {
    const told: unknown[] = [];
    const due: unknown[] = [];
    const verb = random.below(16);
    const count = random.chance(8) ? random.below(4001) - 2000 : random.below(9) - 4;
    if (verb <= 3) {
      const stored = randomBytes(1 + random.below(random.chance(20) ? 300 * KIB : 600));
      const item = random.chance(3)
        ? { stored, length: 1 + random.below(100_000), coding: 1 + random.below(255) }
        : plain(stored);
      told.push(await (item.coding === 0 && random.chance(2) ? tape.write(stored) : write(tape, item)));
      due.push('written');
      model.put(item);
    } else if (verb === 4) {
      const marks = random.chance(30) ? 1500 : random.below(3);
      told.push(await tape.writeFilemarks(marks));
      due.push('written');
      if (marks > 0) model.put(...Array.from({ length: marks }, () => 'filemark' as const));
    } else if (verb <= 7) {
      const into = Buffer.alloc(random.chance(4) ? random.below(100) : 700);
      const there = model.objects[model.at];
      due.push(model.peek());
      told.push(await tape.read(into));
      if (model.at < model.objects.length) model.at++;
      if (typeof there === 'object') {
        const length = Math.min(there.stored.length, into.length);
        due.push(there.stored.subarray(0, length).toString('hex'));
        told.push(into.subarray(0, length).toString('hex'));
      }
    } else if (verb <= 9) {
      told.push(await tape.spaceRecords(count));
      due.push(model.space(count, 'record'));
    } else if (verb === 10) {
      told.push(await tape.spaceFilemarks(count));
      due.push(model.space(count, 'filemark'));
    } else if (verb <= 12) {
      if (random.chance(2)) model.partition = random.below(model.partitions.length);
      const object = random.below(model.objects.length + 5);
      told.push(await tape.locate(object, model.partition));
      due.push(object > model.objects.length ? 'end-of-data' : 'none');
      model.at = Math.min(object, model.objects.length);
    } else if (verb === 13) {
      if (random.chance(4)) {
        model.partition = random.below(model.partitions.length);
        await tape.changePartition(model.partition);
      } else if (random.chance(3)) await tape.rewind();
      else await tape.spaceEndOfData();
      model.at = tape.atBeginning ? 0 : model.objects.length;
    } else if (random.chance(8)) {
      await tape.erase();
      model.put();
    } else await tape.sync();
    told.push(await tape.peek(), tape.position, tape.end.object, tape.atBeginning);
    due.push(model.peek(), model.position, model.objects.length, model.at === 0);
    if (JSON.stringify(told) !== JSON.stringify(due)) {
      wrong.push(`round ${round}, verb ${verb}: ${JSON.stringify(told)} for ${JSON.stringify(due)}`);
    }
  }
  t.same(wrong, [], `${rounds} rounds of random work`);
  const stored = model.partitions.map(objects =>
    objects.reduce((sum, object) => sum + (object === 'filemark' ? 0 : object.stored.length), 0),
  );
  t.same(
    tape.partitions.map(({ usedBytes }) => usedBytes),
    stored,
    'bytes used',
  );
}

const write = (tape: TapeMedium, { stored, length, coding }: Exclude<Item, 'filemark'>) =>
  tape.write(stored, { length, coding });

/** Everything in the partition from its beginning; what it holds after the first trouble is not looked at. */
async function objectsOf(tape: TapeMedium): Promise<Item[]> {
  const objects: Item[] = [];
  await tape.rewind();
  for (;;) {
    const next = await tape.peek();
    if (next.kind === 'end-of-data') return objects;
    const stored = Buffer.alloc(next.kind === 'record' ? next.storedBytes : 0);
    await tape.read(stored);
    objects.push(next.kind === 'record' ? { stored, length: next.length, coding: next.coding } : 'filemark');
  }
}

const sameObjects = (found: Item[], due: Item[]): boolean =>
  found.length === due.length &&
  found.every((object, i) => {
    const other = due[i]!;
    if (object === 'filemark' || other === 'filemark') return object === other;
    const { stored, length, coding } = object;
    return length === other.length && coding === other.coding && stored.equals(other.stored);
  });

/** Whether the tape holds what the model holds, in all partitions; goes to its beginning. */
async function holds(tape: TapeMedium, model: TapeModel): Promise<boolean> {
  if (tape.partitions.length !== model.partitions.length) return false;
  for (const [partition, objects] of model.partitions.entries()) {
    await tape.changePartition(partition);
    if (!sameObjects(await objectsOf(tape), objects)) return false;
  }
  await tape.changePartition(0);
  model.partition = 0;
  model.at = 0;
  return true;
}

/** The file `before` with a part of what makes it `after`: the bytes behind the header area that were written first. */
function halfway(before: Buffer, after: Buffer): Buffer {
  const was = (at: number): number => (at < before.length ? before[at]! : -1);
  let first = START;
  while (was(first) === after[first]) first++;
  let last = Math.min(after.length - 1, first + 4 * KIB);
  while (was(last) === after[last]) last--;
  const there = first + random.below(last - first);
  const torn = Buffer.from(after.subarray(0, Math.max(before.length, there)));
  before.copy(torn, 0, 0, START);
  if (there < before.length) before.copy(torn, there, there);
  return torn;
}

for (const partitions of [1, 3]) {
  const capacities = Array.from({ length: partitions }, (_, i) => (6 + i) * MIB);
  void t.test(`memory cartridge: like ${partitions} lists of records`, async t => {
    const tape = memoryCartridge();
    const model = new TapeModel();
    await tape.format(capacities);
    model.partitions = capacities.map(() => []);
    await randomTapeWork(t, tape, model, 3000);
    await tape.close();
  });

  void t.test(`cartridge file: like ${partitions} lists of records, opened again and again`, async t => {
    const path = join(t.testdir(), 'tape');
    const model = new TapeModel();
    for (let round = 0; round < 8; round++) {
      const tape = await openCartridgeFile({ path });
      t.ok(await holds(tape, model), `${model.objects.length} objects are there`);
      if (round % 3 === 0) {
        await tape.format(capacities);
        model.partitions = capacities.map(() => []);
        t.ok(await holds(tape, model), 'and gone after a format');
      }
      await randomTapeWork(t, tape, model, 500);
      // Killed: what the next one finds is the file as it is now, perhaps with a write that has come halfway.
      const bytes = readFileSync(path);
      await tape.spaceEndOfData();
      const last = randomBytes(3000);
      await tape.write(last);
      const more = readFileSync(path);
      await tape.close();
      if (random.chance(3)) model.partitions[tape.position.partition]!.push(plain(last));
      else writeFileSync(path, random.chance(3) ? bytes : halfway(bytes, more));
    }
    t.same(readdirSync(join(path, '..')), ['tape'], 'the lock has gone');
  });
}

for (const kind of ['memory', 'file'] as const) {
  void t.test(`${kind} cartridge: the end of the tape`, async t => {
    const capacityBytes = MIB;
    const tape =
      kind === 'memory'
        ? memoryCartridge({ capacityBytes })
        : await openCartridgeFile({ path: join(t.testdir(), 'tape'), capacityBytes });
    const record = Buffer.alloc(64 * KIB, 1);
    t.notOk(tape.pastEarlyWarning);
    const outcomes: string[] = [];
    for (let i = 0; i < 17; i++) outcomes.push(await tape.write(record));
    t.same(outcomes, [...Array.from({ length: 15 }, () => 'written'), 'early-warning', 'end-of-medium']);
    t.equal(tape.usedBytes, capacityBytes, 'it is full to the byte');
    t.equal(tape.end.object, 16, 'and the last was not written');
    t.equal(await tape.writeFilemarks(2), 'early-warning', 'filemarks still fit');
    t.equal(await tape.write(Buffer.alloc(1)), 'end-of-medium', 'but not a byte');
    t.equal(await tape.writeFilemarks(100_000), 'end-of-medium', 'nor any number of filemarks');
    t.equal(tape.end.object, 18);
    await tape.locate(15);
    t.notOk(tape.pastEarlyWarning, 'not past it before the last record');
    t.equal(await tape.writeFilemarks(0), 'written', 'no filemarks erase nothing');
    t.equal(tape.end.object, 18);
    t.equal(await tape.write(Buffer.alloc(64 * KIB + 1)), 'end-of-medium', 'a record that does not fit');
    t.equal(tape.end.object, 18, 'erases nothing either');
    t.throws(() => tape.write(Buffer.alloc(0)), RangeError);
    t.throws(() => tape.write(Buffer.alloc(0x100_0000)), RangeError);
    await tape.close();
    t.throws(() => tape.write(Buffer.alloc(1)), { fault: 'io', message: 'the cartridge is closed' });
  });
}

/** A cartridge with a synchronised part and a tail: its bytes, and what it holds. */
async function smallCartridge(
  path: string,
): Promise<{ bytes: Buffer; model: TapeModel; synced: number; offset: number }> {
  const tape = await openCartridgeFile({ path });
  const model = new TapeModel();
  const put = async (length: number): Promise<void> => {
    const record = randomBytes(length);
    await tape.write(record);
    model.put(plain(record));
  };
  for (const length of [30, 1, 75]) await put(length);
  await tape.writeFilemarks(1);
  model.put('filemark');
  await tape.sync();
  const synced = model.objects.length;
  const offset = statSync(path).size;
  for (const length of [60, 90]) await put(length);
  await tape.writeFilemarks(2);
  model.put('filemark', 'filemark');
  await put(40);
  const bytes = readFileSync(path);
  await tape.close();
  return { bytes, model, synced, offset };
}

/** Where each object ends in the file. */
const endsOf = (model: TapeModel): number[] => {
  let end = START;
  return model.objects.map(object => (end += 48 + (object === 'filemark' ? 0 : object.stored.length)));
};

const textOf = (item: Item): string => (item === 'filemark' ? item : item.stored.toString().slice(0, 5));

const cutShort = (path: string, at: number): string =>
  `${path} is cut short at byte ${at}, before the point up to which it was synchronised; ` +
  'what can be read can be with the cartridge write-protected';

void t.test('cartridge file: cut anywhere', async t => {
  const path = join(t.testdir(), 'tape');
  const { bytes, model, offset } = await smallCartridge(path);
  const ends = endsOf(model);
  t.equal(ends.at(-1), bytes.length);
  const wrong: string[] = [];
  for (let length = START; length <= bytes.length; length += 1 + random.below(3)) {
    writeFileSync(path, bytes.subarray(0, length));
    const whole = ends.filter(end => end <= length).length;
    if (length < offset) {
      const refused = await openCartridgeFile({ path }).catch((error: Error) => error.message);
      if (refused !== cutShort(path, ends[whole - 1] ?? START)) wrong.push(`${length}: opened`);
      if (statSync(path).size !== length) wrong.push(`${length}: it was touched`);
      const reader = await openCartridgeFile({ path, readOnly: true });
      if (!sameObjects(await objectsOf(reader), model.objects.slice(0, whole))) wrong.push(`${length}: read`);
      await reader.close();
      continue;
    }
    const tape = await openCartridgeFile({ path });
    if (!sameObjects(await objectsOf(tape), model.objects.slice(0, whole))) wrong.push(`${length}: content`);
    if (statSync(path).size !== (ends[whole - 1] ?? START)) wrong.push(`${length}: the tail is not cut`);
    const more = Buffer.from(`more behind ${length}`);
    await tape.write(more);
    if (random.chance(16)) {
      await tape.close();
      const again = await openCartridgeFile({ path });
      if (!sameObjects(await objectsOf(again), [...model.objects.slice(0, whole), plain(more)]))
        wrong.push(`${length}: again`);
      await again.close();
    } else await tape.close();
  }
  t.same(wrong, []);
  let opened = 0;
  for (let length = 1; length < START; length += 1013) {
    writeFileSync(path, bytes.subarray(0, length));
    await openCartridgeFile({ path }).then(
      () => opened++,
      (error: Error) => t.match(error.message, /tape is (cut short|not a sanlet cartridge)/),
    );
  }
  t.equal(opened, 0, 'a cartridge without a whole label is none');
});

void t.test('cartridge file: damage anywhere', async t => {
  const path = join(t.testdir(), 'tape');
  const { bytes, model, synced, offset } = await smallCartridge(path);
  const ends = endsOf(model);
  t.equal(ends[synced - 1], offset);
  const wrong: string[] = [];
  for (let at = offset; at < bytes.length; at += 1 + random.below(3)) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 1 << random.below(8);
    writeFileSync(path, damaged);
    const tape = await openCartridgeFile({ path });
    const whole = ends.filter(end => end <= at).length;
    if (!sameObjects(await objectsOf(tape), model.objects.slice(0, whole))) wrong.push(`${at}`);
    await tape.close();
  }
  t.same(wrong, [], 'behind the synchronised point: the tail is cut there');

  let start = START;
  for (const [object, end] of ends.slice(0, synced).entries()) {
    for (let at = start; at < end; at += 1 + random.below(3)) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << random.below(8);
      writeFileSync(path, damaged);
      const inHeader = at < start + 48;
      const tape = await openCartridgeFile({ path, readOnly: inHeader });
      const due = inHeader ? object : model.objects.length;
      if (tape.end.object !== due) wrong.push(`${at}: ${tape.end.object} objects`);
      if (!inHeader) {
        await tape.locate(object);
        const error = await Promise.resolve()
          .then(() => tape.read(Buffer.alloc(at % 2 === 0 ? 100 : 0)))
          .catch((error: unknown) => error);
        if (!(error instanceof MediumError) || error.fault !== 'corrupt' || error.offset !== object)
          wrong.push(`${at}: read`);
        if (tape.position.object !== object + 1) wrong.push(`${at}: the position is not behind it`);
      }
      await tape.close();
      if (!inHeader) continue;
      const refused = await openCartridgeFile({ path }).catch((error: Error) => error.message);
      if (typeof refused !== 'string' || !refused.startsWith(`${path} is damaged at byte ${start}, before`))
        wrong.push(`${at}: opened`);
      if (!readFileSync(path).equals(damaged)) wrong.push(`${at}: it was touched`);
    }
    start = end;
  }
  t.same(
    wrong,
    [],
    'before it: a bad record says so when read, a bad header stops the file from being written',
  );
});

void t.test('cartridge file: garbage behind the end', async t => {
  const path = join(t.testdir(), 'tape');
  const { bytes, model } = await smallCartridge(path);
  const wrong: number[] = [];
  for (let round = 0; round < 60; round++) {
    const from = START + random.below(bytes.length - START);
    const garbage =
      round % 2 === 0 ? randomBytes(1 + random.below(400)) : Buffer.from(bytes.subarray(from, from + 300));
    writeFileSync(path, Buffer.concat([bytes, garbage]));
    const tape = await openCartridgeFile({ path });
    if (statSync(path).size !== bytes.length) wrong.push(round);
    if (!sameObjects(await objectsOf(tape), model.objects)) wrong.push(round);
    await tape.close();
  }
  t.same(wrong, []);
});

void t.test('cartridge file: frames of an earlier recording are no continuation of a later one', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  for (let i = 0; i < 6; i++) await tape.write(Buffer.alloc(100, `old ${i}`));
  const before = readFileSync(path);
  await tape.locate(2);
  await tape.write(Buffer.alloc(100, 'new'));
  t.equal(tape.end.object, 3);
  const after = readFileSync(path);
  await tape.close();
  // A loss of power that kept the newer record but not the cut: records of one size line up exactly.
  writeFileSync(path, Buffer.concat([after, before.subarray(after.length)]));
  const again = await openCartridgeFile({ path });
  const texts = (await objectsOf(again)).map(textOf);
  t.same(texts, ['old 0', 'old 1', 'newne']);
  await again.close();
});

void t.test('cartridge file: what was synchronised goes back before it is written over', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  for (let i = 0; i < 4; i++) await tape.write(Buffer.alloc(100, i));
  await tape.sync();
  await tape.locate(1);
  await tape.write(Buffer.alloc(300, 9));
  await tape.write(Buffer.alloc(100, 10));
  const bytes = readFileSync(path);
  await tape.close();
  const damaged = Buffer.from(bytes);
  damaged[START + 148 + 48 + 5]! ^= 1;
  writeFileSync(path, damaged);
  const again = await openCartridgeFile({ path });
  t.equal(again.end.object, 1, 'the newer record is tail, not synchronised');
  await again.close();
});

void t.test('cartridge file: long records and many short ones are found again', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  const model = new TapeModel();
  const lengths = [
    300_000,
    ...Array.from({ length: 3000 }, () => 1 + random.below(300)),
    1_000_000,
    200_000,
    70_000,
    65_536,
  ];
  for (const length of lengths) {
    const record = randomBytes(97);
    const whole = Buffer.alloc(length, record);
    await tape.write(whole);
    model.put(plain(whole));
    if (length === 1_000_000) await tape.sync();
  }
  const bytes = readFileSync(path);
  await tape.close();
  const closed = await openCartridgeFile({ path });
  t.ok(sameObjects(await objectsOf(closed), model.objects), 'closed in good order');
  await closed.close();
  writeFileSync(path, bytes);
  const killed = await openCartridgeFile({ path });
  t.ok(sameObjects(await objectsOf(killed), model.objects), 'killed');
  await killed.close();
});

void t.test('cartridge: a write that fails leaves the tape as it was', async t => {
  const cut: number[] = [];
  let fail: 'at once' | 'later' | undefined;
  const bytes = Buffer.alloc(10_000);
  const log: TapeLog = {
    checked: true,
    readPair: (first, second, offset) => {
      bytes.copy(first, 0, offset);
      bytes.copy(second, 0, offset + first.length);
    },
    read: (into, offset) => void bytes.copy(into, 0, offset),
    append: (headers, record, offset) => {
      bytes.fill(0xee, offset, offset + 20);
      const error = new MediumError('no-space', offset, 'full', 'the cause');
      if (fail === 'at once') throw error;
      if (fail === 'later') return Promise.reject(error);
      bytes.set(headers, offset);
      if (record !== undefined) bytes.set(record, offset + headers.length);
      return undefined;
    },
    cut: () => undefined,
    reached: () => undefined,
    discard: offset => void cut.push(offset),
    sync: () => undefined,
    close: () => undefined,
  };
  const index = new ObjectIndex(chunkReader(log));
  const partition = new Partition({ number: 0, capacityBytes: 0, log, index, chain: 0, seed: 0 });
  const tape = new LogCartridge({
    writeProtected: false,
    attributes: new CartridgeAttributes(() => undefined),
    label: newLabel({ barcode: '', capacityBytes: 0, worm: false, mediaType: '' }),
    partitions: [partition],
    format: () => undefined,
    close: () => undefined,
  });
  await tape.write(Buffer.from('first'));
  for (const how of ['at once', 'later'] as const) {
    fail = how;
    const error = { ...failure('no-space', 1), cause: 'the cause' };
    await t.rejects(
      async () => tape.write(Buffer.from('second')),
      error,
      `${how}: the error names the object`,
    );
    await t.rejects(async () => tape.writeFilemarks(2), error);
    const one = { partition: 0, object: 1, file: 0 };
    t.same([tape.position, tape.end, tape.usedBytes], [one, one, 5]);
  }
  t.same(cut, [53, 53, 53, 53], 'and what may be left behind is cut off');
  fail = undefined;
  await tape.write(Buffer.from('third'));
  t.same((await objectsOf(tape)).map(textOf), ['first', 'third']);
});

void t.test('cartridge file: what cannot be opened is said in a sentence', async t => {
  const dir = t.testdir({ text: 'not a tape', long: 'x'.repeat(5000), empty: '', folder: {} });
  const at = (name: string): string => join(dir, name);
  const refused = (options: Parameters<typeof openCartridgeFile>[0], message: string): Promise<unknown> =>
    t.rejects(openCartridgeFile(options), { message });
  await refused({ path: at('text') }, `${at('text')} is not a sanlet cartridge`);
  await refused({ path: at('long') }, `${at('long')} is not a sanlet cartridge`);
  t.equal(readFileSync(at('text'), 'latin1'), 'not a tape', 'and it is left alone');
  await refused({ path: at('none'), readOnly: true }, `${at('none')} does not exist`);
  await refused({ path: at('empty'), readOnly: true }, `${at('empty')} is empty and may not be written`);
  await refused({ path: at('folder') }, `${at('folder')} is a directory, not a regular file`);
  await refused(
    { path: at('none'), barcode: 'x'.repeat(33) },
    `${at('none')} cannot have the barcode '${'x'.repeat(33)}'`,
  );
  await refused({ path: at('none'), capacityBytes: -1 }, `${at('none')} cannot have a capacity of -1 bytes`);
  t.notOk(existsSync(at('none')));

  const tape = await openCartridgeFile({ path: at('empty'), capacityBytes: 2 * MIB, barcode: 'SAN001L9' });
  t.match(tape.label, { barcode: 'SAN001L9', capacityBytes: 2 * MIB, uuid: /^[0-9a-f]{32}$/ });
  await refused({ path: at('empty') }, `${at('empty')} is in use by process ${process.pid}`);
  await tape.write(Buffer.from('hello'));
  await tape.close();
  await refused(
    { path: at('empty'), capacityBytes: MIB },
    `${at('empty')} has a capacity of 2097152 bytes, not the 1048576 that are asked for`,
  );
  await refused(
    { path: at('empty'), barcode: 'other' },
    `${at('empty')} has the barcode 'SAN001L9', not 'other'`,
  );
  const again = await openCartridgeFile({ path: at('empty'), capacityBytes: 2 * MIB, barcode: 'SAN001L9' });
  t.same(again.label, tape.label, 'the label stays');
  await again.close();

  const bytes = readFileSync(at('empty'));
  for (const label of [0, 4096]) bytes.writeUInt32BE(7, label + 8);
  writeFileSync(at('empty'), bytes);
  await refused(
    { path: at('empty') },
    `${at('empty')} is a cartridge of version 7, and only 2 is known here`,
  );
  for (const label of [0, 4096]) {
    bytes.writeUInt32BE(2, label + 8);
    bytes[label + 30]! ^= 1;
  }
  writeFileSync(at('empty'), bytes);
  await refused({ path: at('empty') }, `${at('empty')} is a cartridge whose label is damaged`);
  bytes[30]! ^= 1;
  writeFileSync(at('empty'), bytes);
  await (await openCartridgeFile({ path: at('empty') })).close();
  const mended = readFileSync(at('empty'));
  t.ok(mended.subarray(0, 4096).equals(mended.subarray(4096, 8192)), 'one label mends the other');
  t.same(mended.subarray(0, 256), bytes.subarray(0, 256));
});

void t.test('cartridge file: write-protected', async t => {
  const path = join(t.testdir(), 'tape');
  const { bytes, model } = await smallCartridge(path);
  writeFileSync(path, bytes.subarray(0, -1));
  const tapes = [
    await openCartridgeFile({ path, readOnly: true }),
    await openCartridgeFile({ path, readOnly: true }),
  ];
  for (const tape of tapes) {
    t.ok(tape.writeProtected);
    t.ok(sameObjects(await objectsOf(tape), model.objects.slice(0, -1)), 'the torn record is not seen');
    const error = failure('write-protected');
    t.throws(() => tape.write(Buffer.alloc(5)), error);
    t.throws(() => tape.writeFilemarks(1), error);
    t.throws(() => tape.erase(), error);
    t.equal(tape.sync(), undefined);
  }
  await t.rejects(openCartridgeFile({ path }), /is in use/, 'readers keep a writer out');
  for (const tape of tapes) await tape.close();
  t.ok(readFileSync(path).equals(bytes.subarray(0, -1)), 'and nothing was cut');
});

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

void t.test('cartridge file: a failed sync is not forgotten', linux, async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  await tape.write(Buffer.alloc(100, 1));
  await without(path, async () => {
    await t.rejects(async () => tape.sync(), failure('io'));
  });
  await t.rejects(async () => tape.sync(), failure('io'), 'nor by the next one');
  await tape.close();
  const again = await openCartridgeFile({ path });
  await again.sync();
  await again.close();
});

void t.test('cartridge file: what is written during a sync is for the next one', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  await tape.write(Buffer.alloc(100, 1));
  const first = tape.sync();
  await tape.write(Buffer.alloc(100, 2));
  await first;
  const point = (): Buffer => readFileSync(path).subarray(SYNC_POINTS, SYNC_POINTS + 1024);
  const before = point();
  await tape.sync();
  t.notSame(point(), before);
  await tape.close();
});

/* ---- verify ---- */

/** A cartridge of two partitions with attributes, more than one index frame and records of all kinds, closed. */
async function variedCartridge(path: string): Promise<{ bytes: Buffer; ends: number[] }> {
  const tape = await openCartridgeFile({ path, barcode: 'SAN001L6' });
  await tape.format([MIB, 2 * MIB]);
  await tape.attributes.set(1, [{ id: 0x80c, format: 0, value: Buffer.from('coherent') }]);
  for (const length of [30, 1, 75, 700]) await tape.write(randomBytes(length));
  await tape.writeFilemarks(2);
  await tape.changePartition(1);
  for (let i = 0; i < 1030; i++) await tape.write(Buffer.from([i, i >> 8]), { length: 5 + i, coding: 1 });
  await tape.sync();
  await tape.writeFilemarks(1);
  await tape.write(randomBytes(100));
  const region = regionBytes(MIB);
  await tape.close();
  const bytes = readFileSync(path);
  return { bytes, ends: [START + 48 * 6 + 806, START + region] };
}

void t.test('verify: a cartridge that is whole', async t => {
  const path = join(t.testdir(), 'tape');
  await variedCartridge(path);
  const seen: [number, number][] = [];
  const report = await verifyCartridge(path, { onProgress: (done, total) => void seen.push([done, total]) });
  t.match(report, {
    label: { barcode: 'SAN001L6' },
    flaws: [],
    flawCount: 0,
    partitions: [
      { records: 4, filemarks: 2, storedBytes: 806, recordBytes: 806, capacityBytes: MIB },
      { records: 1031, filemarks: 1, storedBytes: 2160, recordBytes: 1030 * 5 + (1029 * 1030) / 2 + 100 },
    ],
  });
  t.same(seen.at(-1), [statSync(path).size, statSync(path).size]);
  const tape = await openCartridgeFile({ path });
  await t.rejects(verifyCartridge(path), /is in use by process/, 'nobody writes to it meanwhile');
  await tape.close();
  await t.rejects(verifyCartridge(join(path, '..', 'none')), {
    message: `${join(path, '..', 'none')} does not exist`,
  });
  await t.rejects(verifyCartridge(path, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
});

void t.test('verify: any flipped bit is found, and where', async t => {
  const path = join(t.testdir(), 'tape');
  const { bytes, ends } = await variedCartridge(path);
  const [firstEnd, second] = ends as [number, number];
  const wrong: string[] = [];
  const kinds = new Map<string, number>();
  const file = openSync(path, 'r+');
  const put = (at: number, byte: number): void => void writeSync(file, Buffer.from([byte]), 0, 1, at);
  const spots: number[] = [];
  for (let at = 0; at < START; at += 1 + random.below(at < 12_288 ? 600 : 9000)) spots.push(at);
  for (let at = START; at < firstEnd; at += 1 + random.below(50)) spots.push(at);
  for (let at = second; at < bytes.length; at += 1 + random.below(3000)) spots.push(at);
  for (const at of spots) {
    put(at, bytes[at]! ^ (1 << random.below(8)));
    const { flaws } = await verifyCartridge(path);
    const hit = flaws.filter(flaw => flaw.byte <= at && at < flaw.byte + flaw.bytes);
    if (hit.length === 0) wrong.push(`${at}: ${JSON.stringify(flaws)}`);
    for (const { kind, partition } of hit) {
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if ((at >= START && partition !== (at < second ? 0 : 1)) || flaws.length > 2)
        wrong.push(`${at}: ${kind}`);
    }
    put(at, bytes[at]!);
  }
  closeSync(file);
  t.same(wrong, [], `${spots.length} bits`);
  for (const kind of ['frame', 'record', 'label', 'unused']) t.ok(kinds.has(kind), `${kind} among them`);
  t.equal((await verifyCartridge(path)).flawCount, 0);
});

void t.test('verify: goes on behind what is damaged, and counts what is lost', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  for (let i = 0; i < 20; i++) await tape.write(Buffer.alloc(1000, i + 1));
  await tape.close();
  const bytes = readFileSync(path);
  const at = (object: number): number => START + object * 1048;
  const flawsOf = async (change: (bytes: Buffer) => void): Promise<unknown> => {
    const changed = Buffer.from(bytes);
    change(changed);
    writeFileSync(path, changed);
    const { flaws, partitions } = await verifyCartridge(path);
    return [partitions[0]!.records, ...flaws];
  };
  const common = { partition: 0 };
  t.same(
    await flawsOf(
      changed => changed.fill(7, at(3) + 500, at(3) + 510) && changed.fill(7, at(9) + 99, at(9) + 100),
    ),
    [
      20,
      { kind: 'record', byte: at(3) + 48, bytes: 1000, ...common, object: 3, objects: 1 },
      { kind: 'record', byte: at(9) + 48, bytes: 1000, ...common, object: 9, objects: 1 },
    ],
  );
  t.same(
    await flawsOf(changed => changed.fill(0, at(5), at(5) + 48)),
    [19, { kind: 'frame', byte: at(5), bytes: 1048, ...common, object: 5, objects: 1 }],
    'a header, length and all',
  );
  t.same(
    await flawsOf(changed => changed.fill(0, at(5) + 100, at(12) + 100)),
    [
      13,
      { kind: 'record', byte: at(5) + 48, bytes: 1000, ...common, object: 5, objects: 1 },
      { kind: 'frame', byte: at(6), bytes: 7 * 1048, ...common, object: 6, objects: 7 },
    ],
    'a stretch',
  );
  t.same(
    await flawsOf(changed => changed.fill(0, at(19), at(19) + 48)),
    [19, { kind: 'frame', byte: at(19), bytes: 1048, ...common, object: 19, objects: 1 }],
    'the last one',
  );
  writeFileSync(path, bytes.subarray(0, at(15) + 77));
  const { flaws } = await verifyCartridge(path);
  t.match(flaws, [{ kind: 'missing', byte: at(15), bytes: 5 * 1048, object: 15 }]);
  writeFileSync(path, Buffer.concat([bytes, Buffer.from('more')]));
  t.match((await verifyCartridge(path)).flaws, [{ kind: 'unfinished', byte: bytes.length, bytes: 4 }]);
});

/* ---- the label, attributes, partitions ---- */

const KINDS = ['memory', 'file'] as const;
const opened = (
  kind: (typeof KINDS)[number],
  path: string,
  options: { capacityBytes?: number; worm?: boolean } = {},
): TapeMedium | Promise<TapeMedium> =>
  kind === 'memory' ? memoryCartridge(options) : openCartridgeFile({ path, ...options });

const text = (id: number, value: string, format = 1): MediumAttribute => ({
  id,
  format,
  value: Buffer.from(value),
});

const textsOf = (tape: TapeMedium, partition: number): string =>
  tape.attributes
    .entries(partition)
    .map(({ id, value }) => `${id.toString(16)}=${Buffer.from(value).toString()}`)
    .join(' ');

for (const kind of KINDS) {
  void t.test(`${kind} cartridge: attributes`, async t => {
    const path = join(t.testdir(), 'tape');
    let tape = await opened(kind, path);
    const reopened = async (): Promise<void> => {
      if (kind === 'memory') return;
      await tape.close();
      tape = await openCartridgeFile({ path });
    };
    await tape.format([MIB, MIB, MIB]);
    t.same(tape.attributes.entries(0), []);
    await tape.attributes.set(0, [text(0x801, 'two'), text(0x800, 'one')]);
    await tape.attributes.set(2, [{ ...text(0x80c, 'coherent', 0), readOnly: true }]);
    await tape.attributes.set(WHOLE_MEDIUM, [text(0x806, 'SAN001L6')]);
    await reopened();
    t.equal(textsOf(tape, 0), '800=one 801=two', 'in order');
    t.match(tape.attributes.get(2, 0x80c), { id: 0x80c, format: 0, readOnly: true });
    t.equal(tape.attributes.get(1, 0x80c), undefined, 'each partition has its own');
    t.equal(textsOf(tape, WHOLE_MEDIUM), '806=SAN001L6');
    await tape.attributes.set(0, [text(0x800, ''), text(0x801, '2'), text(0x802, 'three')]);
    await reopened();
    t.equal(textsOf(tape, 0), '801=2 802=three', 'one changed, one gone, one new');

    const full = failure('no-space');
    const large = { id: 0x900, format: 0, value: Buffer.alloc(33_000, 1) };
    await t.rejects(async () => tape.attributes.set(0, [text(0x801, 'not kept'), large]), full);
    await t.rejects(async () => tape.attributes.set(3, [text(1, 'x')]), RangeError);
    await reopened();
    t.equal(textsOf(tape, 0), '801=2 802=three', 'all of the changes or none');
    await tape.attributes.set(1, [{ ...large, value: Buffer.alloc(32_600, 1) }]);
    await tape.format([MIB, MIB]);
    await reopened();
    t.equal(textsOf(tape, 2), '', 'those of a partition that is gone are gone');
    t.equal(tape.attributes.get(1, 0x900)?.value.length, 32_600, 'those of the others are not');
    t.equal(textsOf(tape, 0), '801=2 802=three');
    await tape.close();
    await t.rejects(async () => tape.attributes.set(0, []), failure('io'));
  });

  void t.test(`${kind} cartridge: partitions and capacities`, async t => {
    const path = join(t.testdir(), 'tape');
    let tape = await opened(kind, path, { capacityBytes: 10 * MIB });
    const sizes = (): number[] => tape.partitions.map(({ capacityBytes }) => capacityBytes);
    for (const wrong of [[], [0], [MIB, 0], [6 * MIB, 5 * MIB], [1, 1, 1, 1, 1], [1.5]])
      await t.rejects(async () => tape.format(wrong), RangeError);
    await t.rejects(async () => tape.setCapacity(11 * MIB), RangeError);
    await tape.write(Buffer.from('gone'));
    await tape.format([7 * MIB, MIB, 2 * MIB]);
    t.same(sizes(), [7 * MIB, MIB, 2 * MIB]);
    t.same([tape.position, tape.end.object], [{ partition: 0, object: 0, file: 0 }, 0]);
    const record = Buffer.alloc(256 * KIB, 1);
    await tape.changePartition(1);
    const outcomes: string[] = [];
    for (let i = 0; i < 5; i++) outcomes.push(await tape.write(record));
    t.same(outcomes, ['written', 'written', 'written', 'early-warning', 'end-of-medium'], 'each has its end');
    t.same([tape.leftBytes, tape.usedBytes, tape.capacityBytes], [0, MIB, MIB]);
    await tape.locate(2);
    t.equal(tape.leftBytes, 512 * KIB);
    t.equal(tape.pastEarlyWarning, tape.leftBytes < tape.earlyWarningBytes);
    t.equal(await tape.locate(3, 2), 'end-of-data');
    t.same(tape.position, { partition: 2, object: 0, file: 0 });
    await tape.write(Buffer.from('in two'));
    await t.rejects(async () => tape.locate(0, 3), RangeError);
    await t.rejects(async () => tape.changePartition(3), RangeError);
    t.same(tape.position, { partition: 2, object: 1, file: 0 }, 'and stays');
    await tape.rewind();
    t.same(tape.position, { partition: 2, object: 0, file: 0 });
    if (kind === 'file') {
      await tape.close();
      tape = await openCartridgeFile({ path, capacityBytes: 10 * MIB });
      t.same(sizes(), [7 * MIB, MIB, 2 * MIB]);
      t.same(tape.position, { partition: 0, object: 0, file: 0 });
    }
    t.same(
      tape.partitions.map(({ usedBytes, end }) => [usedBytes, end.partition, end.object]),
      [
        [0, 0, 0],
        [MIB, 1, 4],
        [6, 2, 1],
      ],
    );
    await tape.setCapacity(3 * MIB);
    t.same([sizes(), tape.label.capacityBytes, tape.nativeCapacityBytes], [[3 * MIB], 3 * MIB, 10 * MIB]);
    t.equal(tape.end.object, 0);
    await t.rejects(async () => tape.format([4 * MIB]), RangeError, 'within the capacity that was set');
    if (kind === 'file') {
      await tape.close();
      tape = await openCartridgeFile({ path, capacityBytes: 10 * MIB });
      t.same([tape.capacityBytes, tape.nativeCapacityBytes], [3 * MIB, 10 * MIB]);
    }
    await tape.setCapacity(0);
    t.equal(tape.capacityBytes, 10 * MIB);
    await tape.close();
  });

  void t.test(`${kind} cartridge: WORM`, async t => {
    const path = join(t.testdir(), 'tape');
    let tape = await opened(kind, path, { worm: true, capacityBytes: 10 * MIB });
    t.ok(tape.label.worm);
    await tape.format([5 * MIB, 5 * MIB]);
    await tape.write(Buffer.from('one'));
    await tape.writeFilemarks(2);
    if (kind === 'file') {
      await tape.close();
      tape = await openCartridgeFile({ path, worm: true });
      await tape.spaceEndOfData();
    }
    await tape.spaceFilemarks(-1);
    t.equal(await tape.write(Buffer.from('two')), 'written', 'filemarks at the end may be written over');
    t.same((await objectsOf(tape)).map(textOf), ['one', 'filemark', 'two']);
    const holdsAll = async (): Promise<void> => {
      t.same((await objectsOf(tape)).map(textOf), ['one', 'filemark', 'two'], 'nothing has changed');
    };
    for (const object of [0, 1, 2]) {
      const worm = failure('worm', object);
      await tape.locate(object);
      await t.rejects(async () => tape.write(Buffer.from('no')), worm);
      await t.rejects(async () => tape.writeFilemarks(1), worm);
      await t.rejects(async () => tape.erase(), worm);
      t.equal(tape.position.object, object);
    }
    await t.rejects(async () => tape.format([MIB]), failure('worm'));
    await t.rejects(async () => tape.setCapacity(MIB), failure('worm'));
    await holdsAll();
    await tape.changePartition(1);
    await tape.erase();
    await tape.write(Buffer.from('other'), { length: 9, coding: 3 });
    await tape.attributes.set(1, [text(0x80c, 'x')]);
    await tape.close();
  });
}

void t.test(
  'cartridge file: attributes that were being written are the old ones or the new ones',
  async t => {
    const path = join(t.testdir(), 'tape');
    const tape = await openCartridgeFile({ path });
    await tape.write(Buffer.from('data'));
    await tape.attributes.set(0, [text(0x800, 'old'.repeat(500)), text(0x801, 'gone')]);
    const before = readFileSync(path);
    await tape.attributes.set(0, [text(0x800, 'new'.repeat(800)), text(0x801, '')]);
    const after = readFileSync(path);
    await tape.close();
    const seen = new Set<string>();
    const wrong: number[] = [];
    for (let round = 0; round < 60; round++) {
      // The first copy as far as it was written, or all of it and the second one as far as it was.
      const [first, second] = ATTRIBUTE_SLOTS;
      const done = random.chance(6) ? 0 : random.below(random.chance(2) ? 4000 : ATTRIBUTE_SLOT_BYTES);
      const torn = Buffer.from(before);
      if (round % 2 === 1) after.copy(torn, first, first, first + ATTRIBUTE_SLOT_BYTES);
      const slot = round % 2 === 0 ? first : second;
      after.copy(torn, slot, slot, slot + done);
      writeFileSync(path, torn);
      const reader = await openCartridgeFile({ path, readOnly: true });
      const found = textsOf(reader, 0).slice(0, 7);
      await reader.close();
      const again = await openCartridgeFile({ path });
      if (textsOf(again, 0).slice(0, 7) !== found || (round % 2 === 1 && found !== '800=new'))
        wrong.push(round);
      if (textsOf(again, 0).includes('gone') !== (found === '800=old')) wrong.push(round);
      seen.add(found);
      await again.close();
      if ((await verifyCartridge(path)).flawCount > 0) wrong.push(round);
    }
    t.same(wrong, []);
    t.same([...seen].sort(), ['800=new', '800=old']);
    const lost = Buffer.from(after);
    for (const slot of ATTRIBUTE_SLOTS) lost[slot + 30]! ^= 1;
    writeFileSync(path, lost);
    await t.rejects(openCartridgeFile({ path }), {
      message: `${path} has lost its attributes: both copies are damaged; what can be read can be with the cartridge write-protected`,
    });
    const reader = await openCartridgeFile({ path, readOnly: true });
    t.same((await objectsOf(reader)).map(textOf), ['data']);
    t.same(reader.attributes.entries(0), []);
    await reader.close();
  },
);

void t.test('cartridge file: a format that was cut off', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path, barcode: 'SAN001L6', capacityBytes: 10 * MIB });
  for (let i = 0; i < 5; i++) await tape.write(Buffer.alloc(2000, `old ${i}`));
  await tape.sync();
  const before = readFileSync(path);
  await tape.format([MIB, 2 * MIB]);
  const after = readFileSync(path);
  await tape.close();
  for (const done of [0, 1, 14, 100, 255, 256]) {
    // The first label as far as it was written, over a tape that is as it was.
    const torn = Buffer.from(before);
    after.copy(torn, 0, 0, done);
    for (const readOnly of [true, false]) {
      writeFileSync(path, torn);
      const again = await openCartridgeFile({ path, readOnly });
      const formats = done === 256;
      t.equal(again.partitions.length, formats ? 2 : 1, `${done} bytes of the new label`);
      t.equal((await objectsOf(again)).length, formats ? 0 : 5);
      await again.close();
      if (!readOnly) t.equal((await verifyCartridge(path)).flawCount, 0, 'both labels say the same');
    }
  }
  const early = Buffer.from(after);
  const three = `${path}3`;
  const other = await openCartridgeFile({ path: three });
  await other.format([MIB, MIB, MIB]);
  await other.attributes.set(2, [text(0x800, 'of three')]);
  const attributes = readFileSync(three).subarray(ATTRIBUTE_SLOTS[0], START);
  await other.format([MIB, MIB]);
  const bytes = readFileSync(three);
  await other.close();
  attributes.copy(bytes, ATTRIBUTE_SLOTS[0]);
  writeFileSync(three, bytes);
  const mended = await openCartridgeFile({ path: three });
  await mended.format([MIB, MIB, MIB]);
  t.same(mended.attributes.entries(2), [], 'attributes of a partition that was gone do not come back');
  await mended.close();

  const most = early;
  before.copy(most, 4096, 4096, 4096 + 256);
  writeFileSync(path, most);
  const last = await openCartridgeFile({ path });
  t.equal(last.partitions.length, 2, 'all but the second label');
  await last.changePartition(1);
  await last.write(Buffer.from('new'));
  await last.close();
  const again = await openCartridgeFile({ path, readOnly: true });
  await again.changePartition(1);
  t.same((await objectsOf(again)).map(textOf), ['new']);
  await again.close();
});

void t.test(
  'cartridge file: what was cut off does not come back in a partition with another behind it',
  async t => {
    const path = join(t.testdir(), 'tape');
    const tape = await openCartridgeFile({ path });
    await tape.format([MIB, 2 * MIB]);
    await tape.changePartition(1);
    await tape.write(Buffer.from('behind'));
    await tape.changePartition(0);
    for (let i = 0; i < 6; i++) await tape.write(Buffer.alloc(100, `old ${i}`));
    await tape.locate(2);
    await tape.erase();
    const found = async (): Promise<string[]> => {
      const copy = `${path}2`;
      writeFileSync(copy, readFileSync(path));
      const killed = await openCartridgeFile({ path: copy });
      const texts = (await objectsOf(killed)).map(textOf);
      await killed.close();
      return texts;
    };
    t.same(await found(), ['old 0', 'old 1'], 'after an erase');
    await tape.write(Buffer.alloc(100, 'old 2'));
    t.same(await found(), ['old 0', 'old 1', 'old 2'], 'nor behind the very same record');
    await tape.sync();
    t.same(await found(), ['old 0', 'old 1', 'old 2']);
    await tape.close();
  },
);

/* ---- the index ---- */

/** Keeps index frames and nothing else: millions of records cost nothing. Counts what is read. */
class FillerLog implements TapeLog {
  readonly checked = false;
  readonly frames = new Map<number, Buffer>();
  reads = 0;
  read(into: Buffer, offset: number): void {
    this.reads++;
    const header = this.frames.get(offset);
    const payload = this.frames.get(offset - FRAME_BYTES);
    if (header !== undefined && into.length === FRAME_BYTES) header.copy(into, 0, 0, FRAME_BYTES);
    else payload?.copy(into, 0, FRAME_BYTES);
  }
  readPair(): void {}
  append(headers: Buffer, record: Buffer | undefined, offset: number): void {
    if (record === undefined && headers.length > FRAME_BYTES) this.frames.set(offset, Buffer.from(headers));
  }
  cut({ offset }: LogPoint): void {
    for (const at of this.frames.keys()) if (at >= offset) this.frames.delete(at);
  }
  discard(): void {}
  reached(): void {}
  sync(): void {}
  close(): void {}
}

void t.test('index: two million records, and what they cost', async t => {
  const log = new FillerLog();
  const index = new ObjectIndex(chunkReader(log));
  const partition = new Partition({ number: 0, capacityBytes: 0, log, index, chain: 0, seed: 0 });
  const RECORDS = 2_000_000;
  const record = Buffer.alloc(100);
  // Every third one is of another length, every thousandth thing a filemark.
  const lengthOf = (object: number): number => 1 + (object % 3 === 0 ? object % 97 : 50);
  for (let object = 0; object < RECORDS; object++) {
    if (object % 1000 === 999) await partition.appendFilemarks(1);
    else {
      const written = partition.append(record.subarray(0, lengthOf(object)), 100, 0);
      if (written instanceof Promise) await written;
    }
  }
  const chunks = Math.floor(RECORDS / 1024);
  t.ok(
    index.heldBytes <= 2 * 24 * chunks,
    `${index.heldBytes} bytes of memory: ${index.heldBytes / RECORDS} a record`,
  );
  const stored = [...log.frames.values()].reduce((sum, { length }) => sum + length, 0);
  t.ok(stored <= 12.2 * RECORDS, `${stored} bytes on the tape: ${stored / RECORDS} a record`);

  const wrong: string[] = [];
  log.reads = 0;
  for (let round = 0; round < 2000; round++) {
    const object = random.below(RECORDS + 1);
    const place = await toObject(index, object);
    if (place.object !== object || place.file !== Math.floor(object / 1000)) wrong.push(`locate ${object}`);
    const file = 1 + random.below(1900);
    const { to } = await overFilemarks(index, { object: 0, file: 0, offset: 0, bytes: 0 }, file);
    if (to.object !== file * 1000 || to.file !== file) wrong.push(`space to file ${file}`);
    const next = await partition.look(place);
    const due = object % 1000 === 999 ? 'filemark' : object === RECORDS ? 'end-of-data' : 'record';
    if (next.kind !== due || (next.kind === 'record' && next.storedBytes !== lengthOf(object)))
      wrong.push(`look ${object}`);
  }
  t.same(wrong.slice(0, 3), []);
  t.ok(log.reads <= 2000 * 2 * 4, `${log.reads} reads for 4000 motions`);

  await partition.cut(await index.place(1_500_500));
  t.same([index.objects, index.filemarks], [1_500_500, 1500]);
  t.ok(index.table.chunks === Math.floor(1_500_500 / 1024));
  await partition.append(record, 100, 0);
  t.equal(index.objects, 1_500_501);
});

void t.test('index: filemarks only', async t => {
  const log = new FillerLog();
  const index = new ObjectIndex(chunkReader(log));
  const partition = new Partition({ number: 0, capacityBytes: 0, log, index, chain: 0, seed: 0 });
  const COUNT = 500_000;
  for (let left = COUNT; left > 0; left -= 1000) await partition.appendFilemarks(1000);
  t.equal(index.filemarks, COUNT);
  t.ok(index.heldBytes < COUNT / 20, `${index.heldBytes} bytes for ${COUNT} filemarks`);
  const { to } = await overFilemarks(index, { object: 0, file: 0, offset: 0, bytes: 0 }, 333_333);
  t.match(to, { object: 333_333, file: 333_333, bytes: 0 });
});

/** Counts what is read. */
class CountingChannel extends FileChannel {
  reads = 0;
  override readNow(into: Buffer, offset: number): void {
    this.reads++;
    super.readNow(into, offset);
  }
  override readLater(into: Buffer, offset: number): Promise<void> {
    this.reads++;
    return super.readLater(into, offset);
  }
}

void t.test('index: a long tape is loaded at once after a close, and soon after a kill', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  const CHUNKS = 700;
  for (let i = 0; i < CHUNKS; i++) await tape.writeFilemarks(1024);
  await tape.write(Buffer.from('the last one'));
  await tape.sync();
  const end = tape.position;
  const killed = `${path}-killed`;
  writeFileSync(killed, readFileSync(path));
  await tape.close();
  const load = async (file: string): Promise<number> => {
    const channel = new CountingChannel(openSync(file, 'r'));
    const lock = { identify: () => undefined, release: () => undefined };
    const accept = (): void => undefined;
    const store = await openStore({ channel, path, writeProtected: true, lock, accept });
    const again = new LogCartridge(store);
    t.same(again.end, end);
    const { reads } = channel;
    await again.locate(500_000);
    t.same(again.position, { partition: 0, object: 500_000, file: 500_000 });
    again.spaceEndOfData();
    await again.spaceRecords(-1);
    const into = Buffer.alloc(20);
    await again.read(into);
    t.match(into.toString(), /^the last one/);
    await again.close();
    return reads;
  };
  const closed = await load(path);
  t.ok(closed < 20, `${closed} reads after a close`);
  const late = await load(killed);
  t.ok(late < 700, `${late} reads after a kill`);
});

void t.test('index: damaged on the tape, the frames tell', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  const model = new TapeModel();
  const at: number[] = [];
  for (let i = 0; i < 5000; i++) {
    if (i % 100 === 99) {
      await tape.writeFilemarks(1);
      model.put('filemark');
    } else {
      const record = randomBytes(1 + random.below(30));
      await tape.write(record);
      model.put(plain(record));
    }
  }
  await tape.close();
  const bytes = readFileSync(path);
  for (let i = START; i < bytes.length; i++) {
    if (bytes.readUInt32BE(i) !== FRAME_MAGIC) {
      continue;
    }
    if (bytes[i + 4] === INDEX) at.push(i);
    i += 47;
    if (at.length === 4) break;
  }
  t.equal(at.length, 4);
  const wrong: string[] = [];
  for (let round = 0; round < 12; round++) {
    const damaged = Buffer.from(bytes);
    // The header of one or its contents; the last of them is where the walk would begin.
    const which = random.below(3);
    damaged[at[which]! + (round % 2 === 0 ? random.below(48) : 48 + random.below(500))]! ^= 1;
    writeFileSync(path, damaged);
    const again = await openCartridgeFile({ path });
    for (let motion = 0; motion < 20; motion++) {
      const object = random.below(5001);
      // Where a chunk begins is told by the index before it: with its header gone nobody knows.
      if (round % 2 === 0 && Math.floor(object / 1024) === which + 1) continue;
      await again.locate(object);
      model.at = object;
      if (
        JSON.stringify([await again.peek(), again.position]) !==
        JSON.stringify([model.peek(), model.position])
      )
        wrong.push(`${round}: ${object}`);
    }
    await again.close();
  }
  t.same(wrong, []);
});

void t.test('cartridge file: killed where a chunk of the index ends', async t => {
  const path = join(t.testdir(), 'tape');
  const tape = await openCartridgeFile({ path });
  const model = new TapeModel();
  const put = async (): Promise<void> => {
    const record = randomBytes(1 + random.below(20));
    await tape.write(record);
    model.put(plain(record));
  };
  for (let i = 0; i < 1018; i++) await put();
  await tape.sync();
  const from = statSync(path).size;
  const ends: number[] = [];
  for (let i = 0; i < 12; i++) {
    await put();
    ends.push(statSync(path).size);
  }
  const bytes = readFileSync(path);
  await tape.close();
  const wrong: number[] = [];
  for (let round = 0; round < 40; round++) {
    // Half of them near the end of a record, which the end of the index is, too.
    const near = random.pick([from, ...ends]) + random.below(101) - 50;
    const length = random.chance(2)
      ? Math.max(from, Math.min(near, bytes.length))
      : random.between(from, bytes.length);
    // The process that wrote this was killed in another boot: nothing is known but the sync point.
    const killed = Buffer.from(bytes.subarray(0, length));
    killed.fill(0, SYNC_POINTS + 1024, SYNC_POINTS + 1024 + 96);
    writeFileSync(path, killed);
    const whole = 1018 + ends.filter(end => end <= length).length;
    const again = await openCartridgeFile({ path });
    if (!sameObjects(await objectsOf(again), model.objects.slice(0, whole))) wrong.push(length);
    await again.write(Buffer.from('more'));
    await again.close();
    if ((await verifyCartridge(path)).flawCount > 0) wrong.push(length);
  }
  t.same(wrong, []);
});

/** Fails what would go past so many bytes of the file, as a full disk does, or every write. */
class FullChannel extends FileChannel {
  limit = Infinity;
  fault: MediumFault = 'no-space';
  #check(offset: number, length: number): void {
    if (offset + length > this.limit) throw new MediumError(this.fault, offset, 'as asked for');
  }
  override write(from: Buffer, offset: number) {
    this.#check(offset, from.length);
    return super.write(from, offset);
  }
  override writeNow(from: Buffer, offset: number): void {
    this.#check(offset, from.length);
    super.writeNow(from, offset);
  }
  override writePair(first: Buffer, second: Buffer, offset: number) {
    this.#check(offset, first.length + second.length);
    return super.writePair(first, second, offset);
  }
}

for (const fault of ['no-space', 'io'] as const) {
  void t.test(`cartridge file: ${fault} while it is written loses nothing`, async t => {
    const path = join(t.testdir(), 'tape');
    await (await openCartridgeFile({ path })).close();
    const channel = new FullChannel(openSync(path, 'r+'));
    const lock = { identify: () => undefined, release: () => undefined };
    const store = await openStore({ channel, path, writeProtected: false, lock, accept: () => undefined });
    const tape = new LogCartridge(store);
    channel.fault = fault;
    const model = new TapeModel();
    const wrong: string[] = [];
    let failed = 0;
    for (let round = 0; round < 1500; round++) {
      channel.limit = random.chance(4) ? statSync(path).size + random.below(80) : Infinity;
      const record = randomBytes(1 + random.below(40));
      try {
        if (random.chance(9)) {
          await tape.writeFilemarks(2);
          model.put('filemark', 'filemark');
        } else {
          await tape.write(record);
          model.put(plain(record));
        }
      } catch (error) {
        failed++;
        if (!(error instanceof MediumError) || error.fault !== fault || error.offset !== model.at)
          wrong.push(`${round}`);
      }
      if (tape.position.object !== model.at) wrong.push(`${round}: ${tape.position.object} for ${model.at}`);
      channel.limit = Infinity;
      if (random.chance(50)) await tape.sync();
    }
    t.ok(failed > 50, `${failed} writes failed`);
    t.same(wrong, []);
    // The disk is full to the byte while it is closed: there is no room for a trailer.
    channel.limit = statSync(path).size;
    await tape.close();
    const again = await openCartridgeFile({ path });
    t.ok(await holds(again, model), 'and all that was answered is there');
    await again.close();
    t.equal((await verifyCartridge(path)).flawCount, 0);
  });
}
