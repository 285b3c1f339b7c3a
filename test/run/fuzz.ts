/** `npm run fuzz`: the tests of test/fuzz for as long as one likes. */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';

const USAGE = `npm run fuzz -- [--seconds N] [--seed S]

PDUs, login texts, CDBs and parameter lists made from the layouts, for N seconds (60). The seed is printed: the same one
makes the same input again.
`;

function options(): { seconds: number; seed: number } | undefined {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  if (!(seconds > 0)) throw new Error(`--seconds ${values.seconds}: it is a number of seconds`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${values.seed}: it is a whole number`);
  return { seconds, seed };
}

try {
  const asked = options();
  if (asked === undefined) process.stdout.write(USAGE);
  else {
    const { seconds, seed } = asked;
    process.stdout.write(`seed ${seed}\n`);
    const files = readdirSync('test/fuzz').filter(name => name.endsWith('.test.ts'));
    const child = spawn(
      'tap',
      [
        ...files.map(name => `test/fuzz/${name}`),
        '--jobs=1',
        `--timeout=${Math.ceil(seconds) + 300}`,
        '--reporter=tap',
      ],
      {
        stdio: 'inherit',
        env: { ...process.env, SANLET_FUZZ_MS: String(seconds * 1000), SANLET_SEED: String(seed) },
      },
    );
    child.on('close', code => {
      process.exitCode = code ?? 1;
    });
  }
} catch (error) {
  process.stderr.write(`fuzz: ${(error as Error).message}; see npm run fuzz -- --help\n`);
  process.exitCode = 2;
}
