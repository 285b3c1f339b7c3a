import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Answer, Commander, hex, nexus, pointer, run } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';

/** Two disks behind ports 1 and 2, and an initiator at each port. */
async function rig() {
  const device = new TargetDevice(TARGET, absentUnit());
  device.relativePorts = [1, 2];
  for (const lun of [0, 1]) {
    const identity = identify(TARGET, `d${lun}`, { product: 'DISK', revision: '1' });
    device.add(lun, disk({ identity, backend: memoryDisk({ bytes: 1 << 20 }) }));
  }
  const one = await new Commander(device, nexus('iqn.2026-01.test:h', '400000000001', 1)).clear();
  const two = await new Commander(device, nexus('iqn.2026-01.test:h', '400000000002', 2)).clear();
  return { device, one, two };
}

const set = (by: Commander, ...descriptors: [state: number, group: number][]): Promise<Answer> => {
  const out = Buffer.alloc(4 + 4 * descriptors.length);
  descriptors.forEach(([state, group], i) => {
    out[4 + 4 * i] = state;
    out.writeUInt16BE(group, 6 + 4 * i);
  });
  return by.send(0, `a4 0a 00 00 00 00 000000${hex(Uint8Array.of(out.length))} 00 00`, { out });
};
const report = async (by: Commander, lun = 0): Promise<string> =>
  hex((await by.send(lun, 'a3 0a 00 00 00 00 00 00 00 ff 00 00')).data.subarray(4));
const READ = '28 00 00 00 00 00 00 00 01 00';

void t.test('SPC-4 6.45, 5.15.2: SET TARGET PORT GROUPS', async t => {
  const { one, two } = await rig();
  t.equal(await report(one), run('000f0001 00000001 00000001 000f0002 00000001 00000002'));
  t.equal((await set(one, [2, 2])).status, Status.GOOD);
  t.equal((await two.send(0, '00')).said, '6/2a06', 'ASYMMETRIC ACCESS STATE CHANGED to the others');
  t.equal(
    await report(two),
    run('000f0001 00000001 00000001 020f0002 00010001 00000002'),
    'standby, and the status code says by whom',
  );
  t.equal(
    (await one.send(0, READ)).status,
    Status.GOOD,
    'who did it hears nothing, and its port is as it was',
  );
  for (const cdb of ['00', READ, '25']) {
    t.equal((await two.send(0, cdb)).said, '2/040b', `TARGET PORT IN STANDBY STATE for ${cdb}`);
  }
  const passing = [
    '12 00 00 00 24 00',
    'a0 00 00 00 00 00 00 00 10 00',
    '03 00 00 00 fc 00',
    '5e 00 00 00 00 00 00 00 ff 00',
  ];
  for (const cdb of [
    ...passing,
    '1a 00 3f 00 ff 00',
    '4d 00 40 00 00 00 00 00 ff 00',
    'a3 0a 00 00 00 00 00 00 00 ff',
  ]) {
    t.equal((await two.send(0, cdb)).status, Status.GOOD, `5.15.2.4.4: ${cdb} passes`);
  }
  t.equal((await two.send(1, READ)).status, Status.GOOD, 'the other unit is as it was');

  t.equal((await set(two, [3, 2], [1, 1])).status, Status.GOOD, 'through the port that is in standby');
  t.equal((await one.send(0, '00')).said, '6/2a06');
  t.equal((await one.send(0, READ)).status, Status.GOOD, 'active/non-optimized works as optimized does');
  t.equal((await two.send(0, READ)).said, '2/040c', 'TARGET PORT IN UNAVAILABLE STATE');
  t.equal((await two.send(0, '1a 00 3f 00 ff 00')).said, '2/040c', '5.15.2.4.5: fewer pass');
  t.equal((await two.send(0, '12 00 00 00 24 00')).status, Status.GOOD);
  const sense = await two.send(0, '03 00 00 00 fc 00');
  t.equal(hex(sense.data.subarray(12, 14)), '040c', '6.39: REQUEST SENSE says why');

  t.equal((await set(two, [0, 2], [0, 1])).status, Status.GOOD);
  t.equal((await two.send(0, READ)).status, Status.GOOD);
  t.equal((await one.send(0, '00')).said, '6/2a06');
  await set(two, [0, 2]);
  t.equal((await one.send(0, '00')).status, Status.GOOD, 'what changes nothing is not told');
});

void t.test('SPC-4 6.45: SET TARGET PORT GROUPS refuses', async t => {
  const { one } = await rig();
  const before = await report(one);
  const refusals: [string, [number, number][], string][] = [
    [
      'a group that is not there',
      [
        [2, 2],
        [0, 9],
      ],
      'list 10',
    ],
    [
      'the same group twice',
      [
        [2, 2],
        [0, 2],
      ],
      'list 10',
    ],
    ['LOGICAL BLOCK DEPENDENT', [[4, 1]], 'list 4.3'],
    ['OFFLINE', [[14, 1]], 'list 4.3'],
    ['TRANSITIONING', [[15, 1]], 'list 4.3'],
  ];
  for (const [what, descriptors, where] of refusals) {
    const answer = await set(one, ...descriptors);
    t.equal(answer.said, '5/2600', what);
    t.equal(pointer(answer), where, what);
  }
  t.equal(await report(one), before, 'nothing has changed');
  t.equal(
    (await one.send(0, 'a4 0a 00 00 00 00 00 00 00 00 00 00')).status,
    Status.GOOD,
    'no list is no error',
  );
  t.equal((await one.send(0, 'a4 0a 00 00 00 00 00 00 00 06', { out: Buffer.alloc(6) })).said, '5/1a00');
  t.equal((await one.send(0, 'a4 0a 00 00 00 00 00 00 00 08', { out: Buffer.alloc(4) })).said, '5/1a00');
  t.equal(
    pointer(await one.send(0, 'a4 0a 00 00 00 00 ff ff ff ff')),
    'cdb 6',
    'longer than any list can be',
  );
});

void t.test('SPC-4 7.8.6: the designators of the port that INQUIRY came by', async t => {
  const { one, two } = await rig();
  for (const [each, port] of [
    [one, 1],
    [two, 2],
  ] as const) {
    const page = (await each.send(0, '12 01 83 00 ff 00')).data;
    const group = page.indexOf(Buffer.from('51950004', 'hex'));
    t.equal(page.readUInt32BE(group + 4), port, 'TARGET PORT GROUP');
    const relative = page.indexOf(Buffer.from('51940004', 'hex'));
    t.equal(page.readUInt32BE(relative + 4), port, 'RELATIVE TARGET PORT IDENTIFIER');
  }
});
