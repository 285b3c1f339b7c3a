import { ascii, u16, u8, bytes } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { goodWithin, LUN_BITS } from '../spc/allocation.ts';
import { ASSIGNING_ORGANIZATION, densities, type Density } from '../ssc/densities.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { ElementType } from './element.ts';

const cdb = layout(10, { opcode: u8(0), allocationLength: u16(7) });

const header = layout(4, { reportBytes: u16(0) });

/** A volume type in the form of SSC's medium types (SSC-4 7.7), whose MEDIUM TYPE is that of an element descriptor. */
const descriptor = layout(56, {
  mediumType: u8(0),
  descriptorBytes: u16(2),
  densityCodes: u8(4),
  primaryDensityCodes: bytes(5, 9),
  mediaWidth: u16(14),
  mediaLength: u16(16),
  organization: ascii(20, 8),
  name: ascii(28, 8),
  description: ascii(36, 20),
});

const DATA_MEDIUM = 1;

/** What the drives of the library can read. */
const typesOf = ({ elements }: ChangerUnit): readonly Density[] =>
  densities.filter(density =>
    elements.of(ElementType.DATA_TRANSFER).some(({ drive }) => drive!.personality.reads.includes(density)),
  );

export const reportVolumeTypes = command<ChangerUnit>({
  name: 'REPORT VOLUME TYPES SUPPORTED', // SMC-3 6.13
  opcode: 0x44,
  cdb,
  access: 'always',
  ordering: 'free',
  tolerated: LUN_BITS,
  run(unit, task) {
    const types = typesOf(unit);
    const out = Buffer.alloc(header.length + types.length * descriptor.length);
    header.reportBytes.set(out, out.length - 2);
    types.forEach(({ mediaType, code, mediaWidth, mediumLength, description }, i) => {
      const at = out.subarray(header.length + i * descriptor.length);
      descriptor.mediumType.set(at, DATA_MEDIUM);
      descriptor.descriptorBytes.set(at, descriptor.length - 4);
      descriptor.densityCodes.set(at, 1);
      descriptor.primaryDensityCodes.set(at, Uint8Array.of(code));
      descriptor.mediaWidth.set(at, mediaWidth);
      descriptor.mediaLength.set(at, mediumLength);
      descriptor.organization.set(at, ASSIGNING_ORGANIZATION);
      descriptor.name.set(at, mediaType);
      descriptor.description.set(at, description);
    });
    goodWithin(task, out, cdb.allocationLength.get(task.cdb));
  },
});
