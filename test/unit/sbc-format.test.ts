import { join } from 'node:path';
import t from 'tap';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { UnitState } from '../../lib/state/unit-state.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';
import { cdb, MiB, pattern, pointer, read, rig, write } from '../harness/disk.ts';
import { until } from '../harness/rig.ts';

const OVERWRITE = 0x01;
const BLOCK_ERASE = 0x02;
const EXIT_FAILURE_MODE = 0x1f;
const IMMED = 0x80;
const AUSE = 0x20;

const sanitize = (
  a: Commander,
  action: number,
  list: Buffer = Buffer.alloc(0),
  length = list.length,
): Promise<Answer> => {
  const c = Buffer.alloc(10);
  c.set([0x48, action]);
  c.writeUInt16BE(length, 7);
  return a.send(0, c, { out: list });
};

/** The parameter list of OVERWRITE. */
function overwriting(block: Buffer, passes = 1, length = block.length): Buffer {
  const list = Buffer.alloc(4 + block.length);
  list[0] = passes;
  list.writeUInt16BE(length, 2);
  list.set(block, 4);
  return list;
}

const format = (a: Commander, flags: number, list: Uint8Array = Buffer.alloc(0), fast = 0): Promise<Answer> =>
  a.send(0, Buffer.of(0x04, flags, 0, 0, fast, 0), { out: list });

const FMTDATA = 0x10;
const LONGLIST = 0x20;

const filled = (found: Buffer, block: Uint8Array): boolean =>
  found.equals(Buffer.alloc(found.length).fill(block));

void t.test(
  'SBC-3 5.24: SANITIZE (OVERWRITE), SANITIZE (BLOCK ERASE) and SANITIZE (EXIT FAILURE MODE)',
  async t => {
    const { a, medium, device } = await rig({ bytes: 4 * MiB + 512 });
    const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
    await write(a, 0, pattern(1000));
    t.equal((await sanitize(a, BLOCK_ERASE)).status, Status.GOOD);
    t.equal(medium.mappedBytes, 0, 'BLOCK ERASE leaves nothing mapped');
    t.equal(medium.flushes, 1, 'and the medium knows it');
    t.ok(filled((await read(a, 0, 1000)).data, Buffer.alloc(1)));
    t.equal((await a.send(0, '12 01 b1 00 ff 00')).data[7]! >> 6, 1, 'WABEREQ: reads succeed');

    const block = pattern(1, 4);
    for (const [bytes, passes, invert, why] of [
      [512, 1, 0, 'a block'],
      [6, 2, 0, 'a pattern that ends in the middle of itself'],
      [4, 3, 0x80, 'INVERT: the last pass has the pattern as it is'],
      [4, 2, 0x80, 'also when their number is even'],
    ] as const) {
      medium.writes = [];
      const list = overwriting(block.subarray(0, bytes), passes);
      list[0]! |= invert;
      t.equal((await sanitize(a, OVERWRITE, list)).status, Status.GOOD);
      const whole = Buffer.alloc(512).fill(block.subarray(0, bytes));
      t.ok(filled((await a.send(0, cdb(0x28, 0, 8193))).data, whole), why);
      t.equal(
        medium.writes.reduce((sum, length) => sum + length, 0),
        passes * (4 * MiB + 512),
        'every pass writes every block',
      );
    }

    for (const length of [0, 1, 4, 512 + 5]) {
      const answer = await sanitize(a, OVERWRITE, Buffer.alloc(600, 1), length);
      t.equal(pointer(answer), 'cdb 7', `PARAMETER LIST LENGTH ${length}`);
    }
    t.equal(pointer(await sanitize(a, OVERWRITE, overwriting(block, 0))), 'list 0.4', 'OVERWRITE COUNT 0');
    t.equal(
      pointer(await sanitize(a, OVERWRITE, overwriting(block, 1, 0))),
      'list 2',
      'a pattern of 0 bytes',
    );
    t.equal(
      pointer(await sanitize(a, OVERWRITE, overwriting(block, 1, 516))),
      'list 2',
      'longer than a block',
    );
    t.equal(pointer(await sanitize(a, OVERWRITE, overwriting(block, 0x21))), 'list 0.6', 'TEST');
    for (const action of [BLOCK_ERASE, EXIT_FAILURE_MODE]) {
      t.equal(pointer(await sanitize(a, action, Buffer.alloc(8))), 'cdb 7', 'a list where there is none');
    }
    t.equal((await sanitize(a, EXIT_FAILURE_MODE)).status, Status.GOOD, 'nothing has failed');
    t.equal(pointer(await sanitize(a, 0x03)), 'cdb 1.4', 'CRYPTOGRAPHIC ERASE: there is no key');
    t.equal(pointer(await sanitize(a, BLOCK_ERASE | 0x40)), 'cdb 1.6', 'ZNR: there are no zones');

    await b.send(0, '16');
    t.equal((await sanitize(a, BLOCK_ERASE)).status, Status.RESERVATION_CONFLICT);
    await b.send(0, '17');
    medium.readOnly = true;
    t.equal((await sanitize(a, BLOCK_ERASE)).said, '7/2700', 'write protected');
    const small = await rig({ allocationLimitBytes: MiB });
    await write(small.a, 0, block);
    t.equal(
      (await sanitize(small.a, OVERWRITE, overwriting(block))).said,
      '7/2707',
      'no room for all blocks',
    );
    t.ok((await read(small.a, 0, 1)).data.equals(block), 'so that it does not begin');
  },
);

