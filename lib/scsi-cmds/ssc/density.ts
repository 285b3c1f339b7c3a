import { ascii, bit, bytes, u16, u24, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { goodWithin } from '../spc/allocation.ts';
import { ASSIGNING_ORGANIZATION, type Density } from './densities.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb = layout(10, {
  opcode: u8(0),
  mediumType: bit(1, 1),
  media: bit(1, 0),
  allocationLength: u16(7),
});

const HEADER = 4;

const densityDescriptor = layout(52, {
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

/** Medium type descriptor (SSC-4 7.9.4). */
const mediumDescriptor = layout(56, {
  type: u8(0),
  descriptorLength: u16(2),
  densityCount: u8(4),
  densityCodes: bytes(5, 9),
  mediaWidth: u16(14),
  mediumLength: u16(16),
  organization: ascii(20, 8),
  name: ascii(28, 8),
  description: ascii(36, 20),
});

const MILLION = 1_000_000;

/** Told of a kind of cartridge that takes writing and keeps it. */
const WORM = 0x04;

function describeDensity(unit: TapeUnit, density: Density, capacityBytes: number): Buffer {
  const data = Buffer.alloc(densityDescriptor.length);
  densityDescriptor.primary.set(data, density.code);
  densityDescriptor.secondary.set(data, density.code);
  densityDescriptor.writable.set(data, unit.personality.writes.includes(density));
  densityDescriptor.byDefault.set(data, density === unit.personality.native);
  densityDescriptor.bitsPerMm.set(data, density.bitsPerMm);
  densityDescriptor.mediaWidth.set(data, density.mediaWidth);
  densityDescriptor.tracks.set(data, density.tracks);
  densityDescriptor.capacityMb.set(
    data,
    capacityBytes === 0 ? density.capacityMb : Math.min(Math.floor(capacityBytes / MILLION), 0xffff_ffff),
  );
  densityDescriptor.organization.set(data, ASSIGNING_ORGANIZATION);
  densityDescriptor.name.set(data, density.name);
  densityDescriptor.description.set(data, density.description);
  return data;
}

function describeMedium(density: Density, worm: boolean): Buffer {
  const data = Buffer.alloc(mediumDescriptor.length);
  mediumDescriptor.type.set(data, density.mediumType | (worm ? WORM : 0));
  mediumDescriptor.descriptorLength.set(data, data.length - 4);
  mediumDescriptor.densityCount.set(data, 1);
  mediumDescriptor.densityCodes.set(data, Uint8Array.of(density.code));
  mediumDescriptor.mediaWidth.set(data, density.mediaWidth);
  mediumDescriptor.mediumLength.set(data, density.mediumLength);
  mediumDescriptor.organization.set(data, ASSIGNING_ORGANIZATION);
  mediumDescriptor.name.set(data, density.mediaType);
  mediumDescriptor.description.set(data, `Ultrium ${density.mediaType.slice(4)} ${worm ? 'WORM' : 'Data'}`);
  return data;
}

/** MEDIA: of the cartridge in the drive, otherwise of all that the drive reads. */
export const reportDensitySupport = command<TapeUnit>({
  name: 'REPORT DENSITY SUPPORT', // SSC-4 7.9
  opcode: 0x44,
  cdb,
  access: 'always',
  ordering: 'free',
  timeoutSeconds: 60,
  run(unit, task) {
    const media = cdb.media.get(task.cdb);
    if (media) unit.requireMedium();
    const told = media ? [unit.density] : unit.personality.reads;
    const body = cdb.mediumType.get(task.cdb)
      ? told.flatMap(density =>
          media
            ? [describeMedium(density, unit.medium.label.worm)]
            : [describeMedium(density, false), describeMedium(density, true)],
        )
      : told.map(density => describeDensity(unit, density, media ? unit.medium.label.capacityBytes : 0));
    const data = Buffer.concat([Buffer.alloc(HEADER), ...body]);
    data.writeUInt16BE(data.length - 2, 0);
    goodWithin(task, data, cdb.allocationLength.get(task.cdb));
  },
});
