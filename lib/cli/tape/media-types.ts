import { ConfigError } from '../../config/config-error.ts';

/** What an LTO cartridge is: its name, what its barcode ends with, and what it holds. */
export interface MediaType {
  readonly name: string;
  readonly suffix: string;
  /** Of the cartridge that is written once; generations 1 and 2 have none. */
  readonly wormSuffix?: string;
  readonly capacityBytes: number;
}

const GB = 1e9;
const TB = 1e12;

/** By generation; manufacturers count capacities in powers of ten. */
export const MEDIA_TYPES: readonly MediaType[] = [
  { name: 'LTO-1', suffix: 'L1', capacityBytes: 100 * GB },
  { name: 'LTO-2', suffix: 'L2', capacityBytes: 200 * GB },
  { name: 'LTO-3', suffix: 'L3', wormSuffix: 'LT', capacityBytes: 400 * GB },
  { name: 'LTO-4', suffix: 'L4', wormSuffix: 'LU', capacityBytes: 800 * GB },
  { name: 'LTO-5', suffix: 'L5', wormSuffix: 'LV', capacityBytes: 1.5 * TB },
  { name: 'LTO-6', suffix: 'L6', wormSuffix: 'LW', capacityBytes: 2.5 * TB },
  { name: 'LTO-7', suffix: 'L7', wormSuffix: 'LX', capacityBytes: 6 * TB },
  { name: 'LTO-8', suffix: 'L8', wormSuffix: 'LY', capacityBytes: 12 * TB },
  { name: 'LTO-9', suffix: 'L9', wormSuffix: 'LZ', capacityBytes: 18 * TB },
];

/** `LTO-6`, `lto6`; throws ConfigError for another. */
export function mediaTypeNamed(word: string): MediaType {
  const plain = word.toUpperCase().replace('-', '');
  const found = MEDIA_TYPES.find(({ name }) => name.replace('-', '') === plain);
  if (found !== undefined) return found;
  const names = MEDIA_TYPES.map(({ name }) => name);
  throw new ConfigError([], `--type ${word}: a type is one of ${names.join(', ')}`);
}

/** What the last two of the eight characters of a barcode say. */
export function mediaTypeOfBarcode(barcode: string): { type: MediaType; worm: boolean } | undefined {
  if (barcode.length !== 8) return undefined;
  const suffix = barcode.slice(-2);
  for (const type of MEDIA_TYPES) {
    if (type.suffix === suffix) return { type, worm: false };
    if (type.wormSuffix === suffix) return { type, worm: true };
  }
  return undefined;
}
