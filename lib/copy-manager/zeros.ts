import { CHUNK_BYTES } from './limits.ts';

/** What unmapped blocks read as. Its memory tells that a piece is nothing but zeros; it is never written to. */
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/** At most CHUNK_BYTES. */
export const zeros = (bytes: number): Buffer => ZEROS.subarray(0, bytes);
export const isZeros = (bytes: Buffer): boolean => bytes.buffer === ZEROS.buffer;
