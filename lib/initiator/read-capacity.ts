import { u32, u64 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { InitiatorError } from './initiator-error.ts';
import { tooShort } from './inquiry.ts';
import { cdbOf, type Unit } from './unit.ts';

/** SBC-3 5.16.2. */
const capacity = layout(12, { lastBlock: u64(0), blockLength: u32(8) });

export interface Capacity {
  readonly blocks: number;
  readonly blockSize: number;
}

/** READ CAPACITY(16). */
export async function readCapacity(unit: Unit): Promise<Capacity> {
  const cdb = cdbOf(16, 0x9e, 0x10);
  cdb.writeUInt32BE(32, 10);
  const data = await unit.read('READ CAPACITY(16)', cdb, 32);
  if (data.length < capacity.length) throw tooShort('READ CAPACITY(16)', unit.lun);
  const blockSize = capacity.blockLength.get(data);
  const blocks = capacity.lastBlock.get(data) + 1;
  if (blockSize === 0 || !Number.isSafeInteger(blocks * blockSize)) {
    throw new InitiatorError(
      'target',
      `LUN ${unit.lun} tells a capacity of ${blocks} blocks of ${blockSize} bytes`,
    );
  }
  return { blocks, blockSize };
}
