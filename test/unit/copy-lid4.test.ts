/** EXTENDED COPY(LID4): its list, background copies, and what is told of them (SPC-4 5.17.4, 6.3, 6.4, 6.24). */
import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { ATTENTION_MS } from '../../lib/copy-manager/limits.ts';
import { type Share, Turns } from '../../lib/copy-manager/turns.ts';
import { LunView } from '../../lib/scsi-cmds/lun-view.ts';
import { Commander, type Answer, nexus } from '../harness/commands.ts';
import {
  MIB,
  SlowDisk,
  cdb84,
  cdb84lid4,
  copy,
  copy4,
  dice,
  dump,
  fill,
  list,
  list4,
  pointerOf,
  rig,
  segment,
} from '../harness/copying.ts';

const abort = (host: Commander, lun: number, id: number): Promise<Answer> =>
  host.send(lun, cdb84lid4(0x1c, id, 0, 0x83));

/** RECEIVE COPY STATUS(LID4), taken apart. */
const status4 = async (host: Commander, id: number) => {
  const { said, data } = await host.send(0, cdb84lid4(0x05, id));
  if (said !== '') return { said };
  const field = data[13]!;
  return {
    available: data.readUInt32BE(0) + 4 === data.length && data.length === 32 + field,
    action: data[4]!,
    status: data[5]!,
    counter: data.readUInt16BE(6),
    delay: data.readUInt32BE(8),
    completion: data[12]!,
    sense: data.subarray(32, 32 + data[14]!),
    bytes: Number(data.readBigUInt64BE(16)) * 1024 ** data[15]!,
    segments: data.readUInt16BE(24),
  };
};

/** Asks until the copy has ended. */
const ended = async (host: Commander, id: number) => {
  for (let i = 0; i < 2000; i++) {
    const now = await status4(host, id);
    if (now.status === undefined || (now.status & 0x70) !== 0x10) return now;
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  throw new Error('the copy does not end');
};

/** A slow disk that waits at its gate, and a target. */
const gated = async () => {
  let open!: () => void;
  const gate = new Promise<void>(resolve => {
    open = resolve;
  });
  const source = new SlowDisk(memoryDisk({ bytes: 8 * MIB }));
  const data = dice(1).bytes(8 * MIB);
  await fill(source.inner, data);
  source.pace = () => gate;
  const target = memoryDisk({ bytes: 8 * MIB });
  const made = await rig({ disk: source }, { disk: target });
  const whole = (of: Parameters<typeof list4>[2]): Buffer =>
    list4([made.name(0), made.name(1)], [segment({ type: 2, from: 0, to: 1, blocks: 16384 })], of);
  /** Its commands have come to the gate. */
  const underWay = async (): Promise<void> => {
    while (source.underWay === 0) await new Promise(resolve => setTimeout(resolve, 1));
  };
  return { ...made, open, whole, data, target, underWay };
};

void t.test('SPC-4 6.4: EXTENDED COPY(LID4) in the foreground', async t => {
  const { host, open, whole, data, target } = await gated();
  open();
  const done = await copy4(host, 0, whole({ id: 0xa1b2c3d4, usage: 0 }));
  t.equal(done.status, 0);
  t.equal(done.sense.length, 0);
  t.ok((await dump(target)).equals(data));
  const told = await status4(host, 0xa1b2c3d4);
  t.match(told, {
    available: true,
    action: 1,
    status: 0x01,
    delay: 0xfffffffe,
    completion: 0,
    bytes: 8 * MIB,
    segments: 1,
  });
  t.match(await status4(host, 0xa1b2c3d4), { status: 0x01 }, 'may be asked again');
  t.same(await status4(host, 0xa1b2c3d5), { said: '5/2400' });
  t.equal(
    (await host.send(0, cdb84(0, 0xd4))).said,
    '5/2400',
    'RECEIVE COPY STATUS(LID1) tells of LID1 only',
  );
  t.equal((await copy4(host, 0, Buffer.alloc(0))).status, 0, 'no list, no error');
});

void t.test('SPC-4 6.4.3: the header of a LID4 list', async t => {
  const { host, name } = await rig({ disk: memoryDisk({ bytes: MIB }) });
  const good = list4([name(0)], [segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 16 })]);
  const wrong = (at: number, value: number): Promise<Answer> => {
    const out = Buffer.from(good);
    out[at] = value;
    return copy4(host, 0, out);
  };
  t.equal((await copy4(host, 0, good)).status, 0);
  for (const [what, at, value, pointer] of [
    ['PARAMETER LIST FORMAT', 0, 0, 'list 0'],
    ['HEADER CSCD DESCRIPTOR LIST LENGTH', 3, 0x10, 'list 2'],
    ['HEADER CSCD DESCRIPTOR TYPE CODE', 16, 0xe4, 'list 16'],
    ['LIST ID USAGE', 1, 0x08, 'list 1.4'],
    ['LIST IDENTIFIER with usage 11b', 1, 0x18, 'list 20'],
  ] as const) {
    const answer = await wrong(at, value);
    t.equal(answer.said, '5/2600', what);
    t.equal(pointerOf(answer), pointer, what);
  }
  t.equal((await copy4(host, 0, good.subarray(0, 47))).said, '5/1a00');
  t.equal((await copy4(host, 0, good.subarray(0, good.length - 1))).said, '5/1a00');
  t.equal((await wrong(15, 3)).said, '5/2400', 'IMMED with G_SENSE');
  const nameless = list4([name(0)], [], { id: 0, usage: 3, immediate: true });
  t.equal((await copy4(host, 0, nameless)).said, '5/2400', 'IMMED with no list identifier');
});

