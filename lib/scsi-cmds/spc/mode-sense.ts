import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { DeviceType, type LogicalUnit } from '../logical-unit.ts';
import { illegalRequest, invalidFieldInCdb } from '../sense.ts';
import type { Task } from '../task.ts';
import { goodWithin, LUN_BITS } from './allocation.ts';
import { PageControl } from './mode-pages.ts';

const cdb6 = layout(6, {
  opcode: u8(0),
  disableBlockDescriptors: bit(1, 3),
  pageControl: bits(2, 6, 2),
  pageCode: bits(2, 0, 6),
  subpageCode: u8(3),
  allocationLength: u8(4),
});

const cdb10 = layout(10, {
  opcode: u8(0),
  longLba: bit(1, 4),
  disableBlockDescriptors: bit(1, 3),
  pageControl: bits(2, 6, 2),
  pageCode: bits(2, 0, 6),
  subpageCode: u8(3),
  allocationLength: u16(7),
});

/** What lies behind the mode parameter header: the block descriptor and the pages. */
function parameters(
  unit: LogicalUnit,
  task: Task,
  long: boolean,
): { descriptor: Uint8Array; pages: Uint8Array[] } {
  const { cdb } = task;
  const { modePages } = unit;
  const control = cdb6.pageControl.get(cdb);
  const pages = modePages.matching(cdb6.pageCode.get(cdb), cdb6.subpageCode.get(cdb));
  if (pages === undefined) {
    // SPC-4 6.13: the page is unknown, or only this subpage of it.
    const known = modePages.matching(cdb6.pageCode.get(cdb), 0) !== undefined;
    throw known ? invalidFieldInCdb(3) : invalidFieldInCdb(2, 5);
  }
  // SPC-4 6.13.1.5: SAVING PARAMETERS NOT SUPPORTED.
  if (control === PageControl.SAVED && !modePages.canSave) throw illegalRequest(0x3900);
  const descriptor = cdb6.disableBlockDescriptors.get(cdb) ? undefined : modePages.header.descriptor(long);
  return {
    descriptor: descriptor ?? new Uint8Array(0),
    pages: pages.map(page => modePages.values(page, control)),
  };
}

/** WP, where it is in both command sets (SBC-3 6.5.1, SSC-4 8.3.1): set also for a view that may not write. */
const WRITE_PROTECTED = 0x80;
const deviceSpecific = (unit: LogicalUnit, task: Task): number =>
  unit.modePages.header.deviceSpecific() |
  (task.readOnly && unit.deviceType !== DeviceType.CHANGER ? WRITE_PROTECTED : 0);

/** SPC-4 6.13, header of table 384. */
export const modeSense6 = command<LogicalUnit>({
  name: 'MODE SENSE(6)',
  opcode: 0x1a,
  cdb: cdb6,
  access: 'read',
  ordering: 'free',
  portState: 'standby',
  tolerated: LUN_BITS,
  run(unit, task) {
    const { descriptor, pages } = parameters(unit, task, false);
    const { header } = unit.modePages;
    const out = Buffer.concat([
      Uint8Array.of(0, header.mediumType, deviceSpecific(unit, task), descriptor.length),
      descriptor,
      ...pages,
    ]);
    out[0] = Math.min(out.length - 1, 0xff);
    goodWithin(task, out, cdb6.allocationLength.get(task.cdb));
  },
});

/** SPC-4 6.14, header of table 385. */
export const modeSense10 = command<LogicalUnit>({
  name: 'MODE SENSE(10)',
  opcode: 0x5a,
  cdb: cdb10,
  access: 'read',
  ordering: 'free',
  portState: 'standby',
  tolerated: LUN_BITS,
  run(unit, task) {
    // LLBAA is for units with logical blocks to be addressed.
    const long = cdb10.longLba.get(task.cdb) && unit.deviceType === DeviceType.DISK;
    const { descriptor, pages } = parameters(unit, task, long);
    const { header } = unit.modePages;
    const longLba = long && descriptor.length > 0 ? 1 : 0;
    const out = Buffer.concat([
      Uint8Array.of(0, 0, header.mediumType, deviceSpecific(unit, task), longLba, 0, 0, descriptor.length),
      descriptor,
      ...pages,
    ]);
    out.writeUInt16BE(out.length - 2, 0);
    goodWithin(task, out, cdb10.allocationLength.get(task.cdb));
  },
});
