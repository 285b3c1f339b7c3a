import { MediumError } from '../../../backends/medium-error.ts';
import type { TapeMedium, TapeObject, TapeRecord, TapeWriteOutcome } from '../../../backends/tape-medium.ts';
import { payloads } from '../../../bytes/buffers.ts';
import { after, type MaybePromise } from '../../../bytes/maybe-promise.ts';
import { CheckCondition, SenseKey } from '../../sense.ts';
import {
  DecryptionMode,
  EncryptionMode,
  type EncryptionParameters,
  NO_ENCRYPTION,
} from '../encryption/data-encryption.ts';
import { fits, inspect, open, seal } from '../encryption/record-cipher.ts';
import { COMPRESSED, ENCRYPTED, isCompressed, isKnown } from './coding.ts';
import { compress, decompress } from './compression.ts';

/* Additional sense codes of DATA PROTECT, SPC-4 annex D. */
const UNABLE_TO_DECRYPT = 0x7401;
const UNENCRYPTED = 0x7402;
const INCORRECT_KEY = 0x7403;
const INTEGRITY_VALIDATION_FAILED = 0x7404;

const protectedData = (code: number): CheckCondition =>
  new CheckCondition({ key: SenseKey.DATA_PROTECT, code });

/** Bytes that went to and came from the medium, and the records they were as initiators know them. */
export interface Flow {
  written(recordBytes: number, storedBytes: number): void;
  read(recordBytes: number, storedBytes: number): void;
}

/**
 * What lies between the commands of a drive and its medium: records are compressed and encrypted on their way to it and
 * come back as they were written. What needs neither goes through untouched.
 */
export class Recorder {
  readonly #flow: Flow;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  write(
    medium: TapeMedium,
    record: Buffer,
    compresses: boolean,
    parameters: EncryptionParameters = NO_ENCRYPTION,
  ): MaybePromise<TapeWriteOutcome> {
    switch (parameters.encryption) {
      case EncryptionMode.EXTERNAL:
        return this.#writeSealed(medium, record);
      case EncryptionMode.ENCRYPT:
        return after(compresses ? compress(record) : undefined, coded =>
          this.#put(
            medium,
            seal(coded ?? record, parameters.key!, parameters.keyCheck!, {
              ...parameters.keyAssociatedData,
              noRawReads: parameters.noRawReads,
              compressed: coded !== undefined,
              length: record.length,
            }),
            record.length,
            ENCRYPTED | (coded === undefined ? 0 : COMPRESSED),
          ),
        );
    }
    if (!compresses) return this.#put(medium, record, record.length, 0);
    return after(compress(record), coded =>
      this.#put(medium, coded ?? record, record.length, coded === undefined ? 0 : COMPRESSED),
    );
  }

  #put(medium: TapeMedium, stored: Buffer, length: number, coding: number): MaybePromise<TapeWriteOutcome> {
    const outcome = coding === 0 ? medium.write(stored) : medium.write(stored, { length, coding });
    return outcome instanceof Promise
      ? outcome.then(said => this.#went(said, length, stored.length))
      : this.#went(outcome, length, stored.length);
  }

  #went(said: TapeWriteOutcome, length: number, storedBytes: number): TapeWriteOutcome {
    if (said !== 'end-of-medium') this.#flow.written(length, storedBytes);
    return said;
  }

  /** A record that was read raw goes back as it was: what it says of itself is kept. */
  #writeSealed(medium: TapeMedium, sealed: Buffer): MaybePromise<TapeWriteOutcome> {
    const record = inspect(sealed);
    if (record === undefined) throw protectedData(INTEGRITY_VALIDATION_FAILED);
    const coding = ENCRYPTED | (record.compressed ? COMPRESSED : 0);
    return this.#put(medium, sealed, record.length, coding);
  }

  /**
   * Moves over the next object as the medium's `read` does; of a record the first bytes are in `into`, as many as fit. The
   * position stays before a record that needs another key, or none.
   */
  read(
    medium: TapeMedium,
    into: Buffer,
    parameters: EncryptionParameters = NO_ENCRYPTION,
  ): MaybePromise<TapeObject> {
    const next = medium.peek();
    return next instanceof Promise
      ? next.then(object => this.#readNext(medium, object, into, parameters))
      : this.#readNext(medium, next, into, parameters);
  }

  #readNext(
    medium: TapeMedium,
    next: TapeObject,
    into: Buffer,
    parameters: EncryptionParameters,
  ): MaybePromise<TapeObject> {
    if (next.kind !== 'record') return medium.read(into);
    const encrypted = (next.coding & ENCRYPTED) !== 0;
    if (!encrypted && parameters.decryption === DecryptionMode.DECRYPT) throw protectedData(UNENCRYPTED);
    if (next.coding === 0 && next.length === next.storedBytes) {
      const object = medium.read(into);
      return object instanceof Promise
        ? object.then(come => this.#came(come, next))
        : this.#came(object, next);
    }
    if (encrypted && parameters.decryption === DecryptionMode.DISABLE) {
      throw protectedData(UNABLE_TO_DECRYPT);
    }
    return this.#readCoded(medium, next, into, parameters);
  }

  #came(object: TapeObject, { length, storedBytes }: TapeRecord): TapeObject {
    this.#flow.read(length, storedBytes);
    return object;
  }

  async #readCoded(
    medium: TapeMedium,
    next: TapeRecord,
    into: Buffer,
    parameters: EncryptionParameters,
  ): Promise<TapeObject> {
    const whole = payloads.take(next.storedBytes);
    try {
      const { object } = medium.position;
      const stored = whole.subarray(0, next.storedBytes);
      await medium.read(stored);
      if (!isKnown(next.coding)) {
        throw new MediumError('corrupt', object, `record ${object} is coded in a way that is not known here`);
      }
      const raw = (next.coding & ENCRYPTED) !== 0 && parameters.decryption === DecryptionMode.RAW;
      const record = await this.#decoded(medium, next, stored, parameters, object);
      record.copy(into);
      this.#flow.read(next.length, next.storedBytes);
      return raw ? { ...next, length: stored.length } : next;
    } finally {
      payloads.give(whole);
    }
  }

  async #decoded(
    medium: TapeMedium,
    next: TapeRecord,
    stored: Buffer,
    parameters: EncryptionParameters,
    object: number,
  ): Promise<Buffer> {
    let record = stored;
    if ((next.coding & ENCRYPTED) !== 0) {
      const opened = this.#opened(stored, parameters);
      if (typeof opened === 'number') {
        await medium.spaceRecords(-1);
        throw protectedData(opened);
      }
      if (opened === stored) return stored; // raw
      record = opened;
    }
    if (!isCompressed(next.coding)) {
      // What is not there of it would be somebody's old data.
      if (record.length === next.length) return record;
      throw new MediumError('corrupt', object, `record ${object} is of another length than it says`);
    }
    try {
      return await decompress(record, next.length);
    } catch (error) {
      throw new MediumError('corrupt', object, `record ${object} cannot be decompressed`, error);
    }
  }

  /** The record without its seal, with it for raw reads; otherwise what is to be said. */
  #opened(stored: Buffer, { decryption, key, keyCheck }: EncryptionParameters): Buffer | number {
    const sealed = inspect(stored);
    if (sealed === undefined) return INTEGRITY_VALIDATION_FAILED;
    if (decryption === DecryptionMode.RAW) return sealed.noRawReads ? UNABLE_TO_DECRYPT : stored;
    if (!fits(stored, keyCheck!)) return INCORRECT_KEY;
    return open(stored, key!) ?? INTEGRITY_VALIDATION_FAILED;
  }
}
