import { randomInt } from 'node:crypto';
import type { CommandResult } from './command.ts';
import { type CopyEnd, copyEnd } from './copy-end.ts';
import { type CopyLimits, copyLimits } from './copy-limits.ts';
import { IDENTIFICATION, parameterList, type Segment, SegmentType } from './copy-list.ts';
import { checkRecord, copyCommands, type CopyExtent } from './copy-plan.ts';
import { copyStatus } from './copy-status.ts';
import { writeBlocks } from './block-commands.ts';
import { InitiatorError } from './initiator-error.ts';
import { ScsiError, Status } from './scsi-error.ts';
import { Key, readSense, type Sense } from './sense.ts';
import type { Session } from './session.ts';
import { writeFilemarks } from './tape-commands.ts';
import { TapeTail } from './tape-tail.ts';
import { cdbOf, type Unit } from './unit.ts';

export interface CopyRequest {
  /** LUNs of the session's target. */
  readonly source: number;
  readonly destination: number;
  /** Of the disk; of the source where both are disks. Default: all there is. */
  readonly blocks?: number | undefined;
  /** First block of a source disk. */
  readonly skip?: number | undefined;
  /** First block of a destination disk. */
  readonly seek?: number | undefined;
  /** Bytes of a tape record. Default 64 KiB. */
  readonly record?: number | undefined;
}

/** What ended a copy: the count that was asked for, the end of a disk, or what the tape said. */
export type CopyStop = 'count' | 'end of the disk' | 'full disk' | 'filemark' | 'end of data';

export interface CopyOutcome {
  readonly blocks: number;
  readonly bytes: number;
  /** Zeros behind the data of a tape that fills no whole block of the disk. */
  readonly padding: number;
  /** Bytes of the tape's last record behind the last block that was wanted or had room: read, and not copied. */
  readonly leftOver: number;
  readonly stop: CopyStop;
  readonly segments: number;
  readonly commands: number;
  readonly elapsedMs: number;
  /** Bytes on the wire, both ways, for all of it. */
  readonly carriedBytes: number;
}

const DEFAULT_RECORD = 64 * 1024;
const FIRST_POLL_MS = 100;
const POLL_MS = 150;
/** A copy may take as long as it takes; that it is alive is what its status says. */
const COPY_TIMEOUT_MS = 2 ** 31 - 1;
/** List identifiers that are taken already, and unit attentions that come in between. */
const MOST_TRIES = 8;
const OPERATION_IN_PROGRESS = 0x0016;

const TYPES: Readonly<Record<string, number>> = {
  'disk to tape': SegmentType.BLOCK_TO_STREAM,
  'tape to disk': SegmentType.STREAM_TO_BLOCK,
  'disk to disk': SegmentType.BLOCK_TO_BLOCK,
  'tape to tape': SegmentType.STREAM_TO_STREAM,
};

/** A copy that the target does by itself, checked against its limits and ready to run. */
export class Copy {
  /** `disk to tape` */
  readonly kind: string;
  /** What will be copied; from a tape, at most. */
  readonly bytes: number;
  readonly record: number;
  readonly #from: CopyEnd;
  readonly #to: CopyEnd;
  readonly #limits: CopyLimits;
  readonly #extent: CopyExtent;
  readonly #counted: boolean;
  readonly #manager: Unit;

  private constructor(kind: string, from: CopyEnd, to: CopyEnd, limits: CopyLimits, request: CopyRequest) {
    this.kind = kind;
    this.#from = from;
    this.#to = to;
    this.#limits = limits;
    this.#extent = extentOf(TYPES[kind]!, from, to, limits, request);
    this.#counted = request.blocks !== undefined;
    this.#manager = managerOf(from, to);
    this.bytes = this.#extent.blocks * this.#extent.blockSize;
    this.record = this.#extent.record;
  }

  /** Asks both LUNs and the copy manager. Rejects with InitiatorError `usage` when it cannot be done. */
  static async prepare(session: Session, request: CopyRequest): Promise<Copy> {
    const from = await copyEnd(session, request.source);
    const to = await copyEnd(session, request.destination);
    const kind = `${from.type} to ${to.type}`;
    const limits = await copyLimits(managerOf(from, to));
    if (!limits.types.has(TYPES[kind]!) || !limits.types.has(IDENTIFICATION)) {
      throw new InitiatorError('usage', `the copy manager of this target cannot copy from ${kind}`);
    }
    if (kind === 'tape to tape')
      throw new InitiatorError('usage', 'sanlet xcopy does not copy from tape to tape');
    return new Copy(kind, from, to, limits, request);
  }

