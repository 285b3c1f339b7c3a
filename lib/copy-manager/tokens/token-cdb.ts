import { bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';

/** POPULATE TOKEN and WRITE USING TOKEN (SBC-3 5.12.1, 5.59.1). */
export const tokenCdb = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  listId: u32(6),
  parameterListLength: u32(10),
  group: bits(14, 0, 5),
});