void t.test('SBC-3 4.11: while a sanitize operation is at work', async t => {
  const { a, unit, medium, device } = await rig({ bytes: 64 * MiB, operationBytesPerSecond: 200 * MiB });
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  // A read is at the medium, and a write waits behind what runs alone.
  medium.late = true;
  const before = read(a, 0, 1);
  const started = sanitize(a, OVERWRITE | IMMED, overwriting(pattern(1, 7)));
  const behind = write(b, 0, pattern(1));
  t.equal((await before).status, Status.GOOD, 'what came before ends first');
  t.equal((await started).status, Status.GOOD, 'IMMED: answered when it begins');
  t.equal((await behind).said, '2/041b', 'what waited behind it is refused too');
  medium.late = false;
  for (const refused of ['00', '28 00 00 00 00 00 00 00 01 00', '25', '1b 00 00 00 01', '04', '48 82']) {
    const answer = await b.send(0, refused);
    t.equal(answer.said, '2/041b', `SANITIZE IN PROGRESS for ${refused.slice(0, 2)}h`);
    t.equal(answer.sense[15]! & 0x80, 0x80, 'with its progress');
  }
  for (const answered of [
    '12 00 00 00 24',
    'a0 00 00 00 00 00 00 00 00 20',
    '1a 00 3f 00 ff',
    '5e 00 00 00 00 00 00 00 08',
    'a3 0c 00 00 00 00 00 00 10 00',
  ]) {
    t.equal((await b.send(0, answered)).status, Status.GOOD, `${answered.slice(0, 2)}h is answered`);
  }
  const progress = async (): Promise<number> => (await b.send(0, '03 00 00 00 12')).data.readUInt16BE(16);
  const first = await progress();
  t.ok(await until(() => unit.operation === undefined || medium.writes.length > 40));
  t.ok((await progress()) > first, 'REQUEST SENSE tells how far it is');
  await new Promise<void>(resolve => unit.reset(resolve));
  await b.clear();
  t.equal((await b.send(0, '00')).said, '2/041b', 'a reset does not end it');
  t.ok(await until(() => unit.operation === undefined), 'it ends');
  await a.clear();
  t.equal((await b.send(0, '00')).status, Status.GOOD);
  t.ok(filled((await read(b, 131071, 1)).data, pattern(1, 7)));

  const waiting = sanitize(a, OVERWRITE, overwriting(pattern(1, 8)));
  t.equal((await b.send(0, '00')).said, '2/041b', 'without IMMED others hear the same');
  await new Promise<void>(resolve => unit.abort(task => task.nexus === a.nexus, resolve));
  t.equal((await waiting).aborted, true, 'the command can be aborted');
  t.equal((await b.send(0, '00')).said, '2/041b', 'the operation goes on');
  t.ok(await until(() => unit.operation === undefined));
  t.ok(filled((await read(b, 131071, 1)).data, pattern(1, 8)));
});

