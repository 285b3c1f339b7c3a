import { LARGEST_BUFFER } from '../../bytes/buffers.ts';

/** READ BLOCK LIMITS (SSC-4 7.6): what 24 bits of TRANSFER LENGTH can say, and less than one buffer. */
export const MAX_BLOCK_BYTES = 0xff_ffff;
export const MIN_BLOCK_BYTES = 1;

/** Bytes of one READ or WRITE with FIXED = 1: one buffer of the pool and of the transport. */
export const MAX_TRANSFER_BYTES = LARGEST_BUFFER;

/** MAXIMUM LOGICAL OBJECT IDENTIFIER: object numbers are Numbers. */
export const MAX_LOGICAL_OBJECT = Number.MAX_SAFE_INTEGER;
