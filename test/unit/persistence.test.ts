/** What outlives the process: reservations with APTPL, saved mode pages. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { openUnitState } from '../../lib/backends/unit-state-file.ts';
import { San } from '../../lib/san.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import type { LogicalUnit } from '../../lib/scsi-cmds/logical-unit.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { encodeTransportId } from '../../lib/scsi-cmds/spc/transport-id.ts';
import { tape } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { UnitState } from '../../lib/state/unit-state.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';
const A = 0xa1n;
const B = 0xb2n;
const APTPL = 0x01;
const ALL_TG_PT = 0x04;
const SPEC_I_PT = 0x08;

const key = (value: bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(value);
  return out;
};

interface Rig {
  device: TargetDevice;
  unit: LogicalUnit;
  a: Commander;
  b: Commander;
}

/** A unit that keeps in `path`, as after a power on; nowhere without. */
async function powerOn(path: string | undefined, type: 'disk' | 'tape' = 'disk'): Promise<Rig> {
  const state = path === undefined ? undefined : await UnitState.open(path);
  const identity = identify(TARGET, 'u0', { product: 'unit', revision: '0.1' });
  const unit =
    type === 'disk'
      ? disk({ identity, backend: memoryDisk({ bytes: 1 << 20, blockSize: 512 }), state })
      : tape({ identity, medium: memoryCartridge({}), state });
  const device = new TargetDevice(TARGET, absentUnit());
  device.add(0, unit);
  const a = await new Commander(device, nexus('iqn.2026-01.test:a', '40000000000a')).clear();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b', '40000000000b')).clear();
  return { device, unit, a, b };
}

function out(
  who: Commander,
  action: number,
  with_: { key?: bigint; newKey?: bigint; type?: number; flags?: number; more?: Buffer } = {},
): Promise<Answer> {
  const list = Buffer.concat([
    key(with_.key ?? 0n),
    key(with_.newKey ?? 0n),
    Buffer.from([0, 0, 0, 0, with_.flags ?? 0, 0, 0, 0]),
    with_.more ?? Buffer.alloc(0),
  ]);
  const cdb = Buffer.alloc(10);
  cdb.set([0x5f, action, with_.type ?? 0]);
  cdb.writeUInt32BE(list.length, 5);
  return who.send(0, cdb, { out: list });
}

const tell = async (who: Commander, action: number): Promise<Buffer> =>
  (await who.send(0, `5e 0${action} 00 00 00 00 00 ff ff`)).data;

interface Descriptor {
  readonly key: bigint;
  readonly flags: number;
  readonly type: number;
  readonly port: number;
  readonly id: string;
}

async function fullStatus(who: Commander): Promise<Descriptor[]> {
  const data = await tell(who, 3);
  const found: Descriptor[] = [];
  for (let at = 8; at < data.length; at += 24 + data.readUInt32BE(at + 20)) {
    found.push({
      key: data.readBigUInt64BE(at),
      flags: data[at + 12]!,
      type: data[at + 13]!,
      port: data.readUInt16BE(at + 18),
      id: data.toString('latin1', at + 28, at + 24 + data.readUInt32BE(at + 20)).replace(/\0+$/, ''),
    });
  }
  return found;
}

const capabilities = async (who: Commander): Promise<string> => (await tell(who, 2)).toString('hex', 2, 4);
const pointer = ({ sense }: Answer): string => {
  const bit = (sense[15]! & 0x08) === 0 ? '' : `.${sense[15]! & 0x07}`;
  return `${(sense[15]! & 0x40) === 0 ? 'list' : 'cdb'} ${sense.readUInt16BE(16)}${bit}`;
};

