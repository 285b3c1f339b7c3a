import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readDocument, writeDocument } from '../../lib/state/document.ts';
import type { DocumentKind } from '../../lib/state/document.ts';
import { InUseError, acquireLock, refuseIfLocked } from '../../lib/state/lock-file.ts';
import { openUnitState } from '../../lib/backends/unit-state-file.ts';
import { type Section, UnitState } from '../../lib/state/unit-state.ts';
import { bootId, isRunning, ownIdentity } from '../../lib/state/process-identity.ts';

const onLinux = process.platform === 'linux';

/* ---- documents ---- */

interface Note {
  readonly text: string;
  readonly numbers: readonly number[];
}

const note: DocumentKind<Note> = {
  kind: 'note',
  version: 3,
  parse: body => {
    if (typeof (body as Note | null)?.text !== 'string') throw new Error('it has no text');
    return body as Note;
  },
};

void t.test('a document comes back as it was written', async t => {
  const path = join(t.testdir(), 'note');
  t.equal(await readDocument(path, note), undefined, 'a missing one is undefined');
  await writeDocument(path, note, { text: 'one', numbers: [1, 2 ** 40, -3] });
  t.same(await readDocument(path, note), { text: 'one', numbers: [1, 2 ** 40, -3] });
  await writeDocument(path, note, { text: 'two', numbers: [] });
  t.same(await readDocument(path, note), { text: 'two', numbers: [] }, 'and is replaced');
  t.same(readdirSync(join(path, '..')), ['note'], 'no temporary file is left');
});

void t.test('writers at the same moment leave one whole document', async t => {
  const path = join(t.testdir(), 'note');
  const texts = Array.from({ length: 8 }, (_, i) => `${i}`.repeat(1000 * (i + 1)));
  await Promise.all(texts.map(text => writeDocument(path, note, { text, numbers: [] })));
  const found = await readDocument(path, note);
  t.ok(texts.includes(found?.text ?? ''), 'it is one of them');
});

void t.test('what is wrong with a document is said, with the name of the file', async t => {
  const path = join(t.testdir(), 'note');
  await writeDocument(path, note, { text: 'whole', numbers: [] });
  const whole = readFileSync(path);

  const other = { ...note, kind: 'letter' };
  await t.rejects(readDocument(path, other), { message: `${path} holds note, not letter` });
  const newer = { ...note, version: 4 };
  await t.rejects(readDocument(path, newer), {
    message: `${path} is version 3 of note, and only 4 is known here`,
  });
  const strict = {
    ...note,
    parse: (): Note => {
      throw new Error('it is too short');
    },
  };
  await t.rejects(readDocument(path, strict), {
    message: `${path} is not a valid note document: it is too short`,
  });

  let silent = 0;
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length));
    const error = await readDocument(path, note).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (error === undefined || !error.startsWith(`${path} is `)) silent++;
  }
  t.equal(silent, 0, 'cut at every byte');
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 0x40;
    writeFileSync(path, damaged);
    const error = await readDocument(path, note).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (error === undefined || !error.startsWith(`${path} is `)) silent++;
  }
  t.equal(silent, 0, 'damaged at every byte');
  mkdirSync(join(path, '..', 'folder'));
  await t.rejects(readDocument(join(path, '..', 'folder'), note), /folder cannot be read: EISDIR/);
  await t.rejects(writeDocument(join(path, '..', 'nowhere', 'note'), note, { text: '', numbers: [] }), {
    message: /nowhere\/note cannot be written: ENOENT/,
  });
});

/* ---- what a unit keeps ---- */

const words = (name: string): Section<string> => ({
  name,
  parse: body => {
    if (typeof body !== 'string') throw new Error('no word is there');
    return body;
  },
});
const REMEDY =
  'it keeps reservations and settings that were promised to survive: put back a good copy, or remove the file to go on without them';

void t.test('what a unit keeps comes back section by section', async t => {
  const path = join(t.testdir(), 'deep', 'unit');
  const state = await UnitState.open(path);
  t.equal(state.read(words('a')), undefined);
  t.notOk(existsSync(path), 'nothing is made before something is kept');
  await state.save(words('a'), 'one');
  await state.save(words('b'), 'two');
  const saves = [state.save(words('a'), 'three'), state.save(words('c'), 'four')];
  t.equal(saves[0], saves[1], 'what is saved together is written together');
  await Promise.all(saves);
  t.equal(state.read(words('a')), 'three');
  await state.save(words('b'), undefined);
  void state.save(words('a'), 'five');
  await state.close();
  t.same(readdirSync(join(path, '..')), ['unit']);

  const again = await UnitState.open(path);
  t.equal(again.read(words('a')), 'five', 'a close waits for what is being saved');
  t.equal(again.read(words('b')), undefined, 'a section that was taken away');
  await again.save(words('a'), 'six');
  t.equal((await UnitState.open(path)).read(words('c')), 'four', 'one that nobody asked for stays');
});

