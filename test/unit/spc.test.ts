import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { DeviceType, LogicalUnit } from '../../lib/scsi-cmds/logical-unit.ts';
import { disk, type DiskUnit } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { decodeLun } from '../../lib/scsi-cmds/lun.ts';
import { mediumNotPresent } from '../../lib/scsi-cmds/sense.ts';
import { modePage, ModePages } from '../../lib/scsi-cmds/spc/mode-pages.ts';
import { primaryCommands, primaryPages } from '../../lib/scsi-cmds/spc/primary.ts';
import { addPages } from '../../lib/scsi-cmds/spc/vpd.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { Attention } from '../../lib/scsi-cmds/unit-attention.ts';
import { type Answer, Commander, hex, nexus, pointer, run } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';
const SIZE = 1 << 20;

const newDisk = (name = 'd0'): DiskUnit =>
  disk({
    identity: identify(TARGET, name, { product: 'disk', revision: '0.1' }),
    backend: memoryDisk({ bytes: SIZE, blockSize: 512 }),
  });

/** A device with disks at the given LUNs and an initiator that has met its unit attentions. */
async function rig(...luns: number[]): Promise<{ device: TargetDevice; a: Commander; unit: DiskUnit }> {
  const device = new TargetDevice(TARGET, absentUnit());
  for (const lun of luns.length > 0 ? luns : [0]) device.add(lun, newDisk(`d${lun}`));
  const a = await new Commander(device).clear();
  return { device, a, unit: device.units[0]![1] as DiskUnit };
}

void t.test('SPC-4 6.6.2: standard INQUIRY data', async t => {
  const { a, unit } = await rig();
  const { data, status } = await a.send(0, '12 00 00 01 00 00');
  t.equal(status, Status.GOOD);
  t.equal(data.length, 96);
  t.equal(data[0], 0x00, 'a connected direct access device');
  t.equal(data[1], 0x00, 'not removable');
  t.equal(data[2], 0x06, 'VERSION: no suite takes more');
  t.equal(data[3], 0x12, 'HISUP, response data format 2');
  t.equal(data[4], 91, 'ADDITIONAL LENGTH');
  t.equal(data[5], 0x30, 'TPGS 11b, no 3PC, PROTECT 0');
  t.equal(data[7], 0x02, 'CMDQUE');
  t.equal(data.toString('latin1', 8, 36), 'SANLET  disk            0.1 ');
  t.equal(
    hex(data.subarray(58, 72)),
    '00a005c00460060004c009600000',
    'SAM-5, SPC-5, SPC-4, SBC-4, SBC-3, iSCSI',
  );
  unit.thirdPartyCopy = true;
  const again = await a.send(0, '12 00 00 00 24 00');
  t.equal(again.data[5], 0x38, '3PC once the unit copies');
  t.equal(again.data.length, 36);
  t.equal(again.data[4], 91, 'SPC-4 4.2.5.6: a short allocation length changes no length field');
  t.equal(again.totalIn, 36);
});

void t.test('SPC-4 6.6.1: INQUIRY refuses what it does not know', async t => {
  const { a } = await rig();
  const page = await a.send(0, '12 00 01 00 ff 00');
  t.equal(page.said, '5/2400', 'PAGE CODE without EVPD');
  t.equal(pointer(page), 'cdb 2');
  const unknown = await a.send(0, '12 01 b7 00 ff 00');
  t.equal(unknown.said, '5/2400');
  t.equal(pointer(unknown), 'cdb 2');
  const reserved = await a.send(0, '12 02 00 00 ff 00');
  t.equal(pointer(reserved), 'cdb 1.1', 'CMDDT is gone');
  t.equal((await a.send(0, '12 60 00 00 24 00')).status, Status.GOOD, 'LUN bits of SCSI-2 are let through');
  t.equal((await a.send(0, '12 00 00 00 00 00')).totalIn, 0, 'allocation length 0 is no error');
});

