import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { ReservationType as Type } from '../../lib/scsi-cmds/reservation-type.ts';
import { disk, type DiskUnit } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { decodeTransportId, encodeTransportId } from '../../lib/scsi-cmds/spc/transport-id.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';
const A = 0xa1n;
const B = 0xb2n;
const C = 0xc3n;

const Action = {
  REGISTER: 0,
  RESERVE: 1,
  RELEASE: 2,
  CLEAR: 3,
  PREEMPT: 4,
  ABORT: 5,
  IGNORE: 6,
  MOVE: 7,
} as const;

interface Rig {
  device: TargetDevice;
  unit: DiskUnit;
  a: Commander;
  b: Commander;
  c: Commander;
}

async function rig(): Promise<Rig> {
  const device = new TargetDevice(TARGET, absentUnit());
  const unit = disk({
    identity: identify(TARGET, 'd0', { product: 'disk', revision: '0.1' }),
    backend: memoryDisk({ bytes: 1 << 20, blockSize: 512 }),
  });
  device.add(0, unit);
  const [a, b, c] = ['a', 'b', 'c'].map(
    (name, i) => new Commander(device, nexus(`iqn.2026-01.test:${name}`, `40000000000${i}`)),
  ) as [Commander, Commander, Commander];
  for (const one of [a, b, c]) await one.clear();
  return { device, unit, a, b, c };
}

const keyBytes = (key: bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(key);
  return out;
};

/** PERSISTENT RESERVE OUT with the parameter list of SPC-4 6.16.3. */
function out(
  who: Commander,
  action: number,
  with_: { key?: bigint; newKey?: bigint; type?: number; flags?: number; scope?: number; list?: Buffer } = {},
): Promise<Answer> {
  const list =
    with_.list ??
    Buffer.concat([
      keyBytes(with_.key ?? 0n),
      keyBytes(with_.newKey ?? 0n),
      Buffer.from([0, 0, 0, 0, with_.flags ?? 0, 0, 0, 0]),
    ]);
  const cdb = Buffer.alloc(10);
  cdb.set([0x5f, action, ((with_.scope ?? 0) << 4) | (with_.type ?? 0)]);
  cdb.writeUInt32BE(list.length, 5);
  return who.send(0, cdb, { out: list });
}

const in_ = async (who: Commander, action: number, length = 'ffff'): Promise<Buffer> =>
  (await who.send(0, `5e 0${action} 00 00 00 00 00 ${length}`)).data;

const register = async (who: Commander, key: bigint): Promise<void> => {
  const { status } = await out(who, Action.REGISTER, { newKey: key });
  if (status !== Status.GOOD) throw new Error('REGISTER failed');
};

const keysOf = async (who: Commander): Promise<bigint[]> => {
  const data = await in_(who, 0);
  return Array.from({ length: data.readUInt32BE(4) / 8 }, (_, i) => data.readBigUInt64BE(8 + 8 * i));
};

const generation = async (who: Commander): Promise<number> => (await in_(who, 0)).readUInt32BE(0);
const reservation = async (who: Commander): Promise<string> => (await in_(who, 1)).toString('hex', 4);
const read = (who: Commander): Promise<Answer> => who.send(0, '28 00 00 00 00 00 00 00 01');
const write = (who: Commander): Promise<Answer> =>
  who.send(0, '2a 00 00 00 00 00 00 00 01', { out: Buffer.alloc(512) });
const attention = async (who: Commander): Promise<string> => (await who.send(0, '00')).said;

function pointer({ sense }: Answer): string {
  if ((sense[15]! & 0x80) === 0) return '';
  const bit = (sense[15]! & 0x08) === 0 ? '' : `.${sense[15]! & 0x07}`;
  return `${(sense[15]! & 0x40) === 0 ? 'list' : 'cdb'} ${sense.readUInt16BE(16)}${bit}`;
}

/** Hex digits that are written apart for the reader. */
const run = (apart: string): string => apart.replaceAll(' ', '');

