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
const ENCRYPTED = 'is encrypted, and can be read only by a drive that has the key';

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
    const place: Place = { object, file };
    if (codingOf(lies.coding).encrypted) throw new RecordFault(place, ENCRYPTED, undefined);
    if (lies.storedBytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(lies.storedBytes);
    const stored = this.#buffer.subarray(0, lies.storedBytes);
    if (lies.coding !== 0) return this.#decoded(stored, lies, place);
    try {
      const read = this.#medium.read(stored);
      if (!(read instanceof Promise)) return recordOf(stored, lies);
      return read.then(
        () => recordOf(stored, lies),
        (error: unknown) => {
          throw faultOf(error, place, stored);
        },
      );
    } catch (error) {
      throw faultOf(error, place, stored);
    }
  }

  async #decoded(stored: Buffer, lies: TapeRecord, place: Place): Promise<ReadObject> {
    try {
      await this.#medium.read(stored);
    } catch (error) {
      throw faultOf(error, place, undefined);
    }
    try {
      return recordOf(await decoded(stored, lies), lies);
    } catch (error) {
      throw new RecordFault(place, (error as Error).message, undefined, error);
    }
  }
}

const recordOf = (data: Buffer, { storedBytes }: TapeRecord): ReadObject => ({
  kind: 'record',
  data,
  storedBytes,
});

/** Where a record lies: its logical object number, and its file as a person counts. */
interface Place {
  readonly object: number;
  readonly file: number;
}

/** A record that is there and cannot be had; behind it the tape goes on, unless it is encrypted. */
export class RecordFault extends Error {
  override readonly name = 'RecordFault';
  /** What the medium has of it, whole or not; undefined when nothing can be made of that. */
  readonly data: Buffer | undefined;
  readonly encrypted: boolean;

  constructor({ object, file }: Place, problem: string, data: Buffer | undefined, cause?: unknown) {
    super(`record ${object}, in file ${file}, ${problem}`, { cause });
    this.data = data;
    this.encrypted = problem === ENCRYPTED;
  }
}

const faultOf = (error: unknown, place: Place, data: Buffer | undefined): unknown =>
  error instanceof MediumError && error.fault === 'corrupt'
    ? new RecordFault(place, 'fails its checksum', data, error)
    : error;
