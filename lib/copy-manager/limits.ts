/**
 * What the copy manager takes on, said once: RECEIVE COPY OPERATING PARAMETERS (SPC-4 6.22) and the Third-party Copy
 * VPD page (SPC-4 7.8.17) both report these.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const TIB = MIB * MIB;

/** MAXIMUM CSCD DESCRIPTOR COUNT. */
export const MAX_CSCDS = 255;

/** MAXIMUM SEGMENT DESCRIPTOR COUNT: 1.25 TiB in one command, at 65,408 blocks of 512 bytes a segment. */
export const MAX_SEGMENTS = 40 * KIB;

/**
 * MAXIMUM DESCRIPTOR LIST LENGTH, CSCD and segment descriptors together (SPC-4 6.4.3.5): as many of both as there may
 * be, at 32 and 28 bytes. So one descriptor more than allowed is told as too many, and only both together as too long,
 * which is what iscsi-test-cu sends and expects.
 */
export const MAX_DESCRIPTOR_LIST_BYTES = 32 * MAX_CSCDS + 28 * MAX_SEGMENTS;

/** MAXIMUM SEGMENT LENGTH, what one segment may write; padding is not counted. */
export const MAX_SEGMENT_BYTES = 256 * MIB;

/** MAXIMUM INLINE DATA LENGTH; a LID4 list has room for 64 KiB less one byte. */
export const MAX_INLINE_BYTES = 256 * KIB;

/** HELD DATA LIMIT: what one copy keeps for RECEIVE COPY DATA. */
export const HELD_DATA_BYTES = MIB;

/** Finished copies whose held data is kept, 64 MiB in all; the oldest give way. */
export const MAX_COPIES_WITH_HELD_DATA = 64;

/** Those of one I_T nexus: it takes nothing from the others before. */
export const MAX_HELD_OF_NEXUS = 16;

/** MAXIMUM STREAM DEVICE TRANSFER SIZE: the largest read or write of a tape. */
export const MAX_STREAM_TRANSFER_BYTES = 8 * MIB;

/** Granularities as powers of two: single bytes. */
export const GRANULARITY_LOG2 = 0;

/** TOTAL CONCURRENT COPIES of one target, and as many of them may have list identifiers. */
export const MAX_COPIES = 16;

/** Copies of one I_T nexus at a time. */
export const MAX_COPIES_OF_NEXUS = 8;

/** Results of finished copies kept for one I_T nexus; the oldest go first (SPC-4 6.25, 6.23: resources needed). */
export const MAX_RESULTS_OF_NEXUS = 64;

/** Nexuses whose results are kept; beyond them those go that were heard of least lately. */
export const MAX_NEXUSES_WITH_RESULTS = 256;

/** Aliases of one I_T nexus, at all units together, and of one of them header and designation: 36 KiB a nexus. */
export const MAX_ALIASES = 64;
export const MAX_ALIAS_BYTES = 16 + 560;

/** The longest CHANGE ALIASES list: every alias twice, removed and given anew. */
export const MAX_ALIAS_LIST_BYTES = 8 + 2 * MAX_ALIASES * MAX_ALIAS_BYTES;

/** The longest parameter list: header, descriptors, inline data. */
export const MAX_PARAMETER_LIST_BYTES = 48 + MAX_DESCRIPTOR_LIST_BYTES + MAX_INLINE_BYTES;

/** One read or write of a disk. */
export const CHUNK_BYTES = MIB;

/** Shorter unmapped runs of a copy source are read: it costs no more, and small copies need not ask. */
export const LEAST_HOLE_BYTES = MIB;

/** Commands under way at once on a disk, of reads and of writes; a tape has one, in order. */
export const COMMANDS_AHEAD = 4;

/**
 * Data in hand of one copy: four chunks being read and four being written. What a segment cannot do with less comes on
 * top: a stream transfer being gathered, one read beside it, and the source residue of a segment before it.
 */
export const MAX_AHEAD_BYTES = 2 * COMMANDS_AHEAD * CHUNK_BYTES;

/** A copy works so long before the event loop gets its turn … */
export const SLICE_MS = 2;

/** … and so long while ordinary commands come, which is until there was none for so long. */
export const ATTENTIVE_SLICE_MS = 0.5;
export const ATTENTION_MS = 20;

/** MAXIMUM RANGE DESCRIPTORS of one POPULATE TOKEN or WRITE USING TOKEN; a ROD of EXTENDED COPY has no more ranges either. */
export const MAX_RANGES = 256;

/** MAXIMUM BYTES IN BLOCK ROD, and MAXIMUM TOKEN TRANSFER SIZE in blocks: about what one EXTENDED COPY moves. */
export const MAX_ROD_BYTES = TIB;

/** What one command with a token had better move: as much as a segment. */
export const OPTIMAL_ROD_BYTES = MAX_SEGMENT_BYTES;

/** ROD tokens at a time, of one I_T nexus and of a target: with 256 ranges each they take 20 MiB. */
export const MAX_TOKENS_OF_NEXUS = 256;
export const MAX_TOKENS = 1024;

/** Tokens that one copy makes: 64 MiB of them at most wait to be fetched, with all results of all nexuses. */
export const MAX_TOKENS_OF_COPY = 8;

/** Points in time of a target's disks: each write to a disk looks at those of its own, 50 µs for all of them. */
export const MAX_POINTS_IN_TIME = 2 * MAX_TOKENS;
export const MAX_POINTS_OF_NEXUS = MAX_POINTS_IN_TIME / 2;

/** How ended tokens came to their end is remembered of so many, for twice their lifetime (SPC-4 5.17.6.7). */
export const MAX_ENDED_TOKENS = 4096;

/** Times of ROD tokens in seconds (SPC-4 7.8.17.8, SBC-3 6.6): how long they are good, and how long unused. */
export const MIN_TOKEN_LIFETIME_S = 60;
export const MAX_TOKEN_LIFETIME_S = 24 * 60 * 60;
export const MAX_TOKEN_INACTIVITY_S = 60 * 60;
/** Windows makes a token for every 64 MiB and lets them end by themselves. */
export const DEFAULT_TOKEN_INACTIVITY_S = 60;

/**
 * Memory for what is written under points in time: of one token, of those of one nexus, of all of a target. Beyond it the token is
 * cancelled, and the write goes on.
 */
export const MAX_PRESERVED_BYTES_OF_TOKEN = 64 * MIB;
export const MAX_PRESERVED_BYTES_OF_NEXUS = 128 * MIB;
export const MAX_PRESERVED_BYTES = 256 * MIB;

/** BUSY and TASK SET FULL of a copy source or destination are met with patience (SPC-4 5.17.7.4). */
export const BUSY_RETRIES = 8;
export const BUSY_WAIT_MS = 10;
