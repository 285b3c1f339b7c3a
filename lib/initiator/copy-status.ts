import { bits, u16, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { Status } from './scsi-error.ts';
import { cdbOf, type Unit } from './unit.ts';

/** RECEIVE COPY STATUS (LID1), SPC-4 6.25 table 253. */
const status = layout(12, {
  status: bits(4, 0, 7),
  segmentsProcessed: u16(5),
  units: u8(7),
  transferCount: u32(8),
});

export interface CopyStatus {
  readonly running: boolean;
  readonly segments: number;
  /** Written to destinations so far. */
  readonly bytes: number;
}

/** TRANSFER COUNT UNITS F1h: blocks of the destination. */
const DESTINATION_BLOCKS = 0xf1;
const POLL_TIMEOUT_MS = 10_000;

/** How far a copy is; undefined when the copy manager has nothing to say about that list identifier. */
export async function copyStatus(
  unit: Unit,
  listId: number,
  blockSize: number,
): Promise<CopyStatus | undefined> {
  const cdb = cdbOf(16, 0x84, 0x00, listId);
  cdb.writeUInt32BE(status.length, 10);
  const result = await unit.session.command(unit.lun, cdb, {
    dataIn: status.length,
    timeoutMs: POLL_TIMEOUT_MS,
  });
  if (result.status !== Status.GOOD || result.data.length < status.length) return undefined;
  const units = status.units.get(result.data);
  const factor = units === DESTINATION_BLOCKS ? blockSize : units <= 6 ? 1024 ** units : 0;
  return {
    running: status.status.get(result.data) === 0,
    segments: status.segmentsProcessed.get(result.data),
    bytes: status.transferCount.get(result.data) * factor,
  };
}
