import { bits, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';

/** GET LBA STATUS on the wire (SBC-3 5.4): for the disk that answers it and for the copy manager that asks. */
export const lbaStatusCdb = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  lba: u64(2),
  allocationLength: u32(10),
});

/** Before the descriptors: PARAMETER DATA LENGTH and four reserved bytes. */
export const LBA_STATUS_HEADER_BYTES = 8;

export const lbaStatusDescriptor = layout(16, {
  lba: u64(0),
  blocks: u32(8),
  provisioningStatus: bits(12, 0, 4),
});

/** PROVISIONING STATUS (SBC-3 5.4.2). */
export const Provisioning = { MAPPED: 0, DEALLOCATED: 1 } as const;
