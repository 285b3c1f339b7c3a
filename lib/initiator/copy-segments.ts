import { bit, type Field, u16, u24, u32, u64, u64big, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';

/* The segment descriptors of EXTENDED COPY (SPC-4 6.4.6), each a row; what a segment is made of is in no other place. */

/** What a segment reads or writes. */
export type EndKind = 'block' | 'stream' | 'any';

export interface SegmentRow {
  readonly code: number;
  /** As in a segment file. */
  readonly name: string;
  /** Without data that follows. */
  readonly bytes: number;
  readonly source?: EndKind;
  readonly destination?: EndKind;
  readonly fields: Readonly<Record<string, Field<number> | Field<boolean> | Field<bigint>>>;
  /** Of `fields`, those that must be given; what is not given is 0. */
  readonly needs: readonly string[];
  /** Bytes that come with it: in the inline data, or in the descriptor from that byte on, as many as `length` tells. */
  readonly data?: 'inline' | { readonly at: number; readonly length: Field<number> };
}

export const segmentStart = layout(8, {
  type: u8(0),
  destinationCount: bit(1, 1),
  cat: bit(1, 0),
  descriptorLength: u16(2),
  source: u16(4),
  destination: u16(6),
});

/** 04h: INLINE DATA OFFSET and INLINE DATA NUMBER OF BYTES (SPC-4 6.4.6.6). */
export const inlineSegment = { offset: u32(12), length: u32(16) } as const;

const cat = segmentStart.cat;
const transferLength = u24(9);

const blockToStream: SegmentRow = {
  code: 0x00,
  name: 'block to stream',
  bytes: 24,
  source: 'block',
  destination: 'stream',
  fields: { cat, transferLength, blocks: u16(14), lba: u64(16) },
  needs: ['transferLength', 'blocks'],
};
const streamToBlock: SegmentRow = {
  ...blockToStream,
  code: 0x01,
  name: 'stream to block',
  source: 'stream',
  destination: 'block',
};
const blockToBlock: SegmentRow = {
  code: 0x02,
  name: 'block to block',
  bytes: 28,
  source: 'block',
  destination: 'block',
  fields: {
    cat,
    destinationCount: segmentStart.destinationCount,
    blocks: u16(10),
    sourceLba: u64(12),
    destinationLba: u64(20),
  },
  needs: ['blocks'],
};
const streamToStream: SegmentRow = {
  code: 0x03,
  name: 'stream to stream',
  bytes: 20,
  source: 'stream',
  destination: 'stream',
  fields: { cat, sourceTransferLength: u24(9), destinationTransferLength: u24(13), bytes: u32(16) },
  needs: ['sourceTransferLength', 'destinationTransferLength', 'bytes'],
};
const streamToDiscard: SegmentRow = {
  code: 0x06,
  name: 'stream to discard',
  bytes: 16,
  source: 'stream',
  fields: { cat, transferLength, bytes: u32(12) },
  needs: ['transferLength'],
};
const blockOffsetToStream: SegmentRow = {
  code: 0x08,
  name: 'block offset to stream',
  bytes: 28,
  source: 'block',
  destination: 'stream',
  fields: { cat, transferLength, bytes: u32(12), lba: u64(16), offset: u16(26) },
  needs: ['transferLength', 'bytes'],
};
const onTape = {
  bytes: 12,
  destination: 'stream',
} as const;
const held = (row: SegmentRow, code: number): SegmentRow => ({ ...row, code, name: `${row.name} and hold` });

/** SPC-4 6.4.6.1 table 146. */
export const SEGMENT_ROWS: readonly SegmentRow[] = [
  blockToStream,
  streamToBlock,
  blockToBlock,
  streamToStream,
  {
    code: 0x04,
    name: 'inline to stream',
    bytes: 20,
    destination: 'stream',
    fields: { cat, transferLength },
    needs: ['transferLength'],
    data: 'inline',
  },
  {
    code: 0x05,
    name: 'embedded to stream',
    bytes: 16,
    destination: 'stream',
    fields: { cat, transferLength },
    needs: ['transferLength'],
    data: { at: 16, length: u16(12) },
  },
  streamToDiscard,
  {
    code: 0x07,
    name: 'verify',
    bytes: 12,
    source: 'any',
    fields: { testUnitReady: bit(8, 0) },
    needs: [],
  },
  blockOffsetToStream,
  {
    ...blockOffsetToStream,
    code: 0x09,
    name: 'stream to block offset',
    source: 'stream',
    destination: 'block',
  },
  {
    code: 0x0a,
    name: 'block offset to block offset',
    bytes: 32,
    source: 'block',
    destination: 'block',
    fields: {
      cat,
      bytes: u32(8),
      sourceLba: u64(12),
      destinationLba: u64(20),
      sourceOffset: u16(28),
      destinationOffset: u16(30),
    },
    needs: ['bytes'],
  },
  held(blockToStream, 0x0b),
  held(streamToBlock, 0x0c),
  held(blockToBlock, 0x0d),
  held(streamToStream, 0x0e),
  { ...streamToDiscard, code: 0x0f, name: 'stream to hold' },
  {
    ...onTape,
    code: 0x10,
    name: 'write filemarks',
    fields: { immediate: bit(8, 0), count: u24(9) },
    needs: ['count'],
  },
  { ...onTape, code: 0x11, name: 'space', fields: { code: u8(8), count: u24(9) }, needs: ['code'] },
  { ...onTape, code: 0x12, name: 'locate', fields: { object: u32(8) }, needs: ['object'] },
  {
    code: 0x13,
    name: 'tape image',
    bytes: 12,
    source: 'stream',
    destination: 'stream',
    fields: { filemarks: u32(8) },
    needs: [],
  },
  {
    code: 0x14,
    name: 'register key',
    bytes: 28,
    destination: 'any',
    fields: { key: u64big(8), serviceActionKey: u64big(16) },
    needs: ['serviceActionKey'],
  },
  {
    code: 0x15,
    name: 'reserve for nexus',
    bytes: 32,
    destination: 'any',
    fields: {
      key: u64big(8),
      serviceActionKey: u64big(16),
      unregister: bit(25, 1),
      persist: bit(25, 0),
      relativePort: u16(26),
    },
    needs: ['key', 'serviceActionKey'],
    data: { at: 32, length: u32(28) },
  },
  {
    code: 0x16,
    name: 'block image',
    bytes: 28,
    source: 'block',
    destination: 'block',
    fields: { sourceLba: u64(8), destinationLba: u64(16), blocks: u32(24) },
    needs: [],
  },
];

export const SegmentType = {
  BLOCK_TO_STREAM: 0x00,
  STREAM_TO_BLOCK: 0x01,
  BLOCK_TO_BLOCK: 0x02,
  WRITE_FILEMARKS: 0x10,
  TAPE_IMAGE: 0x13,
} as const;

const byCode: ReadonlyMap<number, SegmentRow> = new Map(SEGMENT_ROWS.map(row => [row.code, row]));

export const segmentRow = (code: number): SegmentRow => byCode.get(code)!;
export const segmentBytes = (code: number): number => segmentRow(code).bytes;

export interface SegmentEnds {
  /** CSCD descriptor IDs. */
  readonly source?: number;
  readonly destination?: number;
}

/** Segment descriptor of a row; `data` only where it follows in the descriptor. */
export function encodeSegment(
  row: SegmentRow,
  { source = 0, destination = 0 }: SegmentEnds,
  values: Readonly<Record<string, number | boolean | bigint>>,
  data: Buffer = Buffer.alloc(0),
): Buffer {
  const out = Buffer.alloc(row.bytes + Math.ceil(data.length / 4) * 4);
  segmentStart.type.set(out, row.code);
  segmentStart.descriptorLength.set(out, out.length - 4);
  segmentStart.source.set(out, source);
  segmentStart.destination.set(out, destination);
  for (const [name, value] of Object.entries(values)) {
    (row.fields[name] as Field<number | boolean | bigint>).set(out, value);
  }
  if (typeof row.data === 'object') {
    row.data.length.set(out, data.length);
    data.copy(out, row.data.at);
  }
  return out;
}
