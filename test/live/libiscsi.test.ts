import t from 'tap';
import { San } from '../../lib/index.ts';
import { missing, succeeds } from './programs.ts';
import { excepted } from './suite-exceptions.ts';
import { countOf, judge, listTests, OUTCOMES, runOnSanlet, tally } from './suite.ts';

const MIB = 1024 * 1024;

void t.test(
  'iscsi-ls, iscsi-inq, iscsi-readcapacity16 and iscsi-swp',
  { skip: missing('iscsi-ls', 'iscsi-inq') },
  async t => {
    await using san = await San.start({
      disks: [
        { name: 'd0', memory: '64MiB' },
        { name: 'd1', memory: '3TiB', block: 4096 },
      ],
      tapes: [{ name: 't0', memory: true }],
    });
    const list = await succeeds(t, 'iscsi-ls', '-s', `iscsi://${san.portal}`);
    t.match(list, `Target:${san.iqn} Portal:${san.portal},1`, 'discovery finds the target at its portal');
    t.match(list, /Lun:0\s+Type:DIRECT_ACCESS \(Size:63M\)/, 'LUN 0 is a disk'); // it counts to the last block
    t.match(list, /Lun:1\s+Type:DIRECT_ACCESS \(Size:(2T|3071G)\)/, 'LUN 1 is larger than 2 TiB');
    t.match(list, /Lun:2\s+Type:SEQUENTIAL_ACCESS/, 'LUN 2 is a tape');

    const standard = await succeeds(t, 'iscsi-inq', san.url(0));
    t.match(standard, /Version:6/, 'SPC-4');
    t.match(standard, /3PC:1/, 'third-party copy');
    for (const [page, words] of [
      [0x00, /Page:(0x)?8[fF]/],
      [0x80, /Unit Serial Number/i],
      [0x83, /Designator/i],
      [0xb0, /maximum transfer length/i],
      [0xb1, /rotation/i],
      [0xb2, /lbpu/i],
    ] as const) {
      const shown = await succeeds(t, 'iscsi-inq', '-e', '1', '-c', String(page), san.url(0));
      t.match(shown, words, `VPD page ${page.toString(16)}h`);
    }
    const size = await succeeds(t, 'iscsi-readcapacity16', san.url(0));
    t.match(size, /LBPME:1 LBPRZ:1/, 'thin, zeros when unmapped');
    t.match(size, `Total size:${64 * MIB}`, 'size');
    t.match(size, /PHYSICAL BLOCK EXPONENT:3/, '512e');
    t.match(await succeeds(t, 'iscsi-readcapacity16', san.url(1)), /LENGTH IN BYTES:4096/, '4Kn');
    await succeeds(t, 'iscsi-swp', '-s', 'on', san.url(0));
    t.match(await succeeds(t, 'iscsi-swp', san.url(0)), /SWP:1/i, 'software write protect is on');
    await succeeds(t, 'iscsi-swp', '-s', 'off', san.url(0));
  },
);

/** How many tests of Debian's version pass: a change that makes it fewer has broken something that only a skip shows. */
const PASSED = { listed: 230, atLeast: 218 };

void t.test('iscsi-test-cu', { skip: missing('iscsi-test-cu'), timeout: 600_000 }, async t => {
  const suite = 'iscsi-test-cu';
  const names = await listTests(suite);
  t.ok(names.length >= 200, `${names.length} tests are known`);
  const verdicts = await runOnSanlet({ suite, names });
  t.comment(`family / ${OUTCOMES.join(' / ')}`);
  for (const row of tally(verdicts)) t.comment(row.join(' / '));
  for (const { name, outcome, why } of verdicts) {
    if (excepted(name, why) === undefined) t.notMatch(outcome, /failed|hung/, `${name} ${outcome} ${why}`);
  }
  if (names.length === PASSED.listed) {
    const passed = countOf(verdicts, 'passed');
    t.ok(passed >= PASSED.atLeast, `${passed} passed, at least ${PASSED.atLeast} of ${PASSED.listed} must`);
  }
});

void t.test('what iscsi-test-cu says is judged by what it did', async t => {
  const said = (asserts: string, tests: string, words = ''): string =>
    `[SKIPPED] an opening command\n     CUnit - A unit testing framework\n${words}
Run Summary:    Type  Total    Ran Passed Failed Inactive
              suites      1      1    n/a      0        0
               tests      1      ${tests}        0
             asserts      ${asserts}      n/a\n`;
  t.same(judge(said('3      3      3      0', '1      1      0'), ''), { outcome: 'passed', why: '' });
  t.same(judge(said('1      1      1      0', '1      1      0', '    [SKIPPED] No SANITIZE here\n'), ''), {
    outcome: 'skipped',
    why: 'No SANITIZE here',
  });
  t.same(judge(said('0      0      0      0', '1      1      0'), ''), {
    outcome: 'skipped',
    why: 'it asserted nothing',
  });
  const failed = judge(
    said('3      3      2      1', '1      0      1', '    1. test_read.c:44  - ret\n'),
    '',
  );
  t.same(failed, { outcome: 'failed', why: '1. test_read.c:44  - ret' });
  t.match(judge('', 'Failed to login').why, 'Failed to login', 'a run without a closing table is a failure');
});
