/** Time for nonsense: SANLET_FUZZ_MS for all tests of this directory together, a few seconds in `npm test`. */

export const LONG = process.env['SANLET_FUZZ_MS'] !== undefined;
const TOTAL_MS = Number(process.env['SANLET_FUZZ_MS'] ?? 8_000);

export const shareMs = (of: number): number => TOTAL_MS * of;
