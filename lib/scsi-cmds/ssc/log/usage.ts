import type { LogParameter } from '../../spc/log-pages.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { uint } from './parameters.ts';

/** Parameters 0001h to 000Bh of tape usage and of volume statistics: nothing is ever tried again here, nor suspended. */
export function usage({ statistics, tallies }: TapeUnit, loads: number): LogParameter[] {
  return [
    uint(0x0001, 4, loads), // THREAD COUNT
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
}
