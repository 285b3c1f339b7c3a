import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { PayloadBudget } from '../../lib/iscsi/payload-budget.ts';
import { ALWAYS_BYTES, PROCESS_PAYLOAD_BYTES, SESSION_PAYLOAD_BYTES } from '../../lib/iscsi/limits.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { Attribute } from '../../lib/scsi-cmds/task.ts';
import { Commander, nexus, pointer } from '../harness/commands.ts';

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

/** A gate for data-out, to be opened later. */
function gate(): { open: () => void; later: Promise<void> } {
  let open!: () => void;
  const later = new Promise<void>(resolve => {
    open = resolve;
  });
  return { open, later };
}

void t.test(
  'SAM-5 8: HEAD OF QUEUE runs beside ORDERED, before whoever waits, and never beside what runs alone',
  async t => {
    const { a } = await rig();
    const ends: string[] = [];
    const note = (what: string) => (): void => void ends.push(what);
    const { open, later } = gate();
    const write = { out: block, holdData: later };
    const all = [
      a.send(0, WRITE_100, { ...write, attribute: Attribute.ORDERED }).then(note('ordered')),
      a.send(0, READ_0).then(note('simple')),
      a.send(0, COMPARE_AND_WRITE, { out: Buffer.alloc(1024) }).then(note('alone')),
    ];
    const first = await a.send(0, READ_0, { attribute: Attribute.HEAD_OF_QUEUE });
    t.equal(first.status, 0, 'at once, though three are before it');
    const queued = a.send(0, COMPARE_AND_WRITE, {
      out: Buffer.alloc(1024),
      attribute: Attribute.HEAD_OF_QUEUE,
    });
    all.push(queued.then(note('head')));
    open();
    await Promise.all(all);
    t.same(ends, ['ordered', 'head', 'simple', 'alone'], 'in front of the queue');

    const second = gate();
    const alone = a
      .send(0, COMPARE_AND_WRITE, { out: Buffer.alloc(1024), holdData: second.later })
      .then(note('held'));
    const head = a.send(0, READ_0, { attribute: Attribute.HEAD_OF_QUEUE }).then(note('behind it'));
    second.open();
    await Promise.all([alone, head]);
    t.same(ends.slice(4), ['held', 'behind it']);
  },
);

void t.test('SAM-5 8: ORDERED waits for what came before it', async t => {
  const { a } = await rig();
  const { open, later } = gate();
  const write = a.send(0, WRITE_100, { out: block, holdData: later });
  const read = a.send(0, READ_100, { attribute: Attribute.ORDERED });
  open();
  await write;
  t.ok((await read).data.equals(block));
});

void t.test('SAM-5 8.9: the ACA attribute without an ACA', async t => {
  const { a } = await rig();
  t.equal((await a.send(0, READ_0, { attribute: Attribute.ACA })).said, '5/4900', 'INVALID MESSAGE ERROR');
});

void t.test('SPC-4 7.5.8: TAS answers what another nexus aborted with TASK ABORTED', async t => {
  for (const tas of [false, true]) {
    for (const how of ['CLEAR TASK SET', 'LOGICAL UNIT RESET'] as const) {
      await t.test(`${how}, TAS ${tas ? 1 : 0}`, async t => {
        const { unit, a, b } = await rig();
        if (tas) {
          const out = Buffer.from([0, 0, 0, 0, 0x0a, 0x0a, 0, 0x10, 0, 0x40, 0, 0, 0xff, 0xff, 0, 0]);
          t.equal((await a.send(0, '15 10 00 00 10 00', { out })).status, 0);
          await b.clear();
        }
        const theirs = HOLDERS['ORDERED WRITE'](b);
        const behind = b.send(0, READ_0);
        const own = a.send(0, READ_0);
        await new Promise<void>(done => {
          if (how === 'CLEAR TASK SET') unit.clearTaskSet(a.nexus, done);
          else unit.reset(done, a.nexus);
        });
        for (const answer of [await theirs, await behind]) {
          t.equal(answer.aborted, !tas, tas ? 'answered' : 'no response');
          t.equal(answer.status, 0x40, 'TASK ABORTED');
          t.equal(answer.data.length + answer.sense.length, 0);
        }
        t.equal((await own).aborted, true, 'who asked for it gets no response');
        const reset = how === 'LOGICAL UNIT RESET';
        const told = reset ? '6/2900' : tas ? '' : '6/2f00';
        t.equal((await b.send(0, '00')).said, told, 'COMMANDS CLEARED only to those who got no status');
        await a.clear();
        t.equal((await a.send(0, READ_0)).status, 0);
      });
    }
  }
});

