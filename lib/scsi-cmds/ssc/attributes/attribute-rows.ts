import { WHOLE_MEDIUM } from '../../../backends/tape-medium.ts';
import { VENDOR } from '../../identity.ts';
import { ASSIGNING_ORGANIZATION } from '../densities.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { AttributeFormat, AttributeId, isVendorHost } from './identifiers.ts';

/** An attribute of the medium auxiliary memory (SPC-4 7.4.2): a row. */
export interface AttributeRow {
  readonly id: number;
  readonly format: number;
  /** The fewest and the most bytes of its value. */
  readonly least: number;
  readonly most: number;
  /** Each partition has its own. */
  readonly ofPartition: boolean;
  /** What a device or medium attribute says now; undefined: it is not there. Absent: hosts write it, and the medium keeps it. */
  readonly value?: ((unit: TapeUnit, partition: number) => Uint8Array | undefined) | undefined;
}

const MEBIBYTE = 1024 * 1024;
const MEGABYTE = 1_000_000;
/** A cartridge memory of LTO has 16 KiB. */
export const MAM_CAPACITY_BYTES = 16 * 1024;
/** MEDIUM TYPE. */
const DATA = 0x00;
const WORM = 0x80;

const uint = (bytes: number, value: number): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(Math.floor(value)));
  return out.subarray(8 - bytes);
};
const text = (length: number, value: string): Buffer =>
  Buffer.from(value.padEnd(length).slice(0, length), 'latin1');

type Told = (unit: TapeUnit, partition: number) => number;

const number = (id: number, bytes: number, told: Told, ofPartition = false): AttributeRow => ({
  id,
  format: AttributeFormat.BINARY,
  least: bytes,
  most: bytes,
  ofPartition,
  value: (unit, partition) => uint(bytes, told(unit, partition)),
});
const name = (id: number, length: number, told: (unit: TapeUnit) => string | undefined): AttributeRow => ({
  id,
  format: AttributeFormat.ASCII,
  least: length,
  most: length,
  ofPartition: false,
  value: unit => {
    const said = told(unit);
    return said === undefined ? undefined : text(length, said);
  },
});
const host = (id: number, format: number, most: number, least = most, ofPartition = false): AttributeRow => ({
  id,
  format,
  least,
  most,
  ofPartition,
});

/** Of a partition without a limit, what a cartridge of its kind holds. */
function capacityOf(unit: TapeUnit, partition: number): number {
  return unit.medium.partitions[partition]!.capacityBytes || unit.density.capacityMb * MEGABYTE;
}
const remaining: Told = (unit, partition) =>
  Math.max(0, capacityOf(unit, partition) - unit.medium.partitions[partition]!.usedBytes) / MEBIBYTE;

const { BINARY, ASCII, TEXT } = AttributeFormat;

/** Bytes that the attributes of hosts take, each with its header. */
export function bytesOfHosts(unit: TapeUnit): number {
  let bytes = 0;
  const { attributes, partitions } = unit.medium;
  for (let partition = WHOLE_MEDIUM; partition < partitions.length; partition++) {
    for (const { id, value } of attributes.entries(partition)) {
      if (rowOf(id)?.value === undefined) bytes += ATTRIBUTE_HEADER_BYTES + value.length;
    }
  }
  return bytes;
}

export const ATTRIBUTE_HEADER_BYTES = 5;
/** What hosts may fill of the memory; the rest is the drive's. */
export const HOST_BYTES = MAM_CAPACITY_BYTES / 2;

const lastLoads = [
  AttributeId.DRIVE_AT_LAST_LOAD,
  AttributeId.DRIVE_AT_LOAD_BEFORE_1,
  AttributeId.DRIVE_AT_LOAD_BEFORE_2,
  AttributeId.DRIVE_AT_LOAD_BEFORE_3,
].map((id, loadsAgo): AttributeRow => ({
  ...host(id, ASCII, 40),
  value: unit => unit.memory.driveAt(loadsAgo),
}));

