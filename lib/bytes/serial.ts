/** Serial number arithmetic in 32 bits (RFC 1982), for CmdSN, StatSN and DataSN (RFC 7143 4.2.2.1). */

/** a + n, wrapped. */
export const serialAdd = (a: number, n: number): number => (a + n) >>> 0;

/** a - b as a signed distance; negative when a comes before b. */
export const serialDistance = (a: number, b: number): number => (a - b) | 0;

export const serialBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0;
