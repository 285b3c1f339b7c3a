/** The kernel's own initiator, in a QEMU guest, against `sanlet serve`. Every line of a job is an assertion. */
import t, { type Test } from 'tap';
import { freePort } from '../../bench/program.ts';
import { bootGuest, HOST_IN_GUEST, type JobResult, prepareGuest } from './guest.ts';
import { startTarget } from './target.ts';

/** In this order, but any one can run alone. */
const JOBS = [
  'login',
  'filesystem',
  'pages',
  'blocks',
  'disk-copy',
  'tape',
  'tar',
  'tape-copy',
  'logout',
  'chap',
  'multipath',
];
/** Some of them only: SANLET_GUEST_JOBS='tape tar'. */
const jobs = process.env['SANLET_GUEST_JOBS']?.split(/\s+/) ?? JOBS;

const BUILD_MS = 180_000;
const RUN_MS = 240_000;
const IQN = 'iqn.2026-01.io.sanlet:guest-test';
const CHAP_IQN = 'iqn.2026-01.io.sanlet:guest-chap';
const CHAP = {
  user: 'guest',
  secret: 'knows-the-guest',
  mutual: { user: 'target', secret: 'knows-the-target' },
};
const DISK_MIB = 256;

t.setTimeout(BUILD_MS + RUN_MS + 30_000);

const guest = await prepareGuest(BUILD_MS);
if ('directory' in guest) await run(guest.directory);
else if (process.env['CI'] === 'true') t.fail(guest.missing);
else t.pass('not run', { skip: guest.missing });

async function run(directory: string): Promise<void> {
  // What is advertised must be known before the start.
  const port = await freePort();
  const config = {
    targets: [{ iqn: CHAP_IQN, disks: [{ name: 'locked', memory: '16M' }], chap: CHAP }],
  };
  const target = await startTarget([
    ...['--config', `${t.testdir({ 'san.json': JSON.stringify(config) })}/san.json`],
    ...['--portal', `127.0.0.1:${port}`, '--advertise', `${HOST_IN_GUEST}:${port}`, '--target', IQN],
    ...['--disk', `d0=memory,size=${DISK_MIB}M`, '--disk', `d1=memory,size=${DISK_MIB}M`],
    ...['--tape', 't0=memory'],
  ]);
  try {
    const { results, exitCode, lines, bootSeconds } = await bootGuest({
      directory,
      portalPort: port,
      iqn: IQN,
      jobs,
      settings: {
        DISK_BYTES: DISK_MIB * 1024 * 1024,
        CHAP_IQN,
        CHAP_USER: CHAP.user,
        CHAP_SECRET: CHAP.secret,
        CHAP_MUTUAL_USER: CHAP.mutual.user,
        CHAP_MUTUAL_SECRET: CHAP.mutual.secret,
      },
      timeoutMs: RUN_MS,
    });
    t.equal(exitCode, 0, 'the guest ran to its end');
    t.comment(`up in ${bootSeconds.toFixed(1)} s`);
    for (const job of jobs) {
      const result = results.find(result => result.job === job);
      await t.test(job, async t => report(t, result));
    }
    if (!t.passing()) t.comment([...lines.slice(-60), target.log()].join('\n'));
  } finally {
    t.equal(await target.stop(), 0, 'the target stopped when told to');
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
