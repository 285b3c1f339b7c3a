import type { MaybePromise } from '../bytes/maybe-promise.ts';

/** What an image holds, in the order of the tape. */
export type ImageObject =
  /** `data` is good until the next one is asked for; `flawed`: the image says that it was read from its tape with an error. */
  | { readonly kind: 'record'; readonly data: Buffer; readonly flawed: boolean }
  | { readonly kind: 'filemark' }
  | { readonly kind: 'end' };

export const FILEMARK: ImageObject = { kind: 'filemark' };
export const END: ImageObject = { kind: 'end' };

export interface ImageReader {
  /** Rejects with ImageError. Not asked again behind `end`. */
  next(): MaybePromise<ImageObject>;
  /** What was passed over since a cartridge has no place for it: a name and how many. */
  readonly passed: ReadonlyMap<string, number>;
}

export interface ImageWriter {
  record(data: Buffer): MaybePromise<void>;
  /** A record that could not be read well, where the format has a place for that. */
  flawed?(data: Buffer): MaybePromise<void>;
  filemark(): MaybePromise<void>;
}

/** SSC's READ and WRITE name a length in 24 bits, and so does SIMH. */
export const LONGEST_RECORD_BYTES = 0xff_ffff;

/** What is wrong with an image: the rest of a sentence that begins with the file's name. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

/** Counts what a reader passes over. */
export class Passed extends Map<string, number> {
  add(what: string): void {
    this.set(what, (this.get(what) ?? 0) + 1);
  }
}