void t.test('SPC-4 5.13.7: REGISTER; REGISTER AND IGNORE EXISTING KEY', async t => {
  const { a, b } = await rig();
  t.equal(
    (await out(a, Action.REGISTER, { key: A, newKey: A })).status,
    Status.RESERVATION_CONFLICT,
    'not registered',
  );
  t.equal((await out(a, Action.REGISTER)).status, Status.GOOD, 'a key of 0 for one that is not registered');
  t.equal(await generation(a), 0, 'does nothing');
  t.equal((await out(a, Action.REGISTER, { newKey: A })).status, Status.GOOD);
  t.equal((await out(b, Action.REGISTER, { newKey: B })).status, Status.GOOD);
  t.strictSame(await keysOf(a), [A, B]);
  t.equal(await generation(a), 2);
  t.equal(
    (await out(a, Action.REGISTER, { key: B, newKey: C })).status,
    Status.RESERVATION_CONFLICT,
    'a wrong key',
  );
  t.equal((await out(a, Action.REGISTER, { key: A, newKey: C })).status, Status.GOOD, 'a new key');
  t.strictSame(await keysOf(a), [C, B]);
  t.equal(
    (await out(a, Action.IGNORE, { key: 77n, newKey: A })).status,
    Status.GOOD,
    'AND IGNORE EXISTING KEY',
  );
  t.strictSame(await keysOf(a), [A, B]);
  t.equal((await out(a, Action.REGISTER, { key: A })).status, Status.GOOD, 'unregister');
  t.strictSame(await keysOf(b), [B]);
  t.equal(await generation(a), 5);
});

void t.test('SPC-4 6.16.3: what REPORT CAPABILITIES does not have is refused', async t => {
  const { a } = await rig();
  t.equal((await in_(a, 2)).toString('hex'), '00081cb0ea010000', '6.15.4: CRH, SIP_C, ATP_C, all six types');
  for (const [action, flags, where] of [
    [Action.REGISTER, 0x01, 'list 20.0'],
    [Action.IGNORE, 0x01, 'list 20.0'],
    [Action.IGNORE, 0x08, 'list 20.3'],
  ] as const) {
    const answer = await out(a, action, { newKey: A, flags });
    t.equal(answer.said, '5/2600', 'nothing can be kept; SPEC_I_PT is for REGISTER');
    t.equal(pointer(answer), where);
  }
  t.strictSame(await keysOf(a), [], 'and changes nothing');
  t.equal((await out(a, Action.REGISTER, { list: Buffer.alloc(23) })).said, '5/1a00');
  t.equal((await out(a, Action.REGISTER, { list: Buffer.alloc(28) })).said, '5/1a00');
  t.equal((await out(a, Action.RESERVE, { list: Buffer.alloc(28) })).said, '5/1a00');
  await register(a, A);
  t.equal(pointer(await out(a, Action.RESERVE, { key: A, type: 2 })), 'cdb 2.3');
  t.equal(pointer(await out(a, Action.RESERVE, { key: A, type: 1, scope: 1 })), 'cdb 2.7');
  for (let action = 8; action < 32; action++) {
    const cdb = Buffer.alloc(10);
    cdb.set([0x5f, action]);
    t.equal(pointer(await a.send(0, cdb)), 'cdb 1.4');
  }
  t.equal((await a.send(0, '5e 04 00 00 00 00 00 00 ff')).said, '5/2400');
});

