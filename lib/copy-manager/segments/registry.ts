import { blockImage } from './block-image.ts';
import { blockToBlock } from './block-to-block.ts';
import { blockToStream } from './block-to-stream.ts';
import { offsetToOffset, offsetToStream, streamToOffset } from './byte-offsets.ts';
import { embeddedToStream, inlineToStream } from './given-to-stream.ts';
import { populateFromRange, populateFromRanges } from './populate-rod.ts';
import { registerPersistentKey, thirdPartyReservation } from './reservation-keys.ts';
import type { SegmentType } from './segment.ts';
import { streamToBlock } from './stream-to-block.ts';
import { streamToDiscard } from './stream-to-discard.ts';
import { streamToStream } from './stream-to-stream.ts';
import { tapeImage } from './tape-image.ts';
import { locateTape, spaceTape, writeFilemarks } from './tape-position.ts';
import { verifyCscd } from './verify-cscd.ts';

/** The same, and what is processed is held (SPC-4 6.4.6.2 to 6.4.6.8). */
const holding = (code: number, type: SegmentType): SegmentType => ({
  ...type,
  code,
  name: `${type.name}+hold`,
  holds: true,
});

/** Segment descriptor types by code (SPC-4 6.4.6.1 table 146). */
export const segmentTypes: ReadonlyMap<number, SegmentType> = new Map(
  [
    blockToStream,
    streamToBlock,
    blockToBlock,
    streamToStream,
    inlineToStream,
    embeddedToStream,
    streamToDiscard,
    verifyCscd,
    offsetToStream,
    streamToOffset,
    offsetToOffset,
    holding(0x0b, blockToStream),
    holding(0x0c, streamToBlock),
    holding(0x0d, blockToBlock),
    holding(0x0e, streamToStream),
    holding(0x0f, streamToDiscard),
    writeFilemarks,
    spaceTape,
    locateTape,
    tapeImage,
    registerPersistentKey,
    thirdPartyReservation,
    blockImage,
    populateFromRanges,
    populateFromRange,
  ].map(type => [type.code, type]),
);
