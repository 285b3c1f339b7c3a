import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { TapeRecord } from '../../backends/tape-medium.ts';
import { ENCRYPTED, isCompressed, isKnown } from '../../scsi-cmds/ssc/recording/coding.ts';
import { decompress } from '../../scsi-cmds/ssc/recording/compression.ts';

/** What the drive made of a record before it was kept. */
export interface Coding {
  readonly compressed: boolean;
  readonly encrypted: boolean;
}

export const codingOf = (coding: number): Coding => ({
  compressed: isCompressed(coding),
  encrypted: (coding & ENCRYPTED) !== 0,
});

/** The record as it was written, unless it is encrypted. Throws or rejects with the rest of a sentence about it. */
export function decoded(stored: Buffer, { coding, length }: TapeRecord): MaybePromise<Buffer> {
  if (coding === 0) return stored;
  if (!isKnown(coding)) throw new Error('is kept in a way that is not known here');
  return expanded(stored, length);
}

async function expanded(stored: Buffer, length: number): Promise<Buffer> {
  try {
    return await decompress(stored, length);
  } catch (error) {
    throw new Error('cannot be expanded', { cause: error });
  }
}
