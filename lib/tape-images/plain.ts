import type { MaybePromise } from '../bytes/maybe-promise.ts';
import type { ImageInput } from './image-input.ts';
import type { ImageOutput } from './image-output.ts';
import { END, FILEMARK, Passed } from './image.ts';
import type { ImageObject, ImageReader, ImageWriter } from './image.ts';

/** A plain file as one file of a tape: records of one length, the last of which may be shorter, and a filemark. */
export class PlainReader implements ImageReader {
  readonly passed = new Passed();
  readonly #input: ImageInput;
  readonly #recordBytes: number;
  #closed = false;

  constructor(input: ImageInput, recordBytes: number) {
    this.#input = input;
    this.#recordBytes = recordBytes;
  }

  next(): MaybePromise<ImageObject> {
    if (this.#closed) return END;
    const seen = this.#input.look(this.#recordBytes);
    return seen instanceof Promise ? seen.then(bytes => this.#object(bytes)) : this.#object(seen);
  }

  #object(data: Buffer): ImageObject {
    if (data.length > 0) {
      this.#input.pass(data.length);
      return { kind: 'record', data, flawed: false };
    }
    this.#closed = true;
    return FILEMARK;
  }
}

/** One file of a tape as a plain file: what its records hold, and nothing of where they end. */
export class PlainWriter implements ImageWriter {
  readonly #output: ImageOutput;

  constructor(output: ImageOutput) {
    this.#output = output;
  }

  record(data: Buffer): MaybePromise<void> {
    return this.#output.put(data);
  }

  filemark(): void {}
}
