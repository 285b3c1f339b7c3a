import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';

const root = resolve(import.meta.dirname, '../..');
const examples = readdirSync(join(root, 'examples')).filter(file => file.endsWith('.ts'));

/** What each must print, so that one that does nothing fails. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  'fake-san.ts':
    /iscsi:\/\/127\.0\.0\.1:\d+\/iqn\.2026-01\.io\.sanlet:san\/2 {2}tape backup, naa 3[0-9a-f]{15}/,
  'tape-library.ts':
    /\/2 {2}changer lib\n[^]*import\/export 768: empty\n[^]*slot 1027: SAN004L6\nslot 1028: empty/,
  'chap-and-files.ts': /example:vault\/0 {2}d0: 1073741824 bytes in blocks of 4096/,
};

void t.test('every example runs and ends by itself', async t => {
  t.same([...examples].sort(), Object.keys(PRINTS).sort(), 'each is known here');
  for (const example of examples) {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(root, 'dist/examples', example.replace('.ts', '.js'))],
      {
        timeout: 60_000,
      },
    );
    t.match(stdout, PRINTS[example]!, example);
  }
});
