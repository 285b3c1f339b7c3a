import { Writer } from '../bytes/cursor.ts';
import type { Command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { VpdPage } from '../scsi-cmds/spc/vpd.ts';
import { CSCD_IDS } from './cscd/registry.ts';
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

/** A third-party copy descriptor: a row. `put` writes what follows its 4-byte header. */
interface PageDescriptor {
  readonly type: number;
  put(out: Writer, rows: readonly Command<LogicalUnit>[]): void;
}

/** SPC-4 7.8.17, by descriptor type. */
const DESCRIPTORS: readonly PageDescriptor[] = [
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

/** The Third-party Copy VPD page (SPC-4 7.8.17): what is listed works. */
export function thirdPartyCopyPage(rows: readonly Command<LogicalUnit>[]): VpdPage {
  const out = new Writer();
  for (const descriptor of DESCRIPTORS) {
    out.uint(2, descriptor.type);
    const length = out.lengthField(2);
    const start = out.length;
    descriptor.put(out, rows);
    // DESCRIPTOR PAD: every descriptor is a multiple of four long.
    out.zeros((4 - ((out.length - start) % 4)) % 4);
    length();
  }
  const body = Buffer.from(out.done());
  return { code: 0x8f, body: () => body };
}
