/**
 * Works on a tape and on a disk until it is killed, telling on stdout what it is about to do (`begin`) and what has been
 * answered (`done`). Started by crash.test.ts, which says what the bytes must be.
 */
import { writeSync } from 'node:fs';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { openDiskFile } from '../../lib/backends/file.ts';
import { content, generator } from './crash-content.ts';

const [tapePath = '', diskPath = '', seed = '0'] = process.argv.slice(2);
const random = generator(Number(seed));
const tell = (...words: (string | number)[]): void => void writeSync(1, `${words.join(' ')}\n`);

const tape = await openCartridgeFile({ path: tapePath });
const disk = await openDiskFile({ path: diskPath });
await tape.spaceEndOfData();
const blocks = disk.bytes / disk.blockSize;
let version = Number(seed);
tell('ready');

async function tapeStep(): Promise<void> {
  const verb = random(20);
  if (verb === 0 && tape.end.object > 4) {
    const object = tape.end.object - 1 - random(3);
    tell('begin', 'cut', object);
    await tape.locate(object);
    await tape.erase();
    tell('done');
  } else if (verb <= 3) {
    tell('begin', 'filemark');
    await tape.writeFilemarks(1);
    if (verb > 1) await tape.sync();
    tell('done');
  } else {
    const length = 1 + random(random(6) === 0 ? 400_000 : 5000);
    version++;
    tell('begin', 'record', version, length);
    await tape.write(content(version, length));
    tell('done');
  }
}

async function diskStep(): Promise<void> {
  const first = random(blocks);
  const count = Math.min(1 + random(random(6) === 0 ? 1500 : 40), blocks - first);
  const [offset, length] = [first * disk.blockSize, count * disk.blockSize];
  const verb = random(16);
  if (verb < 4) {
    version++;
    tell('begin', 'atomic', first, count, version);
    await disk.writeAtomic!(content(version, length), offset);
  } else if (verb < 7) {
    tell('begin', 'unmap', first, count);
    await disk.unmap(offset, length);
  } else {
    version++;
    tell('begin', 'write', first, count, version);
    await disk.write(content(version, length), offset);
  }
  if (random(50) === 0) await disk.flush();
  tell('done');
}

for (;;) {
  await tapeStep();
  await diskStep();
  // Someone must see the signal of a parent that has gone.
  await new Promise(resolve => void setImmediate(resolve));
}