void t.test('SPC-4 6.4.3: G_SENSE tells the number of segments with GOOD', async t => {
  const { host, name } = await rig({ disk: memoryDisk({ bytes: MIB }) });
  const one = segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 16 });
  const { status, sense } = await copy4(host, 0, list4([name(0)], [one, one, one], { goodWithSense: true }));
  t.equal(status, 0);
  t.equal(sense[2], 0x0f, 'COMPLETED');
  t.equal(sense.readUInt16BE(12), 0x0020, 'EXTENDED COPY INFORMATION AVAILABLE');
  t.equal(sense.readUInt32BE(8), 3);
});

void t.test('SPC-4 5.17.4: a background copy', async t => {
  const { host, open, whole, data, target } = await gated();
  t.equal((await copy4(host, 0, whole({ id: 7, immediate: true }))).status, 0, 'GOOD at once');
  const under = await status4(host, 7);
  t.match(under, { action: 1, status: 0x12, bytes: 0, completion: 0 });
  t.not(under.delay, 0xfffffffe);
  t.equal((await copy4(host, 0, whole({ id: 7 }))).said, '5/0016', 'its list identifier is in use');
  t.equal(
    (await copy(host, 0, list([], [], { id: 7 }))).said,
    '5/2600',
    'by a command of the other format too',
  );
  open();
  const told = await ended(host, 7);
  t.match(told, { status: 0x01, bytes: 8 * MIB, segments: 1 });
  t.not(told.counter, under.counter, 'OPERATION COUNTER moved');
  t.ok((await dump(target)).equals(data));
});

void t.test('SPC-4 5.17.4: the loss of the I_T nexus does not stop a background copy', async t => {
  const { host, open, whole, data, target, device } = await gated();
  await copy4(host, 0, whole({ id: 9, immediate: true }));
  await copy4(host, 0, list4([], [], { id: 10, usage: 0 }));
  device.abortNexus(host.nexus, () => device.detach(host.nexus));
  const again = await new Commander(device).clear();
  t.match(await status4(again, 9), { status: 0x12 });
  open();
  t.match(await ended(again, 9), { status: 0x01, bytes: 8 * MIB });
  t.ok((await dump(target)).equals(data));
  t.same(
    await status4(again, 10),
    { said: '5/2400' },
    'results of a foreground copy are gone with its nexus',
  );
  const other = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  t.same(await status4(other, 9), { said: '5/2400' }, 'and nobody else is told');
  t.equal((await abort(other, 0, 9)).said, '5/2400');
});

