import { bit } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { segmentHeader } from '../parameter-list.ts';
import type { SegmentType } from './segment.ts';

/** SPC-4 6.4.6.9. */
const verify = layout(12, {
  type: segmentHeader.type,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  testUnitReady: bit(8, 0),
});

/** Resolving the CSCD is the verification; TUR asks whether it is ready as well. */
export const verifyCscd: SegmentType = {
  code: 0x07,
  name: 'verify CSCD',
  layout: verify,
  source: 'any',
  wrongRole: 'abort',
  async run(segment) {
    if (!verify.testUnitReady.get(segment.bytes)) return;
    await segment.source!.command(Buffer.alloc(16), { role: 'source' });
  },
};