void t.test('SPC-4 7.8: VPD pages', async t => {
  const { a, unit } = await rig();
  const vpd = async (page: string, length = 'ff'): Promise<Buffer> =>
    (await a.send(0, `12 01 ${page} 00 ${length} 00`)).data;
  t.equal(hex(await vpd('00')), '00000009008083868788b0b1b2', 'sorted, itself first');
  unit.vpd.set(0x8f, { code: 0x8f, body: () => Uint8Array.of(1, 2) });
  t.equal(
    hex(await vpd('00')),
    run('0000000a00 80838687888fb0b1b2'),
    'a page that comes later takes its place',
  );
  t.equal(hex(await vpd('8f')), '008f00020102');

  const serial = await vpd('80');
  t.equal(serial.readUInt16BE(2), 16);
  t.equal(serial.toString('latin1', 4), unit.identity.serial);
  t.equal(hex(await vpd('80', '04')), '00800010', 'with 4 bytes asked for the length is whole');

  const page = await vpd('83');
  t.ok(page.length <= 255, '83h fits one byte of allocation length');
  t.equal(page.readUInt16BE(2), page.length - 4);
  const found: { association: number; type: number; bytes: Buffer; header: number }[] = [];
  for (let at = 4; at < page.length; at += 4 + page[at + 3]!) {
    found.push({
      header: page.readUInt16BE(at),
      association: (page[at + 1]! >> 4) & 3,
      type: page[at + 1]! & 0x0f,
      bytes: page.subarray(at + 4, at + 4 + page[at + 3]!),
    });
  }
  t.strictSame(
    found.map(d => [d.association, d.type]),
    [
      [0, 0],
      [0, 1],
      [1, 4],
      [1, 5],
      [1, 8],
      [2, 8],
      [0, 3],
    ],
    'name, T10 vendor id, relative target port, target port group, names, and the NAA of the unit last',
  );
  t.ok(
    found.every(d => d.association !== 0 || d.bytes.length <= 20),
    'each of the unit fits a CSCD descriptor',
  );
  const target = unit.device!.name;
  const padded = (text: string): string =>
    Buffer.from(text.padEnd(Math.ceil((text.length + 1) / 4) * 4, '\0')).toString();
  t.equal(found[4]!.bytes.toString(), padded(`${target},t,0x0001`), 'the port');
  t.equal(found[4]!.header, 0x5398, 'UTF-8, PIV with iSCSI, of the port');
  t.equal(found[5]!.bytes.toString(), padded(target), 'the target device');
  t.equal(found[5]!.header, 0x53a8);
  t.equal(hex(found.at(-1)!.bytes), hex(unit.identity.naa));
  t.equal(found.at(-1)!.bytes[0]! >> 4, 3, 'locally assigned NAA');
  t.equal(found[0]!.bytes.toString(), unit.identity.name);
  t.equal(found[1]!.bytes.toString('latin1', 0, 8), 'SANLET  ');
  t.equal(hex(found[2]!.bytes), '00000001');
  t.equal(found[2]!.header, 0x5194, 'binary, PIV with iSCSI, of the port');

  const extended = await vpd('86');
  t.equal(extended.length, 64);
  t.equal(extended[5], 0x07, '7.8.7: HEADSUP, ORDSUP, SIMPSUP');
  t.equal(extended[6], 0x01, 'V_SUP');
  t.equal(extended[7], 0x01, 'LUICLR');
  t.equal(extended.readUInt16BE(10), 1, 'EXTENDED SELF-TEST COMPLETION MINUTES');
  t.equal(extended[13], 252, 'MAXIMUM SUPPORTED SENSE DATA LENGTH');
  t.equal(hex(await vpd('87')), '008700043fff0000', 'mode page policy: all pages are shared');

  unit.device!.relativePorts = [1, 258];
  const ports = await vpd('88');
  t.equal(ports.readUInt16BE(2), ports.length - 4);
  const name = Buffer.from(`${TARGET},t,0x0102`);
  const length = Math.ceil((name.length + 1) / 4) * 4;
  const second = ports.subarray(4 + 12 + 4 + length);
  t.equal(hex(second.subarray(0, 8)), '0000010200000000', 'the second port, which is no initiator port');
  t.equal(
    hex(second.subarray(12, 16)),
    `539800${hex(Uint8Array.of(length))}`,
    'a SCSI name string of the port',
  );
  t.equal(second.toString('latin1', 16, 16 + length), name.toString().padEnd(length, '\0'));
  t.equal(second.length, 16 + length);
});

