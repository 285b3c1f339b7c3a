import t from 'tap';
import { San } from '../../lib/index.ts';
import { missing, run, succeeds } from './programs.ts';

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

interface Verdict {
  readonly name: string;
  readonly verdict: 'passed' | 'failed' | 'skipped' | 'hung';
  readonly why: string;
}

/**
 * One test of iscsi-test-cu in a process of its own. CUnit counts a skip as a pass: one that says [SKIPPED] after the
 * banner, or that asserted nothing, tested nothing.
 */
async function conform(name: string, urls: readonly string[]): Promise<Verdict> {
  const ran = await run(
    'iscsi-test-cu',
    ['--dataloss', '--allow-sanitize', '-V', `--test=${name}`, ...urls],
    60_000,
  );
  if (ran.hung) return { name, verdict: 'hung', why: 'no end after 60 s' };
  const body = ran.stdout.slice(Math.max(0, ran.stdout.indexOf('CUnit')));
  const cells = (row: string): number[] =>
    (new RegExp(`^ *${row} +(.*)$`, 'm').exec(body)?.[1] ?? '').split(/ +/).map(Number);
  const [, ran_ = 0, , failed = 0] = cells('tests');
  const [asserts = 0] = cells('asserts');
  const skipped = /\[SKIPPED\].*/.exec(body)?.[0];
  if (skipped !== undefined) return { name, verdict: 'skipped', why: skipped };
  if (ran_ !== 1)
    return {
      name,
      verdict: 'failed',
      why: `ran ${ran_} tests: ${body.slice(-300)}${ran.stderr.slice(-300)}`,
    };
  if (failed > 0)
    return { name, verdict: 'failed', why: body.match(/^ +\d+\. .*$/m)?.[0] ?? 'no reason given' };
  if (asserts === 0) return { name, verdict: 'skipped', why: 'asserted nothing' };
  return { name, verdict: 'passed', why: '' };
}

/** Families that leave a reservation behind when they are killed come last. */
const LAST = /\.(Prin|Prout|Reserve6|Sanitize)/;

const IMPOSSIBLE = new Set([
  // It asserts before it has serviced its socket: no target passes.
  'iSCSI.iSCSITMF.LUNResetSimpleAsync',
  // With more than one logical block a physical one it wants the first descriptor to begin after the LBA that it asked
  // for (SBC-3 5.6: the first descriptor contains that LBA).
  'SCSI.GetLBAStatus.UnmapSingle',
]);

void t.test('iscsi-test-cu', { skip: missing('iscsi-test-cu'), timeout: 600_000 }, async t => {
  await using san = await San.start({
    disks: [
      { name: 'd0', memory: '1GiB' },
      { name: 'd1', memory: '1GiB', removable: true },
      { name: 'd2', memory: '1GiB', ro: true },
      // MultipathIO.CompareAndWrite clears 256 blocks and takes the 257th to be clear.
      { name: 'd3', memory: '1GiB' },
    ],
  });
  /** Families that want another LUN than the fixed writable one, or two ways to it. */
  const urlsOf = (name: string): readonly string[] => {
    if (/^SCSI\.(PreventAllow|StartStopUnit|NoMedia)\./.test(name)) return [san.url(1)];
    if (name.startsWith('SCSI.ReadOnly.')) return [san.url(2)];
    if (name.startsWith('SCSI.MultipathIO.')) return [san.url(3), san.url(3)];
    return [san.url(0)];
  };
  const listed = await run('iscsi-test-cu', ['--list']);
  const names = [
    ...new Set(`${listed.stdout}${listed.stderr}`.match(/^(SCSI|iSCSI)\.[^.\s]+\.[^.\s]+$/gm) ?? []),
  ].sort((a, b) => Number(LAST.test(a)) - Number(LAST.test(b)) || (a < b ? -1 : 1));
  t.ok(names.length >= 200, `${names.length} tests are known`);
  const verdicts: Verdict[] = [];
  for (const name of names) verdicts.push(await conform(name, urlsOf(name)));

  const families = new Map<string, Verdict[]>();
  for (const verdict of verdicts) {
    const family = verdict.name.split('.').slice(0, 2).join('.');
    families.set(family, [...(families.get(family) ?? []), verdict]);
  }
  const count = (of: readonly Verdict[], verdict: Verdict['verdict']): number =>
    of.filter(each => each.verdict === verdict).length;
  t.comment('family / passed / failed / skipped / hung');
  for (const [family, of] of [...families, ['all', verdicts] as const]) {
    t.comment(
      `${family} / ${(['passed', 'failed', 'skipped', 'hung'] as const).map(verdict => count(of, verdict)).join(' / ')}`,
    );
  }
  for (const verdict of verdicts) {
    if (/^SCSI\.(ExtendedCopy|ReceiveCopyResults)\./.test(verdict.name)) {
      t.equal(verdict.verdict, 'passed', `${verdict.name} runs and passes ${verdict.why}`);
    } else if (!IMPOSSIBLE.has(verdict.name)) {
      t.notMatch(verdict.verdict, /failed|hung/, `${verdict.name} ${verdict.verdict} ${verdict.why}`);
    }
  }
});
