import { bit, bits, u16, u24, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { MAX_LOGICAL_OBJECT, MIN_BLOCK_BYTES } from './limits.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb = layout(6, {
  opcode: u8(0),
  maximumObject: bit(1, 0),
});

const limits = layout(6, {
  granularity: bits(0, 0, 5),
  longest: u24(1),
  shortest: u16(4),
});

const maximumObject = layout(20, { identifier: u64(12) });

export const readBlockLimits = command<TapeUnit>({
  name: 'READ BLOCK LIMITS', // SSC-4 7.6
  opcode: 0x05,
  cdb,
  access: 'always',
  ordering: 'free',
  timeoutSeconds: 60,
  run(unit, task) {
    if (cdb.maximumObject.get(task.cdb)) {
      const data = Buffer.alloc(maximumObject.length);
      maximumObject.identifier.set(data, MAX_LOGICAL_OBJECT);
      return task.good(data);
    }
    const data = Buffer.alloc(limits.length);
    limits.longest.set(data, unit.personality.mostBlockBytes);
    limits.shortest.set(data, MIN_BLOCK_BYTES);
    task.good(data);
  },
});
