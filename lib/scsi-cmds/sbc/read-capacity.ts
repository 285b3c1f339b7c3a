import { bit, bits, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { goodWithin } from '../spc/allocation.ts';
import type { DiskUnit } from './disk-unit.ts';

const capacity10 = layout(8, { lastLba: u32(0), blockLength: u32(4) });

/** SBC-3 5.15. The capacity says FFFFFFFFh when it takes READ CAPACITY(16) to tell. */
export const readCapacity10 = command<DiskUnit>({
  name: 'READ CAPACITY(10)',
  opcode: 0x25,
  cdb: layout(10, { opcode: u8(0) }),
  access: 'always',
  ordering: 'free',
  medium: true,
  run(unit, task) {
    const out = Buffer.alloc(capacity10.length);
    capacity10.lastLba.set(out, Math.min(unit.blocks - 1, 0xffff_ffff));
    capacity10.blockLength.set(out, unit.blockSize);
    task.good(out);
  },
});

const cdb16 = layout(16, { opcode: u8(0), serviceAction: bits(1, 0, 5), allocationLength: u32(10) });

const capacity16 = layout(32, {
  lastLba: u64(0),
  blockLength: u32(8),
  blocksPerPhysicalExponent: bits(13, 0, 4),
  provisioning: bit(14, 7),
  readsZeros: bit(14, 6),
});

/** SBC-3 5.16. */
export const readCapacity16 = command<DiskUnit>({
  name: 'READ CAPACITY(16)',
  opcode: 0x9e,
  serviceAction: 0x10,
  cdb: cdb16,
  access: 'always',
  ordering: 'free',
  medium: true,
  run(unit, task) {
    const out = Buffer.alloc(capacity16.length);
    capacity16.lastLba.set(out, unit.blocks - 1);
    capacity16.blockLength.set(out, unit.blockSize);
    capacity16.blocksPerPhysicalExponent.set(out, unit.physicalExponent);
    capacity16.provisioning.set(out, true);
    capacity16.readsZeros.set(out, true);
    goodWithin(task, out, cdb16.allocationLength.get(task.cdb));
  },
});
