import { randomInt } from 'node:crypto';
import { u16, u32, u64, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { CommandResult } from './command.ts';
import { again, COPY_TIMEOUT_MS, MOST_TRIES } from './copy-command.ts';
import { type CopyEnd, copyEnd } from './copy-end.ts';
import type { CopyOutcome, CopyRequest, PreparedCopy } from './copy.ts';
import { copyLimits } from './copy-limits.ts';
import { type CopyExtent, extentOf } from './copy-plan.ts';
import { SegmentType } from './copy-segments.ts';
import { InitiatorError } from './initiator-error.ts';
import { ScsiError, Status } from './scsi-error.ts';
import { readSense } from './sense.ts';
import type { Session } from './session.ts';
import { cdbOf, type Unit } from './unit.ts';

/* A copy between disks by a token (ODX): the source makes it, and the destination is given it (SBC-3 4.28). */

const TOKEN_BYTES = 512;

/** POPULATE TOKEN and WRITE USING TOKEN with one range (SBC-3 5.12.2, 5.59.2). */
const populateList = layout(32, {
  dataLength: u16(0),
  rangesLength: u16(14),
  lba: u64(16),
  blocks: u32(24),
});
const writeList = layout(552, {
  dataLength: u16(0),
  flags: u8(2),
  offset: u64(8),
  rangesLength: u16(534),
  lba: u64(536),
  blocks: u32(544),
});
const RANGE_BYTES = 16;
const DATA_LENGTH_BYTES = 2;
const DEL_TKN = 0x02;

/** Block Device ROD Limits of VPD page 8Fh (SBC-3 6.6.9.3). */
const rodLimits = layout(36, { maxBlocks: u64(20), optimalBlocks: u64(28) });
const ROD_LIMITS = 0x0000;
const PAGE_BYTES = 4096;
const PAGE_HEADER_BYTES = 4;

/** What RECEIVE ROD TOKEN INFORMATION begins with (SPC-4 6.26), and behind it and its sense the length of what follows. */
const information = layout(32, { status: u8(5), senseLength: u8(13), transferCount: u64(16) });
const TOKEN_AT = 4 + 2;
const MOST_INFORMATION_BYTES = 2048;

/** INVALID TOKEN OPERATION, TOKEN CANCELLED. */
const TOKEN_CANCELLED = 0x2308;
/** A range descriptor counts in 32 bits. */
const MOST_RANGE_BLOCKS = 0xffff_ffff;
const SAFE_STEP_BYTES = 64 * 1024 * 1024;

interface Limits {
  readonly maxBlocks: number;
  readonly optimalBlocks: number;
}

/** Undefined: the unit makes and takes no tokens. */
async function tokenLimits(unit: Unit): Promise<Limits | undefined> {
  const cdb = cdbOf(6, 0x12, 0x01, 0x8f, PAGE_BYTES >> 8, PAGE_BYTES & 0xff);
  const result = await unit.session.command(unit.lun, cdb, { dataIn: PAGE_BYTES });
  if (result.status !== Status.GOOD) return undefined;
  const page = result.data;
  for (let at = PAGE_HEADER_BYTES; at + 4 <= page.length; at += 4 + page.readUInt16BE(at + 2)) {
    if (page.readUInt16BE(at) !== ROD_LIMITS) continue;
    const found = page.subarray(at, at + rodLimits.length);
    if (found.length < rodLimits.length) return undefined;
    const optimal = rodLimits.optimalBlocks.get(found);
    const max = rodLimits.maxBlocks.get(found);
    return { maxBlocks: max === 0 ? MOST_RANGE_BLOCKS : max, optimalBlocks: optimal };
  }
  return undefined;
}

const usage = (why: string): InitiatorError => new InitiatorError('usage', why);

/** What says nothing of a copy by a token. */
const OTHERS = ['record', 'filemarks', 'cat', 'lid4'] as const;

/** The source as it is at one moment, whatever is written to it while it is copied. */
export class TokenCopy implements PreparedCopy {
  readonly kind = 'disk to disk';
  readonly command = 'WRITE USING TOKEN';
  readonly bytes: number;
  readonly record = undefined;
  readonly #from: CopyEnd;
  readonly #to: CopyEnd;
  readonly #extent: CopyExtent;
  readonly #counted: boolean;
  readonly #limits: Limits;

  private constructor(from: CopyEnd, to: CopyEnd, extent: CopyExtent, limits: Limits, counted: boolean) {
    this.#from = from;
    this.#to = to;
    this.#extent = extent;
    this.#limits = limits;
    this.#counted = counted;
    this.bytes = extent.blocks * extent.blockSize;
  }

  /** Asks both LUNs. Rejects with InitiatorError `usage` when it cannot be done. */
  static async prepare(session: Session, request: CopyRequest): Promise<PreparedCopy> {
    const word = OTHERS.find(each => request[each] !== undefined && request[each] !== false);
    if (word !== undefined) throw usage(`--${word} says nothing of a copy with --token`);
    const from = await copyEnd(session, request.source);
    const to = await copyEnd(session, request.destination);
    if (from.type !== 'disk' || to.type !== 'disk') throw usage('--token is for copies from disk to disk');
    const [made, taken] = [await tokenLimits(from.unit), await tokenLimits(to.unit)];
    if (made === undefined || taken === undefined) throw usage('these disks make and take no tokens');
    const extent = extentOf(SegmentType.BLOCK_TO_BLOCK, from, to, await copyLimits(from.unit), request);
    const most = Math.min(made.maxBlocks, MOST_RANGE_BLOCKS);
    if (extent.blocks > most) throw usage(`a token is for up to ${most} blocks: give fewer --blocks`);
    return new TokenCopy(from, to, extent, taken, request.blocks !== undefined);
  }

  async run(
    onProgress: (bytes: number) => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<CopyOutcome> {
    const { session } = this.#from.unit;
    const [before, started] = [session.counters, performance.now()];
    const token = await this.#populate(signal);
    const { blockSize } = this.#to;
    const whole = Math.ceil(this.bytes / blockSize);
    const { optimalBlocks, maxBlocks } = this.#limits;
    const step = Math.min(
      optimalBlocks === 0 ? SAFE_STEP_BYTES / blockSize : optimalBlocks,
      maxBlocks,
      MOST_RANGE_BLOCKS,
    );
    let commands = 0;
    for (let done = 0; done < whole;) {
      done += await this.#write(token, done, Math.min(step, whole - done), whole, signal);
      commands++;
      onProgress(Math.min(done * blockSize, this.bytes));
    }
    const after = session.counters;
    return {
      blocks: this.#extent.blocks,
      bytes: this.bytes,
      padding: whole * blockSize - this.bytes,
      leftOver: 0,
      stop: this.#counted ? 'count' : 'end of the disk',
      segments: 0,
      commands,
      elapsedMs: performance.now() - started,
      carriedBytes: after.wireIn - before.wireIn + after.wireOut - before.wireOut,
    };
  }

  begin(): Promise<number> {
    return Promise.reject(usage('a copy with --token does not go on in the background'));
  }

  async #populate(signal: AbortSignal | undefined): Promise<Buffer> {
    const list = Buffer.alloc(populateList.length);
    populateList.dataLength.set(list, list.length - DATA_LENGTH_BYTES);
    populateList.rangesLength.set(list, RANGE_BYTES);
    populateList.lba.set(list, this.#extent.skip);
    populateList.blocks.set(list, this.#extent.blocks);
    const { result, listId } = await send(this.#from.unit, 0x10, list, signal);
    if (result.status !== Status.GOOD) throw new ScsiError('no token was made', result);
    const told = await rodInformation(this.#from.unit, listId);
    const at = information.length + information.senseLength.get(told) + TOKEN_AT;
    if (told.length < at + TOKEN_BYTES) {
      throw new InitiatorError('target', 'the target has made a token and does not tell it');
    }
    if (information.transferCount.get(told) !== this.#extent.blocks) {
      throw new InitiatorError(
        'target',
        `the token is for ${information.transferCount.get(told)} blocks only`,
      );
    }
    return told.subarray(at, at + TOKEN_BYTES);
  }

  /** Blocks of the destination from `done` on; resolves to how many were written. */
  async #write(
    token: Buffer,
    done: number,
    blocks: number,
    whole: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const list = Buffer.alloc(writeList.length);
    writeList.dataLength.set(list, list.length - DATA_LENGTH_BYTES);
    writeList.flags.set(list, done + blocks === whole ? DEL_TKN : 0);
    writeList.offset.set(list, done);
    token.copy(list, 16);
    writeList.rangesLength.set(list, RANGE_BYTES);
    writeList.lba.set(list, this.#extent.seek + done);
    writeList.blocks.set(list, blocks);
    const { result, listId } = await send(this.#to.unit, 0x11, list, signal);
    const after = done * this.#to.blockSize;
    if (result.status !== Status.GOOD) {
      if (readSense(result.sense).code === TOKEN_CANCELLED) {
        const why = 'the target has given up the token, as too much of the source was written meanwhile';
        throw new InitiatorError('target', `${why}, after ${after} bytes`);
      }
      throw new ScsiError(`the copy failed after ${after} bytes`, result);
    }
    const written = information.transferCount.get(await rodInformation(this.#to.unit, listId));
    if (written === 0) throw new InitiatorError('target', `nothing more was copied after ${after} bytes`);
    return written;
  }
}

/** One command with a list identifier that is free. */
async function send(
  unit: Unit,
  action: number,
  dataOut: Buffer,
  signal: AbortSignal | undefined,
): Promise<{ readonly result: CommandResult; readonly listId: number }> {
  for (let tries = 0; ; tries++) {
    const listId = randomInt(1, 2 ** 32);
    const cdb = cdbOf(16, 0x83, action);
    cdb.writeUInt32BE(listId, 6);
    cdb.writeUInt32BE(dataOut.length, 10);
    const options = { dataOut, timeoutMs: COPY_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
    const result = await unit.session.command(unit.lun, cdb, options);
    if (!again(result) || tries === MOST_TRIES) return { result, listId };
  }
}

/** RECEIVE ROD TOKEN INFORMATION. */
async function rodInformation(unit: Unit, listId: number): Promise<Buffer> {
  const cdb = cdbOf(16, 0x84, 0x07);
  cdb.writeUInt32BE(listId, 2);
  cdb.writeUInt32BE(MOST_INFORMATION_BYTES, 10);
  const name = 'RECEIVE ROD TOKEN INFORMATION';
  const data = await unit.read(name, cdb, MOST_INFORMATION_BYTES);
  if (data.length < information.length) {
    throw new InitiatorError('target', `the answer of LUN ${unit.lun} to ${name} is too short`);
  }
  return data;
}