/** In the order of their identifiers. */
const rows: readonly AttributeRow[] = [
  number(AttributeId.REMAINING_CAPACITY, 8, remaining, true),
  number(AttributeId.MAXIMUM_CAPACITY, 8, (unit, at) => capacityOf(unit, at) / MEBIBYTE, true),
  { ...host(AttributeId.TAPEALERT_FLAGS, BINARY, 8), value: unit => unit.alerts.bits },
  number(AttributeId.LOAD_COUNT, 8, unit => unit.memory.loadCount),
  number(AttributeId.MAM_SPACE_REMAINING, 8, unit => Math.max(0, HOST_BYTES - bytesOfHosts(unit))),
  name(AttributeId.ASSIGNING_ORGANIZATION, 8, () => ASSIGNING_ORGANIZATION),
  number(AttributeId.FORMATTED_DENSITY_CODE, 1, unit => unit.density.code),
  number(AttributeId.INITIALIZATION_COUNT, 2, unit => Math.min(unit.memory.initializations, 0xffff)),
  name(AttributeId.VOLUME_IDENTIFIER, 32, unit => unit.medium.label.barcode || undefined),
  {
    ...host(AttributeId.VOLUME_CHANGE_REFERENCE, BINARY, 4),
    value(unit) {
      unit.memory.told();
      return uint(4, unit.memory.changeReference);
    },
  },
  ...lastLoads,
  number(AttributeId.MBYTES_WRITTEN_IN_LIFE, 8, unit => unit.memory.bytesWritten / MEGABYTE),
  number(AttributeId.MBYTES_READ_IN_LIFE, 8, unit => unit.memory.bytesRead / MEGABYTE),
  number(AttributeId.MBYTES_WRITTEN_IN_LOAD, 8, unit => unit.statistics.mount.hostWritten / MEGABYTE),
  number(AttributeId.MBYTES_READ_IN_LOAD, 8, unit => unit.statistics.mount.hostRead / MEGABYTE),
  name(AttributeId.MEDIUM_MANUFACTURER, 8, () => VENDOR),
  name(AttributeId.MEDIUM_SERIAL_NUMBER, 32, unit => unit.medium.label.uuid),
  number(AttributeId.MEDIUM_LENGTH, 4, unit => unit.density.mediumLength),
  number(AttributeId.MEDIUM_WIDTH, 4, unit => unit.density.mediaWidth),
  name(AttributeId.MEDIUM_ORGANIZATION, 8, () => ASSIGNING_ORGANIZATION),
  number(AttributeId.MEDIUM_DENSITY_CODE, 1, unit => unit.density.code),
  name(AttributeId.MEDIUM_MANUFACTURE_DATE, 8, unit => unit.memory.manufactured),
  number(AttributeId.MAM_CAPACITY, 8, () => MAM_CAPACITY_BYTES),
  number(AttributeId.MEDIUM_TYPE, 1, unit => (unit.medium.label.worm ? WORM : DATA)),
  number(AttributeId.MEDIUM_TYPE_INFORMATION, 2, () => 0),
  host(AttributeId.APPLICATION_VENDOR, ASCII, 8),
  host(AttributeId.APPLICATION_NAME, ASCII, 32),
  host(AttributeId.APPLICATION_VERSION, ASCII, 8),
  host(AttributeId.USER_MEDIUM_TEXT_LABEL, TEXT, 160),
  host(AttributeId.DATE_AND_TIME_LAST_WRITTEN, ASCII, 12),
  host(AttributeId.TEXT_LOCALIZATION_IDENTIFIER, BINARY, 1),
  host(AttributeId.BARCODE, ASCII, 32),
  host(AttributeId.OWNING_HOST_TEXTUAL_NAME, TEXT, 80),
  host(AttributeId.MEDIA_POOL, TEXT, 160),
  host(AttributeId.PARTITION_USER_TEXT_LABEL, ASCII, 16, 16, true),
  host(AttributeId.LOAD_UNLOAD_AT_PARTITION, BINARY, 1),
  host(AttributeId.APPLICATION_FORMAT_VERSION, ASCII, 16),
  host(AttributeId.VOLUME_COHERENCY_INFORMATION, BINARY, 1023, 23, true),
  host(AttributeId.MEDIUM_GLOBALLY_UNIQUE_IDENTIFIER, BINARY, 36),
  host(AttributeId.MEDIA_POOL_GLOBALLY_UNIQUE_IDENTIFIER, BINARY, 36),
];

const byId = new Map(rows.map(row => [row.id, row]));

/** Undefined: no attribute of that identifier is known. Of a vendor's host attributes only the sizes are. */
export function rowOf(id: number): AttributeRow | undefined {
  return byId.get(id) ?? (isVendorHost(id) ? host(id, BINARY, 1023, 1) : undefined);
}

export const supportedIds: readonly number[] = rows.map(({ id }) => id);

/** Where the medium keeps it. */
export const placeOf = (row: AttributeRow, partition: number): number =>
  row.ofPartition ? partition : WHOLE_MEDIUM;
