import { deflateSync, inflateSync } from 'node:zlib';
import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { bunzip2 } from './bzip2.ts';
import type { ImageInput } from './image-input.ts';
import type { ImageOutput } from './image-output.ts';
import { END, FILEMARK, ImageError, LONGEST_RECORD_BYTES, Passed } from './image.ts';
import type { ImageObject, ImageReader, ImageWriter } from './image.ts';

/*
 * AWSTAPE, and HET, which is the same with compressed records: a record is one chunk or several, each behind a header of
 * six bytes: its length and that of the chunk before, least significant first, and flags.
 */

const HEADER_BYTES = 6;
/** What a chunk's length can say, and the longest block that Hercules reads. */
export const LONGEST_CHUNK_BYTES = 0xffff;

const Flag = { BEGIN: 0x80, TAPE_MARK: 0x40, END: 0x20, BZIP2: 0x02, ZLIB: 0x01 } as const;
const COMPRESSION = Flag.BZIP2 | Flag.ZLIB;
const KNOWN_FLAGS = Flag.BEGIN | Flag.TAPE_MARK | Flag.END | COMPRESSION;
/** In the second byte of flags: compressed by zlib, as Bus-Tech's virtual tapes have it. */
const BUS_TECH_ZLIB = 0x80;
/** What Hercules takes unless told otherwise: half the time of zlib's own choice. */
const ZLIB_LEVEL = 4;

interface Chunk {
  readonly at: number;
  readonly length: number;
  readonly flags: number;
  readonly method: number;
}

export class AwsReader implements ImageReader {
  readonly passed = new Passed();
  readonly #input: ImageInput;
  /** Length of the chunk before, as the next header must have it. */
  #previous = 0;
  #gathered = Buffer.alloc(0);

  constructor(input: ImageInput) {
    this.#input = input;
  }

  next(): MaybePromise<ImageObject> {
    const head = this.#input.look(HEADER_BYTES);
    return head instanceof Promise ? head.then(bytes => this.#object(bytes)) : this.#object(head);
  }

  #object(head: Buffer): MaybePromise<ImageObject> {
    if (head.length === 0) return END;
    const chunk = this.#chunk(head);
    if ((chunk.flags & Flag.TAPE_MARK) !== 0) {
      if (chunk.length !== 0) throw new ImageError(`has a tape mark with data at byte ${chunk.at}`);
      this.#pass(0);
      return FILEMARK;
    }
    if ((chunk.flags & Flag.BEGIN) === 0)
      throw new ImageError(`is damaged: the chunk at byte ${chunk.at} goes on with no record`);
    if ((chunk.flags & Flag.END) === 0) return this.#chunks(chunk);
    const whole = this.#input.look(HEADER_BYTES + chunk.length);
    return whole instanceof Promise ? whole.then(bytes => this.#one(bytes, chunk)) : this.#one(whole, chunk);
  }

  #one(whole: Buffer, chunk: Chunk): ImageObject {
    const data = this.#dataOf(whole, chunk);
    return record(expanded(data, chunk), chunk);
  }

  /** A record in several chunks, of which all tell of the same compression. */
  async #chunks(first: Chunk): Promise<ImageObject> {
    let length = 0;
    for (let chunk = first; ; chunk = this.#goesOn(await this.#input.look(HEADER_BYTES), first)) {
      const data = this.#dataOf(await this.#input.look(HEADER_BYTES + chunk.length), chunk);
      if (length + data.length > LONGEST_RECORD_BYTES) throw tooLong(first);
      this.#gather(data, length);
      length += data.length;
      if ((chunk.flags & Flag.END) !== 0) break;
    }
    return record(expanded(this.#gathered.subarray(0, length), first), first);
  }

  #goesOn(head: Buffer, { at, method }: Chunk): Chunk {
    if (head.length === 0) throw new ImageError(`ends in the middle of the record at byte ${at}`);
    const chunk = this.#chunk(head);
    if ((chunk.flags & (Flag.BEGIN | Flag.TAPE_MARK)) !== 0 || chunk.method !== method)
      throw new ImageError(`is damaged: the chunk at byte ${chunk.at} does not go on with its record`);
    return chunk;
  }

  #gather(data: Buffer, at: number): void {
    if (at + data.length > this.#gathered.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#gathered.length, at + data.length));
      this.#gathered.copy(grown, 0, 0, at);
      this.#gathered = grown;
    }
    data.copy(this.#gathered, at);
  }

