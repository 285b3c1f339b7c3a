import { WHOLE_MEDIUM } from '../../backends/tape-medium.ts';
import type { MediumAttribute, TapeMedium } from '../../backends/tape-medium.ts';
import { AttributeFormat, AttributeId } from '../../scsi-cmds/ssc/attributes/identifiers.ts';

/** SPC-4 7.4.2: medium auxiliary memory as a person reads it. */
const NAMES: Readonly<Record<number, string>> = {
  [AttributeId.REMAINING_CAPACITY]: 'remaining capacity in partition',
  [AttributeId.MAXIMUM_CAPACITY]: 'maximum capacity in partition',
  [AttributeId.TAPEALERT_FLAGS]: 'TapeAlert flags',
  [AttributeId.LOAD_COUNT]: 'load count',
  [AttributeId.MAM_SPACE_REMAINING]: 'MAM space remaining',
  [AttributeId.ASSIGNING_ORGANIZATION]: 'assigning organization',
  [AttributeId.FORMATTED_DENSITY_CODE]: 'formatted density code',
  [AttributeId.INITIALIZATION_COUNT]: 'initialization count',
  [AttributeId.VOLUME_IDENTIFIER]: 'volume identifier',
  [AttributeId.VOLUME_CHANGE_REFERENCE]: 'volume change reference',
  [AttributeId.DRIVE_AT_LAST_LOAD]: 'device of last load',
  [AttributeId.DRIVE_AT_LOAD_BEFORE_1]: 'device of load before last',
  [AttributeId.DRIVE_AT_LOAD_BEFORE_2]: 'device of second load before last',
  [AttributeId.DRIVE_AT_LOAD_BEFORE_3]: 'device of third load before last',
  [AttributeId.MBYTES_WRITTEN_IN_LIFE]: 'total MiB written in medium life',
  [AttributeId.MBYTES_READ_IN_LIFE]: 'total MiB read in medium life',
  [AttributeId.MBYTES_WRITTEN_IN_LOAD]: 'total MiB written since last load',
  [AttributeId.MBYTES_READ_IN_LOAD]: 'total MiB read since last load',
  0x0224: 'logical position of first encrypted block',
  0x0225: 'logical position of first unencrypted block after that',
  0x0340: 'medium usage history',
  0x0341: 'partition usage history',
  [AttributeId.MEDIUM_MANUFACTURER]: 'medium manufacturer',
  [AttributeId.MEDIUM_SERIAL_NUMBER]: 'medium serial number',
  [AttributeId.MEDIUM_LENGTH]: 'medium length in metres',
  [AttributeId.MEDIUM_WIDTH]: 'medium width in tenths of a millimetre',
  [AttributeId.MEDIUM_ORGANIZATION]: 'assigning organization of medium',
  [AttributeId.MEDIUM_DENSITY_CODE]: 'medium density code',
  [AttributeId.MEDIUM_MANUFACTURE_DATE]: 'medium manufacture date',
  [AttributeId.MAM_CAPACITY]: 'MAM capacity',
  [AttributeId.MEDIUM_TYPE]: 'medium type',
  [AttributeId.MEDIUM_TYPE_INFORMATION]: 'medium type information',
  0x040a: 'numeric medium serial number',
  [AttributeId.APPLICATION_VENDOR]: 'application vendor',
  [AttributeId.APPLICATION_NAME]: 'application name',
  [AttributeId.APPLICATION_VERSION]: 'application version',
  [AttributeId.USER_MEDIUM_TEXT_LABEL]: 'user medium text label',
  [AttributeId.DATE_AND_TIME_LAST_WRITTEN]: 'date and time last written',
  [AttributeId.TEXT_LOCALIZATION_IDENTIFIER]: 'text localization identifier',
  [AttributeId.BARCODE]: 'barcode',
  [AttributeId.OWNING_HOST_TEXTUAL_NAME]: 'owning host textual name',
  [AttributeId.MEDIA_POOL]: 'media pool',
  [AttributeId.PARTITION_USER_TEXT_LABEL]: 'partition user text label',
  [AttributeId.LOAD_UNLOAD_AT_PARTITION]: 'load/unload at partition',
  [AttributeId.APPLICATION_FORMAT_VERSION]: 'application format version',
  [AttributeId.VOLUME_COHERENCY_INFORMATION]: 'volume coherency information',
  [AttributeId.MEDIUM_GLOBALLY_UNIQUE_IDENTIFIER]: 'medium globally unique identifier',
  [AttributeId.MEDIA_POOL_GLOBALLY_UNIQUE_IDENTIFIER]: 'media pool globally unique identifier',
  [AttributeId.BYTES_IN_LIFE]: 'bytes written and read in medium life',
};

export interface NamedAttribute {
  /** Undefined for one of the whole medium. */
  readonly partition: number | undefined;
  readonly id: number;
  readonly name: string;
  /** Text, a number, or the hexadecimal digits of what is neither. */
  readonly value: string | number;
}

/** SPC-4 7.4.1: from here on the standard leaves identifiers to vendors. */
const VENDOR_SPECIFIC = 0x0c00;
const NUMBER_BYTES = 8;

function valueOf({ format, value }: MediumAttribute): string | number {
  const bytes = Buffer.from(value);
  if (format !== AttributeFormat.BINARY) return bytes.toString('utf8').replace(/[\0 ]+$/, '');
  if (bytes.length === 0 || bytes.length > NUMBER_BYTES) return bytes.toString('hex');
  const number = Number(BigInt(`0x${bytes.toString('hex')}`));
  return Number.isSafeInteger(number) ? number : bytes.toString('hex');
}

/** All that is kept with the cartridge. */
export function namedAttributes({ attributes, partitions }: TapeMedium): NamedAttribute[] {
  const of = (partition: number): NamedAttribute[] =>
    attributes.entries(partition).map(attribute => ({
      partition: partition === WHOLE_MEDIUM ? undefined : partition,
      id: attribute.id,
      name: NAMES[attribute.id] ?? (attribute.id >= VENDOR_SPECIFIC ? 'vendor specific' : 'unknown'),
      value: valueOf(attribute),
    }));
  return [of(WHOLE_MEDIUM), ...partitions.map((_, partition) => of(partition))].flat();
}
