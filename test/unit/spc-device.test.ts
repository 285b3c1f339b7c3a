import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { BlockBackend } from '../../lib/backends/block-backend.ts';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk, type DiskUnit } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { UnitState } from '../../lib/state/unit-state.ts';
import { type Answer, Commander, hex, nexus, pointer, run } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';
const SIZE = 8 << 20;

async function rig(
  state?: UnitState,
): Promise<{ a: Commander; b: Commander; unit: DiskUnit; backend: BlockBackend }> {
  const device = new TargetDevice(TARGET, absentUnit());
  const backend = memoryDisk({ bytes: SIZE, blockSize: 512 });
  const unit = disk({ identity: identify(TARGET, 'd0', { product: 'DISK', revision: '1' }), backend, state });
  device.add(0, unit);
  const a = await new Commander(device).clear();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  return { a, b, unit, backend };
}

void t.test('SPC-4 6.38, 6.46: REPORT TIMESTAMP and SET TIMESTAMP', async t => {
  const { a, b, unit } = await rig();
  const ask = async (): Promise<Buffer> => (await a.send(0, 'a3 0f 00 00 00 00 00 00 00 ff')).data;
  const before = Date.now();
  const told = await ask();
  t.equal(hex(told.subarray(0, 4)), '000a0300', 'of other means');
  t.ok(told.readUIntBE(4, 6) >= before && told.readUIntBE(4, 6) <= Date.now(), 'the time of day');
  const out = Buffer.alloc(12);
  out.writeUIntBE(1_000_000, 4, 6);
  t.equal((await a.send(0, 'a4 0f 00 00 00 00 00 00 00 0c', { out })).status, Status.GOOD);
  t.equal((await b.send(0, '00')).said, '6/2a10', 'TIMESTAMP CHANGED');
  const set = await ask();
  t.equal(set[2], 2, 'of SET TIMESTAMP');
  t.ok(set.readUIntBE(4, 6) >= 1_000_000 && set.readUIntBE(4, 6) < 1_060_000, 'and goes on from there');
  await new Promise<void>(done => unit.reset(done));
  await a.clear();
  t.equal((await ask())[2], 2, 'a reset leaves it alone');
  t.equal((await a.send(0, 'a4 0f 00 00 00 00 00 00 00 00')).status, Status.GOOD, 'no list is no error');
  t.equal((await a.send(0, 'a4 0f 00 00 00 00 00 00 00 0b', { out })).said, '5/1a00');
  t.equal((await a.send(0, 'a4 0f 00 00 00 00 00 00 00 0c', { out: Buffer.alloc(6) })).said, '5/1a00');
});

void t.test('SPC-4 6.32, 6.43: REPORT IDENTIFYING INFORMATION and SET IDENTIFYING INFORMATION', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'sanlet-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const path = join(dir, 'unit');
  const { a, b } = await rig(await UnitState.open(path));
  const ask = async (type: string, of = a): Promise<Answer> =>
    of.send(0, `a3 05 00 00 00 00 00 00 01 ff ${type} 00`);
  const set = (type: string, out: Buffer): Promise<Answer> =>
    a.send(0, `a4 06 00 00 00 00 0000${out.length.toString(16).padStart(4, '0')} ${type} 00`, { out });
  t.equal(hex((await ask('00')).data), '00000000', 'none at first');
  t.equal(hex((await ask('fe')).data), run('00000008 00000040 04000100'), 'types and their longest');
  const text = Buffer.from('the one in rack 4, on the left\0');
  t.equal((await set('04', text)).status, Status.GOOD);
  t.equal((await b.send(0, '00')).said, '6/3f05', 'DEVICE IDENTIFIER CHANGED');
  t.equal((await set('00', Buffer.from([1, 2, 3]))).status, Status.GOOD);
  t.equal((await ask('04')).data.toString('latin1', 4), text.toString('latin1'));
  t.equal((await ask('04')).data.readUInt16BE(2), text.length);
  const after = await rig(await UnitState.open(path));
  t.equal(hex((await ask('00', after.a)).data), '00000003010203', 'it outlives the process');
  t.equal((await set('00', Buffer.alloc(0))).status, Status.GOOD);
  t.equal(hex((await ask('00')).data), '00000000', 'no list takes it away');
  t.equal(pointer(await set('00', Buffer.alloc(65))), 'cdb 6', 'longer than 64 bytes');
  t.equal((await set('00', Buffer.alloc(64))).status, Status.GOOD);
  t.equal(pointer(await set('04', Buffer.from('no end'))), 'list 5', 'text without its null');
  t.equal(pointer(await set('04', Buffer.from('a\0b\0'))), 'list 1', 'text with one too early');
  t.equal(pointer(await ask('02')), 'cdb 10.7', 'no such type');
  t.equal(pointer(await set('fe', Buffer.alloc(1))), 'cdb 10.7');
});

