/** `npm run conformance`: iscsi-test-cu against sanlet, or against another target, as a table. */
import { parseArgs } from 'node:util';
import { excepted } from '../live/suite-exceptions.ts';
import { namedGround } from '../live/suite-ground.ts';
import { listTests, OUTCOMES, runOnSanlet, runSuite, tally, type Verdict } from '../live/suite.ts';

const USAGE = `npm run conformance -- [options]

Runs every test of iscsi-test-cu against sanlet, a process a test, and prints what passed.
A test that says that it skipped, or that asserted nothing, counts as skipped.

  --suite PATH     another iscsi-test-cu than the one on the PATH
  --filter TEXT    only tests whose name matches this regular expression
  --url [FAM=]URL  judge this target instead; FAM=URL for one family, as ReadOnly=iscsi://…; repeatable
  --limit SECONDS  for a test (60)
  --json           print one JSON object
  --help

Exit codes: 0 all passed or were skipped, but for the known exceptions; 1 a test failed or hung; 2 wrong words.
`;

async function main(): Promise<number> {
  let values;
  let filter: RegExp;
  try {
    ({ values } = parseArgs({
      options: {
        suite: { type: 'string', default: 'iscsi-test-cu' },
        filter: { type: 'string', default: '' },
        url: { type: 'string', multiple: true, default: [] },
        limit: { type: 'string', default: '60' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
    filter = new RegExp(values.filter);
    if (!(Number(values.limit) > 0)) throw new Error(`--limit ${values.limit}: it is a number of seconds`);
  } catch (error) {
    process.stderr.write(`conformance: ${(error as Error).message}; see npm run conformance -- --help\n`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const names = (await listTests(values.suite)).filter(name => filter.test(name));
  if (names.length === 0) {
    process.stderr.write(
      `conformance: ${values.suite} lists no test that matches (Debian package libiscsi-bin)\n`,
    );
    return 2;
  }
  const seen = ({ name, outcome, why }: Verdict): void => {
    if (!values.json && outcome !== 'passed') process.stdout.write(`${outcome.padEnd(7)} ${name}: ${why}\n`);
  };
  const asked = { suite: values.suite, names, limitMs: Number(values.limit) * 1000, seen };
  const verdicts =
    values.url.length > 0
      ? await runSuite({ ...asked, ground: namedGround(values.url) })
      : await runOnSanlet(asked);
  const bad = verdicts.filter(({ outcome }) => outcome === 'failed' || outcome === 'hung');
  const counted = bad.filter(({ name, why }) => excepted(name, why) === undefined);
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ families: tally(verdicts), verdicts })}\n`);
  } else {
    const rows = [['family', ...OUTCOMES], ...tally(verdicts)];
    const width = Math.max(...rows.map(([name]) => name.length));
    const lines = rows.map(([name, ...cells]) =>
      [name.padEnd(width), ...cells.map(cell => String(cell).padStart(8))].join(''),
    );
    process.stdout.write(`\n${lines.join('\n')}\n\n`);
    for (const { name, why } of bad) {
      const exception = excepted(name, why);
      if (exception !== undefined) {
        process.stdout.write(`exception: ${name} (${exception.clause}): ${exception.why}\n`);
      }
    }
    process.stdout.write(`${counted.length} of ${verdicts.length} failed or hung that should not\n`);
  }
  return counted.length === 0 ? 0 : 1;
}

process.exitCode = await main();
