import { crc32c } from '../../bytes/crc32c.ts';
import { MAX_PARTITIONS } from '../tape-medium.ts';

/**
 * The first 96 KiB of a cartridge file. What matters is there twice, and the two are never written at the same time, so that
 * a torn write leaves one of them:
 *
 *     0       label, and its twin 4 KiB on
 *     8 KiB   2 KiB a partition: two sync points in turn, and the point up to which it was written, a sector each
 *     16 KiB  attributes, and their twin 40 KiB on
 *     96 KiB  the partitions
 */
export const LABEL_SLOTS = [0, 4096] as const;
const POINTS_OFFSET = 8192;
const POINTS_BYTES = 2048;
export const SECTOR_BYTES = 512;
export const ATTRIBUTE_SLOTS = [16_384, 57_344] as const;
export const ATTRIBUTE_SLOT_BYTES = 40_960;
export const HEADER_AREA_BYTES = 98_304;

/** Of a partition: its two sync points, then the written point. */
export const pointSlots = (partition: number): readonly [number, number, number] => {
  const first = POINTS_OFFSET + partition * POINTS_BYTES;
  return [first, first + SECTOR_BYTES, first + 2 * SECTOR_BYTES];
};

/** All partitions' points: what a format clears. */
export const POINTS_AREA = { offset: POINTS_OFFSET, bytes: MAX_PARTITIONS * POINTS_BYTES } as const;

/** Checksum over all before the checksum, which is each structure's last field. */
export const sumOf = (structure: Uint8Array, seed: number): number => crc32c(structure.subarray(0, -4), seed);

export const isZero = (bytes: Uint8Array): boolean => bytes.every(byte => byte === 0);
