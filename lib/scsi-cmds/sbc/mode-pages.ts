import { type ModeHeader, modePage } from '../spc/mode-pages.ts';
import { invalidFieldInParameterList } from '../sense.ts';
import type { DiskUnit } from './disk-unit.ts';

/** Read-write error recovery (SBC-3 6.5): AWRE and ARRE, as a medium that reassigns by itself says. */
export const readWriteErrorRecoveryPage = modePage(0x01, [0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Verify error recovery (SBC-3 6.5): nothing is retried. */
export const verifyErrorRecoveryPage = modePage(0x07, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Caching (SBC-3 6.5): WCE on and changeable. */
export const cachingPage = modePage(0x08, [0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0x04]);
export const WCE = 0x04;

const WRITE_PROTECTED = 0x80;
const DPOFUA = 0x10;

/** Number of blocks and block length, 8 bytes or 16 (SBC-3 6.5.2). */
function descriptor(unit: DiskUnit, long: boolean): Buffer {
  const out = Buffer.alloc(long ? 16 : 8);
  if (long) out.writeBigUInt64BE(BigInt(unit.blocks), 0);
  else out.writeUInt32BE(Math.min(unit.blocks, 0xffff_ffff), 0);
  out.writeUInt32BE(unit.blockSize, long ? 12 : 4);
  return out;
}

export const diskHeader = (unit: DiskUnit): ModeHeader => ({
  mediumType: 0,
  deviceSpecific: () => (unit.writeProtected ? WRITE_PROTECTED : 0) | DPOFUA,
  descriptor: long => descriptor(unit, long),
  /** Neither size can be changed. A number of blocks of 0 or all ones keeps it (SBC-3 6.5.2). */
  select(given, at) {
    const asked = given.descriptor;
    if (asked !== undefined) {
      const now = descriptor(unit, given.long);
      const numberBytes = given.long ? 8 : 4;
      const number = Buffer.from(asked.subarray(0, numberBytes));
      const keeps = number.every(byte => byte === 0) || number.every(byte => byte === 0xff);
      if (!keeps && !number.equals(now.subarray(0, numberBytes)))
        throw invalidFieldInParameterList(at.descriptor);
      const lengthAt = given.long ? 12 : 5;
      if (!now.subarray(lengthAt).equals(asked.subarray(lengthAt))) {
        throw invalidFieldInParameterList(at.descriptor + lengthAt);
      }
    }
    return () => false;
  },
});