void t.test('SPC-4 6.15: PERSISTENT RESERVE IN', async t => {
  const { a, b } = await rig();
  await register(a, A);
  await register(b, B);
  t.equal((await in_(a, 0)).toString('hex'), run('0000000200000010 00000000000000a1 00000000000000b2'));
  t.equal(
    (await in_(a, 0, '000c')).toString('hex'),
    '000000020000001000000000',
    'cut, with the whole length',
  );
  t.equal(await reservation(a), '00000000', '6.15.3: none');
  await out(a, Action.RESERVE, { key: A, type: Type.WRITE_EXCLUSIVE });
  t.equal(await reservation(b), run('00000010 00000000000000a1 00000000 00010000'));
  const full = await in_(b, 3);
  t.equal(full.readUInt32BE(4), full.length - 8);
  const entries: { key: bigint; holder: number; type: number; port: number; id: string }[] = [];
  for (let at = 8; at < full.length; at += 24 + full.readUInt32BE(at + 20)) {
    entries.push({
      key: full.readBigUInt64BE(at),
      holder: full[at + 12]!,
      type: full[at + 13]!,
      port: full.readUInt16BE(at + 18),
      id: full.toString('latin1', at + 28, at + 24 + full.readUInt32BE(at + 20)).replace(/\0+$/, ''),
    });
    t.equal(full[at + 24], 0x45, 'TransportID of an iSCSI initiator port');
  }
  t.strictSame(entries, [
    { key: A, holder: 1, type: 1, port: 1, id: 'iqn.2026-01.test:a,i,0x400000000000' },
    { key: B, holder: 0, type: 0, port: 1, id: 'iqn.2026-01.test:b,i,0x400000000001' },
  ]);
});

void t.test('SPC-4 table 65: who may read and write', async t => {
  const shared = [5, 6, 7, 8];
  const exclusive = [3, 6, 8];
  for (const type of Object.values(Type)) {
    const { a, b, c } = await rig();
    await register(a, A);
    await register(b, B);
    t.equal((await out(a, Action.RESERVE, { key: A, type })).status, Status.GOOD);
    const may = (yes: boolean): number => (yes ? Status.GOOD : Status.RESERVATION_CONFLICT);
    t.equal((await read(a)).status, Status.GOOD, `type ${type}: the holder reads`);
    t.equal((await write(a)).status, Status.GOOD, `type ${type}: the holder writes`);
    t.equal(
      (await read(b)).status,
      may(shared.includes(type) || !exclusive.includes(type)),
      `type ${type}: registered reads`,
    );
    t.equal((await write(b)).status, may(shared.includes(type)), `type ${type}: registered writes`);
    t.equal((await read(c)).status, may(!exclusive.includes(type)), `type ${type}: a stranger reads`);
    t.equal((await write(c)).status, Status.RESERVATION_CONFLICT, `type ${type}: a stranger writes`);
    for (const cdb of [
      '00',
      '12 00 00 00 24',
      '25',
      'a0 00 00 00 00 00 00 00 00 ff',
      '5e 01 00 00 00 00 00 00 ff',
    ]) {
      t.equal((await c.send(0, cdb)).status, Status.GOOD, `type ${type}: ${cdb} passes`);
    }
    t.equal((await c.send(0, '1b 00 00 00 01')).status, Status.GOOD, 'START passes');
    t.equal((await c.send(0, '1b 00 00 00 00')).status, Status.RESERVATION_CONFLICT, 'STOP does not');
    t.equal((await c.send(0, '1e 00 00 00 01')).status, Status.RESERVATION_CONFLICT, 'PREVENT does not');
    t.equal((await c.send(0, '1e 00 00 00 00')).status, Status.GOOD, 'ALLOW passes');
    t.equal(
      (await c.send(0, '1a 00 3f 00 ff')).status,
      may(!exclusive.includes(type)),
      'MODE SENSE as a read',
    );
    const all = type >= 7;
    t.equal((await reservation(a)).slice(8, 24), all ? '0000000000000000' : '00000000000000a1');
  }
});