/** MODE SELECT(6) of the control mode page with these bytes 3 and 5. */
const setControl = async (who: Commander, queueError: number, tas: boolean): Promise<string> => {
  const page = [0x0a, 0x0a, 0, 0x10 | (queueError << 1), 0, tas ? 0x40 : 0, 0, 0, 0xff, 0xff, 0, 0];
  const answer = await who.send(0, '15 10 00 00 10 00', { out: Buffer.from([0, 0, 0, 0, ...page]) });
  return answer.said === '' ? '' : `${answer.said} ${pointer(answer)}`;
};

void t.test('SPC-4 7.5.8: QERR, what a CHECK CONDITION does to the other commands', async t => {
  const beyond = '28 00 ff ff ff ff 00 00 01 00';
  for (const queueError of [0b00, 0b01, 0b11]) {
    for (const tas of [false, true]) {
      await t.test(`QERR ${queueError}, TAS ${tas ? 1 : 0}`, async t => {
        const { unit, a, b } = await rig();
        t.equal(await setControl(a, queueError, tas), '');
        await b.clear();
        const { open, later } = gate();
        const own = a.send(0, WRITE_100, { out: block, holdData: later });
        const theirs = b.send(0, WRITE_100, { out: block, holdData: later });
        t.equal(unit.tasks.length, 2);
        t.equal((await a.send(0, beyond)).said, '5/2100', 'the one that fails says why');
        t.equal(unit.tasks.length, { 0b00: 2, 0b01: 0, 0b11: 1 }[queueError]);
        open();
        t.equal((await own).aborted, queueError !== 0, 'those of its nexus end without response');
        const gone = queueError === 0b01;
        t.equal((await theirs).aborted, gone && !tas);
        t.equal((await theirs).status, gone ? 0x40 : 0, 'TASK ABORTED to others with TAS');
        t.equal((await b.send(0, '00')).said, gone && !tas ? '6/2f00' : '', 'or a unit attention');
        t.equal((await a.send(0, READ_0)).status, 0, 'the set goes on');
      });
    }
  }
  const { unit, a } = await rig();
  t.equal(await setControl(a, 0b10, false), '5/2600 list 7.2', 'reserved');
  t.equal(await setControl(a, 0b01, false), '');
  // What waits behind the one that fails, and would have had its turn by its end.
  const { open, later } = gate();
  const failing = a.send(0, COMPARE_AND_WRITE, { out: Buffer.alloc(1024, 1), holdData: later });
  const behind = [a.send(0, READ_0), a.send(0, WRITE_100, { out: block })];
  open();
  t.equal((await failing).said, 'e/1d00');
  for (const answer of await Promise.all(behind)) t.equal(answer.aborted, true);
  t.ok((await a.send(0, READ_100)).data.equals(Buffer.alloc(512)), 'nothing was written');
  t.equal(unit.tasks.length, 0);
  const copies = { ...nexus('iqn.2026-01.test:copy'), thirdParty: true as const };
  const copy = new Commander(a.device, copies).send(0, WRITE_100, { out: block, holdData: never });
  t.equal((await a.send(0, beyond)).said, '5/2100');
  t.equal(unit.tasks.length, 1, 'what the target does itself goes on');
  await new Promise<void>(done => unit.reset(done));
  await copy;
});

void t.test('SPC-4 4.5.7: a deferred error is told with the next command of its nexus', async t => {
  const { unit, a, b } = await rig();
  const facts = { key: 3, code: 0x0c00, information: 5 };
  unit.defer(a.nexus, facts);
  unit.defer(nexus('iqn.2026-01.test:gone'), facts);
  t.equal((await a.send(0, '12 00 00 00 24 00')).status, 0, 'INQUIRY passes it');
  t.equal((await b.send(0, READ_0)).status, 0, 'no other nexus hears of it');
  const read = await a.send(0, READ_0);
  t.equal(read.said, '3/0c00');
  t.equal(read.sense[0], 0xf1, 'VALID, response code 71h');
  t.equal(read.data.length, 0, 'the command is not carried out');
  t.equal((await a.send(0, READ_0)).status, 0, 'once');
  for (let i = 0; i < 9; i++) unit.defer(a.nexus, { ...facts, information: i });
  const descriptor = await a.send(0, '03 01 00 00 fc 00');
  t.equal(descriptor.data[0], 0x73, 'REQUEST SENSE has it as parameter data');
  let more = 0;
  for (; (await a.send(0, '00')).said !== ''; more++);
  t.equal(more, 3, 'no more than four are kept');
});