void t.test('SBC-3 4.11.3: a sanitize operation that fails', async t => {
  const { a, medium, unit } = await rig();
  medium.failure = new MediumError('io', 0, 'test');
  t.equal((await sanitize(a, BLOCK_ERASE | AUSE)).said, '3/3103', 'SANITIZE COMMAND FAILED');
  medium.failure = undefined;
  t.equal((await a.send(0, '00')).said, '3/3103');
  t.equal((await read(a, 0, 1)).said, '3/3103', 'nothing can be read');
  t.equal((await a.send(0, '04')).said, '3/3103', 'nor formatted');
  t.equal((await sanitize(a, EXIT_FAILURE_MODE)).status, Status.GOOD, 'AUSE: the failure may be left');
  t.equal((await read(a, 0, 1)).status, Status.GOOD);

  medium.failure = new MediumError('io', 0, 'test');
  t.equal((await sanitize(a, BLOCK_ERASE | IMMED)).status, Status.GOOD);
  t.ok(await until(() => unit.operation?.work.failed === true));
  medium.failure = undefined;
  t.equal(pointer(await sanitize(a, EXIT_FAILURE_MODE)), 'cdb 1.4', 'without AUSE it may not');
  t.equal(pointer(await sanitize(a, BLOCK_ERASE | AUSE)), 'cdb 1.5', 'nor by a command with AUSE');
  t.equal((await read(a, 0, 1)).said, '3/3103');
  t.equal((await sanitize(a, BLOCK_ERASE)).status, Status.GOOD, 'another one makes it good');
  t.equal((await read(a, 0, 1)).status, Status.GOOD);
});

void t.test('SBC-3 4.11: a sanitize operation survives a restart, a format does not', async t => {
  const path = join(t.testdir(), 'unit-state');
  const state = await UnitState.open(path);
  const first = await rig({ bytes: 16 * MiB, state, operationBytesPerSecond: 1 });
  t.equal((await sanitize(first.a, OVERWRITE | IMMED, overwriting(pattern(1, 9)))).status, Status.GOOD);
  t.ok(await until(() => first.medium.writes.length > 0));
  // As after kill -9: another unit finds what the first one has kept.
  const second = await rig({
    medium: first.medium,
    state: await UnitState.open(path),
    operationBytesPerSecond: 64 * MiB,
  });
  t.equal((await second.a.send(0, '00')).said, '2/041b', 'it goes on');
  t.ok(await until(() => second.unit.operation === undefined));
  t.ok(filled((await read(second.a, 0, 32768)).data, pattern(1, 9)));
  await second.unit.close();
  const third = await rig({ medium: first.medium, state: await UnitState.open(path) });
  t.equal((await third.a.send(0, '00')).status, Status.GOOD, 'and is forgotten when it has ended');

  third.medium.failure = new MediumError('io', 0, 'test');
  await sanitize(third.a, BLOCK_ERASE);
  third.medium.failure = undefined;
  await third.unit.close();
  const fourth = await rig({ medium: first.medium, state: await UnitState.open(path) });
  t.equal((await fourth.a.send(0, '00')).said, '3/3103', 'one that failed stays so');
  t.equal((await sanitize(fourth.a, BLOCK_ERASE)).status, Status.GOOD);
  await fourth.unit.close();

  const fifth = await rig({
    medium: first.medium,
    state: await UnitState.open(path),
    operationBytesPerSecond: 1,
  });
  const pattern4 = Buffer.from('008a000000010004deadbeef', 'hex');
  t.equal((await format(fifth.a, FMTDATA, pattern4)).status, Status.GOOD);
  t.equal((await fifth.a.send(0, '00')).said, '2/0404', 'FORMAT IN PROGRESS');
  const sixth = await rig({ medium: first.medium, state: await UnitState.open(path) });
  t.equal((await read(sixth.a, 0, 1)).said, '3/3100', 'MEDIUM FORMAT CORRUPTED');
  t.equal((await format(sixth.a, 0)).status, Status.GOOD, 'which another format makes good');
  t.equal((await read(sixth.a, 0, 1)).status, Status.GOOD);
  for (const { unit } of [first, fifth]) await unit.operation?.stop();
});

