import { OWN_UNIT } from '../cscd/registry.ts';
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
    if (bytes.length !== type.layout.length) {
      throw refused(CopyCode.INVALID_FIELD, offset + segmentHeader.descriptorLength.offset);
    }
    requireStreamTransfer(type, list, bytes, offset);
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
    const deviceType = id === OWN_UNIT ? ownDeviceType : list.cscds[id]?.deviceType;
    // One that is not there is told when the segment is processed.
    if (deviceType === undefined || type[end] === undefined) continue;
    if (roleOf(deviceType) !== type[end]) throw refused(CopyCode.UNSUPPORTED_SEGMENT, offset);
  }
}

function requireStreamTransfer(type: SegmentType, list: ParameterList, bytes: Buffer, offset: number): void {
  if (type.streamTransfer === undefined) return;
  const { of, at } = type.streamTransfer;
  const count = type.streamTransfer.length(bytes);
  const cscd = list.cscds[segmentHeader[of].get(bytes)];
  const transfer = count * (cscd?.fixed === true ? cscd.blockLength : 1);
  if (count === 0 || transfer > MAX_STREAM_TRANSFER_BYTES) throw refused(CopyCode.INVALID_FIELD, offset + at);
}
