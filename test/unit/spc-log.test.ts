import t from 'tap';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { binary, counter, logPage } from '../../lib/scsi-cmds/spc/log-pages.ts';
import { tape, type TapeUnit } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Answer, Commander, hex, nexus, pointer, run } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';

/** A tape with a page 3Eh of its own and subpage 01h of it. */
async function rig(): Promise<{ a: Commander; b: Commander; unit: TapeUnit; state: { count: number } }> {
  const device = new TargetDevice(TARGET, absentUnit());
  const unit = tape({
    identity: identify(TARGET, 't0', { product: 'TAPE', revision: '1' }),
    medium: memoryCartridge({}),
  });
  const state = { count: 7 };
  const set = (value: number): void => void (state.count = value);
  unit.logs.add(
    logPage<TapeUnit>({ code: 0x3e, subcode: 1, parameters: () => [binary(3, 1, 2, 3)] }),
    logPage<TapeUnit>({
      code: 0x3e,
      parameters: () => [counter(1, state.count, set), counter(9, 99)],
      reset: () => set(0),
    }),
  );
  device.add(0, unit);
  const a = await new Commander(device).clear();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  return { a, b, unit, state };
}

const sense = (a: Commander, byte2: string, sub = '00', pointed = '0000'): Promise<Answer> =>
  a.send(0, `4d 00 ${byte2} ${sub} 00 ${pointed} ffff 00`);

void t.test('SPC-4 7.3.16: LOG SENSE lists pages and subpages', async t => {
  const { a } = await rig();
  t.equal(
    hex((await sense(a, '40')).data),
    run('00000011 000203 05060c 101112 14171b 2e3031 323e'),
    'supported log pages',
  );
  t.equal(
    hex((await sense(a, '40', 'ff')).data),
    run(
      '40ff0046 0000 00ff 0200 02ff 0300 03ff 0500 05ff 0600 06ff 0c00 0cff 1000 10ff 1100 11ff 1200 12ff 1400 14ff' +
        '1700 17ff 1b00 1bff 2e00 2eff 3000 30ff 3100 31ff 3200 32ff 3e00 3e01 3eff',
    ),
    'pages and subpages, SPF in the header',
  );
  t.equal(hex((await sense(a, '7e', 'ff')).data), run('7eff0006 3e00 3e01 3eff'), 'subpages of one');
  t.equal(hex((await sense(a, '4c', 'ff')).data), run('4cff0004 0c00 0cff'));
  t.equal(pointer(await sense(a, '4d', 'ff')), 'cdb 2.5', 'of a page that is not there');
  t.equal(pointer(await sense(a, '7e', '02')), 'cdb 3', 'a subpage that is not there');
  t.equal(pointer(await sense(a, '40', '01')), 'cdb 3');
});

void t.test('SPC-4 6.8: LOG SENSE', async t => {
  const { a } = await rig();
  const body = run('0001 00 08 0000000000000007 0009 00 08 0000000000000063');
  t.equal(hex((await sense(a, '7e')).data), `be000018${body}`, 'cumulative values; DS, nothing is saved');
  t.equal(
    hex((await sense(a, '3e', '00', '0009')).data),
    run('be00000c 0009 00 08 ffffffffffffffff'),
    'thresholds that none reaches, from the parameter pointer on',
  );
  t.equal(
    hex((await sense(a, 'fe', '00', '0002')).data.subarray(8)),
    '0'.repeat(16),
    'default cumulative values',
  );
  for (const control of ['3e', '7e', 'be', 'fe']) {
    t.equal(
      hex((await sense(a, control, '01')).data),
      run('fe010007 0003 03 03 010203'),
      'a list has one value',
    );
  }
  t.equal(pointer(await sense(a, '7e', '00', '000a')), 'cdb 5', 'behind the last parameter');
  t.equal(pointer(await a.send(0, '4d 01 7e 00 00 0000 ffff 00')), 'cdb 1.0', 'SP');
  const short = await a.send(0, '4d 00 7e 00 00 0000 0004 00');
  t.equal(hex(short.data), 'be000018', 'cut, with its whole length told');
});

