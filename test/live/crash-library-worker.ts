/**
 * Moves cartridges about and writes records until it is killed, telling on stdout what is asked for (`begin`) and what has been
 * answered with GOOD (`done`). Started by crash-library.test.ts.
 */
import { writeSync } from 'node:fs';
import { openShelfDirectory } from '../../lib/backends/tape/shelf-directory.ts';
import { DRIVE, exchangeCdb, libraryRig, moveCdb, places } from '../harness/library.ts';
import { Random } from '../harness/random.ts';

const [path = '', seed = '1'] = process.argv.slice(2);
const tell = (...words: (string | number)[]): void => void writeSync(1, `${words.join(' ')}\n`);

const random = new Random(Number(seed));
const rig = await libraryRig({ shelf: await openShelfDirectory({ path }) });
const { a, lun, unit } = rig;
const all = unit.elements.all.map(({ address }) => address).filter(address => address > 1);

async function step(): Promise<void> {
  const full = (await places(rig)).map(each => Number.parseInt(each, 16));
  const free = all.filter(address => !full.includes(address));
  const from = random.pick(full);
  const drives = full.filter(address => address >= DRIVE && address < DRIVE + 2);
  const what = random.below(4);
  if (what === 0 && drives.length > 0) {
    const drive = random.pick(drives);
    const { barcode } = unit.elements.at(drive)!.volume!;
    await a.clear();
    await a.send(drive - DRIVE, '11 03 00 00 00 00');
    const object = (await a.send(drive - DRIVE, '34 06 00 00 00 00 00 00 00 00')).data.readUInt32BE(12);
    const record = Buffer.alloc(2000, `${barcode} ${object} `);
    tell('begin', 'write', barcode, object);
    const { said } = await a.send(drive - DRIVE, '0a 00 0007d0 00', { out: record });
    if (said !== '') throw new Error(said);
  } else if (what === 1) {
    const first = random.pick(full.filter(address => address !== from));
    tell('begin', 'exchange', from, first);
    const { said } = await a.send(lun, exchangeCdb(from, first, from));
    if (said !== '') throw new Error(said);
  } else {
    const to = random.pick(free);
    tell('begin', 'move', from, to);
    const { said } = await a.send(lun, moveCdb(from, to));
    if (said !== '') throw new Error(said);
  }
  tell('done');
  await a.clear();
}

tell('ready');
for (;;) await step();
