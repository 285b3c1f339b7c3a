import { randomBytes } from 'node:crypto';
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Decoder, Encoder } from '@msgpack/msgpack';
import { crc32c } from '../bytes/crc32c.ts';
import { ascii, u32 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { syncDirectory } from './directory.ts';

/** What a kind of document is called, and how its body is recognised. */
export interface DocumentKind<T> {
  /** A word that is written into the file, such as 'reservations'. */
  readonly kind: string;
  /** Grows when the body changes its shape; only this version is read. */
  readonly version: number;
  /** Gives back the body, typed, or throws an Error that says what is wrong with it. */
  parse(body: unknown): T;
}

const MAGIC = 'SANLETST';
/** Before the msgpack array [kind, version, body]. */
const header = layout(16, { magic: ascii(0, 8), bodyBytes: u32(8), checksum: u32(12) });
/** No document of ours comes near this; a length beyond it is damage. */
const LIMIT_BYTES = 64 * 1024 * 1024;

const encoder = new Encoder();
const decoder = new Decoder();

/** The document at `path`, or undefined when there is none. Rejects with one sentence that names the file otherwise. */
export async function readDocument<T>(path: string, kind: DocumentKind<T>): Promise<T | undefined> {
  const bytes = await readIfPresent(path);
  if (bytes === undefined) return undefined;
  const [name, version, body] = unpack(path, bytes);
  if (name !== kind.kind) throw new Error(`${path} holds ${describe(name)}, not ${kind.kind}`);
  if (version !== kind.version) {
    throw new Error(
      `${path} is version ${describe(version)} of ${kind.kind}, and only ${kind.version} is known here`,
    );
  }
  try {
    return kind.parse(body);
  } catch (error) {
    throw new Error(`${path} is not a valid ${kind.kind} document: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Replaces the document at `path`, which is the old one or the new one at every moment, and the new one when answered. */
export async function writeDocument<T>(path: string, kind: DocumentKind<T>, body: T): Promise<void> {
  const bytes = pack([kind.kind, kind.version, body]);
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw new Error(`${path} cannot be written: ${(error as Error).message}`, { cause: error });
  }
  await syncDirectory(dirname(path));
}

async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function pack(content: readonly [kind: string, version: number, body: unknown]): Buffer {
  const packed = encoder.encode(content);
  if (packed.length > LIMIT_BYTES) throw new RangeError(`a document of ${packed.length} bytes`);
  const bytes = Buffer.alloc(header.length + packed.length);
  header.magic.set(bytes, MAGIC);
  header.bodyBytes.set(bytes, packed.length);
  header.checksum.set(bytes, crc32c(packed));
  bytes.set(packed, header.length);
  return bytes;
}

function unpack(path: string, bytes: Buffer): readonly unknown[] {
  if (bytes.length < header.length || header.magic.get(bytes) !== MAGIC) {
    throw new Error(`${path} is not a sanlet document`);
  }
  const packed = bytes.subarray(header.length);
  if (packed.length !== header.bodyBytes.get(bytes) || packed.length > LIMIT_BYTES) {
    throw new Error(
      `${path} is damaged: it holds ${packed.length} bytes where ${header.bodyBytes.get(bytes)} are due`,
    );
  }
  if (crc32c(packed) !== header.checksum.get(bytes))
    throw new Error(`${path} is damaged: its checksum is wrong`);
  const content = decoder.decode(packed);
  if (!Array.isArray(content) || content.length !== 3)
    throw new Error(`${path} is damaged: it holds no document`);
  return content as unknown[];
}

const describe = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : 'something else';
