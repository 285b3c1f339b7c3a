import { ascii, bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { DeviceType, type LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb } from '../sense.ts';
import type { Task } from '../task.ts';
import { goodWithin, LUN_BITS } from './allocation.ts';
import { SUPPORTED_PAGES } from './vpd.ts';

const cdb = layout(6, { opcode: u8(0), evpd: bit(1, 0), pageCode: u8(2), allocationLength: u16(3) });

/** Standard INQUIRY data (SPC-4 6.6.2). */
export const inquiryData = layout(96, {
  peripheral: u8(0),
  removable: bit(1, 7),
  version: u8(2),
  normAca: bit(3, 5),
  hierarchical: bit(3, 4),
  responseDataFormat: bits(3, 0, 4),
  additionalLength: u8(4),
  tpgs: bits(5, 4, 2),
  thirdPartyCopy: bit(5, 3),
  protect: bit(5, 0),
  multiPort: bit(6, 4),
  commandQueue: bit(7, 1),
  vendor: ascii(8, 8),
  product: ascii(16, 16),
  revision: ascii(32, 4),
  barCodes: bit(55, 0), // vendor specific: where libraries say that they read labels
});

/** SPC-4. libiscsi's suite takes nothing above (facts/clients.md). */
const VERSION = 0x06;

/** PERIPHERAL QUALIFIER 011b with device type 1Fh: there is no such unit here (SPC-4 table 175). */
export const NO_UNIT = 0x7f;

/** TPGS: states change by SET TARGET PORT GROUPS; implicitly they may, and do not. */
const IMPLICIT_AND_EXPLICIT = 3;

/* Version descriptors, no version claimed (SPC-4 6.6.2 table 177). */
const SAM_5 = 0x00a0;
const SPC_4 = 0x0460;
const SPC_5 = 0x05c0;
const SBC_3 = 0x04c0;
const SBC_4 = 0x0600;
const SSC_4 = 0x0520;
const SMC_3 = 0x0480;
const ISCSI = 0x0960;

/** A disk names SBC-3 too: initiators that know no later one look for it before they use what came with it. */
const commandSets: Readonly<Record<number, readonly number[]>> = {
  [DeviceType.DISK]: [SBC_4, SBC_3],
  [DeviceType.TAPE]: [SSC_4],
  [DeviceType.CHANGER]: [SMC_3],
};

/** The peripheral byte that standard data and every VPD page begin with. */
export const peripheral = (unit: LogicalUnit): number =>
  unit.deviceType === DeviceType.UNKNOWN ? NO_UNIT : unit.deviceType;

function standard(unit: LogicalUnit): Buffer {
  const out = Buffer.alloc(inquiryData.length);
  inquiryData.peripheral.set(out, peripheral(unit));
  inquiryData.removable.set(out, unit.removable);
  inquiryData.version.set(out, VERSION);
  inquiryData.hierarchical.set(out, true);
  inquiryData.responseDataFormat.set(out, 2);
  inquiryData.additionalLength.set(out, out.length - 5);
  if (unit.deviceType !== DeviceType.UNKNOWN) inquiryData.tpgs.set(out, IMPLICIT_AND_EXPLICIT);
  inquiryData.multiPort.set(out, (unit.device?.relativePorts.length ?? 0) > 1);
  inquiryData.protect.set(out, unit.protectsBlocks);
  inquiryData.thirdPartyCopy.set(out, unit.thirdPartyCopy);
  inquiryData.commandQueue.set(out, true);
  inquiryData.vendor.set(out, unit.identity.vendor);
  inquiryData.product.set(out, unit.identity.product);
  inquiryData.revision.set(out, unit.identity.revision);
  inquiryData.barCodes.set(out, unit.deviceType === DeviceType.CHANGER);
  let at = 58;
  for (const standard of [SAM_5, SPC_5, SPC_4, ...(commandSets[unit.deviceType] ?? []), ISCSI]) {
    out.writeUInt16BE(standard, at);
    at += 2;
  }
  return out;
}

function vital(unit: LogicalUnit, task: Task, code: number): Buffer {
  let body: Uint8Array;
  if (code === SUPPORTED_PAGES) {
    body = Uint8Array.from(new Set([SUPPORTED_PAGES, ...unit.vpd.keys()])).sort();
  } else {
    const page = unit.vpd.get(code);
    if (page === undefined) throw invalidFieldInCdb(2); // SPC-4 6.6.3
    body = page.body(unit, task);
  }
  const out = Buffer.alloc(4 + body.length);
  out[0] = peripheral(unit);
  out[1] = code;
  out.writeUInt16BE(body.length, 2);
  out.set(body, 4);
  return out;
}

export const inquiry = command<LogicalUnit>({
  name: 'INQUIRY',
  opcode: 0x12,
  cdb,
  access: 'always',
  ordering: 'free',
  portState: 'unavailable',
  passesAttention: true,
  tolerated: LUN_BITS,
  run(unit, task) {
    const code = cdb.pageCode.get(task.cdb);
    let data: Buffer;
    if (cdb.evpd.get(task.cdb)) data = vital(unit, task, code);
    else if (code !== 0)
      throw invalidFieldInCdb(2); // SPC-4 6.6.1
    else data = standard(unit);
    goodWithin(task, data, cdb.allocationLength.get(task.cdb));
  },
});