void t.test('SPC-4 5.13.5: APTPL keeps registrations and the reservation over a power cycle', async t => {
  const path = join(t.testdir(), 'unit');
  let { unit, a, b } = await powerOn(path);
  const again = async (): Promise<void> => {
    await unit.close();
    ({ unit, a, b } = await powerOn(path));
  };
  t.equal(await capabilities(a), '1db0', 'SPC-4 6.15.4: PTPL_C');
  t.equal((await out(a, 0, { newKey: A, flags: APTPL })).status, Status.GOOD);
  t.equal((await out(b, 6, { newKey: B, flags: APTPL })).status, Status.GOOD);
  t.equal((await out(a, 1, { key: A, type: 3 })).status, Status.GOOD);
  t.equal(await capabilities(a), '1db1', 'PTPL_A');
  const before = await fullStatus(a);
  await again();
  t.strictSame(await fullStatus(a), before);
  t.equal((await tell(a, 0)).readUInt32BE(0), 0, 'SPC-4 6.15.2: PRGENERATION is 0 after power on');
  t.equal((await b.send(0, '28 00 00 00 00 00 00 00 01')).status, Status.RESERVATION_CONFLICT);
  t.equal((await a.send(0, '28 00 00 00 00 00 00 00 01')).status, Status.GOOD);
  t.equal(await capabilities(a), '1db1', 'PTPL_A stays');

  t.equal((await out(b, 4, { key: B, newKey: A, type: 8 })).status, Status.GOOD, 'PREEMPT is kept');
  await again();
  t.strictSame(
    (await fullStatus(b)).map(one => [one.key, one.flags, one.type]),
    [[B, 1, 8]],
  );
  t.equal((await out(a, 0, { newKey: A, flags: APTPL })).status, Status.GOOD);
  await again();
  t.equal((await fullStatus(a)).filter(one => one.flags === 1).length, 2, 'all registrants hold it');
  t.equal((await out(b, 2, { key: B, type: 8 })).status, Status.GOOD, 'RELEASE is kept');
  await again();
  t.equal((await tell(a, 1)).length, 8, 'no reservation');

  t.equal((await out(a, 1, { key: A, type: 1 })).status, Status.GOOD);
  const move = Buffer.concat([key(A), key(B), Buffer.from([0, 0x03, 0, 1, 0, 0, 0, 0])]);
  const id = encodeTransportId({ initiatorName: 'iqn.2026-01.test:c', isid: '40000000000c' });
  move.writeUInt32BE(id.length, 20);
  const moved = Buffer.concat([move, id]);
  t.equal(
    (await a.send(0, `5f 07 00 00 00 00 00 00 ${moved.length.toString(16)}`, { out: moved })).status,
    Status.GOOD,
    'REGISTER AND MOVE with UNREG and APTPL',
  );
  await again();
  t.strictSame(
    (await fullStatus(a)).map(one => [one.id, one.flags]),
    [
      ['iqn.2026-01.test:b,i,0x40000000000b', 0],
      ['iqn.2026-01.test:c,i,0x40000000000c', 1],
    ],
  );

  t.equal((await out(b, 0, { key: B, newKey: B })).status, Status.GOOD);
  t.equal(await capabilities(a), '1db0', 'APTPL = 0 withdraws it for all');
  t.equal((await fullStatus(a)).length, 2, 'for the next power cycle');
  await again();
  t.strictSame(await fullStatus(a), []);
  t.equal((await tell(a, 1)).length, 8);

  await out(a, 0, { newKey: A, flags: APTPL });
  t.equal((await out(a, 3, { key: A })).status, Status.GOOD, 'CLEAR is kept');
  await again();
  t.strictSame(await fullStatus(a), []);
  await unit.close();
});

void t.test('SPC-4 5.13.5: a command that cannot be kept is not GOOD', async t => {
  const { unit, a } = await powerOn(join(t.testdir(), 'unit'));
  t.equal((await out(a, 0, { newKey: A, flags: APTPL })).status, Status.GOOD);
  const { state } = unit;
  const save = state!.save.bind(state);
  state!.save = () => Promise.reject(new Error('no room'));
  t.equal((await out(a, 1, { key: A, type: 1 })).said, '4/4400');
  state!.save = save;
  await unit.close();
});

void t.test('SPC-4 6.16.3: ALL_TG_PT registers at every target port', async t => {
  const { device, a, b } = await powerOn(undefined);
  device.relativePorts = [1, 2, 3];
  const other = await new Commander(device, nexus('iqn.2026-01.test:a', '40000000000a', 3)).clear();
  t.equal((await out(a, 0, { newKey: A, flags: ALL_TG_PT })).status, Status.GOOD);
  t.equal((await tell(a, 0)).readUInt32BE(4), 3 * 8, 'a key each nexus');
  t.strictSame(
    await fullStatus(a),
    [{ key: A, flags: 2, type: 0, port: 0, id: 'iqn.2026-01.test:a,i,0x40000000000a' }],
    'SPC-4 6.15.5: one descriptor for all of them',
  );
  t.equal((await out(other, 1, { key: A, type: 1 })).status, Status.GOOD, 'by another port');
  t.equal((await fullStatus(a)).length, 3, 'one of them holds the reservation: a descriptor each');
  t.equal((await out(other, 2, { key: A, type: 1 })).status, Status.GOOD);
  t.equal((await out(other, 6, { newKey: B })).status, Status.GOOD);
  t.equal(
    (await out(a, 0, { key: A, newKey: 0n, flags: ALL_TG_PT })).status,
    Status.RESERVATION_CONFLICT,
    'as if by the port where the key is another',
  );
  t.equal((await fullStatus(a)).length, 3, 'and nothing is changed');
  t.equal((await out(a, 6, { newKey: 0n, flags: ALL_TG_PT })).status, Status.GOOD);
  t.strictSame(await fullStatus(b), []);
});

