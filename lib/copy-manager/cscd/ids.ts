/* CSCD descriptor IDs above 07FFh that name a logical unit (SPC-4 6.4.6.1 table 148). */

/** The one that the command was sent to. */
export const OWN_UNIT = 0xffff;
/** The one that has made the ROD token; only a ROD CSCD descriptor may name it. */
export const TOKENS_UNIT = 0xf800;
