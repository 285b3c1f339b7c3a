import { ConfigError } from '../../config/config-error.ts';
import { densities } from '../../scsi-cmds/ssc/densities.ts';

/** What an LTO cartridge is: its name, what its barcode ends with, and what it holds. */
export interface MediaType {
  readonly name: string;
  readonly suffix: string;
  /** Of the cartridge that is written once. */
  readonly wormSuffix: string;
  readonly capacityBytes: number;
}

/** The letters of WORM cartridges by generation, the first of which has none. */
const WORM_LETTERS = '---TUVWXYZ';
const MB = 1_000_000;

/** Those that a drive here takes; manufacturers count capacities in powers of ten. */
export const MEDIA_TYPES: readonly MediaType[] = densities.map(({ mediaType, capacityMb }) => {
  const generation = mediaType.replace('LTO-', '');
  return {
    name: mediaType,
    suffix: `L${generation}`,
    wormSuffix: `L${WORM_LETTERS[Number(generation)]!}`,
    capacityBytes: capacityMb * MB,
  };
});

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
  const last = barcode.slice(-2);
  for (const type of MEDIA_TYPES) {
    if (type.suffix === last) return { type, worm: false };
    if (type.wormSuffix === last) return { type, worm: true };
  }
  return undefined;
}