void t.test('SPC-4 6.33: REPORT LUNS', async t => {
  const { device, a } = await rig(7, 0, 300);
  const b = new Commander(device, nexus('iqn.2026-01.test:b'));
  const list = await b.send(0, 'a0 00 00 00 00 00 00 00 10 00 00 00');
  t.equal(hex(list.data.subarray(0, 8)), '0000001800000000', '6.33: passes a unit attention');
  t.equal(
    hex(list.data.subarray(8)),
    run('0000000000000000 0007000000000000 412c000000000000'),
    'LUN 0 first',
  );
  t.equal((await b.send(0, '00')).said, '6/2900', 'which is left pending');
  const listOf = (select: string): Promise<Answer> => a.send(0, `a0 00 ${select} 00 00 00 00 00 10 00`);
  t.equal(hex((await listOf('01')).data), run('0000000800000000 c101000000000000'), 'the well-known unit');
  t.equal((await listOf('02')).data.length, 40, 'all of them');
  t.equal((await listOf('10')).data.length, 8, 'no administrative unit');
  t.equal((await listOf('11')).data.length, 32);
  t.equal((await listOf('12')).data.length, 8);
  t.equal((await a.send(0, 'a0 00 00 00 00 00 00 00 00 10')).data.length, 16, 'cut to 16');
  const short = await a.send(0, 'a0 00 00 00 00 00 00 00 00 0f');
  t.equal(short.said, '5/2400');
  t.equal(pointer(short), 'cdb 6');
  const select = await a.send(0, 'a0 00 03 00 00 00 00 00 10 00');
  t.equal(pointer(select), 'cdb 2');

  device.units[1]![1].attention(Attention.REPORTED_LUNS_CHANGED);
  await a.send(0, 'a0 00 00 00 00 00 00 00 10 00');
  t.equal((await a.send(7, '00')).status, Status.GOOD, 'REPORTED LUNS DATA HAS CHANGED is cleared by it');
});

void t.test('SPC-4 8.2: the REPORT LUNS well-known logical unit', async t => {
  const { a } = await rig(3);
  const WELL_KNOWN = decodeLun(Buffer.from('c101000000000000', 'hex'), 0)!;
  const inquiry = await a.send(WELL_KNOWN, '12 00 00 00 ff 00');
  t.equal(inquiry.data[0], 0x1e, 'connected, a well-known logical unit');
  t.equal((await a.send(WELL_KNOWN, '00')).said, '6/2900');
  t.equal((await a.send(WELL_KNOWN, '00')).status, Status.GOOD);
  const list = await a.send(WELL_KNOWN, 'a0 00 00 00 00 00 00 00 10 00');
  t.equal(hex(list.data), run('0000000800000000 0003000000000000'));
  t.equal(hex((await a.send(WELL_KNOWN, '12 01 00 00 ff 00')).data), '1e0000020083');
  const identified = (await a.send(WELL_KNOWN, '12 01 83 00 ff 00')).data;
  t.ok(identified.includes(Buffer.from('53a8', 'hex')), '83h: it names the target device');
  t.equal((await a.send(WELL_KNOWN, '28 00 00 00 00 00 00 00 01 00')).said, '5/2000');
  t.equal(decodeLun(Buffer.from('c102000000000000', 'hex'), 0), undefined, 'no other is there');
});

void t.test('SAM-5 5.14: a new nexus meets 29/00 and nothing else', async t => {
  const { device } = await rig(0, 1);
  const b = new Commander(device, nexus('iqn.2026-01.test:b'));
  t.equal((await b.send(0, '12 00 00 00 24 00')).status, Status.GOOD, 'INQUIRY passes it');
  t.equal((await b.send(0, '00')).said, '6/2900');
  t.equal((await b.send(0, '00')).status, Status.GOOD);
  t.equal((await b.send(1, '25')).said, '6/2900', 'one on each unit');
});

