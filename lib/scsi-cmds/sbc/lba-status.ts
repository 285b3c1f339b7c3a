import { bit, bits, u16, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';

/** GET LBA STATUS on the wire (SBC-3 5.4): for the disk that answers it and for the copy manager that asks. */
export const lbaStatusCdb = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  lba: u64(2),
  allocationLength: u32(10),
  reportType: u8(14),
});

/** SBC-4 GET LBA STATUS(32). */
export const lbaStatusCdb32 = layout(32, {
  opcode: u8(0),
  additionalLength: u8(7),
  serviceAction: u16(8),
  reportType: u8(10),
  lba: u64(12),
  scanLength: u32(20),
  elementIdentifier: u32(24),
  allocationLength: u32(28),
});

/** Before the descriptors. RTP: the report type has been heeded (SBC-4). */
export const lbaStatusHeader = layout(8, {
  dataLength: u32(0),
  completionCondition: bits(7, 1, 3),
  reportTypeProcessed: bit(7, 0),
});
export const LBA_STATUS_HEADER_BYTES = lbaStatusHeader.length;

export const lbaStatusDescriptor = layout(16, {
  lba: u64(0),
  blocks: u32(8),
  provisioningStatus: bits(12, 0, 4),
});

/** PROVISIONING STATUS (SBC-3 5.4.2). */
export const Provisioning = { MAPPED: 0, DEALLOCATED: 1, ANCHORED: 2 } as const;
