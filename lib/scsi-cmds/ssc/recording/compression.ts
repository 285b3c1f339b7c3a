import { constants, deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib';
import type { MaybePromise } from '../../../bytes/maybe-promise.ts';
import { MAX_BLOCK_BYTES } from '../limits.ts';

/** Up to here a record is coded at once, in well under a millisecond; a longer one in the thread pool. */
const AT_ONCE_BYTES = 16 * 1024;
/** A record that shrinks by less is kept as it came: it is not worth the time to decode it. */
const LEAST_GAIN = 1 / 32;
/** Of a long record three pieces of this are looked at before all of it is coded. */
const SAMPLE_BYTES = 4096;
/** Bits a byte of a sample above which nothing is to be gained: what is compressed or encrypted already has 7.95. */
const DENSE = 7.8;

const options = (bytes: number) =>
  ({ level: constants.Z_BEST_SPEED, chunkSize: Math.max(64, bytes) }) as const;

function bitsPerByte(sample: Uint8Array): number {
  const counts = new Uint32Array(256);
  for (let i = 0; i < sample.length; i++) counts[sample[i]!]!++;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= count * Math.log2(count / sample.length);
  return bits / sample.length;
}

function isDense(record: Uint8Array): boolean {
  if (record.length <= AT_ONCE_BYTES) return false;
  const middle = (record.length - SAMPLE_BYTES) >> 1;
  return [0, middle, record.length - SAMPLE_BYTES].every(
    at => bitsPerByte(record.subarray(at, at + SAMPLE_BYTES)) > DENSE,
  );
}

const kept = (record: Uint8Array, coded: Buffer): Buffer | undefined =>
  coded.length <= record.length * (1 - LEAST_GAIN) ? coded : undefined;

/** The record in fewer bytes; undefined when it is to be kept as it came. */
export function compress(record: Uint8Array): MaybePromise<Buffer | undefined> {
  if (isDense(record)) return undefined;
  if (record.length <= AT_ONCE_BYTES) return kept(record, deflateRawSync(record, options(record.length)));
  return new Promise((resolve, reject) => {
    deflateRaw(record, options(record.length), (error, coded) => {
      if (error === null) resolve(kept(record, coded));
      else reject(error);
    });
  });
}

/**
 * The record again. It was `length` bytes, and no more memory is ever used for it, whatever the stored bytes say; what
 * gives another length, or none, throws or rejects.
 */
export function decompress(stored: Uint8Array, length: number): MaybePromise<Buffer> {
  // A file says what it likes, and its length is allocated.
  if (length > MAX_BLOCK_BYTES) throw new RangeError(`a record of ${length} bytes`);
  const bounds = { maxOutputLength: length, chunkSize: Math.max(64, length) };
  const exact = (record: Buffer): Buffer => {
    if (record.length !== length) throw new RangeError(`${record.length} bytes, not ${length}`);
    return record;
  };
  if (length <= AT_ONCE_BYTES) return exact(inflateRawSync(stored, bounds));
  return new Promise<Buffer>((resolve, reject) => {
    inflateRaw(stored, bounds, (error, record) => {
      if (error === null) resolve(record);
      else reject(error);
    });
  }).then(exact);
}