void t.test('SPC-4 6.47: TEST UNIT READY', async t => {
  const device = new TargetDevice(TARGET, absentUnit());
  const backend = memoryDisk({ bytes: SIZE, blockSize: 512 });
  const identity = identify(TARGET, 'd0', { product: 'disk', revision: '0.1' });
  device.add(0, disk({ identity, backend, removable: true }));
  const a = await new Commander(device).clear();
  const { status, totalIn } = await a.send(0, '00 00 00 00 00 00');
  t.equal(status, Status.GOOD);
  t.equal(totalIn, 0, 'no data comes');
  const reserved = await a.send(0, '00 00 00 80 00 00');
  t.equal(reserved.said, '5/2400');
  t.equal(pointer(reserved), 'cdb 3.7');
  t.equal((await a.send(0, '1b 00 00 00 02 00')).status, Status.GOOD, 'eject');
  t.equal((await a.send(0, '00 00 00 00 00 00')).said, '2/3a00', 'no medium');
  t.equal((await a.send(0, '1b 00 00 00 03 00')).status, Status.GOOD, 'load');
  t.match((await a.send(0, '00 00 00 00 00 00')).said, /^(6\/2800)?$/);
  t.equal((await a.send(0, '00 00 00 00 00 00')).status, Status.GOOD);
});

void t.test('SPC-4 6.39: REQUEST SENSE', async t => {
  const { a, unit } = await rig();
  const b = new Commander(a.device, nexus('iqn.2026-01.test:b'));
  const attention = await b.send(0, '03 00 00 00 fc 00');
  t.equal(attention.status, Status.GOOD);
  t.equal(hex(attention.data), '700006000000000a00000000290000000000', 'tells the unit attention');
  t.equal((await b.send(0, '00')).status, Status.GOOD, 'and clears it');
  const fixed = await a.send(0, '03 00 00 00 fc 00');
  t.equal(hex(fixed.data), '700000000000000a00000000000000000000');
  const descriptor = await a.send(0, '03 01 00 00 fc 00');
  t.equal(hex(descriptor.data), '7200000000000000');
  t.equal((await a.send(0, '03 00 00 00 04 00')).data.length, 4);
  unit.loaded = false;
  t.equal(hex((await a.send(0, '03 01 00 00 fc 00')).data), '72023a0000000000', 'why it is not ready');
});

void t.test('SAM-5 4.7.3, SPC-4 6.6.1: a LUN at which there is nothing', async t => {
  const { device, a } = await rig(0);
  const inquiry = await a.send(5, '12 00 00 00 ff 00');
  t.equal(inquiry.status, Status.GOOD);
  t.equal(inquiry.data[0], 0x7f, 'qualifier 011b, type 1Fh');
  t.equal(inquiry.data[5], 0, 'no TPGS, no 3PC');
  t.equal(inquiry.data.length, 96);
  t.equal((await a.send(5, '12 01 83 00 ff 00')).said, '5/2400');
  t.equal(
    (await a.send(5, 'a0 00 00 00 00 00 00 00 10 00')).data.readUInt32BE(0),
    8,
    'lists the units of the device',
  );
  const sense = await a.send(5, '03 00 00 00 fc 00');
  t.equal(sense.status, Status.GOOD);
  t.equal(hex(sense.data.subarray(12, 14)), '2500', '6.39: as parameter data');
  for (const cdb of ['00', '28 00 00 00 00 00 00 00 01', 'ff ff ff ff ff ff', 'a3 0c', '5f 00']) {
    t.equal((await a.send(5, cdb)).said, '5/2500', `LOGICAL UNIT NOT SUPPORTED for ${cdb}`);
  }
  const b = new Commander(device, nexus('iqn.2026-01.test:b'));
  t.equal((await b.send(5, '00')).said, '5/2500', 'and no unit attention');
});

