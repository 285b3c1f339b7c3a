import { u24, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { DataQueue } from '../data-queue.ts';
import type { StreamCscd } from '../end.ts';
import { CHUNK_BYTES } from '../limits.ts';
import { segmentHeader } from '../parameter-list.ts';
import { residueRule } from '../residue.ts';
import type { SegmentType } from './segment.ts';
import { settle } from './transfer.ts';

/** SPC-4 6.4.6.8. */
const discard = layout(16, {
  type: segmentHeader.type,
  cat: segmentHeader.cat,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  transferLength: u24(9),
  bytes: u32(12),
});

/** What is processed goes nowhere, or is held. It counts as destination PAD = 0 (SPC-4 5.17.7.2 table 116). */
export const streamToDiscard: SegmentType = {
  code: 0x06,
  name: 'stream→discard',
  layout: discard,
  source: 'stream',
  wrongRole: 'refuse',
  streamTransfers: [{ of: 'source', field: discard.transferLength }],
  async run(segment, work) {
    const source = segment.source as StreamCscd;
    const gone = new DataQueue();
    const { abort } = await work.pump({
      source: source.source(discard.transferLength.get(segment.bytes)),
      sink: {
        depth: 1,
        unit: 1,
        most: CHUNK_BYTES,
        write: (from, done) => work.writeNothing(from, done),
        outcome: errand => ({ bytes: errand.out.length, abort: undefined }),
      },
      destinationData: gone,
      process: discard.bytes.get(segment.bytes),
      limit: Infinity,
      pad: false,
      silent: true,
    });
    gone.clear();
    settle(work, residueRule(segment.cat, source.pad, false, false), abort, undefined);
  },
};
