import { Writer } from '../bytes/cursor.ts';
import type { Command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { DiskUnit } from '../scsi-cmds/sbc/disk-unit.ts';
import type { VpdPage } from '../scsi-cmds/spc/vpd.ts';
import { CSCD_IDS } from './cscd/registry.ts';
import { descriptorCodes } from './descriptor-codes.ts';
import {
  DEFAULT_TOKEN_INACTIVITY_S,
  GRANULARITY_LOG2,
  HELD_DATA_BYTES,
  MAX_COPIES,
  MAX_CSCDS,
  MAX_DESCRIPTOR_LIST_BYTES,
  MAX_INLINE_BYTES,
  MAX_RANGES,
  MAX_ROD_BYTES,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENTS,
  MAX_STREAM_TRANSFER_BYTES,
  MAX_TOKEN_INACTIVITY_S,
  MAX_TOKEN_LIFETIME_S,
  MIN_TOKEN_LIFETIME_S,
  OPTIMAL_ROD_BYTES,
} from './limits.ts';
import { isDisk } from './tokens/rod.ts';
import { rodTypes } from './tokens/rod-types.ts';

/** A third-party copy descriptor: a row. `put` writes what follows its 4-byte header. */
interface PageDescriptor {
  readonly type: number;
  /** Absent: of every unit. */
  readonly of?: (unit: LogicalUnit) => boolean;
  put(out: Writer, rows: readonly Command<never>[], unit: LogicalUnit): void;
}

/** SPC-4 7.8.17, by descriptor type. */
const DESCRIPTORS: readonly PageDescriptor[] = [
  {
    type: 0x0000, // Block Device ROD Limits, SBC-3 6.6.9.3
    of: isDisk,
    put(out, _rows, unit) {
      const { blockSize } = unit as DiskUnit;
      out.zeros(6).uint(2, MAX_RANGES).uint(4, MAX_TOKEN_INACTIVITY_S).uint(4, DEFAULT_TOKEN_INACTIVITY_S);
      out.uint(8, MAX_ROD_BYTES / blockSize).uint(8, OPTIMAL_ROD_BYTES / blockSize);
    },
  },
  {
    type: 0x0001, // Supported Commands, 7.8.17.4
    put(out, rows) {
      const actions = new Map<number, number[]>();
      for (const row of rows)
        actions.set(row.opcode, [...(actions.get(row.opcode) ?? []), row.serviceAction!]);
      const length = out.lengthField(1);
      for (const [opcode, list] of [...actions].sort((a, b) => a[0] - b[0])) {
        out.uint(1, opcode).uint(1, list.length);
        for (const action of list.sort((a, b) => a - b)) out.uint(1, action);
      }
      length();
    },
  },
  {
    type: 0x0004, // Parameter Data, 7.8.17.5
    put: out =>
      out
        .zeros(4)
        .uint(2, MAX_CSCDS)
        .uint(2, MAX_SEGMENTS)
        .uint(4, MAX_DESCRIPTOR_LIST_BYTES)
        .uint(4, MAX_INLINE_BYTES)
        .zeros(12),
  },
  {
    type: 0x0008, // Supported Descriptors, 7.8.17.6
    put(out) {
      const codes = descriptorCodes();
      out.uint(1, codes.length).put(Uint8Array.from(codes));
    },
  },
  {
    type: 0x000c, // Supported CSCD IDs, 7.8.17.7
    put(out) {
      out.uint(2, 2 * CSCD_IDS.length);
      for (const id of CSCD_IDS) out.uint(2, id);
    },
  },
  {
    type: 0x0106, // ROD Token Features, 7.8.17.8: tokens of other targets are not taken
    put(out) {
      out.zeros(12).uint(4, MIN_TOKEN_LIFETIME_S).uint(4, MAX_TOKEN_LIFETIME_S);
      out.uint(4, MAX_TOKEN_INACTIVITY_S).zeros(18);
      const length = out.lengthField(2);
      putBlockFeatures(out);
      length();
    },
  },
  {
    type: 0x0108, // Supported ROD Types, 7.8.17.9
    put(out) {
      out.zeros(2);
      const length = out.lengthField(2);
      for (const { code, inCopies, tokenIn, tokenOut } of rodTypes.values()) {
        const flags = (inCopies ? 0x80 : 0) | (tokenIn ? 0x02 : 0) | (tokenOut ? 0x01 : 0);
        out.uint(4, code).uint(1, flags).zeros(59); // PREFERENCE INDICATION 0: none is told
      }
      length();
    },
  },
  {
    type: 0x8001, // General Copy Operations, 7.8.17.10
    put: out =>
      out
        .uint(4, MAX_COPIES)
        .uint(4, MAX_COPIES)
        .uint(4, MAX_SEGMENT_BYTES)
        .uint(1, GRANULARITY_LOG2)
        .uint(1, GRANULARITY_LOG2)
        .zeros(18),
  },
  {
    type: 0x9101, // Stream Copy Operations, 7.8.17.11
    put: out => out.uint(4, MAX_STREAM_TRANSFER_BYTES).zeros(8),
  },
  {
    type: 0xc001, // Held Data, 7.8.17.12
    put: out => out.uint(4, HELD_DATA_BYTES).uint(1, GRANULARITY_LOG2).zeros(23),
  },
];

/** Block ROD device type specific features (SPC-4 7.8.17.8.2 table 653). */
function putBlockFeatures(out: Writer): void {
  out.zeros(2);
  const length = out.lengthField(2);
  out.zeros(4).uint(8, MAX_ROD_BYTES);
  // OPTIMAL BYTES IN BLOCK ROD TRANSFER, TO TOKEN PER SEGMENT, FROM TOKEN PER SEGMENT
  out.uint(8, OPTIMAL_ROD_BYTES).uint(8, MAX_ROD_BYTES).uint(8, OPTIMAL_ROD_BYTES).zeros(8);
  length();
}

/** The Third-party Copy VPD page (SPC-4 7.8.17) of units with these commands: what is listed works. */
export const thirdPartyCopyPage = (rows: readonly Command<never>[]): VpdPage => ({
  code: 0x8f,
  body: unit => bodyOf(unit, rows),
});

function bodyOf(unit: LogicalUnit, rows: readonly Command<never>[]): Buffer {
  const out = new Writer();
  for (const descriptor of DESCRIPTORS) {
    if (descriptor.of?.(unit) === false) continue;
    out.uint(2, descriptor.type);
    const length = out.lengthField(2);
    const start = out.length;
    descriptor.put(out, rows, unit);
    // DESCRIPTOR PAD: every descriptor is a multiple of four long.
    out.zeros((4 - ((out.length - start) % 4)) % 4);
    length();
  }
  return Buffer.from(out.done());
}
