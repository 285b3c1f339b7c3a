import { VENDOR } from '../identity.ts';
import { type Density, densities, LTO_6 } from './densities.ts';
import { MAX_BLOCK_BYTES } from './limits.ts';

/** Which drive a unit is taken for: a row. */
export interface Personality {
  /** What a configuration calls it. */
  readonly name: string;
  readonly vendor: string;
  readonly product: string;
  /** Undefined: the version of this program. */
  readonly revision: string | undefined;
  /** What it writes on a cartridge that says nothing of its kind. */
  readonly native: Density;
  readonly writes: readonly Density[];
  readonly reads: readonly Density[];
  /** DCE as it comes from the factory. */
  readonly compresses: boolean;
  readonly mostBlockBytes: number;
  /** MEDIUM TYPE of the mode parameter header names the cartridge. */
  readonly tellsMediumType: boolean;
}

const generation = (number: number): Density =>
  densities.find(({ mediaType }) => mediaType === `LTO-${number}`)!;

/** LTO: a drive writes its own generation and the one before; until the eighth it read one more. */
function ibm(number: number, revision: string, reads: readonly number[]): Personality {
  const product = `ULT3580-TD${number}`;
  const writes = [number - 1, number].map(generation);
  return {
    name: product,
    vendor: 'IBM',
    product,
    revision,
    native: generation(number),
    writes,
    reads: [...reads.map(generation), ...writes],
    compresses: true,
    mostBlockBytes: 8 * 1024 * 1024,
    tellsMediumType: true,
  };
}

/** A drive of no particular make, that takes every cartridge. */
export const GENERIC: Personality = {
  name: 'LTO',
  vendor: VENDOR,
  product: 'TAPE',
  revision: undefined,
  native: LTO_6,
  writes: densities,
  reads: densities,
  compresses: false,
  mostBlockBytes: MAX_BLOCK_BYTES,
  tellsMediumType: false,
};

/** LTFS takes IBM's by their INQUIRY data. */
export const personalities: readonly Personality[] = [
  GENERIC,
  ibm(6, 'H990', [4]),
  ibm(7, 'M6Q1', [5]),
  ibm(8, 'P371', []),
];

/** By the name that a configuration gives it, in whatever case. */
export const personalityNamed = (name: string): Personality | undefined =>
  personalities.find(each => each.name.toLowerCase() === name.toLowerCase());

/** What the drive can do with a cartridge of a kind; '' is a kind that every drive takes for its own. */
export function compatibility(of: Personality, mediaType: string): 'writes' | 'reads' | 'nothing' {
  if (mediaType === '' || of.writes.some(density => density.mediaType === mediaType)) return 'writes';
  return of.reads.some(density => density.mediaType === mediaType) ? 'reads' : 'nothing';
}

export const densityOn = (of: Personality, mediaType: string): Density =>
  densities.find(density => density.mediaType === mediaType) ?? of.native;