void t.test('SPC-4 5.13.9, 5.13.11.2.2: RESERVE and RELEASE', async t => {
  const { a, b, c, unit } = await rig();
  const type = Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY;
  t.equal(
    (await out(a, Action.RESERVE, { key: 0n, type })).status,
    Status.RESERVATION_CONFLICT,
    'not registered',
  );
  await register(a, A);
  await register(b, B);
  t.equal(
    (await out(a, Action.RESERVE, { key: B, type })).status,
    Status.RESERVATION_CONFLICT,
    'a wrong key',
  );
  t.equal((await out(a, Action.RESERVE, { key: A, type })).status, Status.GOOD);
  t.equal((await out(a, Action.RESERVE, { key: A, type })).status, Status.GOOD, 'again');
  t.equal(
    (await out(a, Action.RESERVE, { key: A, type: 1 })).status,
    Status.RESERVATION_CONFLICT,
    'as another type',
  );
  t.equal((await out(b, Action.RESERVE, { key: B, type })).status, Status.RESERVATION_CONFLICT, 'by another');
  t.equal(
    (await out(b, Action.RELEASE, { key: B, type })).status,
    Status.GOOD,
    'releasing what is not held does nothing',
  );
  t.equal((await out(a, Action.RELEASE, { key: A, type: 5 })).said, '5/2604', 'INVALID RELEASE');
  t.equal((await read(c)).status, Status.RESERVATION_CONFLICT);
  const before = await generation(a);
  t.equal((await out(a, Action.RELEASE, { key: A, type })).status, Status.GOOD);
  t.equal(await generation(a), before, 'PRGENERATION does not count these');
  t.equal((await read(c)).status, Status.GOOD);
  t.equal(await attention(b), '6/2a04', 'RESERVATIONS RELEASED to the other registered nexus');
  t.equal(await attention(c), '', 'not to a stranger');
  t.equal(await attention(a), '', 'nor to who did it');

  await out(a, Action.RESERVE, { key: A, type: Type.WRITE_EXCLUSIVE });
  await out(a, Action.RELEASE, { key: A, type: Type.WRITE_EXCLUSIVE });
  t.equal(await attention(b), '', 'a reservation that nobody shared is released in silence');

  await out(a, Action.RESERVE, { key: A, type });
  await new Promise<void>(resolve => unit.reset(resolve));
  for (const one of [a, b, c]) await one.clear();
  t.equal((await read(c)).status, Status.RESERVATION_CONFLICT, 'it outlives a reset');
  a.device.detach(a.nexus);
  t.equal((await read(c)).status, Status.RESERVATION_CONFLICT, 'and its nexus');
  const again = await new Commander(a.device, a.nexus).clear();
  t.equal((await read(again)).status, Status.GOOD, 'which has it still when it comes back');
  t.equal((await out(again, Action.REGISTER, { key: A })).status, Status.GOOD);
  t.equal((await read(c)).status, Status.GOOD, '5.13.11.2.3: unregistering the holder releases it');
  t.equal(await attention(b), '6/2a04');
});

void t.test('SPC-4 5.13.11.2.3: what all registrants hold goes with the last of them', async t => {
  const { a, b, c } = await rig();
  const type = Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
  await register(a, A);
  await register(b, B);
  await out(a, Action.RESERVE, { key: A, type });
  t.equal((await out(b, Action.RESERVE, { key: B, type })).status, Status.GOOD, 'each of them is a holder');
  await out(a, Action.REGISTER, { key: A });
  t.equal((await read(c)).status, Status.RESERVATION_CONFLICT);
  t.equal((await read(a)).status, Status.RESERVATION_CONFLICT);
  await out(b, Action.REGISTER, { key: B });
  t.equal((await read(c)).status, Status.GOOD);
});

void t.test('SPC-4 5.13.11.2.6: CLEAR', async t => {
  const { a, b, c } = await rig();
  await register(a, A);
  await register(b, B);
  await out(a, Action.RESERVE, { key: A, type: Type.EXCLUSIVE_ACCESS });
  t.equal((await out(c, Action.CLEAR, { key: C })).status, Status.RESERVATION_CONFLICT, 'not registered');
  t.equal((await out(b, Action.CLEAR, { key: B })).status, Status.GOOD, 'by any registered nexus');
  t.strictSame(await keysOf(b), []);
  t.equal(await attention(a), '6/2a03', 'RESERVATIONS PREEMPTED');
  t.equal(await attention(b), '');
  t.equal((await read(c)).status, Status.GOOD);
  t.equal(await generation(a), 3);
});

