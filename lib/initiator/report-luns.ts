import { lunNumber } from './lun.ts';
import { tooShort } from './inquiry.ts';
import { Unit, cdbOf } from './unit.ts';
import type { Session } from './session.ts';

/** 16,384 LUNs of 8 bytes, and the header. */
const LONGEST_LIST = 16_384 * 8 + 8;

/** REPORT LUNS (SPC-4 6.33): the LUNs of the target, ascending. */
export async function reportLuns(session: Session): Promise<number[]> {
  const cdb = cdbOf(12, 0xa0);
  cdb.writeUInt32BE(LONGEST_LIST, 6);
  const data = await new Unit(session, 0).read('REPORT LUNS', cdb, LONGEST_LIST);
  if (data.length < 8) throw tooShort('REPORT LUNS', 0);
  const end = Math.min(data.length, 8 + data.readUInt32BE(0));
  const luns: number[] = [];
  for (let at = 8; at + 8 <= end; at += 8) {
    const lun = lunNumber(data.subarray(at, at + 8));
    if (lun !== undefined) luns.push(lun);
  }
  return luns.sort((a, b) => a - b);
}