void t.test('saves beside a write under way go out in order, and a failed one is told', async t => {
  const dir = t.testdir({ file: '' });
  const path = join(dir, 'unit');
  const state = await UnitState.open(path);
  const done: string[] = [];
  const saves: Promise<unknown>[] = [];
  for (let i = 0; i < 20; i++) {
    const text = `${i}`;
    saves.push(
      state.save(words('a'), text).then(async () => {
        done.push(text);
        const kept = Number((await UnitState.open(path)).read(words('a')));
        t.ok(kept >= i, `${text} is there when it is answered`);
      }),
    );
    if (i % 3 === 0) await new Promise(resolve => setImmediate(resolve));
  }
  await Promise.all(saves);
  t.same(
    done,
    done.toSorted((a, b) => Number(a) - Number(b)),
  );

  const failing = await UnitState.open(join(dir, 'full', 'unit'));
  mkdirSync(failing.path, { recursive: true });
  await t.rejects(failing.save(words('a'), 'one'), /full\/unit cannot be written/);
  rmdirSync(failing.path);
  await failing.save(words('b'), 'two');
  t.equal((await UnitState.open(failing.path)).read(words('a')), 'one', 'the next save brings it all');
  await t.rejects(UnitState.open(join(dir, 'file', 'unit')), /cannot be read: ENOTDIR/);
});

void t.test('a state that cannot be understood is not passed over', async t => {
  const path = join(t.testdir(), 'unit');
  const state = await UnitState.open(path);
  await state.save({ name: 'a', parse: body => body }, 7);
  t.throws(() => state.read(words('a')), {
    message: `${path} holds a that are not valid: no word is there; ${REMEDY}`,
  });
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, -1));
  await t.rejects(UnitState.open(path), { message: new RegExp(`^${path} is damaged: .*; ${REMEDY}$`) });
  await writeDocument(path, { kind: 'unit-state', version: 2, parse: body => body }, {});
  await t.rejects(UnitState.open(path), {
    message: `${path} is version 2 of unit-state, and only 1 is known here; ${REMEDY}`,
  });
});

void t.test('where the state of a unit lies', async t => {
  const dir = t.testdir({ disk: 'x', state: {} });
  const [path, stateDir] = [join(dir, 'disk'), join(dir, 'state')];
  const of = { target: 'iqn.2026-01.test:t', unit: 'd0', readOnly: false };
  const place = async (options: Parameters<typeof openUnitState>[0]): Promise<string | undefined> => {
    const state = await openUnitState(options);
    await state?.close();
    return state?.path.slice(dir.length + 1).replaceAll(/[0-9a-f]{10}/g, '*');
  };
  t.equal(await place({ ...of, path }), 'disk.sanlet-unit-*', 'beside its medium');
  t.equal(await place({ ...of, path, stateDir }), 'state/disk-*.sanlet-unit-*');
  t.equal(await place({ ...of, path, readOnly: true }), undefined, 'nothing beside what is only read');
  t.equal(await place(of), undefined, 'nor for memory');
  t.equal(await place({ ...of, path, readOnly: true, stateDir }), 'state/d0-*.sanlet-unit');
  t.equal(await place({ ...of, stateDir }), 'state/d0-*.sanlet-unit');

  const paths = new Set<string | undefined>();
  for (const target of ['iqn.2026-01.test:t', 'iqn.2026-01.test:u']) {
    for (const unit of ['d0', 'd1']) {
      for (const where of [{ path }, { path, stateDir }, { stateDir }]) {
        const state = await openUnitState({ ...of, target, unit, ...where });
        paths.add(state?.path);
        await state?.close();
      }
    }
  }
  t.equal(paths.size, 12, 'no two units share');
  const held = await openUnitState({ ...of, stateDir });
  await t.rejects(openUnitState({ ...of, stateDir }), InUseError, 'nor two processes');
  await held?.close();
  t.same(readdirSync(stateDir), [], 'nothing is left of nothing kept');
});

/* ---- processes ---- */

async function sleeper(): Promise<ChildProcess> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  return child;
}

const startOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
};

void t.test('a process is known by its pid, its start and its boot', { skip: !onLinux }, async t => {
  const own = ownIdentity();
  t.match(bootId(), /^[0-9a-f]{32}$/);
  t.equal(own.start, startOf(process.pid));
  t.ok(isRunning(own), 'we run');
  t.notOk(isRunning({ ...own, start: `${Number(own.start) - 1}` }), 'another start: the pid has been reused');
  t.notOk(isRunning({ ...own, boot: bootId().replaceAll(/./g, 'e') }), 'another boot');
  const child = await sleeper();
  const identity = { pid: child.pid!, start: startOf(child.pid!), boot: bootId() };
  t.ok(isRunning(identity), 'a child runs');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.notOk(isRunning(identity), 'a killed child does not');
});

/* ---- locks ---- */

const claimOf = (kind: 'w' | 'r', pid: number, start: string, boot = bootId()): string =>
  `${kind}-${pid}-${start}-${boot}-0123456789abcdef`;