void t.test('SPC-4 5.13.11.2.4: PREEMPT', async t => {
  void t.test('without a reservation', async t => {
    const { a, b, c } = await rig();
    await register(a, A);
    await register(b, B);
    t.equal(
      (await out(c, Action.PREEMPT, { key: C, newKey: A, type: 3 })).status,
      Status.RESERVATION_CONFLICT,
    );
    t.equal(
      (await out(b, Action.PREEMPT, { key: B, newKey: C, type: 3 })).status,
      Status.RESERVATION_CONFLICT,
      'no such key',
    );
    const zero = await out(b, Action.PREEMPT, { key: B, newKey: 0n, type: 3 });
    t.equal(zero.said, '5/2600');
    t.equal(pointer(zero), 'list 8');
    t.equal((await out(b, Action.PREEMPT, { key: B, newKey: A, type: 3 })).status, Status.GOOD);
    t.strictSame(await keysOf(b), [B]);
    t.equal(await generation(b), 3);
    t.equal(await attention(a), '6/2a05', 'REGISTRATIONS PREEMPTED');
    t.equal(await reservation(b), '00000000', 'it takes no reservation');
    t.equal((await out(b, Action.PREEMPT, { key: B, newKey: B, type: 3 })).status, Status.GOOD);
    t.strictSame(await keysOf(b), [], 'its own registration when it names that');
    t.equal(await attention(b), '', 'of which it need not be told');
  });
  void t.test('of the holder', async t => {
    const { a, b, c } = await rig();
    for (const [one, key] of [
      [a, A],
      [b, B],
      [c, C],
    ] as const)
      await register(one, key);
    await out(a, Action.RESERVE, { key: A, type: Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY });
    t.equal((await out(b, Action.PREEMPT, { key: B, newKey: A, type: 3 })).status, Status.GOOD);
    t.equal(
      (await reservation(b)).slice(8),
      run('00000000000000b2 00000000 00030000'),
      'taken over as another type',
    );
    t.equal(await attention(a), '6/2a05');
    t.equal(await attention(c), '6/2a04', 'the type changed under the others');
    t.equal(await attention(b), '');
    t.equal((await read(a)).status, Status.RESERVATION_CONFLICT);
    t.equal((await out(b, Action.PREEMPT, { key: B, newKey: B, type: 1 })).status, Status.GOOD, 'of itself');
    t.strictSame(await keysOf(b), [B, C], 'which stays registered');
    t.equal((await reservation(b)).slice(8), run('00000000000000b2 00000000 00010000'));
  });
  void t.test('of one that does not hold it', async t => {
    const { a, b, c } = await rig();
    for (const [one, key] of [
      [a, A],
      [b, B],
      [c, B],
    ] as const)
      await register(one, key);
    await out(a, Action.RESERVE, { key: A, type: 1 });
    t.equal((await out(a, Action.PREEMPT, { key: A, newKey: B, type: 3 })).status, Status.GOOD);
    t.strictSame(await keysOf(a), [A], 'every registration with the key');
    t.equal(
      (await reservation(a)).slice(8),
      run('00000000000000a1 00000000 00010000'),
      'the reservation stays',
    );
    t.equal(await attention(b), '6/2a05');
    t.equal(await attention(c), '6/2a05');
  });
  void t.test('of all registrants', async t => {
    const { a, b, c } = await rig();
    for (const [one, key] of [
      [a, A],
      [b, B],
      [c, C],
    ] as const)
      await register(one, key);
    await out(a, Action.RESERVE, { key: A, type: 7 });
    t.equal((await out(b, Action.PREEMPT, { key: B, newKey: C, type: 8 })).status, Status.GOOD);
    t.strictSame(await keysOf(b), [A, B]);
    t.equal(
      (await reservation(b)).slice(24),
      '0000000000070000',
      'a key that is not 0 only removes registrations',
    );
    t.equal((await out(b, Action.PREEMPT, { key: B, newKey: 0n, type: 3 })).status, Status.GOOD);
    t.strictSame(await keysOf(b), [B], 'key 0: everybody else');
    t.equal((await reservation(b)).slice(8), run('00000000000000b2 00000000 00030000'));
    t.equal(await attention(a), '6/2a05');
  });
});

