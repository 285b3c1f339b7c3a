/**
 * A process that registers, reserves and saves mode pages is killed (SIGKILL) at a random moment, again and again over the same
 * disk. What was answered with GOOD must be there afterwards; what was asked for and not answered may be.
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import t from 'tap';
import { openDiskFile } from '../../lib/backends/file.ts';
import { generator } from './crash-content.ts';

const seed = Number(process.env['SANLET_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const random = generator(seed);
const ROUNDS = 5;

void t.test(
  'SPC-4 5.13.5, 6.11: kill -9 loses no answered APTPL registration and no saved mode page',
  { skip: process.platform === 'win32' },
  async t => {
    t.comment(`SANLET_SEED=${seed}`);
    const dir = t.testdir({ media: {}, build: {} });
    const script = join(dir, 'build', 'worker.mjs');
    buildSync({
      entryPoints: [fileURLToPath(new URL('crash-unit-worker.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      outfile: script,
    });
    const path = join(dir, 'media', 'disk');
    await (await openDiskFile({ path, bytes: 1024 * 1024 })).close();

    /** What each of the worker's steps may have come to: the last that was answered, and one in flight. */
    const may = new Map<string, number[]>();
    let answered = 0;
    let first = 1;
    for (let round = 0; round < ROUNDS; round++) {
      const worker = fork(script, [path, String(first)], {
        execArgv: [],
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      });
      let said = '';
      await new Promise<void>((resolve, reject) => {
        worker.stdout!.setEncoding('latin1').on('data', chunk => {
          said += chunk;
          if (said.includes('ready\n')) resolve();
        });
        worker.once('exit', code => reject(new Error(`the worker ended by itself, with ${code}`)));
      });
      await delay(20 + random(150));
      const closed = once(worker, 'close');
      worker.kill('SIGKILL');
      await closed;
      for (const line of said.slice(0, said.lastIndexOf('\n')).split('\n')) {
        const [word, name = '', text = ''] = line.split(' ');
        const n = Number(text);
        if (word === 'begin') may.set(name, [...(may.get(name) ?? []), n]);
        if (word === 'done') {
          may.set(name, [n]);
          answered++;
        }
        first = Math.max(first, n + 1 || 1);
      }

      const looked = execFileSync(process.execPath, [script, path, '0', 'look'], { encoding: 'utf8' });
      const there = new Map(
        looked
          .trim()
          .split('\n')
          .map(line => line.split(' ') as [string, string]),
      );
      for (const [name, numbers] of may) {
        const due = name === 'a' || name === 'b' ? numbers : numbers.map(n => n % 4);
        const found = Number(there.get(name));
        if (due.length === 0 || !due.includes(found)) {
          t.fail(`round ${round}: ${name} is ${found}, and one of ${due.join(', ')} is due`);
        }
        // What was in doubt is settled for the next round.
        may.set(name, numbers.filter((_, i) => due[i] === found).slice(-1));
      }
    }
    t.ok(answered > ROUNDS * 8, `${answered} commands were answered before they were cut off`);
  },
);