void t.test('SPC-4 6.13: MODE SENSE', async t => {
  const { a } = await rig();
  const all = await a.send(0, '1a 00 3f 00 ff 00');
  t.equal(all.data[0], all.data.length - 1, 'MODE DATA LENGTH');
  t.equal(all.data[2], 0x10, 'DPOFUA, not write protected');
  t.equal(all.data[3], 8);
  t.equal(hex(all.data.subarray(4, 12)), '0000080000000200', '2048 blocks of 512');
  const codes: number[] = [];
  for (let at = 12; at < all.data.length; at += 2 + all.data[at + 1]!) codes.push(all.data[at]!);
  t.strictSame(codes, [0x01, 0x02, 0x07, 0x08, 0x0a, 0x1c], 'in ascending order');
  t.equal((await a.send(0, '1a 08 3f 00 ff 00')).data[3], 0, 'DBD');
  const subpages = (await a.send(0, '1a 00 3f ff ff 00')).data;
  t.equal(subpages.length, all.data.length + 64, 'subpage FFh: control extension and provisioning too');
  t.equal(
    hex((await a.send(0, '1a 08 0a ff ff 00')).data.subarray(16, 20)),
    '4a01001c',
    'after its page 00h',
  );
  t.equal((await a.send(0, '1a 00 3f 00 04 00')).data.length, 4);

  const caching = await a.send(0, '1a 08 08 00 ff 00');
  t.equal(caching.data.length, 4 + 20);
  t.equal(caching.data[6], 0x04, 'WCE');
  const can = await a.send(0, '1a 08 4a 00 ff 00');
  t.equal(
    hex(can.data.subarray(4)),
    '0a0a04063840000000000000',
    'changeable: D_SENSE, QERR, UA_INTLCK_CTRL, SWP, TAS',
  );
  const ten = await a.send(0, '5a 10 08 00 00 00 00 00 ff 00');
  t.equal(ten.data.readUInt16BE(0), ten.data.length - 2);
  t.equal(ten.data[4], 0x01, 'LONGLBA');
  t.equal(ten.data.readUInt16BE(6), 16);
  t.equal(hex(ten.data.subarray(8, 24)), '00000000000008000000000000000200');
  t.equal((await a.send(0, '5a 00 08 00 00 00 00 00 ff 00')).data.readUInt16BE(6), 8);
  t.equal(pointer(await a.send(0, '1a 00 03 00 ff 00')), 'cdb 2.5', 'a page that is not there');
  t.equal(pointer(await a.send(0, '1a 00 0a 05 ff 00')), 'cdb 3', 'a subpage that is not there');
  t.equal((await a.send(0, '1a 00 00 00 ff 00')).said, '5/2400', 'a disk has no page 00h');
  t.equal((await a.send(0, '1a e0 3f 00 04 00')).status, Status.GOOD, 'the LUN bits of ch and mtx');
});

