import { InitiatorError } from './initiator-error.ts';
import { ScsiError, Status } from './scsi-error.ts';
import { Key, readSense } from './sense.ts';
import { spaceFilemarks, spaceRecords, TAPE_TIMEOUT_MS } from './tape-commands.ts';
import { bytesRead } from './tape-log.ts';
import { cdbOf, type Unit } from './unit.ts';

/**
 * The end of a tape that fills no whole block of the disk. A copy manager writes whole blocks, and what it has left when
 * the tape says filemark or end of data is gone with the command that ends there (SPC-4 5.17.7.2): PAD has no say in
 * that, and nothing tells how much it was. The drive knows, because it counts the bytes that it reads, and the bytes
 * are on the tape still.
 */
export class TapeTail {
  readonly #tape: Unit;
  /** Undefined: a drive that does not count. */
  readonly #before: number | undefined;

  private constructor(tape: Unit, before: number | undefined) {
    this.#tape = tape;
    this.#before = before;
  }

  /** To be called before the tape is read. */
  static async begin(tape: Unit): Promise<TapeTail> {
    return new TapeTail(tape, await bytesRead(tape));
  }

  /**
   * Bytes read since `begin` and not copied, of which there are fewer than `limit`; 0 too when it cannot be told, because
   * the drive does not count or somebody else reads the tape as well.
   */
  async leftOver(copied: number, limit: number): Promise<number> {
    if (this.#before === undefined) return 0;
    const left = ((await bytesRead(this.#tape)) ?? 0) - this.#before - copied;
    return left > 0 && left < limit ? left : 0;
  }

  /** The last `count` bytes before the present position, of records up to `longest`; the tape ends up where it is. */
  async fetch(count: number, longest: number, behindFilemark: boolean): Promise<Buffer> {
    const tape = this.#tape;
    const records: Buffer[] = [];
    try {
      if (behindFilemark) await spaceFilemarks(tape, -1);
      for (let bytes = 0; bytes < count; bytes += records[0]!.length) {
        await spaceRecords(tape, -1);
        records.unshift(await readRecord(tape, longest));
        await spaceRecords(tape, -1);
      }
      await spaceRecords(tape, records.length);
      if (behindFilemark) await spaceFilemarks(tape, 1);
    } catch (error) {
      const why = (error as Error).message;
      throw new InitiatorError('target', `the last ${count} bytes of the tape were not copied: ${why}`, {
        cause: error,
      });
    }
    return Buffer.concat(records).subarray(-count);
  }
}

/** READ(6) of one record, SSC-4 6.4: a shorter one than `longest` is CHECK CONDITION with ILI. */
async function readRecord(tape: Unit, longest: number): Promise<Buffer> {
  const cdb = cdbOf(6, 0x08);
  cdb.writeUIntBE(longest, 2, 3);
  const result = await tape.session.command(tape.lun, cdb, {
    dataIn: longest,
    timeoutMs: TAPE_TIMEOUT_MS,
  });
  const { key, incorrectLength, information = 0 } = readSense(result.sense);
  const short =
    result.status === Status.CHECK_CONDITION && key === Key.NO_SENSE && incorrectLength && information > 0;
  const bytes = short ? longest - information : longest;
  // Without a byte there would be no end of going back.
  if ((result.status !== Status.GOOD && !short) || bytes <= 0 || result.data.length < bytes)
    throw new ScsiError(`READ(6) to LUN ${tape.lun}`, result);
  return result.data.subarray(0, bytes);
}
