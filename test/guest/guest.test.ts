/** The kernel's own initiator, in a QEMU guest, against sanlet. Every line of a job is an assertion. */
import t, { type Test } from 'tap';
import { bootGuest, type JobResult, prepareGuest } from './guest.ts';
import { openLab } from './lab.ts';

/** In this order, but any one can run alone. */
const JOBS = [
  'login',
  'filesystem',
  'pages',
  'blocks',
  'tools',
  'disk-copy',
  'tape',
  'tar',
  'tape-copy',
  'logout',
  'chap',
  'multipath',
  'portals',
  'restart',
  'reservations',
  'units',
  'access',
  'ports',
];
/** Some of them only: SANLET_GUEST_JOBS='tape tar'. */
const jobs = process.env['SANLET_GUEST_JOBS']?.split(/\s+/) ?? JOBS;

const BUILD_MS = 180_000;
const RUN_MS = 900_000;
t.setTimeout(BUILD_MS + RUN_MS + 30_000);

const guest = await prepareGuest(BUILD_MS);
if ('directory' in guest) await run(guest.directory);
else if (process.env['CI'] === 'true') t.fail(guest.missing);
else t.pass('not run', { skip: guest.missing });

async function run(directory: string): Promise<void> {
  const lab = await openLab(files => t.testdir(files));
  try {
    const { portalPort, iqn, settings, orders } = lab;
    const { results, exitCode, lines, bootSeconds } = await bootGuest({
      ...{ directory, portalPort, iqn, jobs, settings, orders },
      timeoutMs: RUN_MS,
      // The console as it comes: SANLET_GUEST_CONSOLE=1.
      ...(process.env['SANLET_GUEST_CONSOLE'] === '1' ? { onLine: line => t.comment(line) } : {}),
    });
    t.equal(exitCode, 0, 'the guest ran to its end');
    t.comment(`up in ${bootSeconds.toFixed(1)} s`);
    for (const job of jobs) {
      const result = results.find(result => result.job === job);
      await t.test(job, async t => report(t, result));
    }
    if (!t.passing()) t.comment([...lines.slice(-60), lab.log()].join('\n'));
  } finally {
    t.strictSame(await lab.stop(), [0, 0], 'the targets stopped when told to');
  }
}

function report(t: Test, result: JobResult | undefined): void {
  if (result === undefined) {
    t.fail('the guest never came to it');
    return;
  }
  for (const { name, ok, detail } of result.checks) {
    if (ok) t.pass(name);
    else t.fail(name, { detail });
  }
  t.not(result.checks.length, 0, 'it checked something');
  t.equal(result.status, 0, 'it ran to its end', { lines: result.lines.slice(-20) });
  t.comment(`${result.seconds.toFixed(1)} s`);
}