void t.test('SPC-4 6.11: MODE SELECT', async t => {
  const { device, a, unit } = await rig();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  const page = (...bytes: number[]): Buffer => Buffer.from([0, 0, 0, 0, ...bytes]);
  const swp = (on: boolean): Buffer => page(0x0a, 0x0a, 0, 0x10, on ? 0x08 : 0, 0, 0, 0, 0xff, 0xff, 0, 0);
  const select = (out: Buffer, cdb1 = '10'): Promise<Answer> =>
    a.send(0, `15 ${cdb1} 00 00 ${hex(Uint8Array.of(out.length))} 00`, { out });

  t.equal((await select(swp(true))).status, Status.GOOD);
  t.ok(unit.writeProtected, 'SWP protects');
  t.equal((await a.send(0, '1a 00 3f 00 ff 00')).data[2], 0x90, 'WP is told');
  t.equal((await b.send(0, '00')).said, '6/2a01', 'the other nexus hears of it');
  t.equal((await a.send(0, '00')).status, Status.GOOD, 'who did it does not');
  t.equal((await a.send(0, '2a 00 00 00 00 00 00 00 01', { out: Buffer.alloc(512) })).said, '7/2700');
  t.equal((await a.send(0, '1a 08 8a 00 ff')).data[8], 0, 'default values stay');
  t.equal((await a.send(0, '1a 08 ca 00 ff')).said, '5/3900', 'SAVING PARAMETERS NOT SUPPORTED');
  await select(swp(true));
  t.equal((await b.send(0, '00')).status, Status.GOOD, 'what changes nothing is not told');
  t.equal((await select(swp(false))).status, Status.GOOD);
  t.equal((await a.send(0, '2a 00 00 00 00 00 00 00 01', { out: Buffer.alloc(512) })).status, Status.GOOD);
  await b.clear();

  t.equal((await select(page(0x0a, 0x0a, 4, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0))).status, Status.GOOD);
  t.equal((await a.send(0, '28 00 ff ff ff ff 00 00 01')).sense[0], 0x72, 'D_SENSE: descriptor format');
  await new Promise<void>(resolve => unit.reset(resolve));
  await a.clear();
  t.equal(
    (await a.send(0, '28 00 ff ff ff ff 00 00 01')).sense[0]! & 0x7f,
    0x70,
    'a reset brings the saved values back',
  );

  const refusals: [string, Buffer, string, string, string?][] = [
    ['SP, as nothing can be saved', swp(true), '5/2400', 'cdb 1.0', '11'],
    ['pages without PF', swp(true), '5/2400', 'cdb 1.4', '00'],
    [
      'a bit that is not changeable',
      page(0x0a, 0x0a, 0x20, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0),
      '5/2600',
      'list 6.5',
    ],
    ['an unknown page', page(0x03, 0x0e, ...Buffer.alloc(14)), '5/2600', 'list 4.5'],
    ['an unknown subpage', page(0x4a, 0x05, 0, 0x1c, ...Buffer.alloc(28)), '5/2600', 'list 4.5'],
    ['UA_INTLCK_CTRL 01b', page(0x0a, 0x0a, 0, 0x10, 0x10, 0, 0, 0, 0xff, 0xff, 0, 0), '5/2600', 'list 8.5'],
    ['RTD and a list', swp(true), '5/2400', 'cdb 4', '12'],
    ['a page of another length', page(0x0a, 0x09, ...Buffer.alloc(9)), '5/2600', 'list 5'],
    ['a page that is cut off', page(0x0a, 0x0a, 0, 0x10), '5/1a00', ''],
    ['a header that is cut off', Buffer.alloc(3), '5/1a00', ''],
    ['a descriptor of odd length', Buffer.from([0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 2]), '5/2600', 'list 3'],
    ['another block length', Buffer.from([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 4, 0]), '5/2600', 'list 9'],
    ['another capacity', Buffer.from([0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 2, 0]), '5/2600', 'list 4'],
    ['another medium type', Buffer.from([0, 1, 0, 0]), '5/2600', 'list 1'],
  ];
  for (const [what, out, said, where, cdb1] of refusals) {
    const answer = await select(out, cdb1);
    t.equal(answer.said, said, what);
    t.equal(pointer(answer), where, what);
  }
  const both = Buffer.concat([swp(true), Buffer.from([0x03, 0x00])]);
  t.equal((await select(both)).said, '5/2600');
  t.notOk(unit.writeProtected, 'nothing is changed when something in the list is wrong');
  t.equal(
    (await select(Buffer.from([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0]))).status,
    Status.GOOD,
    'what it is',
  );
  t.equal((await select(Buffer.alloc(0))).status, Status.GOOD, 'a length of 0 is no error');
  const ten = Buffer.concat([
    Buffer.from([0, 0, 0, 0, 1, 0, 0, 16]),
    Buffer.alloc(16),
    swp(true).subarray(4),
  ]);
  ten.writeUInt32BE(512, 8 + 12);
  t.equal(
    (await a.send(0, `55 10 00 00 00 00 00 00 ${ten.length.toString(16)}`, { out: ten })).status,
    Status.GOOD,
  );
  t.ok(unit.writeProtected, 'MODE SELECT(10) with a long descriptor');
  const cut = await a.send(0, '15 10 00 00 10 00', { out: swp(false).subarray(0, 8) });
  t.equal(cut.said, '5/1a00', 'fewer bytes than PARAMETER LIST LENGTH');
});

void t.test('SPC-4 7.5.8: WCE = 0 makes every write stable', async t => {
  const { a, unit } = await rig();
  let flushes = 0;
  const flush = unit.backend.flush.bind(unit.backend);
  unit.backend.flush = () => (flushes++, flush());
  const write = (): Promise<Answer> => a.send(0, '2a 00 00 00 00 00 00 00 01', { out: Buffer.alloc(512) });
  await write();
  t.equal(flushes, 0);
  const out = Buffer.from([0, 0, 0, 0, 0x08, 0x12, ...Buffer.alloc(18)]);
  t.equal((await a.send(0, '15 10 00 00 18 00', { out })).status, Status.GOOD);
  t.equal(flushes, 1, 'what was answered before is stable first');
  await write();
  t.equal(flushes, 2);
});

