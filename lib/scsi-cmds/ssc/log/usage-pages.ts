import { logPage } from '../../spc/log-pages.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { uint } from './parameters.ts';
import { capacities, remaining } from './volume-statistics.ts';

/** Tape usage, as LTO drives have it: the first parameters of volume statistics. */
export const tapeUsage = logPage<TapeUnit>({
  code: 0x30,
  parameters(unit) {
    const { statistics, tallies } = unit;
    return [
      uint(0x0001, 4, unit.loaded ? unit.memory.loadCount : 0), // THREAD COUNT
      uint(0x0002, 8, statistics.recordsWritten), // TOTAL DATA SETS WRITTEN
      uint(0x0003, 4, 0), // TOTAL WRITE RETRIES
      uint(0x0004, 2, tallies.write.failed), // TOTAL UNRECOVERED WRITE ERRORS
      uint(0x0005, 2, 0), // TOTAL SUSPENDED WRITES
      uint(0x0006, 2, 0), // TOTAL FATAL SUSPENDED WRITES
      uint(0x0007, 8, statistics.recordsRead), // TOTAL DATA SETS READ
      uint(0x0008, 4, 0), // TOTAL READ RETRIES
      uint(0x0009, 2, tallies.read.failed), // TOTAL UNRECOVERED READ ERRORS
      uint(0x000a, 2, 0), // TOTAL SUSPENDED READS
      uint(0x000b, 2, 0), // TOTAL FATAL SUSPENDED READS
    ];
  },
});

const MEBIBYTE = 1024 * 1024;

/** Tape capacity, as LTO drives have it: MiB of the first partition and the second. */
export const tapeCapacity = logPage<TapeUnit>({
  code: 0x31,
  parameters(unit) {
    const [left, all] = unit.loaded ? [remaining(unit), capacities(unit)] : [[], []];
    return [
      uint(0x0001, 4, (left[0] ?? 0) / MEBIBYTE),
      uint(0x0002, 4, (left[1] ?? 0) / MEBIBYTE),
      uint(0x0003, 4, (all[0] ?? 0) / MEBIBYTE),
      uint(0x0004, 4, (all[1] ?? 0) / MEBIBYTE),
    ];
  },
});
