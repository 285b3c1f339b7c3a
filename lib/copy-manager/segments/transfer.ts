import type { BlockCscd, Sink, Source } from '../end.ts';
import { MAX_SEGMENT_BYTES } from '../limits.ts';
import { type Residue, residueRule } from '../residue.ts';
import { CopyAbort, CopyCode } from '../sense.ts';
import { type Segment, SegmentFailure, type Work } from './segment.ts';

/** Data movement that a segment wants, in its own terms (SPC-4 5.17.7.2 table 115). */
export interface Transfer {
  readonly source: Source;
  readonly sink: Sink;
  /** Bytes to process; or blocks of the destination to write, and as many bytes to process as that takes. */
  readonly amount: { readonly processBytes: number } | { readonly writeBlocks: number };
  /** What the residual in INFORMATION counts in: 1 for bytes, or the length of a destination block. */
  readonly residualUnit: number;
  /** Byte of the descriptor that gives the amount. */
  readonly amountAt: number;
}

/** How much a transfer reads and writes when all goes well. */
export interface Extent {
  readonly process: number;
  /** Bytes that must be read. */
  readonly read: number;
  readonly write: number;
  readonly limit: number;
  readonly rule: Residue;
}

/** What the segment comes to with the residual data that there is. */
export function extentOf(
  segment: Segment,
  work: Work,
  { amount, unit }: { amount: Transfer['amount']; unit: number },
): Extent {
  const counted = 'writeBlocks' in amount;
  const rule = residueRule(
    segment.cat,
    segment.source?.pad === true,
    segment.destination?.pad === true,
    counted,
  );
  const kept = work.destinationData.length;
  const limit = counted ? amount.writeBlocks * unit : Infinity;
  const process = counted ? Math.max(0, limit - kept) : amount.processBytes;
  const total = kept + process;
  const whole = rule.destination === 'pad' ? Math.ceil(total / unit) : Math.floor(total / unit);
  return {
    process,
    read: Math.max(0, process - work.sourceData.length),
    write: Math.min(whole * unit, limit),
    limit,
    rule,
  };
}

/** Refuses a range of blocks that ends behind the last one, before any of it is read or written. */
export function requireRange(
  end: BlockCscd,
  lba: number,
  bytes: number,
  at: { lba: number; count: number },
): void {
  const blocks = Math.ceil(bytes / end.blockBytes);
  if (blocks === 0 || lba + blocks <= end.blocks) return;
  throw new CopyAbort(CopyCode.NOT_REACHABLE, { in: 'segment', byte: lba >= end.blocks ? at.lba : at.count });
}

/** Padding does not count (SPC-4 6.22 MAXIMUM SEGMENT LENGTH). */
export function requireSegmentLength(extent: Extent, unit: number, at: number): void {
  const padded = extent.rule.destination === 'pad' ? unit : 0;
  if (extent.write - padded > MAX_SEGMENT_BYTES) {
    throw new CopyAbort(CopyCode.INVALID_FIELD, { in: 'segment', byte: at });
  }
}

export interface Ends {
  readonly source: Source;
  readonly sink: Sink;
  readonly residualUnit: number;
}

/** Moves the data and settles the residue. */
export async function transfer(work: Work, extent: Extent, ends: Ends): Promise<void> {
  const { rule } = extent;
  const { written, abort } = await work.pump({
    source: ends.source,
    sink: ends.sink,
    process: extent.process,
    limit: extent.limit,
    pad: rule.destination === 'pad',
  });
  settle(work, rule, abort, residualOf(extent.write, written, ends.residualUnit));
}

/** What is left to be written; undefined when nothing was (SPC-4 5.17.7.4 c). */
export const residualOf = (wanted: number, written: number, unit: number): number | undefined =>
  written > 0 ? Math.ceil((wanted - written) / unit) : undefined;

/** The end of a segment's data movement: it failed, or what is left over goes the way of table 116. */
export function settle(
  work: Work,
  rule: Residue,
  abort: CopyAbort | undefined,
  residual: number | undefined,
): void {
  if (abort !== undefined) throw new SegmentFailure(abort, residual);
  if (work.stopped) return;
  const { sourceData, destinationData } = work;
  const inexact =
    (rule.source === 'inexact' && sourceData.length > 0) ||
    (rule.destination === 'inexact' && destinationData.length > 0);
  if (inexact) throw new SegmentFailure(new CopyAbort(CopyCode.INEXACT_SEGMENT), residual);
  if (rule.source === 'discard') sourceData.clear();
  if (rule.destination === 'discard') destinationData.clear();
}
