/**
 * Works on a tape and on a disk until it is killed, telling on stdout what it is about to do (`begin`) and what has been
 * answered (`done`). Started by crash.test.ts, which says what the bytes must be.
 */
import { writeSync } from 'node:fs';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { openDiskFile } from '../../lib/backends/file.ts';
import { PARTITION_BYTES, content, generator } from './crash-content.ts';

const [tapePath = '', diskPath = '', seed = '0'] = process.argv.slice(2);
const random = generator(Number(seed));
const tell = (...words: (string | number)[]): void => void writeSync(1, `${words.join(' ')}\n`);

const tape = await openCartridgeFile({ path: tapePath });
const disk = await openDiskFile({ path: diskPath });
const blocks = disk.bytes / disk.blockSize;
let version = Number(seed);
tell('ready');

async function tapeStep(): Promise<void> {
  const verb = random(24);
  const partition = random(tape.partitions.length);
  if (verb === 23 && random(8) === 0) {
    const partitions = 1 + random(3);
    tell('begin', 'format', partitions);
    await tape.format(Array.from({ length: partitions }, () => PARTITION_BYTES));
    tell('done');
    return;
  }
  if (verb >= 21) {
    const id = 0x800 + random(4);
    const length = random(3) === 0 ? 0 : 1 + random(2000);
    version++;
    tell('begin', 'attribute', partition, id, version, length);
    await tape.attributes.set(partition, [{ id, format: 0, value: content(version, length) }]);
    tell('done');
    return;
  }
  await tape.changePartition(partition);
  await tape.spaceEndOfData();
  if (verb === 0 && tape.end.object > 4) {
    const object = tape.end.object - 1 - random(3);
    tell('begin', 'cut', partition, object);
    await tape.locate(object);
    await tape.erase();
    tell('done');
  } else if (verb <= 4) {
    // Now and then so many that an index frame comes among them.
    const count = random(4) === 0 ? 400 : 1;
    tell('begin', 'filemarks', partition, count);
    await tape.writeFilemarks(count);
    if (verb > 1) await tape.sync();
    tell('done');
  } else {
    const length = 1 + random(random(6) === 0 ? 400_000 : 5000);
    version++;
    tell('begin', 'record', partition, version, length);
    await tape.write(content(version, length), { length: length + 1, coding: 2 });
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
