import type { MaybePromise } from '../bytes/maybe-promise.ts';
import type { ImageInput } from './image-input.ts';
import type { ImageOutput } from './image-output.ts';
import { END, FILEMARK, ImageError, LONGEST_RECORD_BYTES, Passed } from './image.ts';
import type { ImageObject, ImageReader, ImageWriter } from './image.ts';

/*
 * SIMH's .tap: every record stands between two markers of four bytes, least significant first, which hold its length;
 * odd records are filled up with one byte. E11 writes the same without the filling.
 */

const MARKER_BYTES = 4;
const TAPE_MARK = 0x0000_0000;
const END_OF_MEDIUM = 0xffff_ffff;
const ERASE_GAP = 0xffff_fffe;
/** What a forward read meets where a gap was written over at half a marker: the next marker begins two bytes on. */
const HALF_GAP = 0xfffe_ffff;
const HALF_GAP_BYTES = 2;
const TAPE_MARK_BYTES = Buffer.alloc(MARKER_BYTES);
/** What is looked at for tape marks and gaps before the first record. */
const HEAD_BYTES = 64 * 1024;

/** The marker's upper four bits, in the extended format; the others are the length. */
const Class = { GOOD: 0, PRIVATE_MARKER: 7, BAD: 8, DESCRIPTION: 14, MARKER: 15 } as const;
const isPrivateRecord = (kind: number): boolean => kind >= 1 && kind <= 6;
const classOf = (marker: number): number => marker >>> 28;
const lengthOf = (marker: number): number => marker & 0x0fff_ffff;

type Padding = 'even' | 'none';

export class SimhReader implements ImageReader {
  readonly passed = new Passed();
  readonly #input: ImageInput;
  /** Odd records show it, and the first one settles it where both would do. */
  #padding: Padding | undefined;

  constructor(input: ImageInput) {
    this.#input = input;
  }

  next(): MaybePromise<ImageObject> {
    const head = this.#input.look(MARKER_BYTES);
    return head instanceof Promise ? head.then(bytes => this.#object(bytes)) : this.#object(head);
  }

  #object(head: Buffer): MaybePromise<ImageObject> {
    const at = this.#input.offset;
    if (head.length === 0) return END;
    if (head.length < MARKER_BYTES)
      throw new ImageError(`ends in the middle of a marker, at byte ${at + head.length}`);
    const marker = head.readUInt32LE(0);
    if (marker === TAPE_MARK) {
      this.#input.pass(MARKER_BYTES);
      return FILEMARK;
    }
    if (marker === END_OF_MEDIUM) return END;
    const kind = classOf(marker);
    if (kind === Class.GOOD || kind === Class.BAD) return this.#record(marker, at);
    return this.#passOver(marker, at);
  }

  #record(marker: number, at: number): MaybePromise<ImageObject> {
    const length = lengthOf(marker);
    if (length === 0) throw new ImageError(`has a record of no bytes at byte ${at}`);
    if (length > LONGEST_RECORD_BYTES) {
      throw new ImageError(
        `is no SIMH image from byte ${at} on, or has a record of ${length} bytes there, and the longest that a cartridge holds has ${LONGEST_RECORD_BYTES}`,
      );
    }
    const whole = this.#input.look(wholeOf(length));
    return whole instanceof Promise
      ? whole.then(bytes => this.#recordIn(bytes, marker, at))
      : this.#recordIn(whole, marker, at);
  }

  #recordIn(whole: Buffer, marker: number, at: number): ImageObject {
    const length = lengthOf(marker);
    const padding = paddingOf(whole, marker, this.#padding);
    if (padding === undefined) throw unlike(whole, marker, at);
    if (length % 2 === 1) this.#padding ??= padding;
    this.#input.pass(2 * MARKER_BYTES + filled(length, padding));
    return {
      kind: 'record',
      data: whole.subarray(MARKER_BYTES, MARKER_BYTES + length),
      flawed: classOf(marker) === Class.BAD,
    };
  }

