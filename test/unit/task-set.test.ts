import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { PayloadBudget } from '../../lib/iscsi/payload-budget.ts';
import { ALWAYS_BYTES, PROCESS_PAYLOAD_BYTES, SESSION_PAYLOAD_BYTES } from '../../lib/iscsi/limits.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { Attribute } from '../../lib/scsi-cmds/task.ts';
import { Commander, nexus } from '../harness/commands.ts';

const MIB = 1024 * 1024;
const never = new Promise<void>(() => {});
const WRITE_100 = '2a 00 00 00 00 64 00 00 01 00';
const READ_100 = '28 00 00 00 00 64 00 00 01 00';
const READ_0 = '28 00 00 00 00 00 00 00 01 00';
const COMPARE_AND_WRITE = '89 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00';
const block = Buffer.alloc(512, 0x58);

async function rig() {
  const device = new TargetDevice('iqn.2026-01.test:set', absentUnit());
  const unit = disk({
    identity: identify(device.name, 'd0', { product: 'DISK', revision: '1' }),
    backend: memoryDisk({ bytes: MIB }),
  });
  device.add(0, unit);
  const a = await new Commander(device).clear();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  return { device, unit, a, b };
}

/** What holds the others back: a command that runs alone and whose data does not come. */
const HOLDERS = {
  'COMPARE AND WRITE': (of: Commander) =>
    of.send(0, COMPARE_AND_WRITE, { out: Buffer.alloc(1024), holdData: never }),
  'ORDERED WRITE': (of: Commander) =>
    of.send(0, WRITE_100, { out: block, attribute: Attribute.ORDERED, holdData: never }),
} as const;

void t.test('SAM-5 7: what is aborted together does not run because one of it ends first', async t => {
  for (const [what, hold] of Object.entries(HOLDERS)) {
    for (const how of ['every task', 'of the nexus', 'reset'] as const) {
      await t.test(`${what}, ${how}`, async t => {
        const { device, unit, a, b } = await rig();
        const held = [
          hold(a),
          a.send(0, READ_0),
          a.send(0, WRITE_100, { out: block }),
          a.send(0, WRITE_100, { out: block }),
        ];
        const other = b.send(0, READ_100);
        t.equal(unit.tasks.length, 5, 'all of them wait');
        await new Promise<void>(done => {
          if (how === 'every task') unit.abort(() => true, done);
          else if (how === 'reset') unit.reset(done);
          else device.abortNexus(a.nexus, done);
        });
        for (const answer of await Promise.all(held)) t.equal(answer.aborted, true, 'no response');
        const theirs = await other;
        t.equal(theirs.aborted, how !== 'of the nexus', 'the other nexus is meant only when all are');
        t.equal(unit.tasks.length, 0, 'nothing is left');
        await b.clear();
        const found = await b.send(0, READ_100);
        t.equal(found.status, 0, 'the set goes on');
        t.ok(found.data.equals(Buffer.alloc(512)), 'nothing was written');
      });
    }
  }
});

void t.test('a task that is aborted is not started by data that comes too late', async t => {
  const { unit, a } = await rig();
  let release!: () => void;
  const later = new Promise<void>(resolve => {
    release = resolve;
  });
  const write = a.send(0, WRITE_100, { out: block, holdData: later });
  await new Promise<void>(done => unit.abort(() => true, done));
  t.equal((await write).aborted, true);
  release();
  await later;
  t.ok((await a.send(0, READ_100)).data.equals(Buffer.alloc(512)));
});

void t.test('the order of arrival holds for what runs alone', async t => {
  const { a } = await rig();
  let release!: () => void;
  const later = new Promise<void>(resolve => {
    release = resolve;
  });
  const ends: string[] = [];
  const first = a
    .send(0, WRITE_100, { out: block, attribute: Attribute.ORDERED, holdData: later })
    .then(() => ends.push('ordered'));
  const second = a
    .send(0, READ_100)
    .then(answer => ends.push(answer.data.equals(block) ? 'read after' : 'read before'));
  const free = await a.send(0, '12 00 00 00 24 00');
  t.equal(free.status, 0, 'INQUIRY waits for nobody');
  release();
  await Promise.all([first, second]);
  t.same(ends, ['ordered', 'read after']);
});

void t.test('the payload budget of all sessions', async t => {
  const budget = new PayloadBudget();
  const woken: string[] = [];
  t.ok(budget.affords(0, SESSION_PAYLOAD_BYTES), 'a session may have its share');
  t.notOk(budget.affords(1, SESSION_PAYLOAD_BYTES), 'and no more');
  budget.take(PROCESS_PAYLOAD_BYTES);
  t.notOk(budget.affords(0, ALWAYS_BYTES + 1), 'full');
  t.notOk(budget.affords(1, 1), 'full for those who have something');
  t.ok(budget.affords(0, ALWAYS_BYTES), 'one small command is always possible');
  const waiting = { startHeld: () => void woken.push('first') };
  budget.wait(waiting);
  budget.wait({
    startHeld() {
      woken.push('again');
      if (woken.length < 3) budget.wait(this);
    },
  });
  budget.give(MIB);
  budget.wake();
  t.same(woken, ['first', 'again']);
  budget.wake();
  t.same(woken, ['first', 'again', 'again'], 'who goes on waiting is asked again');
  budget.wait(waiting);
  budget.forget(waiting);
  budget.wake();
  t.equal(woken.length, 3);
  budget.give(PROCESS_PAYLOAD_BYTES - MIB);
  t.equal(budget.used, 0);
});