  /** Does it. Rejects with InitiatorError or ScsiError; a tape that ends is no error. */
  async run(
    onProgress: (bytes: number) => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<CopyOutcome> {
    const { session } = this.#manager;
    const [before, started] = [session.counters, performance.now()];
    let [bytes, segments, commands] = [0, 0, 0];
    let stop: CopyStop | undefined;
    const tail = this.#from.type === 'tape' ? await TapeTail.begin(this.#from.unit) : undefined;
    for (const list of copyCommands(this.#extent, this.#limits)) {
      commands++;
      const done = bytes;
      const result = await this.#send(list, more => onProgress(done + more), signal);
      const end = this.#read(result, list, bytes);
      bytes += end.bytes;
      segments += end.segments;
      onProgress(bytes);
      stop = end.stop;
      if (stop !== undefined) break;
    }
    if (this.#to.type === 'tape') await writeFilemarks(this.#to.unit, 1);
    const { blockSize } = this.#extent;
    // Of a tape that has ended less than a block is left, of one that has not, less than a record.
    const left = (await tail?.leftOver(bytes, stop === undefined ? this.record : blockSize)) ?? 0;
    let padding = 0;
    if (tail !== undefined && stop !== undefined && left > 0) {
      await this.#putTail(await tail.fetch(left, this.record, stop === 'filemark'), bytes / blockSize);
      bytes += left;
      padding = blockSize - left;
      onProgress(bytes);
    }
    const after = session.counters;
    return {
      blocks: (bytes + padding) / blockSize,
      bytes,
      padding,
      leftOver: stop === undefined ? left : 0,
      stop: stop ?? (this.#counted ? 'count' : this.#from.type === 'tape' ? 'full disk' : 'end of the disk'),
      segments,
      commands,
      elapsedMs: performance.now() - started,
      carriedBytes: after.wireIn - before.wireIn + after.wireOut - before.wireOut,
    };
  }

  /** The block behind the first `blocks` that were copied: there is room for it, or the disk would have ended the copy. */
  async #putTail(tail: Buffer, blocks: number): Promise<void> {
    const { blockSize, seek } = this.#extent;
    const block = Buffer.alloc(blockSize);
    tail.copy(block);
    await writeBlocks(this.#to.unit, seek + blocks, block, blockSize);
  }

  /** One EXTENDED COPY, with a list identifier that is free, and its progress while it runs. */
  async #send(
    list: readonly Segment[],
    onProgress: (bytes: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<CommandResult> {
    const unit = this.#manager;
    for (let i = 0; ; i++) {
      const listId = randomInt(1, 256);
      const dataOut = parameterList(listId, this.#from, this.#to, list);
      const cdb = cdbOf(16, 0x83, 0x00);
      cdb.writeUInt32BE(dataOut.length, 10);
      const watch = new AbortController();
      const watching = this.#watch(listId, onProgress, watch.signal);
      try {
        const options = { dataOut, timeoutMs: COPY_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
        const result = await unit.session.command(unit.lun, cdb, options);
        const { key, code } = readSense(result.sense);
        const again =
          result.status === Status.CHECK_CONDITION &&
          (key === Key.UNIT_ATTENTION || (key === Key.ILLEGAL_REQUEST && code === OPERATION_IN_PROGRESS));
        if (!again || i === MOST_TRIES) {
          watch.abort();
          await watching;
          await copyStatus(unit, listId, 1).catch(() => undefined); // read once, and the results are let go
          return result;
        }
      } finally {
        watch.abort();
        await watching;
      }
    }
  }

  /** RECEIVE COPY STATUS on the same session and LUN, until it is over. A target that answers no more is given up. */
  async #watch(listId: number, onProgress: (bytes: number) => void, over: AbortSignal): Promise<void> {
    const unit = this.#manager;
    for (let waitMs = FIRST_POLL_MS; await pause(waitMs, over); waitMs = POLL_MS) {
      try {
        const status = await copyStatus(unit, listId, this.#extent.destinationBlockSize);
        if (status?.running === true && !over.aborted) onProgress(status.bytes);
      } catch (error) {
        if (error instanceof InitiatorError && error.fault === 'timeout') unit.session.destroy();
        return;
      }
    }
  }

  /** How far a command came, and what ended it. */
  #read(
    result: CommandResult,
    list: readonly Segment[],
    before: number,
  ): { bytes: number; segments: number; stop?: CopyStop } {
    const total = list.reduce((sum, { bytes }) => sum + bytes, 0);
    if (result.status === Status.GOOD) return { bytes: total, segments: list.length };
    const sense = readSense(result.sense);
    const bytes =
      sense.key === Key.COPY_ABORTED ? bytesUntil(list, sense, this.#extent.destinationBlockSize) : 0;
    const stop =
      this.#from.type === 'tape' && sense.source !== undefined ? tapeStop(sense.source) : undefined;
    if (stop !== undefined) return { bytes, segments: sense.segment + 1, stop };
    throw this.#failure(result, sense, before + bytes);
  }

  #failure(result: CommandResult, sense: Sense, bytes: number): Error {
    const { source, destination } = sense;
    const after = `after ${bytes} bytes`;
    // SSC-4 7.3: a record that is longer than asked for has ILI with a negative residual.
    if (source?.incorrectLength === true && (source.information ?? 0) < 0) {
      const length = this.record - source.information!;
      return new InitiatorError(
        'target',
        `the tape has a record of ${length} bytes, longer than --record ${this.record}, ${after}: give --record ${length}`,
      );
    }
    if (destination !== undefined && this.#to.type === 'tape') {
      if (destination.key === Key.VOLUME_OVERFLOW || destination.endOfMedium) {
        return new InitiatorError('target', `the tape is full ${after}`);
      }
    }
    return new ScsiError(`the copy failed ${after}`, result);
  }
}

const managerOf = (from: CopyEnd, to: CopyEnd): Unit => {
  const manager =
    [to, from].find(end => end.copies && end.type === 'disk') ?? [to, from].find(end => end.copies);
  if (manager === undefined)
    throw new InitiatorError('usage', 'this target has no copy manager (3PC is not set)');
  return manager.unit;
};

/** Whole segments before the one that failed, and of that one what is not in INFORMATION (SPC-4 5.17.7.4). */
function bytesUntil(list: readonly Segment[], sense: Sense, blockSize: number): number {
  let bytes = 0;
  for (const segment of list.slice(0, sense.segment)) bytes += segment.bytes;
  const failed = list[sense.segment];
  if (failed === undefined || sense.information === undefined) return bytes;
  // To a tape of variable records the residual is in bytes, to a disk in its blocks.
  const unit = failed.type === SegmentType.BLOCK_TO_STREAM ? 1 : blockSize;
  return bytes + Math.min(failed.bytes, Math.max(0, failed.bytes - sense.information * unit));
}

/** SSC-4 7.3: a filemark is NO SENSE with FILEMARK, the end of data BLANK CHECK. */
function tapeStop(said: Sense): CopyStop | undefined {
  if (said.filemark) return 'filemark';
  return said.key === Key.BLANK_CHECK ? 'end of data' : undefined;
}

function extentOf(
  type: number,
  from: CopyEnd,
  to: CopyEnd,
  limits: CopyLimits,
  { blocks: wanted, skip, seek, record = DEFAULT_RECORD }: CopyRequest,
): CopyExtent {
  const usage = (why: string): InitiatorError => new InitiatorError('usage', why);
  if (skip !== undefined && from.type === 'tape')
    throw usage('a tape is read from its present position; --skip is for disks');
  if (seek !== undefined && to.type === 'tape')
    throw usage('a tape is written at its present position; --seek is for disks');
  const disk = from.type === 'disk' ? from : to;
  if (from.type === 'tape' || to.type === 'tape')
    checkRecord(record, to.type === 'tape', disk.blockSize, limits);
  const first = { skip: skip ?? 0, seek: seek ?? 0 };
  const left = disk.blocks - (from.type === 'disk' ? first.skip : first.seek);
  const blocks = wanted ?? Math.max(0, left);
  const { lun } = disk.unit;
  if (left <= 0)
    throw usage(`LUN ${lun} ends before that block: it has ${disk.blocks} blocks of ${disk.blockSize} bytes`);
  if (blocks > left) throw usage(`${blocks} blocks are more than the ${left} that LUN ${lun} has there`);
  const extent = { type, blocks, blockSize: disk.blockSize, ...first, record };
  if (to.type === 'tape') return { ...extent, destinationBlockSize: disk.blockSize };
  if (from.type === 'disk') checkDisks(from, to, blocks, first);
  return { ...extent, destinationBlockSize: to.blockSize };
}

function checkDisks(
  from: CopyEnd,
  to: CopyEnd,
  blocks: number,
  { skip, seek }: { skip: number; seek: number },
): void {
  const bytes = blocks * from.blockSize;
  if (bytes % to.blockSize !== 0) {
    throw new InitiatorError(
      'usage',
      `${bytes} bytes are no whole number of the destination's blocks of ${to.blockSize}`,
    );
  }
  const needed = bytes / to.blockSize;
  if (needed > to.blocks - seek) {
    const room = Math.max(0, to.blocks - seek);
    throw new InitiatorError(
      'usage',
      `${needed} blocks do not fit LUN ${to.unit.lun}, which has ${room} there`,
    );
  }
  if (from.unit.lun === to.unit.lun && Math.abs(skip - seek) < blocks) {
    throw new InitiatorError('usage', 'a disk is not copied onto itself where the two parts overlap');
  }
}

/** False: it is over. */
const pause = (ms: number, over: AbortSignal): Promise<boolean> =>
  new Promise(resolve => {
    if (over.aborted) {
      resolve(false);
      return;
    }
    const ended = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      over.removeEventListener('abort', ended);
      resolve(true);
    }, ms);
    over.addEventListener('abort', ended, { once: true });
  });