void t.test('SPC-4 5.13.11.2.5: PREEMPT AND ABORT ends when the tasks have', async t => {
  const { a, b, unit } = await rig();
  await register(a, A);
  await register(b, B);
  await out(a, Action.RESERVE, { key: A, type: 3 });
  let letGo = (): void => {};
  unit.backend.read = into => new Promise(resolve => (letGo = () => (into.fill(0), resolve())));
  const order: string[] = [];
  const running = read(a).then(answer => (order.push('read'), answer));
  const preempting = out(b, Action.ABORT, { key: B, newKey: A, type: 3 }).then(
    answer => (order.push('preempt'), answer),
  );
  await new Promise(resolve => setImmediate(resolve));
  t.strictSame(order, [], 'it waits for what is at the medium');
  letGo();
  t.ok((await running).aborted);
  t.equal((await preempting).status, Status.GOOD);
  t.strictSame(order, ['read', 'preempt']);
  t.equal(await attention(a), '6/2a05');
});

void t.test('SPC-4 5.13.8: REGISTER AND MOVE', async t => {
  const { a, b, c } = await rig();
  const list = (
    key: bigint,
    newKey: bigint,
    to: Commander,
    with_: { unreg?: boolean; port?: number } = {},
  ): Buffer => {
    const id = encodeTransportId(to.nexus);
    const head = Buffer.concat([keyBytes(key), keyBytes(newKey), Buffer.alloc(8)]);
    head[17] = with_.unreg === true ? 2 : 0;
    head.writeUInt16BE(with_.port ?? 1, 18);
    head.writeUInt32BE(id.length, 20);
    return Buffer.concat([head, id]);
  };
  await register(a, A);
  const move = (who: Commander, l: Buffer): Promise<Answer> => out(who, Action.MOVE, { list: l, type: 9 });
  t.equal((await move(a, list(A, B, b))).status, Status.RESERVATION_CONFLICT, 'there is nothing to move');
  await out(a, Action.RESERVE, { key: A, type: 3 });
  t.equal(pointer(await move(a, list(A, B, b, { port: 9 }))), 'list 18');
  t.equal(pointer(await move(a, list(A, 0n, b))), 'list 8');
  t.equal(pointer(await move(a, list(A, B, a))), 'list 24');
  t.equal((await move(a, list(A, B, b))).status, Status.GOOD);
  t.strictSame(await keysOf(a), [A, B]);
  t.equal((await write(b)).status, Status.GOOD, 'who got it has it');
  t.equal((await write(a)).status, Status.RESERVATION_CONFLICT);
  t.equal((await move(b, list(B, C, c, { unreg: true }))).status, Status.GOOD);
  t.strictSame(await keysOf(a), [A, C], 'UNREG');
  t.equal((await write(c)).status, Status.GOOD);
  const bad = list(C, A, a);
  const name = Buffer.concat([Buffer.from([0x05, 0, 0, 20]), Buffer.from('iqn.2026-01.test:a\0\0')]);
  const device = Buffer.concat([bad.subarray(0, 24), name]);
  device.writeUInt32BE(24, 20);
  t.equal(pointer(await move(c, device)), 'list 24', 'a name without its port');
  bad.writeUInt8(0x06, 24);
  t.equal(pointer(await move(c, bad)), 'list 24', 'a port of another protocol');
  bad[24] = 0x45;
  bad[27] = 0xff;
  t.equal(pointer(await move(c, bad)), 'list 26', 'longer than the list');
  const plain = { initiatorName: 'iqn.2026-01.test:x', isid: '00023d000001' };
  t.strictSame(decodeTransportId(encodeTransportId(plain), 0), { ...plain, length: 40 });
  const long = Buffer.alloc(60_000, 0xff);
  long.set([0x45, 0, 0, 0]);
  long.writeUInt16BE(long.length - 4, 2);
  long.write(',i,0x00023d000001\0\0\0', long.length - 20, 'latin1');
  const endless = list(C, A, a);
  const moved = Buffer.concat([endless.subarray(0, 24), long]);
  moved.writeUInt32BE(long.length, 20);
  t.equal(pointer(await move(c, moved)), 'list 28', 'no iSCSI name, and as long as can be');
});

