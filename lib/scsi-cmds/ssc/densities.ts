/** A recording format (SSC-4 7.9), and the cartridge that is made for it. */
export interface Density {
  readonly code: number;
  /** As a cartridge's label names its kind. */
  readonly mediaType: string;
  /** MEDIUM TYPE of an LTO cartridge for data; one for WORM has 4 more. */
  readonly mediumType: number;
  readonly bitsPerMm: number;
  /** In tenths of a millimetre. */
  readonly mediaWidth: number;
  /** In metres. */
  readonly mediumLength: number;
  readonly tracks: number;
  /** Of a cartridge as sold, in millions of bytes. */
  readonly capacityMb: number;
  readonly name: string;
  readonly description: string;
}

const LTO_WIDTH = 127;
export const ASSIGNING_ORGANIZATION = 'LTO-CVE';

const row = (
  generation: number,
  [code, bitsPerMm, mediumLength, tracks, capacityMb, name, description]: readonly [
    ...[number, number, number, number, number],
    ...[string, string],
  ],
): Density => ({
  code,
  mediaType: `LTO-${generation}`,
  mediumType: (generation << 4) | 0x08,
  bitsPerMm,
  mediaWidth: LTO_WIDTH,
  mediumLength,
  tracks,
  capacityMb,
  name,
  description,
});

/** By DENSITY CODE, ascending, as a list of them has to be. */
export const densities: readonly Density[] = [
  row(4, [0x46, 12725, 820, 896, 800_000, 'U-416', 'Ultrium 4/16T']),
  row(5, [0x58, 15142, 846, 1280, 1_500_000, 'U-516', 'Ultrium 5/16T']),
  row(6, [0x5a, 15142, 846, 2176, 2_500_000, 'U-616', 'Ultrium 6/16T']),
  row(7, [0x5c, 19107, 960, 3584, 6_000_000, 'U-732', 'Ultrium 7/32T']),
  row(8, [0x5e, 20669, 960, 6656, 12_000_000, 'U-832', 'Ultrium 8/32T']),
  row(9, [0x60, 21456, 1035, 8960, 18_000_000, 'U-932', 'Ultrium 9/32T']),
];

/** What a drive of no particular make writes. */
export const LTO_6: Density = densities.find(({ mediaType }) => mediaType === 'LTO-6')!;