void t.test('SPC-4 6.3: COPY OPERATION ABORT', async t => {
  for (const immediate of [true, false]) {
    const { host, open, whole, target, underWay } = await gated();
    const copying = copy4(host, 0, whole({ id: 3, usage: 0, immediate }));
    if (immediate) await copying;
    await underWay();
    let over = false;
    const aborting = abort(host, 0, 3).then(answer => {
      over = true;
      return answer;
    });
    await new Promise(resolve => setTimeout(resolve, 10));
    t.notOk(over, 'not before the copy has stopped');
    open();
    t.equal((await aborting).status, 0);
    const told = await status4(host, 3);
    const { status, said } = await copying;
    if (immediate) {
      t.match(told, { status: 0x60, completion: 0x40, segments: 1 });
    } else {
      t.equal(status, 2);
      t.equal(said, 'a/2f02');
      t.match(told, { status: 0x02, completion: 2 });
    }
    const before = await dump(target);
    await new Promise(resolve => setTimeout(resolve, 10));
    t.ok((await dump(target)).equals(before), 'nothing is written after it');
    t.equal((await abort(host, 0, 3)).said, '5/2400', 'there is nothing to abort any more');
  }
});

void t.test('SPC-4 5.17.4: LOGICAL UNIT RESET stops a background copy, and ends after it', async t => {
  const { host, open, whole, units, underWay } = await gated();
  await copy4(host, 0, whole({ id: 3, immediate: true }));
  await underWay();
  let over = false;
  const reset = new Promise<void>(resolve => units[0]!.reset(resolve)).then(() => {
    over = true;
  });
  await new Promise(resolve => setTimeout(resolve, 10));
  t.notOk(over);
  open();
  await reset;
  await host.clear();
  t.same(await status4(host, 3), { said: '5/2400' }, 'and takes with it what was known');
});

void t.test('SPC-4 6.24: RECEIVE COPY STATUS(LID4): a copy that fails tells its sense', async t => {
  const { host, name } = await rig({ disk: memoryDisk({ bytes: MIB }) });
  const one = segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 16 });
  const far = segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 1 << 20 });
  t.equal((await copy4(host, 0, list4([name(0)], [one, far], { id: 3, immediate: true }))).status, 0);
  const told = await ended(host, 3);
  t.match(told, { status: 0x02, completion: 2, segments: 2, bytes: 4096, available: true });
  t.equal(told.sense?.[2], 0x0a);
  t.equal(told.sense?.readUInt16BE(12), 0x0d02);
  t.equal(told.sense?.readUInt16BE(10), 1, 'segment');
  t.equal((await host.send(0, '00')).status, 0);
  t.equal((await copy4(host, 0, list4([name(0)], [], { id: 3 }))).status, 0, 'the list identifier is free');
});

void t.test('SPC-4 6.4.3.3: PRIORITY is a weight', async t => {
  const turns = new Turns();
  const given = [0, 0, 0];
  const run = (who: number, share: Share): void => {
    given[who]!++;
    if (given.reduce((a, b) => a + b) < 1100) share.later(() => run(who, share));
  };
  const shares = [0, 4, 0].map(priority => turns.share(priority));
  for (const [who, share] of shares.entries()) share.later(() => run(who, share));
  while (given.reduce((a, b) => a + b) < 1100) await new Promise(resolve => setImmediate(resolve));
  t.ok(Math.abs(given[0]! - 500) < 10 && Math.abs(given[2]! - 500) < 10, 'equals get as much');
  t.ok(Math.abs(given[1]! - 100) < 10, 'priority 4 a fifth of priority 0, and it is not starved');
  t.ok(turns.share(7).depth < turns.share(1).depth, 'and fewer commands under way on a disk');
});

