import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { illegalRequest, invalidFieldInCdb } from '../sense.ts';
import { partitionsAskedFor, wholeTape } from './partitioning.ts';
import { POSITION_PAST_BEGINNING } from './sense.ts';
import type { TapeUnit } from './tape-unit.ts';

/** FORMAT (SSC-4 7.2): as it comes from the factory, as the medium partition mode page says, or one and then the other. */
const Format = { DEFAULT: 0, PARTITION: 1, DEFAULT_AND_PARTITION: 2 } as const;

const formatCdb = layout(6, {
  opcode: u8(0),
  immediate: bit(1, 0),
  format: bits(2, 0, 4),
  transferLength: u16(3),
});

/** Both begin at the beginning of the whole tape. */
export function requireBeginning(unit: TapeUnit): void {
  const { atBeginning, position } = unit.medium;
  if (!atBeginning || position.partition !== 0) throw illegalRequest(POSITION_PAST_BEGINNING);
}

/** With IMMED too it has formatted before it answers: there is nothing to wait for. */
export const formatMedium = command<TapeUnit>({
  name: 'FORMAT MEDIUM', // SSC-4 7.2
  opcode: 0x04,
  cdb: formatCdb,
  access: 'write',
  ordering: 'exclusive',
  medium: true,
  writes: true,
  timeoutSeconds: 3600,
  async run(unit, task) {
    const format = formatCdb.format.get(task.cdb);
    if (format > Format.DEFAULT_AND_PARTITION) throw invalidFieldInCdb(2, 3);
    if (formatCdb.transferLength.get(task.cdb) !== 0) throw invalidFieldInCdb(3); // vendor-specific data
    requireBeginning(unit);
    await unit.format(format === Format.DEFAULT ? wholeTape(unit) : partitionsAskedFor(unit));
    task.good();
  },
});
