import { WHOLE_MEDIUM } from '../../../backends/tape-medium.ts';
import { Writer } from '../../../bytes/cursor.ts';
import { bit, bits, u16, u32, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import { type Command, command } from '../../command.ts';
import { invalidFieldInCdb } from '../../sense.ts';
import { goodWithin } from '../../spc/allocation.ts';
import { requirePartition } from '../address.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { placeOf, rowOf, supportedIds } from './attribute-rows.ts';

const cdb = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  logicalVolume: u8(5),
  partition: u8(7),
  first: u16(8),
  allocationLength: u32(10),
  cache: bit(14, 0),
});

const READ_ONLY = 0x80;

interface Attribute {
  readonly id: number;
  readonly readOnly: boolean;
  readonly format: number;
  readonly value: Uint8Array;
}

/** The attribute as it is now; undefined while there is none. */
function read(unit: TapeUnit, partition: number, id: number): Attribute | undefined {
  const row = rowOf(id);
  if (row === undefined) return undefined;
  if (row.value !== undefined) {
    const value = row.value(unit, partition);
    return value === undefined ? undefined : { id, readOnly: true, format: row.format, value };
  }
  const kept = unit.medium.attributes.get(placeOf(row, partition), id);
  return kept === undefined ? undefined : { id, readOnly: false, format: kept.format, value: kept.value };
}

/** Identifiers from `first` on that a partition may have. */
function candidates(unit: TapeUnit, partition: number, first: number): number[] {
  const kept = [WHOLE_MEDIUM, partition].flatMap(place =>
    unit.medium.attributes.entries(place).map(({ id }) => id),
  );
  return [...new Set([...supportedIds, ...kept])].filter(id => id >= first).sort((a, b) => a - b);
}

function values(unit: TapeUnit, partition: number, first: number): Buffer {
  if (read(unit, partition, first) === undefined) throw invalidFieldInCdb(8); // SPC-4 6.17.2
  const out = new Writer();
  for (const id of candidates(unit, partition, first)) {
    const attribute = read(unit, partition, id);
    if (attribute === undefined) continue;
    const { readOnly, format, value } = attribute;
    out
      .uint(2, id)
      .uint(1, (readOnly ? READ_ONLY : 0) | format)
      .uint(2, value.length)
      .put(value);
  }
  return withLength(4, out.done());
}

function list(ids: readonly number[]): Buffer {
  const out = new Writer();
  for (const id of ids) out.uint(2, id);
  return withLength(4, out.done());
}

/** AVAILABLE DATA counts what comes behind it, however much of it is asked for. */
function withLength(bytes: 2 | 4, body: Uint8Array): Buffer {
  const head = Buffer.alloc(bytes);
  head.writeUIntBE(body.length, 0, bytes);
  return Buffer.concat([head, body]);
}

interface Form {
  readonly action: number;
  readonly name: string;
  build(unit: TapeUnit, partition: number, first: number): Buffer;
}

/** By service action (SPC-4 6.17). */
const forms: readonly Form[] = [
  { action: 0x00, name: 'ATTRIBUTE VALUES', build: values },
  {
    action: 0x01,
    name: 'ATTRIBUTE LIST',
    build: (unit, partition) =>
      list(candidates(unit, partition, 0).filter(id => read(unit, partition, id) !== undefined)),
  },
  // The first of them, and how many there are.
  { action: 0x02, name: 'LOGICAL VOLUME LIST', build: () => withLength(2, Uint8Array.of(0, 1)) },
  {
    action: 0x03,
    name: 'PARTITION LIST',
    build: unit => withLength(2, Uint8Array.of(0, unit.medium.partitions.length)),
  },
  { action: 0x05, name: 'SUPPORTED ATTRIBUTES', build: () => list(supportedIds) },
];

export const readAttribute: readonly Command<TapeUnit>[] = forms.map(form =>
  command<TapeUnit>({
    name: `READ ATTRIBUTE ${form.name}`, // SPC-4 6.17
    opcode: 0x8c,
    serviceAction: form.action,
    cdb,
    access: 'read',
    ordering: 'exclusive',
    medium: true,
    timeoutSeconds: 60,
    run(unit, task) {
      if (cdb.logicalVolume.get(task.cdb) !== 0) throw invalidFieldInCdb(5);
      const partition = cdb.partition.get(task.cdb);
      requirePartition(unit, partition, 7);
      const data = form.build(unit, partition, cdb.first.get(task.cdb));
      goodWithin(task, data, cdb.allocationLength.get(task.cdb));
    },
  }),
);