void t.test('SPC-4 6.4.3.3: copies make way for ordinary commands while those come, and go on', async t => {
  const turns = new Turns();
  const device = { commands: 0 };
  turns.attend(device);
  const ordinary = turns.share(1);
  const urgent = turns.share(0);
  const depth = ordinary.depth;
  device.commands++;
  turns.over();
  t.equal(ordinary.depth, 1, 'one command at a time');
  t.equal(urgent.depth, turns.share(0).depth, 'but for a copy that goes before them');
  t.ok(urgent.depth > 1);
  await new Promise(resolve => setTimeout(resolve, ATTENTION_MS + 5));
  turns.over();
  t.equal(ordinary.depth, depth, 'as before when there are no more');

  const disks = [0, 1].map(() => new SlowDisk(memoryDisk({ bytes: 16 * MIB })));
  await fill(disks[0]!.inner, Buffer.alloc(16 * MIB, 1));
  const { host, name } = await rig({ disk: disks[0]! }, { disk: disks[1]! });
  const all = list([name(0), name(1)], [segment({ type: 2, from: 0, to: 1, blocks: 32768 })]);
  let done = false;
  let reads = 0;
  const copying = copy(host, 0, all).then(answer => {
    done = true;
    return answer;
  });
  const ended = (): boolean => done;
  while (!ended()) {
    t.equal((await host.send(0, '28 00 00 00 00 00 00 00 08 00')).status, 0);
    reads++;
  }
  t.equal((await copying).status, 0, 'it is not starved');
  t.ok(reads > 10, `${reads} reads beside it`);
  t.equal(disks[1]!.most, 1);
  t.ok((await dump(disks[1]!.inner)).equals(Buffer.alloc(16 * MIB, 1)));
});

void t.test(
  'SPC-4 5.13.11.2.5: PREEMPT AND ABORT ends after the background copies of the preempted',
  async t => {
    const { host, open, whole, device, underWay } = await gated();
    const other = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000009')).clear();
    const reserve = (who: Commander, action: number, key: number, newKey: number): Promise<Answer> => {
      const out = Buffer.alloc(24);
      out.writeBigUInt64BE(BigInt(key));
      out.writeBigUInt64BE(BigInt(newKey), 8);
      return who.send(0, Buffer.of(0x5f, action, 5, 0, 0, 0, 0, 0, 24, 0), { out });
    };
    await reserve(host, 0, 0, 0xa);
    await reserve(other, 0, 0, 0xb);
    await copy4(host, 0, whole({ id: 3, immediate: true }));
    await underWay();
    let over = false;
    const preempting = reserve(other, 5, 0xb, 0xa).then(answer => {
      over = true;
      return answer;
    });
    await new Promise(resolve => setTimeout(resolve, 10));
    t.notOk(over, 'its commands are under way');
    open();
    t.equal((await preempting).status, 0);
    t.match(await status4(host, 3), { said: '6/2a05' });
    t.match(await status4(host, 3), { status: 0x60 });
  },
);

void t.test('a background copy reaches no unit that its nexus may not see any more, gone or not', async t => {
  for (const gone of [false, true]) {
    const { host: _host, open, whole, device, target, underWay } = await gated();
    const view = new LunView();
    const seeing = { ...nexus('iqn.2026-01.test:v', '40000000000a'), view };
    const map = new Map([
      [0, { name: 'u0', readOnly: false }],
      [1, { name: 'u1', readOnly: false }],
    ]);
    view.map = map;
    const who = await new Commander(device, seeing).clear();
    t.equal((await copy4(who, 0, whole({ id: 3, immediate: true }))).status, 0);
    await underWay();
    if (gone) device.abortNexus(seeing, () => device.detach(seeing));
    device.remap(seeing, new Map([...map].slice(0, 1)));
    const before = await dump(target);
    if (!gone) await who.clear();
    open();
    const again = gone ? await new Commander(device, seeing).clear() : who;
    t.match(await ended(again, 3), { status: 0x02 });
    t.ok((await dump(target)).equals(before), 'nothing was written');
  }
});
