import { type LogPage, type LogParameter, logPage } from '../../spc/log-pages.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { uint } from './parameters.ts';
import { ratio } from './volume-statistics.ts';

const MEGABYTE = 1_000_000;

/** Whole megabytes, and the bytes that are over. */
const split = (code: number, value: number): LogParameter[] => [
  uint(code, 4, value / MEGABYTE),
  uint(code + 1, 4, value % MEGABYTE),
];

const page = (code: number): LogPage<TapeUnit> =>
  logPage<TapeUnit>({
    code,
    parameters({ statistics: { mount } }) {
      const { hostRead, mediumRead, hostWritten, mediumWritten } = mount;
      return [
        uint(0x0000, 2, ratio(hostRead, mediumRead)), // READ COMPRESSION RATIO
        uint(0x0001, 2, ratio(hostWritten, mediumWritten)), // WRITE COMPRESSION RATIO
        ...split(0x0002, hostRead), // TRANSFERRED TO APPLICATION CLIENT
        ...split(0x0004, mediumRead), // TRANSFERRED FROM MEDIUM
        ...split(0x0006, hostWritten), // TRANSFERRED FROM APPLICATION CLIENT
        ...split(0x0008, mediumWritten), // WRITTEN TO MEDIUM
      ];
    },
  });

/** Data compression (SSC-4 8.2.9), since the cartridge was loaded; drives of IBM have it at 32h. */
export const dataCompression = page(0x1b);
export const ibmDataCompression = page(0x32);
