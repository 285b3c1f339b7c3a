/**
 * What becomes of data that fits no whole-block transfer at the end of a segment (SPC-4 5.17.7.2 table 116), by CAT of
 * the segment and PAD of the source's and the destination's CSCD.
 */
export interface Residue {
  /** Residual source data: kept for a later segment, thrown away, or not expected. */
  readonly source: 'keep' | 'discard' | 'inexact';
  /** Residual destination data; `pad`: filled up with zeros and written. */
  readonly destination: 'keep' | 'discard' | 'pad' | 'inexact';
}

const KEEP: Residue = { source: 'keep', destination: 'keep' };

/** Rows of table 116 with CAT = 0: index 2 × source PAD + destination PAD. */
const RULES: readonly Residue[] = [
  { source: 'inexact', destination: 'inexact' },
  { source: 'keep', destination: 'pad' },
  { source: 'discard', destination: 'discard' },
  { source: 'discard', destination: 'pad' },
];

/**
 * `counted`: the segment says how many blocks to write (01h, 02h with DC), so that padding would write one too many
 * (footnote a of table 116).
 */
export function residueRule(
  cat: boolean,
  sourcePad: boolean,
  destinationPad: boolean,
  counted: boolean,
): Residue {
  if (cat) return KEEP;
  const rule = RULES[(sourcePad ? 2 : 0) + (destinationPad ? 1 : 0)]!;
  return counted && rule.destination === 'pad' ? { source: rule.source, destination: 'inexact' } : rule;
}