void t.test('SPC-4 6.16.3: SPEC_I_PT registers others too, all of them or none', async t => {
  const { device, a, b } = await powerOn(undefined);
  const ports = (...ids: Buffer[]): Buffer => {
    const all = Buffer.concat(ids);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(all.length);
    return Buffer.concat([length, all]);
  };
  const c = encodeTransportId({ initiatorName: 'iqn.2026-01.test:c', isid: '40000000000c' });
  const named = (name: string): Buffer => {
    const text = Buffer.alloc(Math.max(20, Math.ceil((name.length + 1) / 4) * 4));
    text.write(name);
    return Buffer.concat([Buffer.from([0x05, 0, 0, text.length]), text]);
  };
  const specify = (more: Buffer, flags = 0): Promise<Answer> =>
    out(a, 0, { newKey: A, flags: SPEC_I_PT | flags, more });

  t.equal((await specify(Buffer.alloc(0))).said, '5/1a00', 'no list at all');
  const refusals: [string, Buffer, string][] = [
    ['a list that is cut off', ports(c).subarray(0, -4), 'list 24'],
    ['more than the list', Buffer.concat([ports(c), Buffer.alloc(4)]), 'list 24'],
    ['a TransportID that is cut off', ports(c.subarray(0, -4)), 'list 30'],
    [
      'another protocol',
      ports(c, Buffer.concat([Buffer.from([0x06]), c.subarray(1)])),
      `list ${28 + c.length}`,
    ],
    ['a name that nobody has', ports(c, named('iqn.2026-01.test:x')), `list ${28 + c.length}`],
  ];
  for (const [what, more, where] of refusals) {
    const answer = await specify(more);
    t.equal(answer.said, '5/2600', what);
    t.equal(pointer(answer), where, what);
  }
  t.strictSame(await fullStatus(a), [], 'none is registered');

  t.equal((await out(b, 0, { newKey: B })).status, Status.GOOD);
  t.equal((await specify(ports(c, named('IQN.2026-01.test:b')))).status, Status.GOOD);
  t.strictSame(
    (await fullStatus(a)).map(one => [one.id.slice(17, 18), one.key]),
    [
      ['b', B],
      ['a', A],
      ['c', A],
    ],
    'one that is registered stays as it is',
  );
  t.equal((await tell(a, 0)).readUInt32BE(0), 2, 'PRGENERATION counts commands');
  t.equal((await specify(ports())).status, Status.RESERVATION_CONFLICT, 'the key is 0 no more');
  const registered = await out(a, 0, { key: A, newKey: A, flags: SPEC_I_PT, more: ports(c) });
  t.equal(pointer(registered), 'list 20.3', 'for a nexus that is not registered yet');

  // A name alone is for each of its ports; every target port with ALL_TG_PT.
  await out(b, 3, { key: B });
  await a.clear();
  device.relativePorts = [1, 2];
  await new Commander(device, nexus('iqn.2026-01.test:b', '40000000000d', 2)).clear();
  t.equal((await specify(ports(named('iqn.2026-01.test:b')), ALL_TG_PT)).status, Status.GOOD);
  t.strictSame(
    (await fullStatus(a)).map(one => [one.id.slice(-1), one.flags]),
    [
      ['a', 2],
      ['b', 2],
      ['d', 2],
    ],
  );
});

void t.test('SPC-4 5.13.7: registrations have a limit', async t => {
  const { a } = await powerOn(undefined);
  const many = (from: number, count: number): Buffer => {
    const ids = Array.from({ length: count }, (_, i) =>
      encodeTransportId({
        initiatorName: 'iqn.2026-01.test:m',
        isid: (from + i).toString(16).padStart(12, '0'),
      }),
    );
    const all = Buffer.concat([Buffer.alloc(4), ...ids]);
    all.writeUInt32BE(all.length - 4);
    return all;
  };
  const specify = (more: Buffer): Promise<Answer> => out(a, 0, { newKey: A, flags: SPEC_I_PT, more });
  t.equal((await specify(many(0, 1024))).said, '5/5504', 'INSUFFICIENT REGISTRATION RESOURCES');
  t.strictSame(await fullStatus(a), [], 'none is registered');
  t.equal((await specify(many(0, 1023))).status, Status.GOOD);
  t.equal((await tell(a, 0)).readUInt32BE(4), 1024 * 8);
  t.equal(
    (await out(a, 0, { newKey: A, more: Buffer.alloc(1 << 20) })).said,
    '5/1a00',
    'nor is a list endless',
  );
});