void t.test('one writer or many readers', async t => {
  const path = join(t.testdir(), 'disk.lock');
  const options = { medium: 'disk', path, shared: false };
  const writer = await acquireLock(options);
  const busy = { name: 'InUseError', message: `disk is in use by process ${process.pid}`, pid: process.pid };
  await t.rejects(acquireLock(options), busy, 'no second writer');
  await t.rejects(acquireLock({ ...options, shared: true }), busy, 'no reader beside a writer');
  t.throws(() => refuseIfLocked({ ...options, shared: true }), busy, 'nor one who only asks');
  writer.release();
  writer.release();
  t.notOk(existsSync(path), 'nothing is left of it');
  t.doesNotThrow(() => refuseIfLocked(options));

  const readers = await Promise.all([1, 2, 3].map(() => acquireLock({ ...options, shared: true })));
  await t.rejects(acquireLock(options), busy, 'no writer beside readers');
  t.doesNotThrow(() => refuseIfLocked({ ...options, shared: true }));
  for (const reader of readers.slice(1)) reader.release();
  await t.rejects(acquireLock(options), busy, 'not even beside the last');
  readers[0]!.release();
  const next = await acquireLock(options);
  t.equal(readdirSync(path).length, 2, 'the claim and the mark that it is held');
  next.release();
});

void t.test('the same file under two names', async t => {
  const dir = t.testdir();
  const one = await acquireLock({ medium: 'one', path: join(dir, 'one'), shared: false });
  const two = await acquireLock({ medium: 'two', path: join(dir, 'two'), shared: false });
  one.identify(5n, 77n);
  t.throws(() => two.identify(5n, 77n), new InUseError('two', process.pid));
  t.doesNotThrow(() => two.identify(5n, 78n), 'another file is another matter');
  one.release();
  const three = await acquireLock({ medium: 'three', path: join(dir, 'three'), shared: true });
  const four = await acquireLock({ medium: 'four', path: join(dir, 'four'), shared: true });
  three.identify(5n, 77n);
  t.doesNotThrow(() => four.identify(5n, 77n), 'readers share it');
  three.release();
  t.throws(() => one.identify(5n, 77n), new InUseError('one', process.pid), 'one of them still has it');
  four.release();
  t.doesNotThrow(() => one.identify(5n, 77n));
  for (const lock of [one, two]) lock.release();
});

void t.test('a lock dies with its process', { skip: !onLinux }, async t => {
  const path = join(t.testdir(), 'disk.lock');
  const options = { medium: '/a/disk', path, shared: false };
  const child = await sleeper();
  const claim = claimOf('w', child.pid!, startOf(child.pid!));
  mkdirSync(path);
  writeFileSync(join(path, claim), '');
  writeFileSync(join(path, `held-${claim}`), '');
  await t.rejects(acquireLock(options), {
    message: `/a/disk is in use by process ${child.pid}`,
    pid: child.pid,
  });
  t.equal(readdirSync(path).length, 2, 'the loser has taken his claim back');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const lock = await acquireLock(options);
  t.notOk(existsSync(join(path, claim)), 'the dead one is cleared away');
  lock.release();
  t.notOk(existsSync(path));
});

void t.test('claims that hold nothing', { skip: !onLinux }, async t => {
  const path = join(t.testdir(), 'disk.lock');
  mkdirSync(path);
  const reused = claimOf('w', process.pid, `${Number(ownIdentity().start) - 5}`);
  const formerBoot = claimOf('w', process.pid, ownIdentity().start, 'f'.repeat(32));
  for (const name of [reused, `held-${reused}`, formerBoot]) writeFileSync(join(path, name), '');
  const lock = await acquireLock({ medium: 'disk', path, shared: false });
  t.equal(readdirSync(path).length, 2, 'a reused pid and a former boot are cleared away');
  lock.release();
});

void t.test('of many that start at the same moment one wins, again and again', async t => {
  const path = join(t.testdir(), 'disk.lock');
  for (let round = 0; round < 5; round++) {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => acquireLock({ medium: 'disk', path, shared: false })),
    );
    const winners = outcomes.filter(outcome => outcome.status === 'fulfilled');
    t.equal(winners.length, 1, `round ${round}`);
    const losers = outcomes.filter(outcome => outcome.status === 'rejected');
    t.equal(
      losers.filter(({ reason }) => reason instanceof InUseError).length,
      7,
      'and the others are told why',
    );
    for (const winner of winners) winner.value.release();
  }
  t.notOk(existsSync(path));
});

void t.test('a contender that has not won yet makes others wait, not fail', { skip: !onLinux }, async t => {
  const path = join(t.testdir(), 'disk.lock');
  const child = await sleeper();
  t.teardown(() => child.kill('SIGKILL'));
  mkdirSync(path);
  writeFileSync(join(path, claimOf('w', child.pid!, startOf(child.pid!))), '');
  const waiting = acquireLock({ medium: 'disk', path, shared: false });
  setTimeout(() => child.kill('SIGKILL'), 50);
  const lock = await waiting;
  t.pass('it is had once the other has gone');
  lock.release();
});
