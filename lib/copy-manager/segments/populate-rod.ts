import { u16, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { OWN_UNIT } from '../cscd/ids.ts';
import type { BlockCscd } from '../end.ts';
import { type ParameterList, segmentHeader } from '../parameter-list.ts';
import { CopyAbort, CopyCode } from '../sense.ts';
import { blockRanges, rangeDescriptor } from '../tokens/block-ranges.ts';
import type { BlockRange } from '../tokens/rod.ts';
import { TYPE_OF_TOKEN } from '../tokens/rod-types.ts';
import type { Segment, SegmentType, Work } from './segment.ts';

const head = {
  type: segmentHeader.type,
  descriptorLength: segmentHeader.descriptorLength,
  source: segmentHeader.source,
  destination: segmentHeader.destination,
};

/** SPC-4 6.4.6.20 table 167, and the range descriptors. */
const several = layout(16, { ...head, rangeType: u8(13), rangesLength: u16(14) });
/** SPC-4 6.4.6.21 table 170. */
const one = layout(20, { ...head, lba: u64(8), blocks: u32(16) });

/** RANGE DESCRIPTOR TYPE (SPC-4 6.4.6.20 table 168). */
const FOUR_GIBI_BLOCKS = 1;
const DISK = 0x00;

/** The source is the unit that the command was sent to, the destination a ROD that is still to be populated. */
function wrongEnds(bytes: Uint8Array, list: ParameterList, ownDeviceType: number): number | undefined {
  if (head.source.get(bytes) !== OWN_UNIT || ownDeviceType !== DISK) return head.source.offset;
  const to = list.cscds[head.destination.get(bytes)];
  const populated = to?.address.kind === 'rod' && to.address.type !== TYPE_OF_TOKEN;
  return populated && to.deviceType === DISK ? undefined : head.destination.offset;
}

/** Where LBA and count of the range `i` stand. */
type Places = (i: number) => { readonly lba: number; readonly count: number };

/** Blocks behind the end are found before any are added. */
function populate(
  segment: Segment,
  work: Work,
  ranges: readonly BlockRange[],
  places: Places,
): Promise<void> {
  const { blocks: capacity } = segment.source as BlockCscd;
  ranges.forEach(({ lba, blocks }, i) => {
    if (blocks === 0 || lba + blocks <= capacity) return;
    const { lba: atLba, count } = places(i);
    const byte = lba >= capacity ? atLba : count;
    throw new CopyAbort(CopyCode.NOT_REACHABLE, { in: 'segment', byte });
  });
  return work.populate(head.destination.get(segment.bytes), ranges);
}

const rangesOf = (bytes: Buffer): BlockRange[] =>
  blockRanges(bytes.subarray(several.length, several.length + several.rangesLength.get(bytes)));
const rangeOf = (bytes: Buffer): BlockRange[] => [{ lba: one.lba.get(bytes), blocks: one.blocks.get(bytes) }];

export const populateFromRanges: SegmentType = {
  code: 0xbe,
  name: 'ROD←block ranges(n)',
  layout: several,
  variable: true,
  source: 'block',
  wrongRole: 'abort',
  ranges: rangesOf,
  wrong(bytes, list, ownDeviceType) {
    if (several.rangeType.get(bytes) !== FOUR_GIBI_BLOCKS) return several.rangeType.offset;
    const length = several.rangesLength.get(bytes);
    if (length % rangeDescriptor.length !== 0 || several.length + length > bytes.length) {
      return several.rangesLength.offset;
    }
    return wrongEnds(bytes, list, ownDeviceType);
  },
  run: async (segment, work) =>
    populate(segment, work, rangesOf(segment.bytes), i => {
      const at = several.length + i * rangeDescriptor.length;
      return { lba: at + rangeDescriptor.lba.offset, count: at + rangeDescriptor.blocks.offset };
    }),
};

export const populateFromRange: SegmentType = {
  code: 0xbf,
  name: 'ROD←block range(1)',
  layout: one,
  source: 'block',
  wrongRole: 'abort',
  ranges: rangeOf,
  wrong: wrongEnds,
  run: async (segment, work) =>
    populate(segment, work, rangeOf(segment.bytes), () => ({
      lba: one.lba.offset,
      count: one.blocks.offset,
    })),
};
