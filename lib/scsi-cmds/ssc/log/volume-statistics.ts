import type { TapePartition } from '../../../backends/tape-medium.ts';
import { type LogParameter, logPage } from '../../spc/log-pages.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { byPartition, text, uint } from './parameters.ts';
import { usage } from './usage.ts';

const MEGABYTE = 1_000_000;
const SECOND_MS = 1000;

/** Of a partition without a limit, what a cartridge of its kind holds. */
const capacityOf = (unit: TapeUnit, { capacityBytes }: TapePartition): number =>
  capacityBytes || unit.density.capacityMb * MEGABYTE;

export const capacities = (unit: TapeUnit): number[] =>
  unit.medium.partitions.map(partition => capacityOf(unit, partition));

export const used = (unit: TapeUnit): number[] => unit.medium.partitions.map(({ usedBytes }) => usedBytes);

export const remaining = (unit: TapeUnit): number[] =>
  unit.medium.partitions.map(partition => Math.max(0, capacityOf(unit, partition) - partition.usedBytes));

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const megabytes = (values: readonly number[]): number[] => values.map(value => value / MEGABYTE);

/** In hundredths; 100 where nothing was moved. */
export const ratio = (host: number, medium: number): number =>
  medium === 0 ? 100 : Math.round((100 * host) / medium);

function ofVolume(unit: TapeUnit): LogParameter[] {
  const { memory, statistics, medium, density } = unit;
  const { mount } = statistics;
  const { label } = medium;
  return [
    uint(0x0000, 1, 1), // PAGE VALID
    ...usage(unit, memory.loadCount),
    uint(0x000c, 2, 0), // LAST MOUNT UNRECOVERED WRITE ERRORS
    uint(0x000d, 2, 0), // LAST MOUNT UNRECOVERED READ ERRORS
    uint(0x000e, 4, mount.hostWritten / MEGABYTE), // LAST MOUNT MEGABYTES WRITTEN
    uint(0x000f, 4, mount.hostRead / MEGABYTE), // LAST MOUNT MEGABYTES READ
    uint(0x0010, 8, memory.bytesWritten / MEGABYTE), // LIFETIME MEGABYTES WRITTEN
    uint(0x0011, 8, memory.bytesRead / MEGABYTE), // LIFETIME MEGABYTES READ
    uint(0x0012, 2, ratio(mount.hostWritten, mount.mediumWritten)), // LAST LOAD WRITE COMPRESSION RATIO
    uint(0x0013, 2, ratio(mount.hostRead, mount.mediumRead)), // LAST LOAD READ COMPRESSION RATIO
    uint(0x0014, 6, (Date.now() - statistics.loadedAt) / SECOND_MS), // MEDIUM MOUNT TIME
    uint(0x0015, 6, (Date.now() - statistics.loadedAt) / SECOND_MS), // MEDIUM READY TIME
    uint(0x0016, 4, sum(capacities(unit)) / MEGABYTE), // TOTAL NATIVE CAPACITY
    uint(0x0017, 4, sum(used(unit)) / MEGABYTE), // TOTAL USED NATIVE CAPACITY
    text(0x0040, 32, label.uuid), // VOLUME SERIAL NUMBER
    text(0x0041, 8, ''), // TAPE LOT IDENTIFIER
    text(0x0042, 32, label.barcode), // VOLUME BARCODE
    text(0x0043, 8, 'SANLET'), // VOLUME MANUFACTURER
    text(0x0044, 4, ''), // VOLUME LICENSE CODE
    text(0x0045, 9, `Ultrium-${density.mediaType.slice(4)}`), // VOLUME PERSONALITY
    uint(0x0080, 1, unit.writeProtected ? 1 : 0), // WRITE PROTECT
    uint(0x0081, 1, label.worm ? 1 : 0), // WORM
    uint(0x0082, 1, 0), // MAXIMUM RECOMMENDED TAPE PATH TEMPERATURE EXCEEDED
    uint(0x0101, 4, memory.loadCount), // BEGINNING OF MEDIUM PASSES
    uint(0x0102, 4, 0), // MIDDLE OF TAPE PASSES
    byPartition(0x0202, 4, megabytes(capacities(unit))), // APPROXIMATE NATIVE CAPACITY OF PARTITIONS
    byPartition(0x0203, 4, megabytes(used(unit))), // APPROXIMATE USED NATIVE CAPACITY OF PARTITIONS
    byPartition(0x0204, 4, megabytes(remaining(unit))), // APPROXIMATE REMAINING NATIVE CAPACITY TO EARLY WARNING
  ];
}

/** Volume statistics (SSC-4 8.2.8): of the cartridge in the drive; PAGE VALID 0 while there is none. */
export const volumeStatistics = logPage<TapeUnit>({
  code: 0x17,
  parameters: unit => (unit.loaded ? ofVolume(unit) : [uint(0x0000, 1, 0)]),
});
