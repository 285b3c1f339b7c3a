import { bit, bits, bytes, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, lun, requestNumbers } from './header.ts';

/** RFC 7143 11.3. */
export const scsiCommand = layout(BHS_LENGTH, {
  ...common,
  read: bit(1, 6),
  write: bit(1, 5),
  attribute: bits(1, 0, 3),
  lun,
  expectedDataTransferLength: u32(20),
  ...requestNumbers,
  cdb: bytes(32, 16),
});

/** ATTR field values, RFC 7143 11.3.1. */
export const CommandAttribute = { UNTAGGED: 0, SIMPLE: 1, ORDERED: 2, HEAD_OF_QUEUE: 3, ACA: 4 } as const;

/** Additional header segment types, RFC 7143 11.2.2. */
export const AhsType = { EXTENDED_CDB: 1, BIDIRECTIONAL_READ_LENGTH: 2 } as const;
