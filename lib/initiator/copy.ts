import { writeBlocks } from './block-commands.ts';
import type { CommandResult } from './command.ts';
import { sendBackground, sendCopy } from './copy-command.ts';
import { type CopyEnd, copyEnd } from './copy-end.ts';
import { copyFailure, tapeStop } from './copy-failure.ts';
import { type CopyLimits, copyLimits } from './copy-limits.ts';
import {
  type Cscd,
  IDENTIFICATION,
  MOST_LID4_BYTES,
  parameterList,
  type Segment,
  segmentDescriptor,
} from './copy-list.ts';
import type { CopyOutcome, CopyStop, PreparedCopy } from './copy-outcome.ts';
import { copyCommands, type CopyExtent, type ExtentRequest, extentOf, residueOf } from './copy-plan.ts';
import { encodeSegment, segmentBytes, segmentRow, SegmentType } from './copy-segments.ts';
import { InitiatorError } from './initiator-error.ts';
import { Status } from './scsi-error.ts';
import { Key, readSense, type Sense } from './sense.ts';
import type { Session } from './session.ts';
import { TapeImageCopy } from './tape-image-copy.ts';
import { writeFilemarks } from './tape-commands.ts';
import { TapeTail } from './tape-tail.ts';
import type { Unit } from './unit.ts';

export type { CopyOutcome, CopyStop, PreparedCopy };

export interface CopyRequest extends ExtentRequest {
  /** LUNs of the session's target. */
  readonly source: number;
  readonly destination: number;
  /** From tape to tape: filemarks in a row that end it. Default 0, the end of data does. */
  readonly filemarks?: number | undefined;
  /** EXTENDED COPY(LID4) rather than (LID1). */
  readonly lid4?: boolean | undefined;
}

const TYPES: Readonly<Record<string, number>> = {
  'disk to tape': SegmentType.BLOCK_TO_STREAM,
  'tape to disk': SegmentType.STREAM_TO_BLOCK,
  'disk to disk': SegmentType.BLOCK_TO_BLOCK,
  'tape to tape': SegmentType.TAPE_IMAGE,
};

/** A copy that the target does by itself, of which one end at least is a disk. */
export class Copy implements PreparedCopy {
  readonly kind: string;
  readonly bytes: number;
  readonly record: number;
  readonly #from: CopyEnd;
  readonly #to: CopyEnd;
  readonly #limits: CopyLimits;
  readonly #extent: CopyExtent;
  readonly #counted: boolean;
  readonly #manager: Unit;
  readonly #lid4: boolean;
  readonly #cscds: readonly Cscd[];

  private constructor(kind: string, from: CopyEnd, to: CopyEnd, limits: CopyLimits, request: CopyRequest) {
    this.kind = kind;
    this.#from = from;
    this.#to = to;
    this.#lid4 = request.lid4 === true;
    this.#limits = this.#lid4 ? lid4Limits(limits) : limits;
    this.#extent = extentOf(TYPES[kind]!, from, to, limits, request);
    this.#counted = request.blocks !== undefined;
    this.#manager = managerOf(from, to);
    this.#cscds = [from, to].map(end => ({ ...end, pad: request.pad === true }));
    this.bytes = this.#extent.blocks * this.#extent.blockSize;
    this.record = this.#extent.record;
  }

