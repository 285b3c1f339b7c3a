/** CDBs that name a range of blocks, and the checks that all of them share. */
import { bit, bits, type Field, u16, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { illegalRequest, invalidFieldInCdb, lbaOutOfRange } from '../sense.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';

/** 21 bits from bit 4 of byte 1 on: LOGICAL BLOCK ADDRESS of 6-byte CDBs. */
const lba6: Field<number> = {
  offset: 1,
  bytes: 3,
  mask: [0x1f, 0xff, 0xff],
  get: from => ((from[1]! & 0x1f) << 16) | (from[2]! << 8) | from[3]!,
  set: (into, value) => {
    into[1] = (into[1]! & 0xe0) | (value >>> 16);
    into[2] = value >>> 8;
    into[3] = value;
  },
};

const opcode = u8(0);

/** Where LBA, count and group lie in CDBs of 10, 12 and 16 bytes (SPC-4 4.2.5). */
export const at10 = { opcode, lba: u32(2), group: bits(6, 0, 5), blocks: u16(7) } as const;
export const at12 = { opcode, lba: u32(2), blocks: u32(6), group: bits(10, 0, 5) } as const;
export const at16 = { opcode, lba: u64(2), blocks: u32(10), group: bits(14, 0, 5) } as const;
/** And in one of 32 bytes, which has the flags of byte 1 in byte 10. */
export const at32 = {
  opcode,
  group: bits(6, 0, 5),
  additionalLength: u8(7),
  serviceAction: u16(8),
  lba: u64(12),
  blocks: u32(28),
} as const;

const cacheBits = { dpo: bit(1, 4), fua: bit(1, 3) } as const;
export const cacheBits32 = { dpo: bit(10, 4), fua: bit(10, 3) } as const;

/** READ, WRITE and ORWRITE. RDPROTECT and WRPROTECT are not there as PROTECT is 0. */
export const transfer6 = layout(6, { opcode, lba: lba6, blocks: u8(4) });
export const transfer10 = layout(10, { ...at10, ...cacheBits });
export const transfer12 = layout(12, { ...at12, ...cacheBits });
export const transfer16 = layout(16, { ...at16, ...cacheBits });
export const transfer32 = layout(32, { ...at32, ...cacheBits32 });

export type TransferCdb =
  typeof transfer6 | typeof transfer10 | typeof transfer12 | typeof transfer16 | typeof transfer32;

/** A length of 0 is no error, also just behind the last block (SBC-3 5.11). */
export function requireRange(unit: DiskUnit, lba: number, blocks: number): void {
  if (lba + blocks <= unit.blocks) return;
  throw Number.isSafeInteger(lba) ? lbaOutOfRange(Math.max(lba, unit.blocks)) : illegalRequest(0x2100);
}

/** Inside the medium and no longer than MAXIMUM TRANSFER LENGTH (SBC-3 6.6, block limits); `lengthAt` is the field's first byte. */
export function requireTransfer(unit: DiskUnit, lba: number, blocks: number, lengthAt: number): void {
  if (lba + blocks > unit.blocks) requireRange(unit, lba, blocks);
  if (blocks > unit.maxTransferBlocks) throw invalidFieldInCdb(lengthAt);
}

/** INVALID FIELD IN COMMAND INFORMATION UNIT: the initiator announced a length that the command cannot work with. */
export const wrongDataLength = (): ReturnType<typeof illegalRequest> => illegalRequest(0x0e03);

/** What came of a write's data, in whole blocks; a piece of a block is refused and nothing is written. */
export function wholeBlocks(unit: DiskUnit, task: Task): Buffer {
  const data = task.dataOut;
  if (data.length % unit.blockSize !== 0) throw wrongDataLength();
  return data;
}
