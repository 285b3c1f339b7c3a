import type { TapeObject } from '../tape-medium.ts';
import { FRAME_BYTES } from './frame.ts';
import type { Place } from './tape-log.ts';

/** Objects that the index tells of at a time. */
export const CHUNK_OBJECTS = 1024;

const A_FILEMARK: TapeObject = { kind: 'filemark' };

/** Where the objects of a run of 1024 lie, and what they are: 15 bytes an object, while it is looked at. */
export class Chunk {
  readonly start: Place;
  /** Of each object, and of what comes behind the last. */
  readonly #offsets = new Float64Array(CHUNK_OBJECTS + 1);
  /** Filemarks of this chunk before each object. */
  readonly #marks = new Uint16Array(CHUNK_OBJECTS + 1);
  readonly #lengths = new Uint32Array(CHUNK_OBJECTS);
  readonly #codings = new Uint8Array(CHUNK_OBJECTS);
  #count = 0;

  constructor(start: Place) {
    this.start = start;
    this.#offsets[0] = start.offset;
  }

  get number(): number {
    return this.start.object / CHUNK_OBJECTS;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === CHUNK_OBJECTS;
  }

  /** Objects that still go into it. */
  get room(): number {
    return CHUNK_OBJECTS - this.#count;
  }

  /** What comes behind the last object. */
  get end(): Place {
    return this.place(this.#count);
  }

  addRecord(storedBytes: number, length: number, coding: number): void {
    this.#lengths[this.#count] = length;
    this.#codings[this.#count] = coding;
    this.#add(storedBytes, 0);
  }

  addFilemark(): void {
    this.#lengths[this.#count] = 0;
    this.#codings[this.#count] = 0;
    this.#add(0, 1);
  }

  #add(storedBytes: number, mark: 0 | 1): void {
    const at = this.#count++;
    this.#offsets[at + 1] = this.#offsets[at]! + FRAME_BYTES + storedBytes;
    this.#marks[at + 1] = this.#marks[at]! + mark;
  }

  /** Forgets the objects from the i-th on. */
  cut(i: number): void {
    this.#count = i;
  }

  place(i: number): Place {
    const { object, file, bytes, offset } = this.start;
    const here = this.#offsets[i]!;
    return {
      object: object + i,
      file: file + this.#marks[i]!,
      offset: here,
      bytes: bytes + here - offset - i * FRAME_BYTES,
    };
  }

  object(i: number): TapeObject {
    if (this.#marks[i + 1] !== this.#marks[i]) return A_FILEMARK;
    return {
      kind: 'record',
      length: this.#lengths[i]!,
      storedBytes: this.#offsets[i + 1]! - this.#offsets[i]! - FRAME_BYTES,
      coding: this.#codings[i]!,
    };
  }

  /** Which object is the filemark that has `before` others of this chunk before it. */
  filemark(before: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#marks[middle + 1]! <= before) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