/** Another kind of unit, to see what belongs to SPC alone. */
class Other extends LogicalUnit {
  readonly deviceType = DeviceType.TAPE;
  readonly removable = true;
  readonly writeProtected = false;
  readonly grain = 0;
  present = true;
  readonly modePages = new ModePages([modePage(0x3e, [1, 2], [0, 0xff])], {
    mediumType: 0,
    emptyPageZero: true,
    deviceSpecific: () => 0x10,
    descriptor: () => Uint8Array.of(0x46, 0, 0, 0, 0, 0, 0, 0),
    select: () => () => true,
  });

  constructor() {
    super(identify(TARGET, 't0', { product: 'tape', revision: '1' }));
    this.commands.add(...primaryCommands);
    addPages(this, ...primaryPages);
  }

  requireMedium(): void {
    if (!this.present) throw mediumNotPresent();
  }

  async close(): Promise<void> {}
}

void t.test('the SPC rows serve any kind of unit', async t => {
  const device = new TargetDevice(TARGET, absentUnit());
  const unit = new Other();
  device.add(0, unit);
  const a = await new Commander(device).clear();
  const inquiry = (await a.send(0, '12 00 00 00 ff 00')).data;
  t.equal(hex(inquiry.subarray(0, 2)), '0180');
  t.equal(hex(inquiry.subarray(58, 68)), '00a005c0046005200960', 'SSC-4');
  t.equal(hex((await a.send(0, '12 01 00 00 ff 00')).data), '01000006008083868788');
  t.equal(
    hex((await a.send(0, '1a 00 00 00 0c 00')).data),
    '0b0010084600000000000000',
    'st asks for page 00h and wants header and block descriptor',
  );
  t.equal(hex((await a.send(0, '1a 08 3e 00 ff 00')).data), '070010003e020102');
  t.equal(
    (await a.send(0, '15 10 00 00 08 00', { out: Buffer.from('000000003e02010f', 'hex') })).status,
    Status.GOOD,
  );
  t.equal(hex((await a.send(0, '1a 08 3e 00 ff 00')).data.subarray(4)), '3e02010f');
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  await a.send(0, '15 10 00 00 04 00', { out: Buffer.alloc(4) });
  t.equal((await b.send(0, '00')).said, '6/2a01', 'a header that changed something is told as well');
  unit.present = false;
  t.equal((await a.send(0, '00')).said, '2/3a00');
});

void t.test('SPC-4 6.35: REPORT SUPPORTED OPERATION CODES', async t => {
  const { a, unit } = await rig();
  const ask = (option: string, rest: string): Promise<Answer> =>
    a.send(0, `a3 0c ${option} ${rest} 00 00 ff ff`);
  const all = (await ask('00', '00 00 00')).data;
  t.equal(all.readUInt32BE(0), all.length - 4);
  const rows = unit.commands.all();
  const listed = rows.filter(row => row.cdb.length <= 16).length;
  t.equal((all.length - 4) / 8, listed, 'every row once, but for those of 32 bytes');
  const timed = (await ask('80', '00 00 00')).data;
  t.equal((timed.length - 4) / 20, listed);
  for (let at = 4; at < timed.length; at += 20) {
    t.equal(timed[at + 5]! & 0x02, 0x02, 'CTDP');
    t.equal(timed.readUInt16BE(at + 8), 10, 'timeouts descriptor length');
  }
  for (const row of rows) {
    const action = row.serviceAction;
    const asked = [row.opcode, action === undefined ? 0 : action >> 8, action ?? 0];
    const one = await ask(action === undefined ? '01' : '02', hex(Uint8Array.from(asked)));
    t.equal(one.status, Status.GOOD, row.name);
    t.equal(one.data[1], 0x03, `${row.name} as in the standard`);
    t.equal(one.data.readUInt16BE(2), row.cdb.length, row.name);
    t.equal(one.data[4], row.opcode, 'usage data begins with the operation code');
    const said = row.opcode === 0x7f ? one.data.readUInt16BE(4 + 8) : one.data[5]! & 0x1f;
    if (action !== undefined) t.equal(said, action, 'and has the service action');
    t.equal((await ask('03', hex(Uint8Array.from(asked)))).data[1], 0x03, `${row.name} by option 3`);
    const wrong = await ask(action === undefined ? '02' : '01', hex(Uint8Array.from(asked)));
    t.equal(wrong.said, '5/2400', `${row.name} by the other option`);
    t.equal(pointer(wrong), 'cdb 2.2');
  }
  t.equal(
    hex((await ask('01', '28 00 00')).data),
    '0003000a2818ffffffff1fffff00',
    'READ(10): DPO, FUA, no RDPROTECT',
  );
  t.equal(
    hex((await ask('81', '28 00 00')).data),
    run('0083000a2818ffffffff1fffff00 000a0000 00000000 0000003c'),
    'with its timeouts descriptor',
  );
  t.equal(hex((await ask('01', 'ee 00 00')).data), '00010000', 'not supported');
  t.equal(hex((await ask('02', 'a3 00 1f')).data), '00010000', 'a service action that is not');
  t.equal(hex((await ask('03', '28 00 05')).data), '00010000', 'one that has none has no service action 5');
  t.equal(pointer(await ask('04', '28 00 00')), 'cdb 2.2');
});

