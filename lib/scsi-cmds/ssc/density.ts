import { ascii, bit, u16, u24, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { goodWithin } from '../spc/allocation.ts';
import type { TapeUnit } from './tape-unit.ts';

/** A recording format (SSC-4 7.9). */
export interface Density {
  readonly code: number;
  readonly bitsPerMm: number;
  /** In tenths of a millimetre. */
  readonly mediaWidth: number;
  readonly tracks: number;
  /** Of a cartridge as sold, in millions of bytes. */
  readonly capacityMb: number;
  readonly organization: string;
  readonly name: string;
  readonly description: string;
}

/** What a drive of no particular make writes. */
export const LTO_6: Density = {
  code: 0x5a,
  bitsPerMm: 15142,
  mediaWidth: 127,
  tracks: 2176,
  capacityMb: 2_500_000,
  organization: 'LTO-CVE',
  name: 'U-616',
  description: 'Ultrium 6/16T',
};

const cdb = layout(10, {
  opcode: u8(0),
  mediumType: bit(1, 1),
  media: bit(1, 0),
  allocationLength: u16(7),
});

const HEADER = 4;

const descriptor = layout(52, {
  primary: u8(0),
  secondary: u8(1),
  writable: bit(2, 7),
  duplicate: bit(2, 6),
  byDefault: bit(2, 5),
  lengthValid: bit(2, 0),
  descriptorLength: u16(3),
  bitsPerMm: u24(5),
  mediaWidth: u16(8),
  tracks: u16(10),
  capacityMb: u32(12),
  organization: ascii(16, 8),
  name: ascii(24, 8),
  description: ascii(32, 20),
});

const MILLION = 1_000_000;

function describe(density: Density, capacityBytes: number): Buffer {
  const data = Buffer.alloc(descriptor.length);
  descriptor.primary.set(data, density.code);
  descriptor.secondary.set(data, density.code);
  descriptor.writable.set(data, true);
  descriptor.byDefault.set(data, true);
  descriptor.bitsPerMm.set(data, density.bitsPerMm);
  descriptor.mediaWidth.set(data, density.mediaWidth);
  descriptor.tracks.set(data, density.tracks);
  descriptor.capacityMb.set(
    data,
    capacityBytes === 0 ? density.capacityMb : Math.min(Math.floor(capacityBytes / MILLION), 0xffff_ffff),
  );
  descriptor.organization.set(data, density.organization);
  descriptor.name.set(data, density.name);
  descriptor.description.set(data, density.description);
  return data;
}

/** MEDIA: of the cartridge in the drive, otherwise of the drive. There is one density, so the list is the same. */
export const reportDensitySupport = command<TapeUnit>({
  name: 'REPORT DENSITY SUPPORT', // SSC-4 7.9
  opcode: 0x44,
  cdb,
  access: 'always',
  ordering: 'free',
  timeoutSeconds: 60,
  run(unit, task) {
    if (cdb.mediumType.get(task.cdb)) throw invalidFieldInCdb(1, 1);
    const media = cdb.media.get(task.cdb);
    if (media) unit.requireMedium();
    const body = describe(unit.density, media ? unit.medium.capacityBytes : 0);
    const data = Buffer.concat([Buffer.alloc(HEADER), body]);
    data.writeUInt16BE(data.length - 2, 0);
    goodWithin(task, data, cdb.allocationLength.get(task.cdb));
  },
});
