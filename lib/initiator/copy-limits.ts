import { u16, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { tooShort } from './inquiry.ts';
import { cdbOf, type Unit } from './unit.ts';

/** RECEIVE COPY OPERATING PARAMETERS (SPC-4 6.22 table 244). */
const parameters = layout(44, {
  maxCscds: u16(8),
  maxSegments: u16(10),
  maxDescriptorListLength: u32(12),
  maxSegmentLength: u32(16),
  maxStreamTransfer: u32(28),
  implementedLength: u8(43),
});

export interface CopyLimits {
  readonly maxSegments: number;
  /** CSCD and segment descriptors together. */
  readonly maxDescriptorListBytes: number;
  readonly maxSegmentBytes: number;
  readonly maxStreamTransferBytes: number;
  /** Segment and CSCD descriptor types that the copy manager can do. */
  readonly types: ReadonlySet<number>;
}

/** 0 stands for no limit (SPC-4 6.22). */
const orNone = (value: number): number => (value === 0 ? Number.MAX_SAFE_INTEGER : value);

export async function copyLimits(unit: Unit): Promise<CopyLimits> {
  const cdb = cdbOf(16, 0x84, 0x03);
  cdb.writeUInt32BE(1024, 10);
  const data = await unit.read('RECEIVE COPY OPERATING PARAMETERS', cdb, 1024);
  if (data.length < parameters.length) throw tooShort('RECEIVE COPY OPERATING PARAMETERS', unit.lun);
  const end = parameters.length + parameters.implementedLength.get(data);
  return {
    maxSegments: orNone(parameters.maxSegments.get(data)),
    maxDescriptorListBytes: orNone(parameters.maxDescriptorListLength.get(data)),
    maxSegmentBytes: orNone(parameters.maxSegmentLength.get(data)),
    maxStreamTransferBytes: orNone(parameters.maxStreamTransfer.get(data)),
    types: new Set(data.subarray(parameters.length, end)),
  };
}
