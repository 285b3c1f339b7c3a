import { createCipheriv } from 'node:crypto';
import { open } from 'node:fs/promises';

export const SAMPLE_BYTES = 64 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const EXTENT_BYTES = 64 * 1024;

const WORDS = [
  'disk',
  'tape',
  'segment',
  'record',
  'filemark',
  'initiator',
  'target',
  'copy',
  'block',
  'reel',
] as const;

/** Lines of text, as logs have them; the same page each time, but for its first line. */
function text(into: Buffer, seed: number): void {
  if (page.length === 0) {
    const lines: string[] = [];
    for (let line = 0; line < EXTENT_BYTES / 16; line++) {
      lines.push(
        `${String(line).padStart(10, '0')} ${WORDS[line % WORDS.length]} ${(line * 2_654_435_761) >>> 0}`,
      );
    }
    page = Buffer.from(lines.join('\n'), 'latin1');
  }
  page.copy(into);
  into.write(String(seed).padStart(10, '0'), 0, 'latin1');
}

let page: Buffer = Buffer.alloc(0);

/** What no compressor makes smaller: the key stream of a cipher, the same every time. */
function noise(into: Buffer, seed: number): void {
  const start = Buffer.alloc(16);
  start.writeUInt32BE(seed, 0);
  createCipheriv('aes-128-ctr', Buffer.alloc(16, 0x5a), start).update(Buffer.alloc(into.length)).copy(into);
}

/** Counters, as tables and pointers have them. */
function table(into: Buffer, seed: number): void {
  for (let at = 0; at < into.length; at += 4) into.writeUInt32LE((seed * 65_599 + at * 31) >>> 0, at);
}

const KINDS = [noise, text, noise, table, noise, text, noise, undefined] as const;

/** A disk image that looks like data: text, tables, noise and a few holes, the same at every run. */
export async function writeSampleImage(path: string): Promise<void> {
  await using file = await open(path, 'wx');
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let at = 0; at < SAMPLE_BYTES; at += PIECE_BYTES) {
    piece.fill(0);
    for (let extent = 0; extent < PIECE_BYTES; extent += EXTENT_BYTES) {
      const number = (at + extent) / EXTENT_BYTES;
      KINDS[number % KINDS.length]?.(piece.subarray(extent, extent + EXTENT_BYTES), number);
    }
    await file.write(piece, 0, piece.length, at);
  }
}
