/**
 * A process that carries cartridges about and writes on them is killed (SIGKILL) at a random moment, again and again over the same
 * shelf. Every cartridge lies where the last answered move has put it, or where the one in flight would have, and has its records.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import t from 'tap';
import { openShelfDirectory } from '../../lib/backends/tape/shelf-directory.ts';
import { DRIVE, LibraryModel, libraryRig, places, SLOT, STATION } from '../harness/library.ts';
import { Random, SEED } from '../harness/random.ts';

const ROUNDS = 8;
const BARCODES = ['K1', 'K2', 'K3'];
const ALL = [DRIVE, DRIVE + 1, STATION, STATION + 1, ...[0, 1, 2, 3, 4].map(i => SLOT + i)];

void t.test(
  'SMC-3 6.5, 6.2: kill -9 loses no cartridge, no answered MOVE MEDIUM or EXCHANGE MEDIUM and no record',
  { skip: process.platform === 'win32' },
  async t => {
    t.comment(`SANLET_SEED=${SEED}`);
    const random = new Random();
    const dir = t.testdir({ shelf: {}, build: {} });
    const script = join(dir, 'build', 'worker.mjs');
    buildSync({
      entryPoints: [fileURLToPath(new URL('crash-library-worker.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      outfile: script,
    });
    const path = join(dir, 'shelf');
    const shelf = await openShelfDirectory({ path, mediaType: 'LTO-6' });
    for (const barcode of BARCODES) await shelf.make(barcode);
    await shelf.close();

    let now = new LibraryModel(ALL);
    BARCODES.forEach((barcode, i) => now.places.set(SLOT + i, barcode));
    const records = new Map(BARCODES.map(barcode => [barcode, 0]));
    let answered = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const worker = fork(script, [path, String(SEED + round)], {
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
      await delay(20 + random.below(300));
      const closed = once(worker, 'close');
      worker.kill('SIGKILL');
      await closed;

      let begun: string[] | undefined;
      const make = (model: LibraryModel, [, what, from, to]: readonly string[]): void => {
        if (what === 'move') model.move(Number(from), Number(to));
        else model.exchange(Number(from), Number(to), Number(from));
      };
      for (const line of said.slice(0, said.lastIndexOf('\n')).split('\n')) {
        const words = line.split(' ');
        if (words[0] === 'begin') begun = words;
        if (words[0] !== 'done' || begun === undefined) continue;
        answered++;
        if (begun[1] === 'write') records.set(begun[2]!, Number(begun[3]) + 1);
        else make(now, begun);
        begun = undefined;
      }

      const rig = await libraryRig({ shelf: await openShelfDirectory({ path }) });
      const found = await places(rig);
      const other = new LibraryModel(ALL);
      for (const [address, barcode] of now.places) other.places.set(address, barcode);
      if (begun !== undefined && begun[1] !== 'write') make(other, begun);
      const isOther = found.join() === other.told.join();
      t.ok(
        isOther || found.join() === now.told.join(),
        `round ${round}: ${found.join()} after ${begun?.join(' ')}`,
      );
      if (isOther) now = other;
      await rig.device.close();
    }
    t.ok(answered > ROUNDS, `${answered} steps were answered before they were cut off`);

    const rig = await libraryRig({ shelf: await openShelfDirectory({ path }) });
    for (const [barcode, count] of records) {
      const { inventory } = rig.unit;
      const place = rig.unit.elements.holding(`${barcode}.tape`)!;
      const used = rig.unit.elements.at(DRIVE)!.volume;
      if (place.address !== DRIVE) {
        if (used !== undefined) {
          const free = rig.unit.elements.from(2, SLOT, 5).find(({ volume }) => volume === undefined)!;
          await rig.unit.carry([{ volume: used, from: rig.unit.elements.at(DRIVE)!, to: free }]);
        }
        const from = inventory.elements.holding(`${barcode}.tape`)!;
        await rig.unit.carry([{ volume: from.volume!, from, to: rig.unit.elements.at(DRIVE)! }]);
      }
      await rig.a.clear();
      await rig.a.send(0, '01');
      for (let i = 0; i < count; i++) {
        const { data } = await rig.a.send(0, '08 00 0007d0 00');
        if (!data.equals(Buffer.alloc(2000, `${barcode} ${i} `))) t.fail(`record ${i} of ${barcode}`);
      }
    }
    t.ok(
      [...records.values()].some(count => count > 0),
      `${[...records].join('; ')} records`,
    );
    await rig.device.close();
  },
);
