import { bits, u16, u32, u64, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { ScsiError, Status } from './scsi-error.ts';
import { Key, readSense, type Sense } from './sense.ts';
import { cdbOf, type Unit } from './unit.ts';

/** RECEIVE COPY STATUS (LID1), SPC-4 6.25 table 253. */
const status = layout(12, {
  status: bits(4, 0, 7),
  segmentsProcessed: u16(5),
  units: u8(7),
  transferCount: u32(8),
});

/** RECEIVE COPY STATUS (LID4), SPC-4 6.24 table 249. */
const statusLid4 = layout(32, {
  operationStatus: bits(5, 0, 7),
  completionStatus: u8(12),
  senseDataLength: u8(14),
  units: u8(15),
  transferCount: u64(16),
  segmentsProcessed: u16(24),
});

export interface CopyStatus {
  readonly running: boolean;
  readonly segments: number;
  /** Written to destinations so far. */
  readonly bytes: number;
}

export type CopyState = 'running' | 'done' | 'failed' | 'aborted';

/** What LID4 tells beyond that. */
export interface CopyStatusLid4 extends CopyStatus {
  readonly state: CopyState;
  /** Of one that failed. */
  readonly sense: Sense | undefined;
}

/** TRANSFER COUNT UNITS F1h: blocks of the destination. */
const DESTINATION_BLOCKS = 0xf1;
const POLL_TIMEOUT_MS = 10_000;

const unitBytes = (units: number, blockSize: number): number =>
  units === DESTINATION_BLOCKS ? blockSize : units <= 6 ? 1024 ** units : 0;

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
  return {
    running: status.status.get(result.data) === 0,
    segments: status.segmentsProcessed.get(result.data),
    bytes: status.transferCount.get(result.data) * unitBytes(status.units.get(result.data), blockSize),
  };
}

/** SPC-4 6.24 table 250. */
const STATES: ReadonlyMap<number, CopyState> = new Map([
  [0x01, 'done'],
  [0x02, 'failed'],
  [0x03, 'done'],
  [0x04, 'done'],
  [0x10, 'running'],
  [0x11, 'running'],
  [0x12, 'running'],
  [0x60, 'aborted'],
]);
const SENSE_BYTES = 252;

/**
 * The same by RECEIVE COPY STATUS(LID4), which may be asked of every copy and as often as one likes. Rejects with
 * ScsiError unless the answer is GOOD or that nothing is known.
 */
export async function copyStatusLid4(
  unit: Unit,
  listId: number,
  blockSize: number,
): Promise<CopyStatusLid4 | undefined> {
  const cdb = cdbOf(16, 0x84, 0x05);
  cdb.writeUInt32BE(listId, 2);
  cdb.writeUInt32BE(statusLid4.length + SENSE_BYTES, 10);
  const result = await unit.session.command(unit.lun, cdb, {
    dataIn: statusLid4.length + SENSE_BYTES,
    timeoutMs: POLL_TIMEOUT_MS,
  });
  const { data } = result;
  const { key, code } = readSense(result.sense);
  if (result.status === Status.CHECK_CONDITION && key === Key.ILLEGAL_REQUEST && code === INVALID_FIELD)
    return undefined;
  if (result.status !== Status.GOOD) throw new ScsiError('RECEIVE COPY STATUS(LID4)', result);
  if (data.length < statusLid4.length) return undefined;
  const s = statusLid4;
  const state = STATES.get(s.operationStatus.get(data)) ?? 'failed';
  const senseEnd = s.length + s.senseDataLength.get(data);
  return {
    state,
    running: state === 'running',
    segments: s.segmentsProcessed.get(data),
    bytes: s.transferCount.get(data) * unitBytes(s.units.get(data), blockSize),
    sense: senseEnd > s.length ? readSense(data.subarray(s.length, senseEnd)) : undefined,
  };
}

/** INVALID FIELD IN CDB: there is no such list identifier. */
const INVALID_FIELD = 0x2400;
const ABORT_TIMEOUT_MS = 120_000;

/** COPY OPERATION ABORT (SPC-4 6.3): resolves to false when no copy with that list identifier runs. */
export async function abortCopy(unit: Unit, listId: number): Promise<boolean> {
  const cdb = cdbOf(16, 0x83, 0x1c);
  cdb.writeUInt32BE(listId, 2);
  const result = await unit.session.command(unit.lun, cdb, { timeoutMs: ABORT_TIMEOUT_MS });
  const { key, code } = readSense(result.sense);
  if (result.status === Status.CHECK_CONDITION && key === Key.ILLEGAL_REQUEST && code === INVALID_FIELD)
    return false;
  if (result.status !== Status.GOOD) throw new ScsiError('COPY OPERATION ABORT', result);
  return true;
}
