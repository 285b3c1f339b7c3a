import { Reader } from '../bytes/cursor.ts';
import { Status } from './scsi-error.ts';
import { cdbOf, type Unit } from './unit.ts';

/** Sequential-Access Device log page, SSC-4 8.2.2: bytes that READ commands have brought to application clients. */
const SEQUENTIAL_ACCESS_PAGE = 0x0c;
const BYTES_READ = 0x0003;
const CUMULATIVE = 1;
const LOG_BYTES = 1024;

/** Bytes of records that the drive has read, for whomever; undefined when it does not count them. */
export async function bytesRead(unit: Unit): Promise<number | undefined> {
  await unit.awaitReady(); // a unit attention would come instead of the answer
  const cdb = cdbOf(10, 0x4d, 0, (CUMULATIVE << 6) | SEQUENTIAL_ACCESS_PAGE);
  cdb.writeUInt16BE(LOG_BYTES, 7);
  const { status, data } = await unit.session.command(unit.lun, cdb, { dataIn: LOG_BYTES });
  return status === Status.GOOD ? parseBytesRead(data) : undefined;
}

/** Log page and log parameter headers: SPC-4 7.3.2. */
function parseBytesRead(page: Buffer): number | undefined {
  if (page.length < 4) return undefined;
  const reader = new Reader(page.subarray(4, 4 + page.readUInt16BE(2)));
  while (reader.left >= 4) {
    const code = reader.uint(2);
    reader.take(1);
    const length = reader.uint(1);
    if (length > reader.left) return undefined;
    const value = Buffer.from(reader.take(length)).toString('hex');
    if (code === BYTES_READ && length > 0) return Number(`0x${value}`);
  }
  return undefined;
}
