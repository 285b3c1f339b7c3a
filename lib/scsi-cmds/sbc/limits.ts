/** What one command may ask of a disk; the block limits page (VPD B0h) tells initiators the same. */
const MiB = 1024 * 1024;

/** READ, WRITE and what else moves data: one payload buffer of the largest size the pool keeps. */
export const MAX_TRANSFER_BYTES = 16 * MiB;
export const OPTIMAL_TRANSFER_BYTES = MiB;
/** No more than one WRITE can fill: libiscsi's suite writes so many blocks before it unmaps them with one WRITE SAME. */
export const MAX_WRITE_SAME_BYTES = MAX_TRANSFER_BYTES;
/** COMPARE AND WRITE has one byte for it. */
export const MAX_COMPARE_AND_WRITE_BLOCKS = 255;
/** No limit: what is not mapped costs the same for any length. */
export const MAX_UNMAP_BLOCKS = 0xffff_ffff;
export const MAX_UNMAP_DESCRIPTORS = 256;
/** An unmap that is aborted stops after so much: what was written may have to be filled with zeros. */
export const UNMAP_STEP_BYTES = 256 * MiB;
/** Verification, and copies inside one command, go in steps of this. */
export const STEP_BYTES = MiB;
/** WRITE ATOMIC: what the journal beside a disk file holds (backends/atomic-journal.ts). */
export const MAX_ATOMIC_BYTES = MiB;
/**
 * FORMAT UNIT and SANITIZE write at the pace of one disk, not of the machine: the other units of the process go on meanwhile.
 */
export const OPERATION_BYTES_PER_SECOND = 128 * MiB;