void t.test('SPC-4 6.18, 6.49: READ BUFFER(10), READ BUFFER(16) and WRITE BUFFER', async t => {
  const { a, b, unit } = await rig();
  t.equal(
    hex((await a.send(0, '3c 03 00 000000 0000ff 00')).data),
    '00010000',
    'descriptor: 64 KiB, any offset',
  );
  t.equal(
    hex((await a.send(0, '3c 03 01 000000 0000ff 00')).data),
    '00000000',
    'zeros for a buffer that is not there',
  );
  t.equal(hex((await a.send(0, '3c 02 00 000000 000004 00')).data), '00000000', 'nothing was written yet');
  const out = Buffer.from('0123456789abcdef', 'hex');
  t.equal((await a.send(0, '3b 02 00 00fff8 000008 00', { out })).status, Status.GOOD, 'up to the end');
  t.equal(
    hex((await b.send(0, '3c 02 00 00fffa 0000ff 00')).data),
    '456789abcdef',
    'cut at the end, for any nexus',
  );
  t.equal(hex((await a.send(0, '9b 02 000000000000fffa 00000002 00 00')).data), '4567', 'READ BUFFER(16)');
  t.equal((await a.send(0, '3c 02 00 010000 0000ff 00')).data.length, 0, 'just behind the end');

  t.equal(
    hex((await a.send(0, '3c 0b 00 000000 0000ff 00')).data),
    '01001000',
    'echo descriptor: EBOS, 4096',
  );
  t.equal((await a.send(0, '3c 0a 00 000000 0000ff 00')).said, '5/2c00', 'nothing to echo');
  await a.send(0, '3b 0a 00 000000 000008 00', { out });
  await b.send(0, '3b 0a 00 000000 000002 00', { out: Buffer.from([7, 7]) });
  t.equal(hex((await a.send(0, '3c 0a 00 000000 0000ff 00')).data), hex(out), 'EBOS: each nexus has its own');
  t.equal(hex((await b.send(0, '3c 0a 00 000000 000001 00')).data), '07');
  const most = Buffer.alloc(4096, 9);
  t.equal((await a.send(0, '3b 0a 00 000000 001000 00', { out: most })).status, Status.GOOD);
  t.ok((await a.send(0, '3c 0a 00 000000 001000 00')).data.equals(most));

  const refusals: [string, string][] = [
    ['3b 02 00 00fff9 000008 00', 'cdb 6'],
    ['3b 02 00 010001 000000 00', 'cdb 3'],
    ['3b 02 01 000000 000008 00', 'cdb 2'],
    ['3b 0a 00 000000 001001 00', 'cdb 6'],
    ['3c 02 00 010001 000008 00', 'cdb 3'],
    ['3c 02 01 000000 000008 00', 'cdb 2'],
    ['9b 02 0000000000010001 00000002 00 00', 'cdb 2'],
    ['9b 02 0000000000000000 00000002 01 00', 'cdb 14'],
    ['3c 22 00 000000 000008 00', 'cdb 1.5'],
    ...['00', '01', '04', '05', '06', '07', '0d', '0e', '0f', '1a', '1c'].flatMap(
      (mode): [string, string][] => [
        [`3b ${mode} 00 000000 000008 00`, 'cdb 1.4'],
        [`3c ${mode} 00 000000 000008 00`, 'cdb 1.4'],
      ],
    ),
  ];
  for (const [cdb, where] of refusals) {
    const answer = await a.send(0, cdb, { out });
    t.equal(answer.said, '5/2400', cdb);
    t.equal(pointer(answer), where, cdb);
  }
  t.equal((await a.send(0, '3b 02 00 000000 000008 00', { out: out.subarray(4) })).said, '5/1a00');
  await new Promise<void>(done => unit.reset(done));
  await a.clear();
  t.equal((await a.send(0, '3c 0a 00 000000 0000ff 00')).said, '5/2c00', 'a reset forgets');
  t.equal(hex((await a.send(0, '3c 02 00 00fff8 000002 00')).data), '0000');
});

