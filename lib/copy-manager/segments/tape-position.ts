import { bit, bits, u24, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { StreamCscd } from '../end.ts';
import { segmentHeader } from '../parameter-list.ts';
import type { SegmentType } from './segment.ts';

/* What moves a tape and no data. Residual data stays as with CAT = 1 (SPC-4 5.17.7.2 table 116). */

const head = {
  type: segmentHeader.type,
  descriptorLength: segmentHeader.descriptorLength,
  destination: segmentHeader.destination,
};

/** SPC-4 6.4.6.13. */
const filemarks = layout(12, { ...head, immediate: bit(8, 0), count: u24(9) });
/** SPC-4 6.4.6.14. */
const space = layout(12, { ...head, code: bits(8, 0, 4), count: u24(9) });
/** SPC-4 6.4.6.15. */
const locate = layout(12, { ...head, object: u32(8) });

/** SPACE(6), LOCATE(10) (SSC-4). */
const cdb6 = layout(6, { opcode: u8(0), code: bits(1, 0, 4), count: u24(2) });
const cdb10 = layout(10, { opcode: u8(0), object: u32(3) });

const row = (
  code: number,
  name: string,
  of: SegmentType['layout'],
  cdbOf: (bytes: Buffer) => Buffer,
): SegmentType => ({
  code,
  name,
  layout: of,
  destination: 'stream',
  wrongRole: 'abort',
  run: ({ bytes, destination }) => destination!.command(cdbOf(bytes)),
});

export const writeFilemarks: SegmentType = {
  code: 0x10,
  name: 'filemark→tape',
  layout: filemarks,
  destination: 'stream',
  wrongRole: 'abort',
  run: ({ bytes, destination }) =>
    (destination as StreamCscd).filemarks(filemarks.count.get(bytes), filemarks.immediate.get(bytes)),
};

export const spaceTape = row(0x11, 'space→tape', space, bytes => {
  const cdb = Buffer.alloc(16);
  cdb6.opcode.set(cdb, 0x11);
  cdb6.code.set(cdb, space.code.get(bytes));
  cdb6.count.set(cdb, space.count.get(bytes));
  return cdb;
});

export const locateTape = row(0x12, 'locate→tape', locate, bytes => {
  const cdb = Buffer.alloc(16);
  cdb10.opcode.set(cdb, 0x2b);
  cdb10.object.set(cdb, locate.object.get(bytes));
  return cdb;
});
