import type { Capacity } from './read-capacity.ts';
import { cdbOf, type Unit } from './unit.ts';

const READ_BYTES = 1024 * 1024;
const READS_AHEAD = 4;

/** READ(16), SBC-3 5.13. */
export async function readBlocks(
  unit: Unit,
  lba: number,
  blocks: number,
  blockSize: number,
): Promise<Buffer> {
  const cdb = cdbOf(16, 0x88);
  cdb.writeBigUInt64BE(BigInt(lba), 2);
  cdb.writeUInt32BE(blocks, 10);
  return unit.read('READ(16)', cdb, blocks * blockSize);
}

/** WRITE(16), SBC-3 5.35. */
export async function writeBlocks(
  unit: Unit,
  lba: number,
  data: Uint8Array,
  blockSize: number,
): Promise<void> {
  const cdb = cdbOf(16, 0x8a);
  cdb.writeBigUInt64BE(BigInt(lba), 2);
  cdb.writeUInt32BE(data.length / blockSize, 10);
  await unit.run('WRITE(16)', cdb, { dataOut: data });
}

/** The whole disk from its beginning, in order, a few reads ahead. */
export async function* readAll(unit: Unit, { blocks, blockSize }: Capacity): AsyncGenerator<Buffer, void> {
  const step = Math.max(1, Math.floor(READ_BYTES / blockSize));
  const ahead: Promise<Buffer>[] = [];
  let next = 0;
  try {
    while (next < blocks || ahead.length > 0) {
      while (next < blocks && ahead.length < READS_AHEAD) {
        ahead.push(readBlocks(unit, next, Math.min(step, blocks - next), blockSize));
        next += step;
      }
      yield await ahead.shift()!;
    }
  } finally {
    for (const read of ahead) read.catch(() => undefined);
  }
}