void t.test('SBC-3 5.3: FORMAT UNIT', async t => {
  const { a, medium, unit } = await rig();
  const data = pattern(64);
  for (const [name, flags, list, fast] of [
    ['without data', 0, '', 0],
    ['FFMT 01b', 0, '', 1],
    ['a short header', FMTDATA, '00000000', 0],
    ['a long header', FMTDATA | LONGLIST, '0000000000000000', 0],
    ['FOV and DCRT, as sg_format sends it', FMTDATA | 0x08, '00a00000', 0],
    ['the default pattern', FMTDATA, '0088000000000000', 0],
    ['a pattern of zeros', FMTDATA, '008800000001000400000000', 0],
  ] as const) {
    await write(a, 0, data);
    t.equal((await format(a, flags, Buffer.from(list, 'hex'), fast)).status, Status.GOOD, name);
    t.equal(medium.mappedBytes, 0);
    t.ok(filled((await read(a, 0, 64)).data, Buffer.alloc(1)));
  }
  const patterned = Buffer.from('0088000000010004deadbeef', 'hex');
  t.equal((await format(a, FMTDATA, patterned)).status, Status.GOOD, 'an initialization pattern');
  t.ok(filled((await a.send(0, cdb(0x28, 0, 8192))).data, Buffer.from('deadbeef', 'hex')));
  t.equal((await format(a, FMTDATA, Buffer.from('00820000', 'hex'))).status, Status.GOOD, 'IMMED');
  t.equal((await a.send(0, '00')).said, '2/0404', 'FORMAT IN PROGRESS');
  t.ok(await until(() => unit.operation === undefined));
  t.equal((await a.send(0, '00')).status, Status.GOOD);
  t.equal(medium.mappedBytes, 0);

  await write(a, 0, data);
  for (const [name, flags, list, where, fast] of [
    ['FMTPINFO', 0x80, '', 'cdb 1.7', 0],
    ['FFMT 10b', 0, '', 'cdb 4.1', 2],
    ['LONGLIST without a list', LONGLIST, '', 'cdb 1.5', 0],
    ['CMPLST without a list', 0x08, '', 'cdb 1.3', 0],
    ['PROTECTION FIELD USAGE', FMTDATA, '01000000', 'list 0.0', 0],
    ['DCRT without FOV', FMTDATA, '00200000', 'list 1.5', 0],
    ['a list of defects', FMTDATA, '0080000400000001', 'list 2', 0],
    ['and in a long list', FMTDATA | LONGLIST, '008000000000000400000001', 'list 4', 0],
    ['SI', FMTDATA, '0088000020000000', 'list 4.5', 0],
    ['a type of pattern that is not there', FMTDATA, '0088000000020000', 'list 5', 0],
    ['a pattern of no bytes', FMTDATA, '0088000000010000', 'list 6', 0],
    ['a pattern longer than a block', FMTDATA, '0088000000010204', 'list 6', 0],
  ] as const) {
    t.equal(pointer(await format(a, flags, Buffer.from(list, 'hex'), fast)), where, name);
  }
  for (const list of ['', '0080', '00880000', '008800000001000402']) {
    t.equal((await format(a, FMTDATA, Buffer.from(list, 'hex'))).said, '5/1a00', 'less than it says');
  }
  t.ok((await read(a, 0, 64)).data.equals(data), 'nothing of that has changed the medium');
  medium.failure = new MediumError('io', 0, 'test');
  t.equal((await format(a, 0)).said, '3/3100', 'MEDIUM FORMAT CORRUPTED');
  medium.failure = undefined;
  t.equal((await read(a, 0, 1)).said, '3/3100');
  t.equal((await sanitize(a, BLOCK_ERASE)).status, Status.GOOD, 'a sanitize makes it good too');
  t.equal((await read(a, 0, 1)).status, Status.GOOD);
});
