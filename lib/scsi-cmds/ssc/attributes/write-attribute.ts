import { MediumError } from '../../../backends/medium-error.ts';
import type { MediumAttribute } from '../../../backends/tape-medium.ts';
import { bit, u32, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import { command } from '../../command.ts';
import {
  illegalRequest,
  invalidFieldInCdb,
  invalidFieldInParameterList,
  parameterListLengthError,
} from '../../sense.ts';
import { requirePartition } from '../address.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { ATTRIBUTE_HEADER_BYTES, bytesOfHosts, HOST_BYTES, placeOf, rowOf } from './attribute-rows.ts';
import { isVendorHost } from './identifiers.ts';

const cdb = layout(16, {
  opcode: u8(0),
  writeThrough: bit(1, 0),
  logicalVolume: u8(5),
  partition: u8(7),
  parameterListLength: u32(10),
});

/** PARAMETER DATA LENGTH. */
const LIST_HEADER_BYTES = 4;
/** All the host attributes there are, and as much again. */
const MOST_LIST_BYTES = 16 * 1024;
const FORMAT = 0x03;
const RESERVED = 0x7c;
/** AUXILIARY MEMORY OUT OF SPACE. */
const OUT_OF_SPACE = 0x5506;

/** Changes by the place where the medium keeps them. */
type Changes = Map<number, MediumAttribute[]>;

/** The whole list is right, or it throws where it is not (SPC-4 6.51). */
function parse(list: Buffer, partition: number): Changes {
  if (list.length < LIST_HEADER_BYTES) throw parameterListLengthError();
  const end = LIST_HEADER_BYTES + list.readUInt32BE(0);
  if (end > list.length) throw parameterListLengthError();
  if (end < list.length) throw invalidFieldInParameterList(0);
  const changes: Changes = new Map();
  let last = -1;
  for (let at = LIST_HEADER_BYTES; at < end;) {
    if (end - at < ATTRIBUTE_HEADER_BYTES) throw parameterListLengthError();
    const id = list.readUInt16BE(at);
    const row = rowOf(id);
    // Unknown, not the host's to write, or out of order.
    if (row === undefined || row.value !== undefined || id <= last) throw invalidFieldInParameterList(at);
    last = id;
    const control = list[at + 2]!;
    if ((control & RESERVED) !== 0) {
      throw invalidFieldInParameterList(at + 2, 31 - Math.clz32(control & RESERVED));
    }
    const length = list.readUInt16BE(at + 3);
    if (length !== 0 && (length < row.least || length > row.most)) throw invalidFieldInParameterList(at + 3);
    if (at + ATTRIBUTE_HEADER_BYTES + length > end) throw parameterListLengthError();
    const format = control & FORMAT;
    const known = isVendorHost(id) ? format < FORMAT : format === row.format;
    if (length !== 0 && !known) throw invalidFieldInParameterList(at + 2, 1);
    at += ATTRIBUTE_HEADER_BYTES;
    const place = placeOf(row, partition);
    const value = Uint8Array.from(list.subarray(at, at + length));
    changes.set(place, [...(changes.get(place) ?? []), { id, format, value }]);
    at += length;
  }
  return changes;
}

/** Throws when what there would be is more than hosts may have. */
function requireRoom(unit: TapeUnit, changes: Changes): void {
  let bytes = bytesOfHosts(unit);
  for (const [place, list] of changes) {
    for (const { id, value } of list) {
      const kept = unit.medium.attributes.get(place, id);
      if (kept !== undefined) bytes -= ATTRIBUTE_HEADER_BYTES + kept.value.length;
      if (value.length > 0) bytes += ATTRIBUTE_HEADER_BYTES + value.length;
    }
  }
  if (bytes > HOST_BYTES) throw illegalRequest(OUT_OF_SPACE);
}

/** Host attributes are written, and deleted by a length of 0: all of the list, or none of it. */
export const writeAttribute = command<TapeUnit>({
  name: 'WRITE ATTRIBUTE', // SPC-4 6.51
  opcode: 0x8d,
  cdb,
  access: 'write',
  ordering: 'exclusive',
  medium: true,
  writes: true,
  timeoutSeconds: 60,
  dataOut(unit, task) {
    if (cdb.logicalVolume.get(task.cdb) !== 0) throw invalidFieldInCdb(5);
    requirePartition(unit, cdb.partition.get(task.cdb), 7);
    const length = cdb.parameterListLength.get(task.cdb);
    if (length > MOST_LIST_BYTES) throw invalidFieldInCdb(10);
    return length;
  },
  async run(unit, task) {
    if (task.wantedOut === 0) return task.good(); // SPC-4 6.51: not an error
    if (task.dataOut.length < task.wantedOut) throw parameterListLengthError();
    const partition = cdb.partition.get(task.cdb);
    requirePartition(unit, partition, 7);
    const changes = parse(task.dataOut, partition);
    requireRoom(unit, changes);
    try {
      for (const [place, list] of changes) await unit.medium.attributes.set(place, list);
    } catch (error) {
      if (error instanceof MediumError && error.fault === 'no-space') throw illegalRequest(OUT_OF_SPACE);
      throw error;
    }
    task.good();
  },
});
