import { u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { StreamCscd } from '../end.ts';
import { segmentHeader } from '../parameter-list.ts';
import { CopyAbort } from '../sense.ts';
import { SegmentFailure, type SegmentType } from './segment.ts';

/** SPC-4 6.4.6.16. */
const image = layout(12, {
  type: segmentHeader.type,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  destination: segmentHeader.destination,
  count: u32(8),
});

/**
 * Records and filemarks as they come, each record as long as it was, up to so many filemarks in a row or the end of data.
 * While a record is written the next object is read: only a filemark can be the last. When it fails INFORMATION is 0.
 */
export const tapeImage: SegmentType = {
  code: 0x13,
  name: 'tape image',
  layout: image,
  source: 'stream',
  destination: 'stream',
  wrongRole: 'refuse',
  async run(segment, work) {
    const source = segment.source as StreamCscd;
    const destination = segment.destination as StreamCscd;
    const wanted = image.count.get(segment.bytes);
    const step = { filemarks: 0, object: await source.object() };
    try {
      while (step.object.kind !== 'end' && !work.stopped) {
        const { object } = step;
        if (object.kind === 'record') {
          step.filemarks = 0;
          const [written, next] = await Promise.allSettled([destination.put(object.bytes), source.object()]);
          object.release();
          step.object = next.status === 'fulfilled' ? next.value : END;
          if (written.status === 'rejected') throw written.reason;
          const { bytes, abort } = written.value;
          if (bytes > 0) work.wrote(bytes);
          if (abort !== undefined) {
            // The source stands behind what was copied, as if nothing had been read ahead.
            if (step.object.kind !== 'end') await source.back(step.object.kind);
            if (bytes === 0) await source.back('record');
            throw abort;
          }
          if (next.status === 'rejected') throw next.reason;
        } else {
          await destination.filemarks(1, false);
          if (++step.filemarks === wanted) return;
          step.object = await source.object();
        }
        await work.rest();
      }
    } catch (error) {
      throw error instanceof CopyAbort ? new SegmentFailure(error, 0) : error;
    } finally {
      if (step.object.kind === 'record') step.object.release();
    }
  },
};

const END = { kind: 'end' } as const;
