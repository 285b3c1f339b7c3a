import { bit, bits, u16, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { Command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { goodWithin } from '../scsi-cmds/spc/allocation.ts';
import { descriptorCodes } from './descriptor-codes.ts';
import {
  GRANULARITY_LOG2,
  HELD_DATA_BYTES,
  MAX_COPIES,
  MAX_CSCDS,
  MAX_DESCRIPTOR_LIST_BYTES,
  MAX_INLINE_BYTES,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENTS,
  MAX_STREAM_TRANSFER_BYTES,
} from './limits.ts';
import { AVAILABLE_BYTES, receiveRow } from './receive-copy.ts';

const cdb = layout(16, { opcode: u8(0), serviceAction: bits(1, 0, 5), allocationLength: u32(10) });

/** SPC-4 6.22 table 244. */
export const operatingParameters = layout(44, {
  availableData: u32(0),
  supportsNoListId: bit(4, 0),
  maxCscds: u16(8),
  maxSegments: u16(10),
  maxDescriptorListLength: u32(12),
  maxSegmentLength: u32(16),
  maxInlineLength: u32(20),
  heldDataLimit: u32(24),
  maxStreamTransfer: u32(28),
  totalConcurrentCopies: u16(34),
  maxConcurrentCopies: u8(36),
  dataGranularity: u8(37),
  inlineGranularity: u8(38),
  heldGranularity: u8(39),
  implementedLength: u8(43),
});

/** RECEIVE COPY OPERATING PARAMETERS (SPC-4 6.22). */
export const receiveCopyOperatingParameters = (): Command<LogicalUnit> =>
  receiveRow('RECEIVE COPY OPERATING PARAMETERS', 0x03, cdb, task => {
    const codes = descriptorCodes();
    const out = Buffer.alloc(operatingParameters.length + codes.length);
    const p = operatingParameters;
    p.availableData.set(out, out.length - AVAILABLE_BYTES);
    p.supportsNoListId.set(out, true);
    p.maxCscds.set(out, MAX_CSCDS);
    p.maxSegments.set(out, MAX_SEGMENTS);
    p.maxDescriptorListLength.set(out, MAX_DESCRIPTOR_LIST_BYTES);
    p.maxSegmentLength.set(out, MAX_SEGMENT_BYTES);
    p.maxInlineLength.set(out, MAX_INLINE_BYTES);
    p.heldDataLimit.set(out, HELD_DATA_BYTES);
    p.maxStreamTransfer.set(out, MAX_STREAM_TRANSFER_BYTES);
    p.totalConcurrentCopies.set(out, MAX_COPIES);
    p.maxConcurrentCopies.set(out, MAX_COPIES);
    p.dataGranularity.set(out, GRANULARITY_LOG2);
    p.inlineGranularity.set(out, GRANULARITY_LOG2);
    p.heldGranularity.set(out, GRANULARITY_LOG2);
    p.implementedLength.set(out, codes.length);
    out.set(codes, p.length);
    goodWithin(task, out, cdb.allocationLength.get(task.cdb));
  });