void t.test('SPC-2 7.21: RESERVE(6) and RELEASE(6)', async t => {
  const { a, b, c, unit, device } = await rig();
  t.equal((await a.send(0, '16')).status, Status.GOOD);
  t.equal((await a.send(0, '16')).status, Status.GOOD, 'again');
  t.equal((await b.send(0, '16')).status, Status.RESERVATION_CONFLICT);
  t.equal((await b.send(0, '17')).status, Status.GOOD, 'RELEASE by another does nothing');
  for (const cdb of ['00', '1a 00 3f 00 ff', '28 00 00 00 00 00 00 00 01', '25', '1e 00 00 00 01']) {
    t.equal((await b.send(0, cdb)).status, Status.RESERVATION_CONFLICT, cdb);
    t.equal((await a.send(0, cdb)).status, Status.GOOD, cdb);
  }
  for (const cdb of ['12 00 00 00 24', '03 00 00 00 12', 'a0 00 00 00 00 00 00 00 00 ff', '1e']) {
    t.equal((await b.send(0, cdb)).status, Status.GOOD, `${cdb} passes`);
  }
  t.equal(
    (await a.send(0, '5e 00 00 00 00 00 00 00 ff')).status,
    Status.RESERVATION_CONFLICT,
    'PERSISTENT RESERVE of anyone conflicts',
  );
  t.equal((await out(a, Action.REGISTER, { newKey: A })).status, Status.RESERVATION_CONFLICT);
  await a.send(0, '17');
  t.equal((await b.send(0, '56')).status, Status.GOOD, 'RESERVE(10)');
  await new Promise<void>(resolve => unit.reset(resolve));
  for (const one of [a, b, c]) await one.clear();
  t.equal((await read(a)).status, Status.GOOD, 'a reset releases it');
  await b.send(0, '16');
  device.detach(b.nexus);
  t.equal((await read(a)).status, Status.GOOD, 'and so does the loss of the nexus');
});

void t.test('SPC-4 5.13.3: RESERVE(6) beside registrations', async t => {
  const { a, b, c } = await rig();
  await register(a, A);
  for (const one of [a, b]) {
    t.equal(
      (await one.send(0, '16')).status,
      Status.RESERVATION_CONFLICT,
      'a registration and no reservation',
    );
    t.equal((await one.send(0, '17')).status, Status.RESERVATION_CONFLICT);
  }
  await out(a, Action.RESERVE, { key: A, type: 1 });
  await register(b, B);
  t.equal((await a.send(0, '16')).status, Status.GOOD, 'the holder, without effect');
  t.equal((await b.send(0, '16')).status, Status.RESERVATION_CONFLICT, 'one that is only registered');
  t.equal((await in_(a, 1)).length, 24, 'the persistent reservation stays');
  await out(a, Action.RELEASE, { key: A, type: 1 });
  await out(a, Action.RESERVE, { key: A, type: 5 });
  t.equal((await b.send(0, '16')).status, Status.GOOD, 'one that shares in it');
  t.equal((await c.send(0, '57')).status, Status.RESERVATION_CONFLICT);
  t.equal((await read(c)).status, Status.GOOD, 'no RESERVE came of it');
});
