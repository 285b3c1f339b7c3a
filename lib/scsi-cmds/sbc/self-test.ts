import type { SelfTestRun } from '../spc/self-test.ts';
import type { DiskUnit } from './disk-unit.ts';
import { STEP_BYTES } from './limits.ts';

/** A short test reads so many places, the first and the last block among them. */
const SHORT_READS = 64;
const SHORT_READ_BYTES = 64 * 1024;
/** An extended one reads no slower than 100 MB a second from any medium worth having. */
export const TEST_BYTES_PER_MINUTE = 60 * 100_000_000;

/** Others have their turn between two steps. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/**
 * Self-test of a disk (SPC-4 5.10): a short one reads places spread over the medium, an extended one all that is mapped.
 * Rejects with the MediumError of what cannot be read.
 */
export async function testDisk(unit: DiskUnit, run: SelfTestRun): Promise<void> {
  unit.requireMedium();
  if (run.extended) await readMapped(unit, run);
  else await readPlaces(unit, run);
}

async function readPlaces({ backend, blockSize, blocks, bytes }: DiskUnit, run: SelfTestRun): Promise<void> {
  const into = Buffer.alloc(Math.min(SHORT_READ_BYTES, bytes));
  const last = blocks - into.length / blockSize;
  for (let i = 0; i < SHORT_READS && !run.stopped; i++) {
    await backend.read(into, Math.floor((last * i) / (SHORT_READS - 1)) * blockSize);
    run.progress = (i + 1) / SHORT_READS;
    await turn();
  }
}

async function readMapped({ backend, bytes }: DiskUnit, run: SelfTestRun): Promise<void> {
  const into = Buffer.alloc(Math.min(STEP_BYTES, bytes));
  for (let at = 0; at < bytes && !run.stopped;) {
    const extent = await backend.extent(at, bytes - at);
    const length = extent.mapped ? Math.min(extent.bytes, into.length) : extent.bytes;
    if (extent.mapped) await backend.read(into.subarray(0, length), at);
    at += length;
    run.progress = at / bytes;
    await turn();
  }
}
