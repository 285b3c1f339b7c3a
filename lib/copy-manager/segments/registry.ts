import { blockToBlock } from './block-to-block.ts';
import { blockToStream } from './block-to-stream.ts';
import type { SegmentType } from './segment.ts';
import { streamToBlock } from './stream-to-block.ts';

/** Segment descriptor types by code (SPC-4 6.4.6.1 table 146). */
export const segmentTypes: ReadonlyMap<number, SegmentType> = new Map(
  [blockToStream, streamToBlock, blockToBlock].map(type => [type.code, type]),
);
