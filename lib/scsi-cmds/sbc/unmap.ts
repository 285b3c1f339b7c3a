import { bit, bits, u16, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb, invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';
import type { DiskUnit } from './disk-unit.ts';
import { writing } from './forms.ts';
import { MAX_UNMAP_BLOCKS, MAX_UNMAP_DESCRIPTORS, UNMAP_STEP_BYTES } from './limits.ts';
import { requireRange } from './transfer.ts';
import { written } from './write.ts';

const cdb = layout(10, {
  opcode: u8(0),
  anchor: bit(1, 0),
  group: bits(6, 0, 5),
  parameterListLength: u16(7),
});

const header = layout(8, { dataLength: u16(0), descriptorsLength: u16(2) });
const descriptor = layout(16, { lba: u64(0), blocks: u32(8) });

interface Range {
  readonly lba: number;
  readonly blocks: number;
}

/** The whole list is found right before anything is unmapped (SBC-3 5.28). */
function ranges(unit: DiskUnit, list: Buffer): Range[] {
  if (list.length < header.length) throw parameterListLengthError();
  const length = header.descriptorsLength.get(list);
  if (header.length + length > list.length) throw parameterListLengthError();
  // SBC-3 5.28.2: what is no whole descriptor at the end is passed over.
  const count = Math.floor(length / descriptor.length);
  if (count > MAX_UNMAP_DESCRIPTORS) throw invalidFieldInParameterList(header.descriptorsLength.offset);
  const found: Range[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const at = header.length + i * descriptor.length;
    const one = list.subarray(at, at + descriptor.length);
    const range = { lba: descriptor.lba.get(one), blocks: descriptor.blocks.get(one) };
    requireRange(unit, range.lba, range.blocks);
    total += range.blocks;
    if (total > MAX_UNMAP_BLOCKS) throw invalidFieldInParameterList(at + descriptor.blocks.offset);
    found.push(range);
  }
  return found;
}

/** SBC-3 5.28. */
export const unmap = command<DiskUnit>({
  ...writing,
  name: 'UNMAP',
  opcode: 0x42,
  cdb,
  dataOut(unit, task) {
    // ANC_SUP of VPD page B2h
    if (cdb.anchor.get(task.cdb) && unit.backend.anchor === undefined) throw invalidFieldInCdb(1, 0);
    return cdb.parameterListLength.get(task.cdb);
  },
  async run(unit, task) {
    if (task.wantedOut === 0) return task.good(); // SBC-3 5.28.1: not an error
    const { backend } = unit;
    const anchors = cdb.anchor.get(task.cdb);
    for (const { lba, blocks } of ranges(unit, task.dataOut)) {
      const end = (lba + blocks) * unit.blockSize;
      for (let at = lba * unit.blockSize; at < end && !task.aborted; at += UNMAP_STEP_BYTES) {
        const bytes = Math.min(UNMAP_STEP_BYTES, end - at);
        await (anchors ? backend.anchor!(at, bytes) : backend.unmap(at, bytes));
      }
    }
    return written(unit, task, false);
  },
});
