import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { MediumError } from '../../backends/medium-error.ts';
import type { TapeMedium, TapeObject, TapeRecord } from '../../backends/tape-medium.ts';
import { codingOf, decoded } from './coding.ts';

/** A record as it was written to the drive, until the next is read; and what else lies on a tape. */
export type ReadObject =
  | { readonly kind: 'record'; readonly data: Buffer; readonly storedBytes: number }
  | { readonly kind: 'filemark' }
  | { readonly kind: 'end-of-data' };

const FIRST_BYTES = 256 * 1024;

/** Reads a cartridge from its position on as a drive would, in one buffer that the longest record makes as large as it is. */
export class RecordReader {
  readonly #medium: TapeMedium;
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);

  constructor(medium: TapeMedium) {
    this.#medium = medium;
  }

  /** Rejects with MediumError, and an Error that says which record cannot be decoded. */
  next(): MaybePromise<ReadObject> {
    const lies = this.#medium.peek();
    return lies instanceof Promise ? lies.then(object => this.#read(object)) : this.#read(lies);
  }

  #read(lies: TapeObject): MaybePromise<ReadObject> {
    const { object, file } = this.#medium.position;
    if (lies.kind !== 'record') {
      const moved = this.#medium.read(this.#buffer);
      return moved instanceof Promise ? moved.then(() => lies) : lies;
    }
    const place = `record ${object}, in file ${file},`;
    if (codingOf(lies.coding)?.encrypted === true)
      throw new Error(`${place} is encrypted, and can be read only by a drive that has the key`);
    if (lies.storedBytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(lies.storedBytes);
    const stored = this.#buffer.subarray(0, lies.storedBytes);
    const read = this.#medium.read(stored);
    if (read instanceof Promise) return this.#later(read, stored, lies, place);
    return lies.coding === 0
      ? { kind: 'record', data: stored, storedBytes: lies.storedBytes }
      : this.#later(undefined, stored, lies, place);
  }

  async #later(
    read: Promise<TapeObject> | undefined,
    stored: Buffer,
    lies: TapeRecord,
    place: string,
  ): Promise<ReadObject> {
    await read;
    try {
      return { kind: 'record', data: await decoded(stored, lies), storedBytes: lies.storedBytes };
    } catch (error) {
      throw new Error(`${place} ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Which record a fault is about, with the file that a person counts by. */
export function faultOf(medium: TapeMedium, error: unknown): unknown {
  if (!(error instanceof MediumError) || error.fault !== 'corrupt') return error;
  return new Error(`${error.message}, in file ${medium.position.file}`, { cause: error });
}