const results = async (a: Commander): Promise<Buffer> =>
  (await a.send(0, '4d 00 50 00 00 0000 ffff 00')).data.subarray(4);
/** SELF-TEST CODE and SELF-TEST RESULTS of the most recent test. */
const latest = async (a: Commander): Promise<string> => hex((await results(a)).subarray(4, 5));
const until = async (is: () => Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 1000 && !(await is()); i++) await new Promise(resolve => setImmediate(resolve));
};

void t.test('SPC-4 6.42, 5.10: SEND DIAGNOSTIC tests what it says', async t => {
  const { a, backend, unit } = await rig();
  await a.send(0, '2a 00 00 00 10 00 00 00 01 00', { out: Buffer.alloc(512, 1) });
  const read: number[] = [];
  const really = backend.read.bind(backend);
  backend.read = (into, offset) => {
    read.push(offset, offset + into.length);
    return really(into, offset);
  };
  t.equal((await a.send(0, '1d 04 00 00 00 00')).status, Status.GOOD, 'the default self-test');
  t.equal(Math.min(...read), 0, 'reads the first block');
  t.equal(Math.max(...read), SIZE, 'and the last');
  t.equal(hex((await results(a)).subarray(0, 8)), run('0001 03 10 00 00 0000'), 'passed');
  t.equal((await results(a)).length, 20 * 20, 'twenty parameters');
  read.length = 0;
  t.equal((await a.send(0, '1d c0 00 00 00 00')).status, Status.GOOD, 'extended, in the foreground');
  t.strictSame(read, [0x1000 * 512, 0x1000 * 512 + 512], 'reads what is mapped, and nothing else');
  t.equal(await latest(a), 'c0');
  t.equal(hex((await results(a)).subarray(20, 25)), run('0002 03 10 00'), 'the older one is the second');

  backend.read = () => {
    throw new MediumError('io', 0x1000 * 512, 'cannot be read');
  };
  t.equal((await a.send(0, '1d c0 00 00 00 00')).said, '4/3e03', 'LOGICAL UNIT FAILED SELF-TEST');
  const bad = (await results(a)).subarray(0, 20);
  t.equal(hex(bad), run('0001 03 10 c7 01 0000 0000000000001000 03 1100 00'), 'where, and why');
  backend.read = really;

  t.equal((await a.send(0, '1d 20 00 00 00 00')).status, Status.GOOD, 'in the background: answered at once');
  t.equal(await latest(a), '2f', 'in progress');
  const sense = (await a.send(0, '03 00 00 00 fc 00')).data;
  t.equal(hex(sense.subarray(2, 3)), '02');
  t.equal(hex(sense.subarray(12, 14)), '0409', 'REQUEST SENSE says so');
  t.equal(sense[15], 0x80, 'and how far it is');
  t.equal((await a.send(0, '1d 20 00 00 00 00')).said, '2/0409', 'one at a time');
  t.equal((await a.send(0, '28 00 00 00 00 00 00 00 01 00')).status, Status.GOOD, 'others go on');
  await until(async () => (await latest(a)) === '20');
  t.equal(await latest(a), '20', 'passed');
  t.equal(hex((await a.send(0, '03 00 00 00 fc 00')).data.subarray(12, 14)), '0000');

  t.equal((await a.send(0, '1d 40 00 00 00 00')).status, Status.GOOD);
  t.equal((await a.send(0, '1d 80 00 00 00 00')).status, Status.GOOD);
  t.equal(await latest(a), '41', 'aborted by SEND DIAGNOSTIC');
  t.equal(pointer(await a.send(0, '1d 80 00 00 00 00')), 'cdb 1.7', 'there is none to abort');
  t.equal((await a.send(0, '1d 20 00 00 00 00')).status, Status.GOOD);
  await new Promise<void>(done => unit.reset(done));
  await a.clear();
  t.equal(await latest(a), '22', 'aborted by a reset');
  t.equal(pointer(await a.send(0, '1d 24 00 00 00 00')), 'cdb 1.7', 'SELFTEST and a code');
  t.equal(
    pointer(await a.send(0, '1d 20 00 00 04 00', { out: Buffer.alloc(4) })),
    'cdb 3',
    'a code and a list',
  );
});

