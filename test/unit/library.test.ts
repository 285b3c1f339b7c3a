/** A tape library as a program embeds it and as initiators find it: what it is made of, and what a person does at it. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { ConfigError, San } from '../../lib/index.ts';
import type { LibraryOptions, SanOptions } from '../../lib/config/options.ts';
import { resolveOptions } from '../../lib/config/resolve.ts';
import { openLibrary } from '../../lib/library-opener.ts';
import { type Log, silent } from '../../lib/log.ts';
import type { Initiator } from '../harness/initiator.ts';
import { DRIVE, moveCdb, SLOT, STATION } from '../harness/library.ts';
import { pattern } from '../harness/random.ts';
import { logIn, startSan, TARGET } from '../harness/rig.ts';

const said = async (peer: Initiator, lun: number, cdb: string | Buffer): Promise<string> =>
  (await peer.command(lun, typeof cdb === 'string' ? cdb : cdb.toString('hex'))).said;
const move = (peer: Initiator, lun: number, from: number, to: number): Promise<string> =>
  said(peer, lun, moveCdb(from, to));

const contents = (san: San, name = 'lib'): string[] =>
  san
    .library(name)
    .elements.filter(({ barcode }) => barcode !== undefined)
    .map(({ address, barcode }) => `${address.toString(16)} ${barcode}`);

const cartridges = (path: string): string[] =>
  readdirSync(path)
    .filter(name => name.endsWith('.tape'))
    .toSorted();

const sentence = async (t: Test, work: Promise<unknown>, says: RegExp): Promise<void> => {
  const error = await work.then(
    () => new Error('it was done'),
    (caught: unknown) => caught as Error,
  );
  t.match(error.message, says);
  t.ok(error instanceof ConfigError, error.message);
  t.notMatch(error.message, /\n/);
};

function listener(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const at = (_facts: unknown, message?: string): void => void lines.push(String(message));
  return { lines, log: { error: at, warn: at, info: () => undefined, debug: () => undefined } };
}

void t.test('cartridges that are made have the capacity of their type', async t => {
  for (const [drive, file, capacityBytes] of [
    ['LTO', 'SAN001L6.tape', 2_500_000_000_000],
    ['ULT3580-TD8', 'SAN001L8.tape', 12_000_000_000_000],
  ] as const) {
    const path = join(t.testdir(), drive);
    const san = await startSan(t, { libraries: [{ name: 'lib', path, drives: 1, slots: 3, drive }] });
    await san.stop();
    const made = await openCartridgeFile({ path: join(path, file), readOnly: true });
    t.equal(made.label.capacityBytes, capacityBytes, file);
    await made.close();
  }
});

void t.test('an empty directory is filled with blank cartridges in all but two slots', async t => {
  const path = join(t.testdir(), 'shelf');
  const options: SanOptions = {
    disks: [{ name: 'd0', memory: '1M' }],
    libraries: [{ name: 'lib', path, drives: 2, slots: 5, ie: 1, size: '8M' }],
  };
  const san = await startSan(t, options);
  t.same(cartridges(path), ['SAN001L6.tape', 'SAN002L6.tape', 'SAN003L6.tape']);
  t.same(contents(san), ['400 SAN001L6', '401 SAN002L6', '402 SAN003L6']);
  t.match(san.luns, [
    { lun: 0, type: 'disk', name: 'd0' },
    { lun: 1, type: 'tape', name: 'lib-d0', library: 'lib', bytes: 0 },
    { lun: 2, type: 'tape', name: 'lib-d1', library: 'lib' },
    { lun: 3, type: 'changer', name: 'lib', library: 'lib', bytes: 0, blockSize: 0 },
  ]);
  t.equal('library' in san.luns[0]!, false);
  const peer = await logIn(t, san, { luns: [0, 1, 2, 3] });
  const serialOf = async (lun: number, page: string): Promise<string> =>
    (await peer.command(lun, `12 01 ${page} 00 ff 00`, { read: 255 })).data.subarray(4).toString();
  t.equal(await serialOf(1, 'b3'), await serialOf(3, '80'), 'VPD page B3h: the drives tell whose they are');
  t.equal(await said(peer, 1, '00'), '2/3a00', 'drives are empty');
  t.equal(await move(peer, 3, SLOT, DRIVE + 1), '');
  t.equal(await said(peer, 2, '00'), '6/2800');
  const record = pattern(1000, 1);
  t.equal((await peer.command(2, '0a 00 0003e8 00', { write: record })).said, '');
  await san.stop();

  const again = await startSan(t, options);
  t.same(contents(again), ['101 SAN001L6', '401 SAN002L6', '402 SAN003L6'], 'it is as it was left');
  const other = await logIn(t, again, { luns: [0, 1, 2, 3] });
  t.same((await other.command(2, '08 00 0003e8 00', { read: 1000 })).data, record);
  t.equal((await other.command(2, '08 00 0003e8 00', { read: 1000 })).said, '8/0005');
  for (const name of ['SAN002L6', 'SAN003L6']) rmSync(join(path, `${name}.tape`));
  await again.stop();
  const third = await startSan(t, options);
  t.same(contents(third), ['101 SAN001L6'], 'what was taken away is not made again');
});

void t.test('cartridges keep their capacity, and what units keep lies with them', async t => {
  const path = join(t.testdir(), 'shelf');
  const library = { name: 'lib', path, slots: 3 };
  const san = await startSan(t, { libraries: [{ ...library, size: '4M' }] });
  await san.stop();
  const again = await startSan(t, { libraries: [{ ...library, size: '9M' }] });
  const peer = await logIn(t, again, { luns: [0, 1] });
  t.equal(await move(peer, 1, SLOT, DRIVE), '', 'size is for cartridges to come');
  await peer.clear(0);
  const key = Buffer.alloc(24);
  key[15] = 7;
  key[20] = 1; // APTPL
  t.equal((await peer.command(1, '5f 00 00 00 00 00 00 00 18 00', { write: key })).said, '');
  await again.stop();
  t.ok(readdirSync(path).some(name => /^lib-[0-9a-f]{10}\.sanlet-unit$/.test(name)));
  const third = await startSan(t, { libraries: [library] });
  const other = await logIn(t, third, { luns: [0, 1] });
  const keys = await other.command(1, '5e 00 00 00 00 00 00 00 20 00', { read: 32 });
  t.equal(keys.data.readUInt32BE(4), 8, 'a registration of the changer outlives a restart');
});

void t.test('two libraries cannot have one directory, whoever serves them', async t => {
  const path = join(t.testdir(), 'shelf');
  const library = { name: 'lib', path, slots: 3 };
  await startSan(t, { libraries: [library] });
  await t.rejects(
    San.start({ libraries: [{ ...library, name: 'other' }] }),
    /shelf is in use by process \d+$/,
  );
});

void t.test('SMC-3 6.6: a person at the import/export slots', async t => {
  const path = join(t.testdir(), 'shelf');
  const { log, lines } = listener();
  const options = { iqn: TARGET, libraries: [{ name: 'lib', path, slots: 4, ie: 1 }], log };
  const san = await San.start(options);
  const library = san.library('lib');
  const peer = await logIn(t, san, { luns: [0, 1] });
  t.equal(await move(peer, 1, SLOT, STATION), '');
  t.same(await library.outside(), []);
  await sentence(
    t,
    library.remove('SAN002L6'),
    /^lib: there is no cartridge "SAN002L6" in an import\/export slot$/,
  );
  await library.remove('SAN001L6');
  t.equal(await said(peer, 1, '00'), '6/2801', 'IMPORT OR EXPORT ELEMENT ACCESSED');
  t.same(contents(san), ['401 SAN002L6']);
  t.same(await library.outside(), ['SAN001L6']);
  await library.rescan();
  t.same(contents(san), ['401 SAN002L6'], 'what was taken out stays out');
  await san.stop();

  const again = await San.start(options);
  t.teardown(() => again.stop());
  const there = again.library('lib');
  const other = await logIn(t, again, { luns: [0, 1] });
  t.same(await there.outside(), ['SAN001L6'], 'also over a restart');
  await sentence(t, there.insert('SAN002L6'), /^lib: barcode: SAN002L6 is in slot 2 already$/);
  await sentence(
    t,
    there.insert('SAN001L7'),
    /^lib: barcode: there is no cartridge "SAN001L7" outside \(did you mean SAN001L6\?\)$/,
  );
  await sentence(t, there.insert('SAN001L6', 0x400), /^lib: 1024 is no free import\/export slot$/);
  await other.command(1, '1e 00 00 00 01 00');
  await sentence(t, there.insert('SAN001L6'), /^lib: an initiator keeps the import\/export slots locked$/);
  await other.command(1, '1e 00 00 00 00 00');
  t.match(await there.insert('SAN001L6'), { address: STATION, type: 'import/export', barcode: 'SAN001L6' });
  t.equal(await said(other, 1, '00'), '6/2801');
  t.same(contents(again), ['300 SAN001L6', '401 SAN002L6']);
  await there.remove(STATION);
  await there.insert('SAN001L6', STATION);
  t.equal(await move(other, 1, STATION, DRIVE), '6/2801');
  t.equal(await move(other, 1, STATION, DRIVE), '');

  // A cartridge of another place, put into the directory while it is served.
  const spare = join(t.testdirName, 'spare.tape');
  renameSync(join(path, 'SAN002L6.tape'), spare);
  await there.rescan();
  t.equal(await said(other, 1, '00'), '6/2800', 'a slot is empty');
  t.same(contents(again), ['100 SAN001L6']);
  renameSync(spare, join(path, 'NEW.tape'));
  await there.rescan();
  t.equal(await said(other, 1, '00'), '6/2801');
  t.same(contents(again), ['100 SAN001L6', '300 SAN002L6'], 'its label counts, not its name');
  t.same(lines, ['the file of the cartridge SAN002L6 is gone: slot 2 is empty']);
});

void t.test('cartridges in memory do not take all of it', async t => {
  const [target] = resolveOptions({ libraries: [{ name: 'vtl', memory: true }] }).targets;
  const as = { iqn: TARGET, state: undefined, revision: '0.1', log: silent };
  const { changer } = await openLibrary(target!.libraries[0]!, as);
  const taken = await changer.inventory.shelf.take('SAN001L6');
  t.equal('medium' in taken ? taken.medium.nativeCapacityBytes : 0, 4 * 1024 ** 3);
  await changer.close();
});

void t.test('a library in memory', async t => {
  const san = await startSan(t, { libraries: [{ name: 'vtl', memory: true, slots: 4, ie: 1, size: '1M' }] });
  t.same(contents(san, 'vtl'), ['400 SAN001L6', '401 SAN002L6']);
  const peer = await logIn(t, san, { luns: [0, 1] });
  for (const [slot, salt] of [
    [SLOT, 1],
    [SLOT + 1, 2],
  ] as const) {
    await move(peer, 1, slot, DRIVE);
    await peer.clear(0);
    t.equal((await peer.command(0, '0a 00 000100 00', { write: pattern(256, salt) })).said, '');
    t.equal(await move(peer, 1, DRIVE, slot), '');
  }
  await move(peer, 1, SLOT, DRIVE);
  await peer.clear(0);
  t.same(
    (await peer.command(0, '08 00 000100 00', { read: 256 })).data,
    pattern(256, 1),
    'a cartridge keeps its records',
  );
  const vtl = san.library('vtl');
  await sentence(t, vtl.create('a/b'), /^vtl: barcode: "a\/b" is no barcode: up to 32 letters/);
  await t.rejects(vtl.create('SAN001L6'), /^vtl has a cartridge SAN001L6 already$/);
  await vtl.create('NEW001L6');
  t.same(await vtl.outside(), ['NEW001L6']);
  t.match(await vtl.insert('NEW001L6'), { address: STATION, barcode: 'NEW001L6', mediaType: 'LTO-6' });
  t.equal(await said(peer, 1, '00'), '6/2801');
});

void t.test('rules of access show the parts of a library by their names', async t => {
  const san = await startSan(t, {
    libraries: [{ name: 'lib', memory: true, drives: 2, slots: 4 }],
    access: [{ initiators: ['*:b'], luns: ['lib', 'lib-d1'] }, {}],
  });
  const b = await logIn(t, san, { luns: [0, 1], initiator: 'iqn.2026-01.test:b' });
  t.equal((await b.command(0, '12 00 00 00 60 00', { read: 96 })).data[0], 8, 'the changer at LUN 0');
  t.equal(await move(b, 0, SLOT, DRIVE + 1), '');
  t.equal(await said(b, 1, '00'), '6/2800');
  t.equal(await said(b, 2, '00'), '5/2500', 'and no other drive');
});

void t.test('libraries come and go as a whole', async t => {
  const path = join(t.testdir(), 'shelf');
  const disks = [{ name: 'd0', memory: '1M' }];
  const san0 = { iqn: TARGET };
  const library: LibraryOptions = { name: 'lib', path, slots: 4, drives: 2 };
  const san = await startSan(t, { disks });
  const peer = await logIn(t, san, { luns: [0] });
  t.match(await san.add({ library }), { lun: 3, type: 'changer', name: 'lib' });
  t.equal(await said(peer, 0, '00'), '6/3f0e', 'REPORTED LUNS DATA HAS CHANGED');
  await peer.clear(1, 2, 3);
  t.equal(await move(peer, 3, SLOT, DRIVE), '');
  await sentence(
    t,
    san.add({ library: { ...library, path: '/elsewhere' } }),
    /^library\.name: there is a lib-d0 in this target already/,
  );
  await sentence(
    t,
    san.add({ library: { ...library, name: 'l2' } }),
    /^library\.path: .*shelf holds lib already; give l2 a directory of its own$/,
  );
  await sentence(
    t,
    san.add({ library: { name: 'l2', memory: true, lun: 2 } }),
    /^library\.lun: LUN 2 is lib-d1 already/,
  );
  await sentence(
    t,
    san.add({ library: { name: 'l2', memory: true, slots: 0 } }),
    /^library\.slots: must be a whole number/,
  );
  await sentence(t, san.remove(1), /^lun: LUN 1 is a drive of the library lib, and goes with its changer$/);
  await t.rejects(san.resize(3, '1M'), /^lib is a changer, and has no size$/);
  t.throws(() => san.library('lob'), /^library: there is no library "lob" in .* \(did you mean lib\?\)$/);

  for (const [other, what] of [
    [{ ...library, slots: 5 }, 'slots'],
    [{ ...library, drives: 1 }, 'drives'],
    [{ ...library, lun: 9 }, 'lun'],
  ] as const) {
    await sentence(
      t,
      san.apply({ ...san0, disks, libraries: [other] }),
      /^lib: what a library is made of cannot change while it is served: take it out, load that, and put it back$/,
    );
    t.equal(san.luns.length, 4, what);
  }
  t.same(await san.apply({ ...san0, disks, libraries: [library] }), []);
  t.same(await san.apply({ ...san0, disks }), ['library lib removed']);
  t.same(
    san.luns.map(({ lun }) => lun),
    [0],
  );
  t.equal(existsSync(join(path, 'shelf.sanlet-lock')), false, 'the directory is let go');
  t.same(await san.apply({ ...san0, disks, libraries: [library] }), ['library lib added at LUN 1 to 3']);
  t.same(contents(san), ['100 SAN001L6', '401 SAN002L6'], 'as it was left');
  await san.remove(3);
  t.same(
    san.luns.map(({ lun }) => lun),
    [0],
  );
  t.throws(() => san.library('lib'), /there is no library "lib"/);
  t.match(await san.add({ library: { ...library, lun: 10 } }), { lun: 12 });
});

void t.test('what keeps a library from starting is told in one sentence, and holds nothing', async t => {
  const path = join(t.testdir({ file: '' }), 'shelf');
  const library = { name: 'lib', path, slots: 4 };
  const first = await startSan(t, { libraries: [library] });
  const peer = await logIn(t, first, { luns: [0, 1] });
  await move(peer, 1, SLOT, DRIVE);
  await first.stop();
  const holder = await San.start({ tapes: [{ name: 't', path: join(path, 'SAN001L6.tape') }] });
  await t.rejects(
    San.start({ libraries: [library] }),
    /^.*SAN001L6\.tape is in use by process \d+$/,
    'what is in a drive',
  );
  await holder.stop();
  const again = await San.start({ libraries: [library] });
  await again.stop();
  await t.rejects(
    San.start({ libraries: [{ ...library, path: join(t.testdirName, 'file') }] }),
    /^.*file is no directory$/,
  );
});