/* ---- mode pages ---- */

const control = (bits: { dSense?: boolean; swp?: boolean; interlock?: number; tas?: boolean }): Buffer => {
  const page = Buffer.from([0, 0, 0, 0, 0x0a, 0x0a, 0, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
  page[6] = bits.dSense === true ? 0x04 : 0;
  page[8] = (bits.swp === true ? 0x08 : 0) | ((bits.interlock ?? 0) << 4);
  page[9] = bits.tas === true ? 0x40 : 0;
  return page;
};
const select = (who: Commander, byte1: string, list: Buffer): Promise<Answer> =>
  who.send(0, `15 ${byte1} 00 00 ${list.length.toString(16).padStart(2, '0')} 00`, { out: list });
const sense = async (who: Commander, pageControl: number, code: number): Promise<string> =>
  (await who.send(0, Uint8Array.of(0x1a, 8, (pageControl << 6) | code, 0, 0xff, 0))).data.toString('hex', 4);
const [CURRENT, CHANGEABLE, DEFAULT, SAVED] = [0, 1, 2, 3];

for (const type of ['disk', 'tape'] as const) {
  void t.test(`SPC-4 6.11: MODE SELECT with SP is what a ${type} starts with`, async t => {
    const path = join(t.testdir(), 'unit');
    let { unit, a, b } = await powerOn(path, type);
    t.equal((await sense(a, CURRENT, 0x0a)).slice(0, 2), '8a', 'PS: it can be saved');
    t.equal((await sense(a, CURRENT, 0x1c)).slice(0, 2), '1c', 'this one has nothing to save');
    t.equal(await sense(a, CHANGEABLE, 0x0a), '8a0a04063840000000000000');
    t.equal(await sense(a, SAVED, 0x0a), '8a0a001000000000ffff0000', 'as by default');

    t.equal((await select(a, '11', control({ dSense: true }))).status, Status.GOOD);
    t.equal((await b.send(0, '00')).said, '6/2a01');
    t.equal((await select(a, '10', control({ tas: true }))).status, Status.GOOD);
    await b.clear();
    t.equal((await sense(a, CURRENT, 0x0a)).slice(4, 12), '00100040');
    t.equal((await sense(a, SAVED, 0x0a)).slice(4, 12), '04100000');
    t.equal((await sense(a, DEFAULT, 0x0a)).slice(4, 12), '00100000');
    await new Promise<void>(resolve => unit.reset(resolve));
    await a.clear();
    t.ok(unit.descriptorSense, 'a reset brings the saved values');
    t.notOk(unit.modePages.taskAbortedStatus);
    await unit.close();

    ({ unit, a, b } = await powerOn(path, type));
    t.equal((await sense(a, CURRENT, 0x0a)).slice(4, 12), '04100000', 'and so does a power on');
    t.ok(unit.descriptorSense);
    t.equal((await select(a, '12', Buffer.alloc(0))).status, Status.GOOD, 'RTD');
    t.equal((await sense(a, CURRENT, 0x0a)).slice(4, 12), '00100000');
    t.equal((await sense(a, SAVED, 0x0a)).slice(4, 12), '04100000', 'without SP the saved values stay');
    t.equal((await b.send(0, '00')).said, '6/2a01');
    t.equal((await select(a, '13', Buffer.alloc(0))).status, Status.GOOD, 'RTD and SP');
    await unit.close();
    ({ unit, a } = await powerOn(path, type));
    t.equal((await sense(a, SAVED, 0x0a)).slice(4, 12), '00100000');

    const { state } = unit;
    state!.save = () => Promise.reject(new Error('no room'));
    t.equal((await select(a, '11', control({ dSense: true }))).said, '4/4400', 'what cannot be saved');
    t.notOk(unit.descriptorSense, 'changes nothing');
    await unit.close();
  });
}

void t.test('SPC-4 6.11: SP saves what is current of the pages that are not sent', async t => {
  const path = join(t.testdir(), 'unit');
  let { unit, a } = await powerOn(path);
  const uncached = Buffer.from([0, 0, 0, 0, 0x88, 0x12, ...Buffer.alloc(18)]); // with PS as it was read
  t.equal((await select(a, '10', uncached)).status, Status.GOOD);
  t.equal((await select(a, '11', control({ swp: true }))).status, Status.GOOD);
  await unit.close();
  ({ unit, a } = await powerOn(path));
  t.ok(unit.writeProtected);
  t.equal((await sense(a, CURRENT, 0x08)).slice(0, 6), '881200', 'WCE = 0');
  await unit.close();
});

void t.test('SPC-4 7.5.8: UA_INTLCK_CTRL', async t => {
  const { a, b } = await powerOn(undefined);
  await select(b, '10', control({ interlock: 0b10 }));
  t.equal((await a.send(0, '00')).said, '6/2a01');
  t.equal((await a.send(0, '00')).said, '6/2a01', 'it stays');
  t.equal((await a.send(0, '03 00 00 00 ff')).data.readUInt16BE(12), 0x2a01, 'until REQUEST SENSE');
  t.equal((await a.send(0, '00')).status, Status.GOOD);
  await b.send(0, '16');
  t.equal((await a.send(0, '00')).status, Status.RESERVATION_CONFLICT);
  t.equal((await a.send(0, '03 00 00 00 ff')).data.readUInt16BE(12), 0, '10b: a conflict establishes none');
  await select(b, '10', control({ interlock: 0b11 }));
  await a.send(0, '03 00 00 00 ff');
  t.equal((await a.send(0, '00')).status, Status.RESERVATION_CONFLICT);
  t.equal((await a.send(0, '00')).said, '6/2c09', '11b: PREVIOUS RESERVATION CONFLICT STATUS');
  t.equal((await a.send(0, '03 00 00 00 ff')).data.readUInt16BE(12), 0x2c09);
  t.equal((await a.send(0, '03 00 00 00 ff')).data.readUInt16BE(12), 0);
});

/* ---- a San ---- */

async function stops(t: Test, options: Parameters<typeof San.start>[0], message: RegExp): Promise<void> {
  await t.rejects(San.start(options), { message });
}

void t.test('a San does not start over a state that it cannot read, and lets go of the medium', async t => {
  const dir = t.testdir();
  const path = join(dir, 'disk');
  const options = { disks: [{ name: 'd0', path, size: '1MiB' }] };
  await using first = await San.start(options);
  await first.stop();
  const [name] = readdirSync(dir).filter(one => one.includes('unit'));
  t.equal(name, undefined, 'what keeps nothing makes no file');

  const target = first.iqn;
  const state = await openUnitState({ target, unit: 'd0', path, readOnly: false });
  await state!.save({ name: 'reservations', parse: body => body }, { registrations: [{ key: 'x' }] });
  await state!.close();
  await stops(
    t,
    options,
    /holds reservations that are not valid: a registration is not one; it keeps .* remove the file/,
  );
  const bytes = readFileSync(state!.path);
  bytes[20]! ^= 1;
  writeFileSync(state!.path, bytes);
  await stops(t, options, /sanlet-unit-[0-9a-f]{10} is damaged: its checksum is wrong; it keeps/);
  await stops(t, options, /is damaged/); // and not: is in use
});

void t.test('SPC-4 5.13.5: GOOD is never ahead of what is kept', async t => {
  const path = join(t.testdir(), 'unit');
  const { unit, a } = await powerOn(path);
  t.equal((await out(a, 0, { newKey: A, flags: APTPL })).status, Status.GOOD);
  const state = unit.state!;
  const save = state.save.bind(state);
  let fail: ((error: Error) => void) | undefined;
  state.save = async () =>
    new Promise<void>((_resolve, reject) => {
      fail = reject;
    });
  let second: Answer | undefined;
  const first = out(a, 1, { key: A, type: 3 });
  const same = out(a, 1, { key: A, type: 3 }).then(answer => (second = answer));
  await new Promise(resolve => setImmediate(resolve));
  t.equal(second, undefined, 'a RESERVE that finds it done waits for it to be kept');
  fail!(new Error('no space left on device'));
  t.equal((await first).status, Status.CHECK_CONDITION);
  t.equal((await same).status, Status.CHECK_CONDITION);
  state.save = save;
  t.equal(
    (await out(a, 1, { key: A, type: 3 })).status,
    Status.GOOD,
    'what was not kept is kept by the next',
  );
  await unit.close();
  const again = await powerOn(path);
  t.strictSame(
    (await fullStatus(again.a)).map(one => [one.key, one.flags, one.type]),
    [[A, 1, 3]],
  );
  await again.unit.close();
});
