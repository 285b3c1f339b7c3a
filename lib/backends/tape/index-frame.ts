import { crc32c } from '../../bytes/crc32c.ts';
import { u16, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { after } from '../after.ts';
import { CHUNK_OBJECTS, Chunk } from './chunk.ts';
import { ChunkTable } from './chunk-table.ts';
import { FILEMARK, FRAME_BYTES, INDEX, RECORD, TRAILER, frame, isFrame, writeFrame } from './frame.ts';
import type { Place, TapeLog } from './tape-log.ts';

/**
 * The index of a partition lies in the partition: behind every 1024 objects a frame tells where they are, and where its
 * predecessor is. Equal objects in a row are one entry of 12 bytes, so that it costs 12 bytes a record at the most and next
 * to nothing where records are of one size.
 */
const head = layout(40, {
  chunk: u32(0),
  runs: u16(4),
  rows: u16(6),
  /* Where the chunk begins. */
  offset: u64(8),
  file: u64(16),
  bytes: u64(24),
  /** Offset of the index frame of the chunk before, 0 for none. */
  previous: u64(32),
});

/** Objects in a row that are alike. */
const run = layout(12, {
  type: u8(0),
  coding: u8(1),
  count: u16(2),
  storedBytes: u32(4),
  recordLength: u32(8),
});

/** Of a chunk before: its index frame, and what lies before the end of the chunk. */
const row = layout(24, { offset: u64(0), file: u64(8), bytes: u64(16) });

/** Every so many chunks a frame repeats the rows of that many before it: the table is loaded in strides. */
export const STRIDE_CHUNKS = 256;

/** The largest there is. */
export const INDEX_LIMIT_BYTES =
  FRAME_BYTES + head.length + CHUNK_OBJECTS * run.length + STRIDE_CHUNKS * row.length;

export interface IndexFrame {
  readonly chunk: Chunk;
  readonly previous: number;
  /** Rows of the chunks before, from `firstRow` on; none in most frames. */
  readonly rows: readonly Place[];
  readonly firstRow: number;
  readonly chain: number;
  /** Its own checksum, to which the next frame is chained. */
  readonly checksum: number;
  /** With its header. */
  readonly totalBytes: number;
}

/** The frame that goes behind a chunk, and its checksum. */
export function packIndex(
  chunk: Chunk,
  table: ChunkTable,
  type: typeof INDEX | typeof TRAILER,
  { chain, session }: { readonly chain: number; readonly session: number },
): { bytes: Buffer; checksum: number } {
  const runs = runsOf(chunk);
  const rows = rowsWith(chunk.number, type);
  const bytes = Buffer.alloc(FRAME_BYTES + head.length + runs.length * run.length + rows * row.length);
  const payload = bytes.subarray(FRAME_BYTES);
  const { start } = chunk;
  head.chunk.set(payload, chunk.number);
  head.runs.set(payload, runs.length);
  head.rows.set(payload, rows);
  head.offset.set(payload, start.offset);
  head.file.set(payload, start.file);
  head.bytes.set(payload, start.bytes);
  head.previous.set(payload, table.head);
  let at = head.length;
  for (const each of runs) {
    const part = payload.subarray(at, (at += run.length));
    run.type.set(part, each.type);
    run.coding.set(part, each.coding);
    run.count.set(part, each.count);
    run.storedBytes.set(part, each.storedBytes);
    run.recordLength.set(part, each.length);
  }
  for (let i = chunk.number - rows; i < chunk.number; i++) {
    const part = payload.subarray(at, (at += row.length));
    row.offset.set(part, table.offset(i));
    row.file.set(part, table.file(i));
    row.bytes.set(part, table.bytes(i));
  }
  const { object, file } = chunk.end;
  const checksum = writeFrame(bytes, {
    type,
    storedBytes: payload.length,
    length: 0,
    coding: 0,
    object,
    file,
    chain,
    payloadChecksum: crc32c(payload),
    session,
  });
  return { bytes, checksum };
}

/** How many rows the frame of a chunk has: back to the last chunk whose own frame has them. */
function rowsWith(chunk: number, type: number): number {
  if (chunk === 0) return 0;
  if (chunk % STRIDE_CHUNKS === 0) return STRIDE_CHUNKS;
  return type === TRAILER ? chunk % STRIDE_CHUNKS : 0;
}

interface Run {
  readonly type: number;
  readonly coding: number;
  readonly storedBytes: number;
  readonly length: number;
  count: number;
}

function runsOf(chunk: Chunk): Run[] {
  const runs: Run[] = [];
  let last: Run | undefined;
  for (let i = 0; i < chunk.count; i++) {
    const object = chunk.object(i);
    const { storedBytes, length, coding } = object.kind === 'record' ? object : NO_RECORD;
    const type = object.kind === 'record' ? RECORD : FILEMARK;
    if (
      last?.type === type &&
      last.coding === coding &&
      last.storedBytes === storedBytes &&
      last.length === length
    )
      last.count++;
    else runs.push((last = { type, coding, storedBytes, length, count: 1 }));
  }
  return runs;
}

const NO_RECORD = { storedBytes: 0, length: 0, coding: 0 };

/** The index frame at `offset`; undefined when there is none, or none that is whole. */
export function readIndex(log: TapeLog, offset: number): MaybePromise<IndexFrame | undefined> {
  const header = Buffer.alloc(FRAME_BYTES);
  return after(log.read(header, offset), () => {
    const type = frame.type.get(header);
    const length = frame.storedBytes.get(header);
    if (!isFrame(header) || (type !== INDEX && type !== TRAILER) || length > INDEX_LIMIT_BYTES)
      return undefined;
    const payload = Buffer.alloc(length);
    return after(log.read(payload, offset + FRAME_BYTES), () => parseIndex(header, payload));
  });
}

/** Undefined when it does not add up. */
export function parseIndex(header: Buffer, payload: Buffer): IndexFrame | undefined {
  if (payload.length < head.length || crc32c(payload) !== frame.payloadChecksum.get(header)) return undefined;
  const number = head.chunk.get(payload);
  const [runs, rows] = [head.runs.get(payload), head.rows.get(payload)];
  if (payload.length !== head.length + runs * run.length + rows * row.length || rows > number)
    return undefined;
  const chunk = new Chunk({
    object: number * CHUNK_OBJECTS,
    file: head.file.get(payload),
    offset: head.offset.get(payload),
    bytes: head.bytes.get(payload),
  });
  for (let i = 0; i < runs; i++) {
    const at = head.length + i * run.length;
    const part = payload.subarray(at, at + run.length);
    const count = run.count.get(part);
    if (chunk.count + count > CHUNK_OBJECTS) return undefined;
    for (let n = 0; n < count; n++) {
      if (run.type.get(part) === FILEMARK) chunk.addFilemark();
      else chunk.addRecord(run.storedBytes.get(part), run.recordLength.get(part), run.coding.get(part));
    }
  }
  const { object, file } = chunk.end;
  if (object !== frame.object.get(header) || file !== frame.file.get(header)) return undefined;
  if (frame.type.get(header) === INDEX && !chunk.full) return undefined;
  return {
    chunk,
    previous: head.previous.get(payload),
    rows: Array.from({ length: rows }, (_, i) => {
      const at = head.length + runs * run.length + i * row.length;
      const part = payload.subarray(at, at + row.length);
      const object = (number - rows + i + 1) * CHUNK_OBJECTS;
      return { object, offset: row.offset.get(part), file: row.file.get(part), bytes: row.bytes.get(part) };
    }),
    firstRow: number - rows,
    chain: frame.chain.get(header),
    checksum: frame.checksum.get(header),
    totalBytes: FRAME_BYTES + payload.length,
  };
}

/**
 * The rows of all chunks before the one that `last` tells of, gone back for from frame to frame. Undefined when one of
 * them is not what it should be.
 */
export async function tableBefore(log: TapeLog, last: IndexFrame): Promise<ChunkTable | undefined> {
  const chunks = last.chunk.number;
  const table = new ChunkTable(chunks);
  let at: IndexFrame = last;
  for (let missing = chunks; missing > 0;) {
    for (const [i, { offset, file, bytes }] of at.rows.entries())
      table.set(at.firstRow + i, offset, file, bytes);
    missing = Math.min(missing, at.rows.length > 0 ? at.firstRow : missing);
    if (missing === 0) break;
    // The oldest chunk that is known is the next one to ask: after a stride it is the one that has the rows before it.
    const asked = at.rows.length > 0 ? at.firstRow : at.chunk.number - 1;
    const offset = at.rows.length > 0 ? table.offset(asked) : at.previous;
    const next = await readIndex(log, offset);
    if (next?.chunk.number !== asked || !next.chunk.full) return undefined;
    const { file, bytes } = next.chunk.end;
    table.set(asked, offset, file, bytes);
    missing = Math.min(missing, asked);
    at = next;
  }
  return table;
}