  /** Asks both LUNs and the copy manager. Rejects with InitiatorError `usage` when it cannot be done. */
  static async prepare(session: Session, request: CopyRequest): Promise<PreparedCopy> {
    const from = await copyEnd(session, request.source);
    const to = await copyEnd(session, request.destination);
    const kind = `${from.type} to ${to.type}`;
    const manager = managerOf(from, to);
    const limits = await copyLimits(manager);
    if (!limits.types.has(TYPES[kind]!) || !limits.types.has(IDENTIFICATION)) {
      throw new InitiatorError('usage', `the copy manager of this target cannot copy from ${kind}`);
    }
    if (kind === 'tape to tape') {
      checkTapes(request);
      return new TapeImageCopy(manager, [from, to], request.filemarks ?? 0, request.lid4 === true);
    }
    if (request.filemarks !== undefined) {
      throw new InitiatorError('usage', '--filemarks is for copies from tape to tape');
    }
    return new Copy(kind, from, to, limits, request);
  }

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
      const { result } = await sendCopy({
        unit: this.#manager,
        lid4: this.#lid4,
        list: listId => parameterList({ listId, lid4: this.#lid4 }, this.#cscds, list.map(segmentDescriptor)),
        destinationBlockSize: this.#extent.destinationBlockSize,
        onProgress: more => onProgress(done + more),
        signal,
      });
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
    let { padding, leftOver } = residueOf(this.#extent, bytes);
    bytes -= leftOver;
    if (tail !== undefined && stop !== undefined && left > 0) {
      await this.#putTail(await tail.fetch(left, this.record, stop === 'filemark'), bytes / blockSize);
      bytes += left;
      padding = blockSize - left;
      onProgress(bytes);
    }
    if (tail !== undefined && stop === undefined) leftOver = left;
    const after = session.counters;
    return {
      blocks: (bytes + (tail === undefined ? leftOver : padding)) / blockSize,
      bytes,
      padding,
      leftOver,
      stop: stop ?? (this.#counted ? 'count' : this.#from.type === 'tape' ? 'full disk' : 'end of the disk'),
      segments,
      commands,
      elapsedMs: performance.now() - started,
      carriedBytes: after.wireIn - before.wireIn + after.wireOut - before.wireOut,
    };
  }

  /** What is written to a tape is closed with a filemark here too, which is then a segment of its own. */
  async begin(): Promise<number> {
    const closing = this.#to.type === 'tape' ? [filemark()] : [];
    if (closing.length > 0 && !this.#limits.types.has(SegmentType.WRITE_FILEMARKS)) {
      throw new InitiatorError('usage', 'the copy manager of this target does not write filemarks by itself');
    }
    const lists = [...copyCommands(this.#extent, lid4Limits(this.#limits))];
    if (lists.length > 1) {
      throw new InitiatorError(
        'usage',
        `a copy in the background is one EXTENDED COPY, and this one takes ${lists.length}: give fewer --blocks`,
      );
    }
    const segments = [...lists[0]!.map(segmentDescriptor), ...closing];
    return sendBackground(this.#manager, listId =>
      parameterList({ listId, lid4: true, immediate: true }, this.#cscds, segments),
    );
  }

  /** The block behind the first `blocks` that were copied: there is room for it, or the disk would have ended the copy. */
  async #putTail(tail: Buffer, blocks: number): Promise<void> {
    const { blockSize, seek } = this.#extent;
    const block = Buffer.alloc(blockSize);
    tail.copy(block);
    await writeBlocks(this.#to.unit, seek + blocks, block, blockSize);
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
    const { record } = this;
    throw copyFailure(result, sense, { bytes: before + bytes, record, toTape: this.#to.type === 'tape' });
  }
}

/** The LUN whose copy manager is asked: the destination's rather than the source's, and a disk's rather than a tape's. */
export const managerOf = (from: CopyEnd, to: CopyEnd): Unit => {
  const manager =
    [to, from].find(end => end.copies && end.type === 'disk') ?? [to, from].find(end => end.copies);
  if (manager === undefined)
    throw new InitiatorError('usage', 'this target has no copy manager (3PC is not set)');
  return manager.unit;
};

const filemark = (): Buffer =>
  encodeSegment(segmentRow(SegmentType.WRITE_FILEMARKS), { destination: 1 }, { count: 1 });

/** What fits a LID4 list, with room for a filemark behind the segments. */
const lid4Limits = (limits: CopyLimits): CopyLimits => ({
  ...limits,
  maxSegments: limits.maxSegments - 1,
  maxDescriptorListBytes:
    Math.min(limits.maxDescriptorListBytes, MOST_LID4_BYTES) - segmentBytes(SegmentType.WRITE_FILEMARKS),
});

/** A tape image is all there is, as it is. */
function checkTapes(request: CopyRequest): void {
  const usage = (why: string): InitiatorError => new InitiatorError('usage', why);
  for (const word of ['blocks', 'skip', 'seek', 'record', 'cat', 'pad'] as const) {
    if (request[word] === undefined) continue;
    throw usage(
      `from tape to tape records and filemarks are copied as they are: --${word} says nothing there`,
    );
  }
  if (request.source === request.destination) throw usage('a tape is not copied onto itself');
}

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
