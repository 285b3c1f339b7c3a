import { bit, bits } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import { CheckCondition, invalidFieldInCdb, SenseKey } from '../sense.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { type Form, long, reading, writing } from './forms.ts';
import { STEP_BYTES } from './limits.ts';
import { at10, at12, at16, at32, requireRange, requireTransfer, wholeBlocks } from './transfer.ts';

/** DPO is taken and means nothing here; VRPROTECT is not there as PROTECT is 0. */
const flags = { dpo: bit(1, 4), byteCheck: bits(1, 1, 2) } as const;
const cdb10 = layout(10, { ...at10, ...flags });
const cdb12 = layout(12, { ...at12, ...flags });
const cdb16 = layout(16, { ...at16, ...flags });
const cdb32 = layout(32, { ...at32, dpo: bit(10, 4), byteCheck: bits(10, 1, 2) });
type VerifyCdb = typeof cdb10 | typeof cdb12 | typeof cdb16 | typeof cdb32;

/** BYTCHK (SBC-3 5.29). */
const MEDIUM_ONLY = 0;
const COMPARE = 1;
const COMPARE_ONE_BLOCK = 3;

/** MISCOMPARE DURING VERIFY OPERATION. */
const differs = (): CheckCondition => new CheckCondition({ key: SenseKey.MISCOMPARE, code: 0x1d00 });

/** The range can be read. What is not mapped needs no reading. */
async function verifyMedium(unit: DiskUnit, task: Task, lba: number, blocks: number): Promise<void> {
  const { backend, blockSize } = unit;
  const end = (lba + blocks) * blockSize;
  const into = task.take(STEP_BYTES);
  for (let at = lba * blockSize; at < end && !task.aborted;) {
    const extent = await backend.extent(at, end - at);
    const extentEnd = Math.min(at + extent.bytes, end);
    while (extent.mapped && at < extentEnd && !task.aborted) {
      const bytes = Math.min(STEP_BYTES, extentEnd - at);
      await backend.read(into.subarray(0, bytes), at);
      at += bytes;
    }
    at = extentEnd;
  }
}

/** The range holds `expected`, over and over when it is shorter. */
async function compare(
  unit: DiskUnit,
  task: Task,
  lba: number,
  blocks: number,
  expected: Buffer,
): Promise<void> {
  const { backend, blockSize } = unit;
  const step = Math.max(expected.length, STEP_BYTES - (STEP_BYTES % expected.length));
  const pattern = expected.length >= blocks * blockSize ? expected : task.take(step);
  if (pattern !== expected) pattern.fill(expected);
  const end = (lba + blocks) * blockSize;
  const into = task.take(Math.min(step, blocks * blockSize));
  for (let at = lba * blockSize; at < end && !task.aborted; at += step) {
    const bytes = Math.min(step, end - at);
    await backend.read(into.subarray(0, bytes), at);
    if (into.compare(pattern, 0, bytes, 0, bytes) !== 0) throw differs();
  }
}

const verify = (form: Form<VerifyCdb>): Command<DiskUnit> => {
  const { cdb } = form;
  return command<DiskUnit>({
    ...reading,
    timeoutSeconds: 300,
    ...form,
    counts: 'verify',
    dataOut(unit, task) {
      const lba = cdb.lba.get(task.cdb);
      const blocks = cdb.blocks.get(task.cdb);
      switch (cdb.byteCheck.get(task.cdb)) {
        case MEDIUM_ONLY:
          requireRange(unit, lba, blocks);
          return 0;
        case COMPARE:
          requireTransfer(unit, lba, blocks, cdb.blocks.offset);
          return blocks * unit.blockSize;
        case COMPARE_ONE_BLOCK:
          requireRange(unit, lba, blocks);
          return blocks === 0 ? 0 : unit.blockSize;
        default:
          throw invalidFieldInCdb(cdb.byteCheck.offset, 2);
      }
    },
    async run(unit, task) {
      const lba = cdb.lba.get(task.cdb);
      const blocks = cdb.blocks.get(task.cdb);
      if (cdb.byteCheck.get(task.cdb) === MEDIUM_ONLY) await verifyMedium(unit, task, lba, blocks);
      else {
        const expected = wholeBlocks(unit, task);
        // An initiator that announced less has that much compared.
        const compared = cdb.byteCheck.get(task.cdb) === COMPARE ? expected.length / unit.blockSize : blocks;
        if (expected.length > 0) await compare(unit, task, lba, compared, expected);
      }
      task.good();
    },
  });
};

/** SBC-3 5.29 to 5.32. */
export const verifies = [
  verify({ name: 'VERIFY(10)', opcode: 0x2f, cdb: cdb10 }),
  verify({ name: 'VERIFY(12)', opcode: 0xaf, cdb: cdb12 }),
  verify({ name: 'VERIFY(16)', opcode: 0x8f, cdb: cdb16 }),
  verify({ name: 'VERIFY(32)', ...long(0x000a), cdb: cdb32 }),
];

const writeAndVerify = (form: Form<VerifyCdb>): Command<DiskUnit> => {
  const { cdb } = form;
  return command<DiskUnit>({
    ...writing,
    ...form,
    counts: 'write',
    dataOut(unit, task) {
      if (cdb.byteCheck.get(task.cdb) > COMPARE) throw invalidFieldInCdb(cdb.byteCheck.offset, 2);
      const blocks = cdb.blocks.get(task.cdb);
      requireTransfer(unit, cdb.lba.get(task.cdb), blocks, cdb.blocks.offset);
      return blocks * unit.blockSize;
    },
    async run(unit, task) {
      const data = wholeBlocks(unit, task);
      if (data.length === 0) return task.good();
      const lba = cdb.lba.get(task.cdb);
      const { backend, blockSize } = unit;
      await backend.write(data, lba * blockSize);
      unit.thresholds.look(task.nexus);
      // SBC-3 4.15: what is verified is on the medium, not in a cache.
      await backend.flush();
      const blocks = data.length / blockSize;
      if (cdb.byteCheck.get(task.cdb) === COMPARE) await compare(unit, task, lba, blocks, data);
      else await verifyMedium(unit, task, lba, blocks);
      return task.good();
    },
  });
};

/** SBC-3 5.37 to 5.40. */
export const writesAndVerifies = [
  writeAndVerify({ name: 'WRITE AND VERIFY(10)', opcode: 0x2e, cdb: cdb10 }),
  writeAndVerify({ name: 'WRITE AND VERIFY(12)', opcode: 0xae, cdb: cdb12 }),
  writeAndVerify({ name: 'WRITE AND VERIFY(16)', opcode: 0x8e, cdb: cdb16 }),
  writeAndVerify({ name: 'WRITE AND VERIFY(32)', ...long(0x000c), cdb: cdb32 }),
];
