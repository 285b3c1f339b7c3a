import { bit, bits, u24, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
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

/** WRITE FILEMARKS(6) and SPACE(6), LOCATE(10) (SSC-4). */
const cdb6 = layout(6, { opcode: u8(0), low: bits(1, 0, 4), count: u24(2) });
const cdb10 = layout(10, { opcode: u8(0), object: u32(3) });

const six = (opcode: number, low: number, count: number): Buffer => {
  const cdb = Buffer.alloc(16);
  cdb6.opcode.set(cdb, opcode);
  cdb6.low.set(cdb, low);
  cdb6.count.set(cdb, count);
  return cdb;
};

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

export const writeFilemarks = row(0x10, 'filemark→tape', filemarks, bytes =>
  six(0x10, filemarks.immediate.get(bytes) ? 1 : 0, filemarks.count.get(bytes)),
);

export const spaceTape = row(0x11, 'space→tape', space, bytes =>
  six(0x11, space.code.get(bytes), space.count.get(bytes)),
);

export const locateTape = row(0x12, 'locate→tape', locate, bytes => {
  const cdb = Buffer.alloc(16);
  cdb10.opcode.set(cdb, 0x2b);
  cdb10.object.set(cdb, locate.object.get(bytes));
  return cdb;
});
