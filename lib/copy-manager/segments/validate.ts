import { OWN_UNIT } from '../cscd/ids.ts';
import { nullRole } from '../cscd/registry.ts';
import { MAX_STREAM_TRANSFER_BYTES } from '../limits.ts';
import { type ParameterList, segmentAt, segmentHeader } from '../parameter-list.ts';
import { CopyCode, refused } from '../sense.ts';
import { segmentTypes } from './registry.ts';
import { roleOf, type SegmentType } from './segment.ts';

/**
 * What can be told of the segments before any is processed (SPC-4 5.17.7.3). `ownDeviceType`: of the unit that the
 * command was sent to, which CSCD ID FFFFh names.
 */
export function validateSegments(list: ParameterList, ownDeviceType: number): void {
  for (const offset of list.segments) {
    const type = segmentTypes.get(list.bytes[offset]!);
    if (type === undefined) throw refused(CopyCode.UNSUPPORTED_SEGMENT, offset);
    const bytes = segmentAt(list, offset);
    const short = bytes.length < segmentHeader.length;
    if (!short) requireRoles(type, list, bytes, offset, ownDeviceType);
    const { length } = type.layout;
    if (type.variable === true ? bytes.length < length || bytes.length % 4 !== 0 : bytes.length !== length) {
      throw refused(CopyCode.INVALID_FIELD, offset + segmentHeader.descriptorLength.offset);
    }
    requireStreamTransfer(type, list, bytes, offset);
    if (type.holds === true && list.listId === undefined) {
      throw refused(CopyCode.INVALID_FIELD, offset); // SPC-4 6.4.3.2: what is held could not be asked for
    }
    requireNoRodWritten(type, list, bytes, offset);
    const wrong = type.wrong?.(bytes, list, ownDeviceType);
    if (wrong !== undefined) throw refused(CopyCode.INVALID_FIELD, offset + wrong);
  }
}

/** A stream segment between disks is one that this copy manager does not do: iscsi-test-cu wants to hear that. */
function requireRoles(
  type: SegmentType,
  list: ParameterList,
  bytes: Buffer,
  offset: number,
  ownDeviceType: number,
): void {
  if (type.wrongRole !== 'refuse') return;
  for (const end of ['source', 'destination'] as const) {
    const id = segmentHeader[end].get(bytes);
    const wanted = type[end];
    if (wanted === undefined || wanted === 'any') continue;
    const deviceType = id === OWN_UNIT ? ownDeviceType : list.cscds[id]?.deviceType;
    const role = nullRole(id) ?? (deviceType === undefined ? undefined : (roleOf(deviceType) ?? 'none'));
    // One that is not there is told when the segment is processed.
    if (role !== undefined && role !== wanted) throw refused(CopyCode.UNSUPPORTED_SEGMENT, offset);
  }
}

/** SPC-4 5.17.6.2.3.1: no point in time is written to, and no other ROD here; what populates one has a role of its own for it. */
function requireNoRodWritten(type: SegmentType, list: ParameterList, bytes: Buffer, offset: number): void {
  const at = segmentHeader.destination;
  if (type.destination !== undefined && list.cscds[at.get(bytes)]?.address.kind === 'rod') {
    throw refused(CopyCode.INVALID_FIELD, offset + at.offset);
  }
}

function requireStreamTransfer(type: SegmentType, list: ParameterList, bytes: Buffer, offset: number): void {
  for (const { of, field } of type.streamTransfers ?? []) {
    const count = field.get(bytes);
    const cscd = list.cscds[segmentHeader[of].get(bytes)];
    const transfer = count * (cscd?.fixed === true ? cscd.blockLength : 1);
    if (count === 0 || transfer > MAX_STREAM_TRANSFER_BYTES) {
      throw refused(CopyCode.INVALID_FIELD, offset + field.offset);
    }
  }
}
