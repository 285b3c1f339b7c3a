import { WHOLE_MEDIUM } from '../../backends/tape-medium.ts';
import type { MediumAttribute, TapeMedium } from '../../backends/tape-medium.ts';

/** SPC-4 7.4.2: medium auxiliary memory as a person reads it. */
const NAMES: Readonly<Record<number, string>> = {
  0x0000: 'remaining capacity in partition',
  0x0001: 'maximum capacity in partition',
  0x0002: 'TapeAlert flags',
  0x0003: 'load count',
  0x0004: 'MAM space remaining',
  0x0005: 'assigning organization',
  0x0006: 'formatted density code',
  0x0007: 'initialization count',
  0x0008: 'volume identifier',
  0x0009: 'volume change reference',
  0x020a: 'device of last load',
  0x020b: 'device of load before last',
  0x020c: 'device of second load before last',
  0x020d: 'device of third load before last',
  0x0220: 'total MiB written in medium life',
  0x0221: 'total MiB read in medium life',
  0x0222: 'total MiB written since last load',
  0x0223: 'total MiB read since last load',
  0x0224: 'logical position of first encrypted block',
  0x0225: 'logical position of first unencrypted block after that',
  0x0340: 'medium usage history',
  0x0341: 'partition usage history',
  0x0400: 'medium manufacturer',
  0x0401: 'medium serial number',
  0x0402: 'medium length in metres',
  0x0403: 'medium width in tenths of a millimetre',
  0x0404: 'assigning organization of medium',
  0x0405: 'medium density code',
  0x0406: 'medium manufacture date',
  0x0407: 'MAM capacity',
  0x0408: 'medium type',
  0x0409: 'medium type information',
  0x040a: 'numeric medium serial number',
  0x0800: 'application vendor',
  0x0801: 'application name',
  0x0802: 'application version',
  0x0803: 'user medium text label',
  0x0804: 'date and time last written',
  0x0805: 'text localization identifier',
  0x0806: 'barcode',
  0x0807: 'owning host textual name',
  0x0808: 'media pool',
  0x0809: 'partition user text label',
  0x080a: 'load/unload at partition',
  0x080b: 'application format version',
  0x080c: 'volume coherency information',
  0x0820: 'medium globally unique identifier',
  0x0821: 'media pool globally unique identifier',
};

export interface NamedAttribute {
  /** Undefined for one of the whole medium. */
  readonly partition: number | undefined;
  readonly id: number;
  readonly name: string;
  /** Text, a number of up to six bytes, or hexadecimal digits. */
  readonly value: string | number;
}

/** FORMAT: binary. */
const BINARY = 0;
const LONGEST_NUMBER_BYTES = 6;

function valueOf({ format, value }: MediumAttribute): string | number {
  const bytes = Buffer.from(value);
  if (format !== BINARY) return bytes.toString('utf8').replace(/[\0 ]+$/, '');
  if (bytes.length > 0 && bytes.length <= LONGEST_NUMBER_BYTES) return bytes.readUIntBE(0, bytes.length);
  return bytes.toString('hex');
}

/** All that is kept with the cartridge. */
export function namedAttributes({ attributes, partitions }: TapeMedium): NamedAttribute[] {
  const of = (partition: number): NamedAttribute[] =>
    attributes.entries(partition).map(attribute => ({
      partition: partition === WHOLE_MEDIUM ? undefined : partition,
      id: attribute.id,
      name: NAMES[attribute.id] ?? (attribute.id >= 0x1400 ? 'vendor specific' : 'unknown'),
      value: valueOf(attribute),
    }));
  return [of(WHOLE_MEDIUM), ...partitions.map((_, partition) => of(partition))].flat();
}
