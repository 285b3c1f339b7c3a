import { bit, bits, u16, u24, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { goodWithin } from '../spc/allocation.ts';
import type { TapeUnit } from './tape-unit.ts';

const cdb = layout(10, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  allocationLength: u16(7),
});

/** What all forms tell. A reader finds at once what was written, so no object is in a buffer and both locations are one. */
const flags = { beginning: bit(0, 7), end: bit(0, 6), programmable: bit(0, 0) };

const shortForm = layout(20, {
  ...flags,
  objectCountUnknown: bit(0, 5),
  byteCountUnknown: bit(0, 4),
  locationUnknown: bit(0, 2),
  positionError: bit(0, 1),
  partition: u8(1),
  first: u32(4),
  last: u32(8),
  objectsInBuffer: u24(13),
  bytesInBuffer: u32(16),
});

const longForm = layout(32, {
  ...flags,
  markUnknown: bit(0, 3),
  objectUnknown: bit(0, 2),
  partition: u32(4),
  object: u64(8),
  file: u64(16),
});

const extendedForm = layout(32, {
  ...flags,
  objectCountUnknown: bit(0, 5),
  byteCountUnknown: bit(0, 4),
  locationUnknown: bit(0, 2),
  positionError: bit(0, 1),
  partition: u8(1),
  additionalLength: u16(2),
  objectsInBuffer: u24(5),
  first: u64(8),
  last: u64(16),
  bytesInBuffer: u64(24),
});

const MAX_SHORT = 0xffff_ffff;

function begin(unit: TapeUnit, form: { readonly length: number }): Buffer {
  const data = Buffer.alloc(form.length);
  flags.beginning.set(data, unit.medium.atBeginning);
  flags.end.set(data, unit.medium.pastEarlyWarning);
  flags.programmable.set(data, unit.pastProgrammableWarning); // BPEW
  return data;
}

/** A form by service action (SSC-4 7.7, table of READ POSITION service actions). */
interface Form {
  readonly action: number;
  readonly name: string;
  /** ALLOCATION LENGTH counts; the older forms send all they have. */
  readonly bounded: boolean;
  build(unit: TapeUnit): Buffer;
}

/** An address that does not fit is told by PERR. */
function buildShort(unit: TapeUnit): Buffer {
  const data = begin(unit, shortForm);
  const { object, partition } = unit.medium.position;
  shortForm.partition.set(data, partition);
  if (object > MAX_SHORT) {
    shortForm.positionError.set(data, true);
    return data;
  }
  shortForm.first.set(data, object);
  shortForm.last.set(data, object);
  return data;
}

const forms: readonly Form[] = [
  { action: 0x00, name: 'SHORT FORM', bounded: false, build: buildShort },
  // The address is a vendor's own here: the same one.
  { action: 0x01, name: 'SHORT FORM VENDOR-SPECIFIC', bounded: false, build: buildShort },
  {
    action: 0x06,
    name: 'LONG FORM',
    bounded: false,
    build(unit) {
      const data = begin(unit, longForm);
      longForm.partition.set(data, unit.medium.position.partition);
      longForm.object.set(data, unit.medium.position.object);
      longForm.file.set(data, unit.medium.position.file);
      return data;
    },
  },
  {
    action: 0x08,
    name: 'EXTENDED FORM',
    bounded: true,
    build(unit) {
      const data = begin(unit, extendedForm);
      extendedForm.additionalLength.set(data, extendedForm.length - 4);
      extendedForm.partition.set(data, unit.medium.position.partition);
      extendedForm.first.set(data, unit.medium.position.object);
      extendedForm.last.set(data, unit.medium.position.object);
      return data;
    },
  },
];

export const readPosition = forms.map(form =>
  command<TapeUnit>({
    name: `READ POSITION ${form.name}`, // SSC-4 7.7
    opcode: 0x34,
    serviceAction: form.action,
    cdb,
    access: 'read',
    ordering: 'exclusive',
    medium: true,
    timeoutSeconds: 60,
    run(unit, task) {
      const data = form.build(unit);
      goodWithin(task, data, form.bounded ? cdb.allocationLength.get(task.cdb) : data.length);
    },
  }),
);