  async #passOver(marker: number, at: number): Promise<ImageObject> {
    const kind = classOf(marker);
    if (marker === ERASE_GAP) {
      this.#input.pass(MARKER_BYTES);
    } else if (marker === HALF_GAP) {
      this.#input.pass(HALF_GAP_BYTES);
    } else if (kind === Class.PRIVATE_MARKER) {
      this.#input.pass(MARKER_BYTES);
      this.passed.add('private marker');
    } else if (kind === Class.DESCRIPTION || isPrivateRecord(kind)) {
      this.#input.pass(MARKER_BYTES);
      await this.#skipRecord(marker, at);
      this.passed.add(kind === Class.DESCRIPTION ? 'tape description' : 'private record');
    } else {
      throw new ImageError(`has ${hex(marker)} at byte ${at}, which SIMH reserves`);
    }
    return this.next();
  }

  /** The extended format is always filled up. */
  async #skipRecord(marker: number, at: number): Promise<void> {
    await this.#input.skip(filled(lengthOf(marker), 'even'));
    const tail = await this.#input.look(MARKER_BYTES);
    if (tail.length < MARKER_BYTES || tail.readUInt32LE(0) !== marker) throw unlike(tail, marker, at);
    this.#input.pass(MARKER_BYTES);
  }
}

const hex = (marker: number): string => `${marker.toString(16).padStart(8, '0').toUpperCase()}h`;
const filled = (length: number, padding: Padding): number =>
  padding === 'even' ? length + (length % 2) : length;
/** Both markers, and the record with what may fill it up. */
const wholeOf = (length: number): number => 2 * MARKER_BYTES + filled(length, 'even');

/** How the record is filled up, since the second marker tells; undefined when it is in neither place. */
function paddingOf(whole: Buffer, marker: number, before: Padding | undefined): Padding | undefined {
  const length = lengthOf(marker);
  const fits = (padding: Padding): boolean => {
    const at = MARKER_BYTES + filled(length, padding);
    return at + MARKER_BYTES <= whole.length && whole.readUInt32LE(at) === marker;
  };
  if (length % 2 === 0) return fits('even') ? 'even' : undefined;
  const order: readonly Padding[] = before === 'none' ? ['none', 'even'] : ['even', 'none'];
  return order.find(fits);
}

function unlike(whole: Buffer, marker: number, at: number): ImageError {
  const what = `the record of ${lengthOf(marker)} bytes at byte ${at}`;
  return whole.length < wholeOf(lengthOf(marker)) - (lengthOf(marker) % 2)
    ? new ImageError(`ends in the middle of ${what}`)
    : new ImageError(`is damaged: ${what} does not end with the length that it begins with`);
}

/** Whether the file begins as an image does: tape marks and gaps, and a first record that is whole. */
export async function looksSimh(input: ImageInput): Promise<boolean> {
  const head = await input.look(HEAD_BYTES);
  let at = 0;
  while (at + MARKER_BYTES <= head.length) {
    const marker = head.readUInt32LE(at);
    if (marker === END_OF_MEDIUM) return true;
    if (marker !== TAPE_MARK && marker !== ERASE_GAP) return looksRecord(input, marker, at);
    at += MARKER_BYTES;
  }
  // Nothing but filemarks; many zeros are a blank disk rather.
  return head.length > 0 && head.length < HEAD_BYTES && at === head.length;
}

async function looksRecord(input: ImageInput, marker: number, at: number): Promise<boolean> {
  const [kind, length] = [classOf(marker), lengthOf(marker)];
  const known =
    kind === Class.GOOD || kind === Class.BAD || kind === Class.DESCRIPTION || isPrivateRecord(kind);
  if (!known || length === 0 || length > LONGEST_RECORD_BYTES) return false;
  const whole = await input.look(at + wholeOf(length));
  return paddingOf(whole.subarray(at), marker, undefined) !== undefined;
}

export class SimhWriter implements ImageWriter {
  readonly #output: ImageOutput;
  readonly #head = Buffer.alloc(MARKER_BYTES);
  /** The byte that fills an odd record up, and the marker. */
  readonly #tail = Buffer.alloc(1 + MARKER_BYTES);

  constructor(output: ImageOutput) {
    this.#output = output;
  }

  record(data: Buffer): MaybePromise<void> {
    return this.#put(data, data.length);
  }

  flawed(data: Buffer): MaybePromise<void> {
    return this.#put(data, (data.length | (Class.BAD << 28)) >>> 0);
  }

  #put(data: Buffer, marker: number): MaybePromise<void> {
    this.#head.writeUInt32LE(marker);
    this.#tail.writeUInt32LE(marker, 1);
    return this.#output.put(this.#head, data, this.#tail.subarray(1 - (data.length % 2)));
  }

  filemark(): MaybePromise<void> {
    return this.#output.put(TAPE_MARK_BYTES);
  }
}