  #chunk(head: Buffer): Chunk {
    const at = this.#input.offset;
    if (head.length < HEADER_BYTES)
      throw new ImageError(`ends in the middle of a chunk's header, at byte ${at + head.length}`);
    const previous = head.readUInt16LE(2);
    const [flags, more] = [head[4]!, head[5]!];
    if (previous !== this.#previous)
      throw new ImageError(
        `is damaged: the chunk at byte ${at} says that the one before has ${previous} bytes, and it has ${this.#previous}`,
      );
    if (
      (flags & ~KNOWN_FLAGS) !== 0 ||
      (more & ~BUS_TECH_ZLIB) !== 0 ||
      (flags & COMPRESSION) === COMPRESSION
    )
      throw new ImageError(`has unknown flags at byte ${at + 4}`);
    const method = more === BUS_TECH_ZLIB ? Flag.ZLIB : flags & COMPRESSION;
    return { at, length: head.readUInt16LE(0), flags, method };
  }

  #dataOf(whole: Buffer, { at, length }: Chunk): Buffer {
    if (whole.length < HEADER_BYTES + length)
      throw new ImageError(`ends in the middle of the chunk of ${length} bytes at byte ${at}`);
    this.#pass(length);
    return whole.subarray(HEADER_BYTES);
  }

  #pass(length: number): void {
    this.#input.pass(HEADER_BYTES + length);
    this.#previous = length;
  }
}

function record(data: Buffer, { at }: Chunk): ImageObject {
  if (data.length === 0) throw new ImageError(`has a record of no bytes at byte ${at}`);
  return { kind: 'record', data, flawed: false };
}

const tooLong = ({ at }: Chunk): ImageError =>
  new ImageError(
    `has a record at byte ${at} that is longer than the ${LONGEST_RECORD_BYTES} bytes that a cartridge holds`,
  );

function expanded(data: Buffer, chunk: Chunk): Buffer {
  if (chunk.method === 0) return data;
  try {
    return chunk.method === Flag.ZLIB
      ? inflateSync(data, { maxOutputLength: LONGEST_RECORD_BYTES })
      : bunzip2(data, LONGEST_RECORD_BYTES);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLong(chunk);
    const method = chunk.method === Flag.ZLIB ? 'zlib' : 'bzip2';
    throw new ImageError(
      `is damaged: ${method} cannot expand the record at byte ${chunk.at}: ${(error as Error).message}`,
    );
  }
}

/** Whether the file begins as an image does: a chunk, and behind it another that knows it, or nothing. */
export async function looksAws(input: ImageInput): Promise<boolean> {
  const head = await input.look(HEADER_BYTES);
  if (head.length < HEADER_BYTES) return false;
  const [length, previous, flags, more] = [head.readUInt16LE(0), head.readUInt16LE(2), head[4]!, head[5]!];
  const begins = (flags & (Flag.BEGIN | Flag.TAPE_MARK)) !== 0 && (flags & ~KNOWN_FLAGS) === 0;
  if (previous !== 0 || !begins || (more & ~BUS_TECH_ZLIB) !== 0) return false;
  const whole = await input.look(2 * HEADER_BYTES + length);
  if (whole.length === HEADER_BYTES + length) return true;
  return (
    whole.length === 2 * HEADER_BYTES + length && whole.readUInt16LE(HEADER_BYTES + length + 2) === length
  );
}

export class AwsWriter implements ImageWriter {
  readonly #output: ImageOutput;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #previous = 0;

  constructor(output: ImageOutput) {
    this.#output = output;
  }

  record(data: Buffer): MaybePromise<void> {
    return this.chunks(data, 0);
  }

  filemark(): MaybePromise<void> {
    return this.#output.put(this.#next(0, Flag.TAPE_MARK));
  }

  /** A record, as it is or compressed. */
  protected chunks(data: Buffer, method: number): MaybePromise<void> {
    if (data.length > LONGEST_CHUNK_BYTES) return this.#several(data, method);
    return this.#output.put(this.#next(data.length, Flag.BEGIN | Flag.END | method), data);
  }

  async #several(data: Buffer, method: number): Promise<void> {
    for (let at = 0; at < data.length; at += LONGEST_CHUNK_BYTES) {
      const chunk = data.subarray(at, at + LONGEST_CHUNK_BYTES);
      const first = at === 0 ? Flag.BEGIN : 0;
      const last = at + chunk.length === data.length ? Flag.END : 0;
      await this.#output.put(this.#next(chunk.length, first | last | method), chunk);
    }
  }

  #next(length: number, flags: number): Buffer {
    this.#header.writeUInt16LE(length, 0);
    this.#header.writeUInt16LE(this.#previous, 2);
    this.#header[4] = flags;
    this.#previous = length;
    return this.#header;
  }
}

/** AWSTAPE with each record compressed by zlib, where that makes it shorter. */
export class HetWriter extends AwsWriter {
  override record(data: Buffer): MaybePromise<void> {
    const packed = deflateSync(data, { level: ZLIB_LEVEL });
    return packed.length < data.length ? this.chunks(packed, Flag.ZLIB) : this.chunks(data, 0);
  }
}
