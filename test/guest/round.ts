/** One boot of the guest: it runs the jobs, and every line of theirs is an assertion. */
import type { Test } from 'tap';
import { bootGuest, type JobResult, prepareGuest } from './guest.ts';
import type { Lab } from './lab.ts';

const BUILD_MS = 300_000;
const RUN_MS = 900_000;
/** Another guest that has the machine may be given all of its time. */
const WAIT_MS = RUN_MS;

/** Runs these jobs in the lab that `open` sets up; some of them only when SANLET_GUEST_JOBS says so: 'tape tar'. */
export async function runRound(t: Test, jobs: readonly string[], open: () => Promise<Lab>): Promise<void> {
  t.setTimeout(BUILD_MS + WAIT_MS + RUN_MS + 30_000);
  const wanted = process.env['SANLET_GUEST_JOBS']?.split(/\s+/) ?? jobs;
  const chosen = jobs.filter(job => wanted.includes(job));
  if (chosen.length === 0) {
    t.pass('not run', { skip: 'SANLET_GUEST_JOBS names none of its jobs' });
    return;
  }
  const guest = await prepareGuest(BUILD_MS);
  if ('directory' in guest) await boot(t, guest.directory, chosen, await open());
  else if (process.env['CI'] === 'true') t.fail(guest.missing);
  else t.pass('not run', { skip: guest.missing });
}

async function boot(t: Test, directory: string, jobs: readonly string[], lab: Lab): Promise<void> {
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
    const codes = await lab.stop();
    t.strictSame(
      codes,
      codes.map(() => 0),
      'the targets stopped when told to',
    );
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