void t.test('SPC-4 6.36: REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS', async t => {
  const { a } = await rig();
  t.equal(hex((await a.send(0, 'a3 0d 00 00 00 00 00 00 00 ff')).data), 'd8000000');
  const long = (await a.send(0, 'a3 0d 80 00 00 00 00 00 00 ff')).data;
  t.equal(hex(long), run('d800000c') + '00'.repeat(12));
  t.equal(pointer(await a.send(0, 'a3 0d 00 00 00 00 00 00 00 03')), 'cdb 6');
});

void t.test('SPC-4 6.37: REPORT TARGET PORT GROUPS', async t => {
  const { device, a } = await rig();
  t.equal(
    hex((await a.send(0, 'a3 0a 00 00 00 00 00 00 00 ff')).data),
    run('0000000c 000f0001 00000001 00000001'),
  );
  device.relativePorts = [1, 2];
  t.equal(
    hex((await a.send(0, 'a3 2a 00 00 00 00 00 00 00 ff')).data),
    run('0000001c 10000000 000f0001 00000001 00000001 000f0002 00000001 00000002'),
    'with the extended header, a group a port',
  );
  t.equal(pointer(await a.send(0, 'a3 4a 00 00 00 00 00 00 00 ff')), 'cdb 1.7');
  t.equal((await a.send(0, 'a3 1f')).said, '5/2400', 'a service action that is not there');
  t.equal(pointer(await a.send(0, 'a3 1f')), 'cdb 1.4');
});

void t.test('SPC-4 6.29, 6.42: RECEIVE DIAGNOSTIC RESULTS and SEND DIAGNOSTIC', async t => {
  const { a } = await rig();
  t.equal((await a.send(0, '1d 04 00 00 00 00')).status, Status.GOOD, 'the default self-test');
  t.equal(pointer(await a.send(0, '1d 60 00 00 00 00')), 'cdb 1.7', 'a SELF-TEST CODE that is reserved');
  t.equal((await a.send(0, '1d 10 00 00 04 00', { out: Buffer.alloc(4) })).status, Status.GOOD);
  t.equal(pointer(await a.send(0, '1d 10 00 00 04 00', { out: Buffer.from([9, 0, 0, 0]) })), 'list 0');
  t.equal(pointer(await a.send(0, '1d 14 00 00 04 00', { out: Buffer.alloc(4) })), 'cdb 3');
  t.equal(hex((await a.send(0, '1c 01 00 00 ff 00')).data), '0000000100');
  t.equal(pointer(await a.send(0, '1c 01 40 00 ff 00')), 'cdb 2');
});

void t.test('SPC-4 4.5: what is not there', async t => {
  const { a } = await rig();
  t.equal((await a.send(0, 'ee')).said, '5/2000');
  const control = await a.send(0, '00 00 00 00 00 04');
  t.equal(control.said, '5/2400', 'NACA with NORMACA 0');
  t.equal(pointer(control), 'cdb 5.2');
});