void t.test('SPC-4 7.3: log pages of a disk count what really happened', async t => {
  const { a, backend } = await rig();
  const page = async (code: string): Promise<string> =>
    hex((await a.send(0, `4d 00 ${code} 00 00 0000 ffff 00`)).data);
  await a.send(0, '2a 00 00 00 00 00 00 00 03 00', { out: Buffer.alloc(3 * 512) });
  await a.send(0, '28 00 00 00 00 00 00 00 02 00');
  await a.send(0, '28 00 00 00 00 00 00 00 01 00');
  const really = backend.read.bind(backend);
  backend.read = () => {
    throw new MediumError('io', 0, 'cannot be read');
  };
  t.equal((await a.send(0, '28 00 00 00 00 00 00 00 01 00')).said, '3/1100');
  backend.read = really;
  const counter = (code: string, value: number): string =>
    `${code}0008${value.toString(16).padStart(16, '0')}`;
  const errors = (bytes: number, failed: number): string =>
    counter('0003', 0) + counter('0005', bytes) + counter('0006', failed);
  t.equal(await page('42'), `82000024${errors(1536, 0)}`, 'write errors');
  t.equal(await page('43'), `83000024${errors(1536, 1)}`, 'read errors');
  t.equal(await page('45'), `85000024${errors(0, 0)}`, 'verify errors');
  t.equal(await page('46'), `8600000c${counter('0000', 0)}`, 'non-medium errors');
  const u64 = (value: number): string => value.toString(16).padStart(16, '0');
  t.equal(
    await page('59'),
    `9900005c${run('0001 02 40')}${u64(3)}${u64(1)}${u64(3)}${u64(3)}${'0'.repeat(64)}${run('0002 02 08')}${u64(0)}${run('0003 03 08')}${u64(0)}`,
    'reads and writes, blocks in and out',
  );
  t.equal(await page('6f'), run('af000008 0000 03 04 0000ffff'), 'no informational exception');
  t.equal((await a.send(0, '4c 02 c0 03 00 00 00 0000 00')).said, '5/2400');
  t.equal((await a.send(0, '4c 02 c3 00 00 00 00 0000 00')).status, Status.GOOD);
  t.equal(await page('43'), `83000024${errors(0, 0)}`, 'PCR');
  t.equal(await page('42'), `82000024${errors(1536, 0)}`, 'of that page alone');
});

void t.test('SAM-5 4.7.3: a command that waits while its unit is taken away is answered', async t => {
  const { a } = await rig();
  const never = a.send(0, '2a 00 00 00 00 00 00 00 01', {
    out: Buffer.alloc(512),
    holdData: new Promise<void>(() => {}),
  });
  await a.device.remove(0, 5);
  const answer = await never;
  t.equal(answer.said, '5/2500');
  t.notOk(answer.aborted, 'it gets a response');
});
