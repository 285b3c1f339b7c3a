/**
 * Reads 4 KiB here and there of a LUN for some seconds, one after the other, and prints how long a read took: a process of its
 * own, so that what it waits for is the target.
 */
import { Initiator } from '../lib/initiator/initiator.ts';
import { readBlocks } from '../lib/initiator/block-commands.ts';
import { readCapacity } from '../lib/initiator/read-capacity.ts';
import { Unit } from '../lib/initiator/unit.ts';
import { parseUrl } from '../lib/initiator/url.ts';
import { portalOf } from '../lib/initiator/url-portal.ts';

const READ_BYTES = 4096;
const WARM_UP = 200;

const [url = '', seconds = '2'] = process.argv.slice(2);
const where = parseUrl(url);
await using session = await Initiator.login({ ...portalOf(where), target: where.target! });
const unit = new Unit(session, where.lun!);
await unit.awaitReady();
const { blocks, blockSize } = await readCapacity(unit);
const step = READ_BYTES / blockSize;
const took: number[] = [];
const somewhere = (): number => Math.floor((Math.random() * blocks) / step) * step;
for (let i = 0; i < WARM_UP; i++) await readBlocks(unit, somewhere(), step, blockSize);
const end = performance.now() + Number(seconds) * 1000;
while (performance.now() < end) {
  const begun = performance.now();
  await readBlocks(unit, somewhere(), step, blockSize);
  took.push(performance.now() - begun);
}
took.sort((a, b) => a - b);
const at = (part: number): number => took[Math.min(took.length - 1, Math.floor(took.length * part))]!;
console.log(JSON.stringify({ reads: took.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: took.at(-1) }));