void t.test('SPC-4 6.7: LOG SELECT', async t => {
  const { a, b, state, unit } = await rig();
  unit.statistics.counted.hostRead = 5;
  t.equal((await a.send(0, '4c 02 c0 3e 00 00 00 0000 00')).said, '5/2400', 'page 00h has no subpage 3Eh');
  t.equal((await a.send(0, '4c 02 fe 00 00 00 00 0000 00')).status, Status.GOOD);
  t.equal(state.count, 0, 'PCR resets the page that is named');
  t.equal(unit.statistics.counted.hostRead, 5, 'and no other');
  t.equal((await b.send(0, '00')).said, '6/2a02', 'LOG PARAMETERS CHANGED for the others');
  t.equal((await a.send(0, '00')).status, Status.GOOD);
  t.equal((await a.send(0, '4c 00 c0 00 00 00 00 0000 00')).status, Status.GOOD);
  t.equal(unit.statistics.counted.hostRead, 0, 'default cumulative values for all pages');
  await b.clear();
  t.equal((await a.send(0, '4c 00 00 00 00 00 00 0000 00')).status, Status.GOOD, 'thresholds stay');
  t.equal((await b.send(0, '00')).status, Status.GOOD, 'and nobody is told');

  const select = (list: string, cdb = '00 40 00'): Promise<Answer> => {
    const out = Buffer.from(run(list), 'hex');
    const length = out.length.toString(16).padStart(4, '0');
    return a.send(0, `4c ${cdb} 00 00 00 ${length} 00`, { out });
  };
  const one = '0001 00 08 0000000000000123';
  t.equal((await select(`3e00000c ${one}`)).status, Status.GOOD);
  t.equal(state.count, 0x123, 'a counter is set');
  t.equal((await select(`0c00000c 0002 00 08 000000000000000a 3e00000c ${one}`)).status, Status.GOOD);
  t.equal(unit.statistics.counted.mediumRead, 10, 'several pages in order');
  t.equal((await select('3e00000c 0009 00 08 0000000000000063')).status, Status.GOOD, 'what it is');
  t.equal((await select('7e010007 0003 03 03 010203')).status, Status.GOOD);
  const refusals: [string, string, string, string, string?][] = [
    ['a value that cannot be set', '3e00000c 0009 00 08 0000000000000001', '5/2600', 'list 8'],
    ['a threshold', `3e00000c ${one}`, '5/2600', 'list 8', '00 00 00'],
    ['an unknown page', '0d000000', '5/2600', 'list 0.5'],
    ['an unknown subpage', '7e020000', '5/2600', 'list 1'],
    ['a subpage without SPF', '3e010000', '5/2600', 'list 1'],
    ['an unknown parameter', '3e00000c 0002 00 08 0000000000000001', '5/2600', 'list 4'],
    ['parameters out of order', `3e000018 0009 00 08 0000000000000063 ${one}`, '5/2600', 'list 16'],
    ['pages out of order', `3e00000c ${one} 0c000000`, '5/2600', 'list 16.5'],
    ['another control byte', '3e00000c 0001 80 08 0000000000000001', '5/2600', 'list 6'],
    ['another length', '3e000008 0001 00 04 00000001', '5/2600', 'list 7'],
    ['a parameter that is cut off', '3e000006 0001 00 08 0000', '5/2600', 'list 7'],
    ['a page that is cut off', `3e000010 ${one}`, '5/2600', 'list 2'],
    ['a header that is cut off', '3e00', '5/1a00', ''],
    ['PCR with a list', `3e00000c ${one}`, '5/2400', 'cdb 1.1', '02 40 00'],
    ['SP', `3e00000c ${one}`, '5/2400', 'cdb 1.0', '01 40 00'],
    ['a page in the CDB and a list', `3e00000c ${one}`, '5/2400', 'cdb 2.5', '00 7e 00'],
  ];
  state.count = 42;
  for (const [what, list, said, where, cdb] of refusals) {
    const answer = await select(list, cdb);
    t.equal(answer.said, said, what);
    t.equal(pointer(answer), where, what);
  }
  t.equal(state.count, 42, 'nothing is changed when something in the list is wrong');
  t.equal(pointer(await a.send(0, '4c 02 cd 00')), 'cdb 2.5', 'PCR for a page that is not there');
});
