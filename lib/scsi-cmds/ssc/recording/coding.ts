/** What the drive says of a record to the medium, which keeps it: a byte made of these. 0: as the initiator wrote it. */
export const COMPRESSED = 0x01;
export const ENCRYPTED = 0x02;

export const isCompressed = (coding: number): boolean => (coding & COMPRESSED) !== 0;

/** A byte that a later version has made. */
export const isKnown = (coding: number): boolean => (coding & ~(COMPRESSED | ENCRYPTED)) === 0;
