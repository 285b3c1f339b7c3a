import { logPage } from '../../spc/log-pages.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { uint } from './parameters.ts';
import { usage } from './usage.ts';
import { capacities, remaining } from './volume-statistics.ts';

/** Tape usage, as LTO drives have it: the first parameters of volume statistics. */
export const tapeUsage = logPage<TapeUnit>({
  code: 0x30,
  parameters: unit => usage(unit, unit.loaded ? unit.memory.loadCount : 0),
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
