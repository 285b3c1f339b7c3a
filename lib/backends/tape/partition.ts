import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32c } from '../../bytes/crc32c.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { after } from '../after.ts';
import { MediumError } from '../medium-error.ts';
import type { TapeObject, TapePartition, TapePosition, TapeRecord } from '../tape-medium.ts';
import { FILEMARK, FRAME_BYTES, INDEX, RECORD, TRAILER, fits, frame, isFrame, writeFrame } from './frame.ts';
import { packIndex } from './index-frame.ts';
import type { ObjectIndex } from './object-index.ts';
import { OBJECT_COST_BYTES, objectLimit } from './partition-plan.ts';
import type { LogPoint, Place, TapeLog } from './tape-log.ts';

/** The early warning comes this long before the end, but not before the last twentieth. */
const EARLY_WARNING_BYTES = 16 * 1024 * 1024;
const EARLY_WARNING_SHARE = 0.05;
/** Filemarks written at a time. */
const FILEMARK_BATCH = 1024;
/** What a short read of a long record verifies at a time. */
const SCRATCH_BYTES = 256 * 1024;
const PIECES_AT_A_TIME = 8;

const END_OF_DATA: TapeObject = { kind: 'end-of-data' };

export interface PartitionParts {
  readonly number: number;
  readonly capacityBytes: number;
  readonly log: TapeLog;
  readonly index: ObjectIndex;
  /** Checksum of the last frame header, or what the first one is chained to. */
  readonly chain: number;
  /** What the first frame is chained to. */
  readonly seed: number;
}

/** One partition but its position: what lies where, how it is written, and when it is full. */
export class Partition implements TapePartition {
  readonly number: number;
  readonly capacityBytes: number;
  readonly earlyWarningBytes: number;
  readonly index: ObjectIndex;
  readonly #log: TapeLog;
  readonly #objectLimit: number;
  readonly #seed: number;
  readonly #header = Buffer.alloc(FRAME_BYTES);
  #scratch: Buffer | undefined;
  #chain: number;
  /** See `frame`. */
  #session = randomBytes(4).readUInt32BE();

  constructor({ number, capacityBytes, log, index, chain, seed }: PartitionParts) {
    this.number = number;
    this.capacityBytes = capacityBytes;
    this.earlyWarningBytes = Math.min(EARLY_WARNING_BYTES, Math.floor(capacityBytes * EARLY_WARNING_SHARE));
    this.index = index;
    this.#log = log;
    this.#objectLimit = objectLimit(capacityBytes);
    this.#chain = chain;
    this.#seed = seed;
  }

  get usedBytes(): number {
    return this.index.end.bytes;
  }

  get end(): TapePosition {
    return { partition: this.number, object: this.index.objects, file: this.index.filemarks };
  }

  /** Bytes that fit behind a place; objects that may still come count as bytes too. */
  leftBytes({ object, bytes }: Place): number {
    if (this.capacityBytes === 0) return Infinity;
    return Math.min(this.capacityBytes - bytes, (this.#objectLimit - object) * OBJECT_COST_BYTES);
  }

  fits({ object, bytes }: Place, objects: number, moreBytes: number): boolean {
    return (
      this.capacityBytes === 0 ||
      (bytes + moreBytes <= this.capacityBytes && object + objects <= this.#objectLimit)
    );
  }

  look({ object }: Place): MaybePromise<TapeObject> {
    if (object === this.index.objects) return END_OF_DATA;
    const chunk = this.index.chunk(object);
    return chunk instanceof Promise
      ? chunk.then(there => there.object(object - there.start.object))
      : chunk.object(object - chunk.start.object);
  }

  /** The record at a place, as `TapeMedium.read` has it. */
  read({ object, offset }: Place, record: TapeRecord, into: Buffer): MaybePromise<TapeRecord> {
    const { storedBytes } = record;
    const target = into.length > storedBytes ? into.subarray(0, storedBytes) : into;
    try {
      const work = this.#log.checked
        ? this.#log.readPair(this.#header, target, offset)
        : this.#log.read(target, offset + FRAME_BYTES);
      const outcome =
        work instanceof Promise
          ? work.then(() => this.#verified(object, offset, record, target))
          : this.#verified(object, offset, record, target);
      return outcome instanceof Promise ? outcome.catch(error => fail(error, object)) : outcome;
    } catch (error) {
      return fail(error, object);
    }
  }

  #verified(object: number, offset: number, record: TapeRecord, got: Buffer): MaybePromise<TapeRecord> {
    if (!this.#log.checked) return record;
    this.#verifyHeader(object, record);
    const due = frame.payloadChecksum.get(this.#header);
    const checksum = crc32c(got);
    if (got.length < record.storedBytes) {
      const behind = offset + FRAME_BYTES + got.length;
      const end = offset + FRAME_BYTES + record.storedBytes;
      return this.#checksumOfRest(checksum, behind, end).then(whole => judged(object, record, whole, due));
    }
    return judged(object, record, checksum, due);
  }

  #verifyHeader(object: number, { length, storedBytes, coding }: TapeRecord): void {
    const header = this.#header;
    if (
      isFrame(header) &&
      frame.type.get(header) === RECORD &&
      frame.object.get(header) === object &&
      frame.storedBytes.get(header) === storedBytes &&
      frame.recordLength.get(header) === length &&
      frame.coding.get(header) === coding
    )
      return;
    throw new MediumError('corrupt', object, `what stands before record ${object} is damaged`);
  }

  /** Of a record whose first bytes are summed up in `checksum`. */
  async #checksumOfRest(checksum: number, offset: number, end: number): Promise<number> {
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    for (let pieces = 1; offset < end; offset += SCRATCH_BYTES, pieces++) {
      const piece = this.#scratch.subarray(0, Math.min(SCRATCH_BYTES, end - offset));
      await this.#log.read(piece, offset);
      checksum = crc32c(piece, checksum);
      // The page cache answers at once: others want to be served meanwhile.
      if (pieces % PIECES_AT_A_TIME === 0) await nextTurn();
    }
    return checksum;
  }

  /** Writes a record at the end. */
  append(from: Buffer, length: number, coding: number): MaybePromise<void> {
    if (this.index.open.full) return after(this.#seal(), () => this.append(from, length, coding));
    const { object, file, offset } = this.index.end;
    let chain = 0;
    if (this.#log.checked) {
      chain = writeFrame(this.#header, {
        type: RECORD,
        storedBytes: from.length,
        length,
        coding,
        object,
        file,
        chain: this.#chain,
        payloadChecksum: crc32c(from),
        session: this.#session,
      });
    }
    const work = this.#appended(this.#header, from, offset);
    if (work instanceof Promise) return work.then(() => this.#grown(from.length, length, coding, chain));
    this.#grown(from.length, length, coding, chain);
    return undefined;
  }

  #grown(storedBytes: number, length: number, coding: number, chain: number): void {
    this.index.addRecord(storedBytes, length, coding);
    this.#chain = chain;
  }

  appendFilemarks(count: number): MaybePromise<void> {
    return count <= FILEMARK_BATCH && count <= this.index.open.room
      ? this.#appendFilemarks(count)
      : this.#appendManyFilemarks(count);
  }

  async #appendManyFilemarks(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      if (this.index.open.full) await this.#seal();
      const some = Math.min(left, FILEMARK_BATCH, this.index.open.room);
      await this.#appendFilemarks(some);
      left -= some;
      await nextTurn();
    }
  }

  #appendFilemarks(count: number): MaybePromise<void> {
    const headers = count === 1 ? this.#header : Buffer.alloc(FRAME_BYTES * count);
    const { object, file, offset } = this.index.end;
    let chain = this.#chain;
    for (let i = 0; i < count && this.#log.checked; i++) {
      chain = writeFrame(headers.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES), {
        type: FILEMARK,
        storedBytes: 0,
        length: 0,
        coding: 0,
        object: object + i,
        file: file + i,
        chain,
        payloadChecksum: 0,
        session: this.#session,
      });
    }
    return after(this.#appended(headers, undefined, offset), () => {
      for (let i = 0; i < count; i++) this.index.addFilemark();
      this.#chain = chain;
    });
  }

  /** The open chunk is full: its index goes onto the partition before the next object does. */
  #seal(): MaybePromise<void> {
    const { bytes, checksum } = this.#packed(INDEX);
    return after(this.#appended(bytes, undefined, this.index.end.offset), () => {
      this.index.seal(bytes.length);
      this.#chain = checksum;
      this.#log.reached(this.point());
    });
  }

  #packed(type: typeof INDEX | typeof TRAILER): { bytes: Buffer; checksum: number } {
    return packIndex(this.index.open, this.index.table, type, { chain: this.#chain, session: this.#session });
  }

  #appended(headers: Buffer, record: Buffer | undefined, end: number): MaybePromise<void> {
    try {
      const outcome = this.#log.append(headers, record, end);
      return outcome instanceof Promise ? outcome.catch(error => this.#givenUp(error, end)) : outcome;
    } catch (error) {
      return this.#givenUp(error, end);
    }
  }

  #givenUp(error: unknown, end: number): never {
    this.#log.discard(end);
    return fail(error, this.index.objects);
  }

  /** What lies behind the place goes before anything is written there: frames never follow from two recordings. */
  cut(place: Place): MaybePromise<void> {
    const { object, file, offset, bytes } = place;
    if (object === this.index.objects) return undefined;
    return numbered(object, () =>
      after(this.#chainBefore(place), chain =>
        // First, because it may have to read: a cut that fails has changed nothing.
        after(this.index.chunk(object), chunk => {
          const head = chunk.number === 0 ? 0 : this.index.table.offset(chunk.number - 1);
          return after(this.#log.cut({ object, file, offset, bytes, chain, head }), () => {
            this.#chain = chain;
            this.#session = randomBytes(4).readUInt32BE();
            return this.index.cut(place);
          });
        }),
      ),
    );
  }

  /** Checksum of the header before an object, which is what its own frame is chained to. */
  #chainBefore({ object, file, offset }: Place): MaybePromise<number> {
    if (object === 0) return this.#seed;
    if (!this.#log.checked) return 0;
    const header = Buffer.alloc(FRAME_BYTES);
    return after(this.#log.read(header, offset), () => {
      const chain = frame.chain.get(header);
      if (isFrame(header) && fits(header, { object, file }, chain)) return chain;
      throw new MediumError('corrupt', object, `what stands before object ${object} is damaged`);
    });
  }

  /** The end, as the log wants to know it. */
  point(): LogPoint {
    return { ...this.index.end, chain: this.#chain, head: this.index.table.head };
  }

  sync(): MaybePromise<void> {
    return this.#log.sync(this.point());
  }

  close(): MaybePromise<void> {
    const trailer = this.#log.checked ? this.#packed(TRAILER).bytes : Buffer.alloc(0);
    return this.#log.close(this.point(), trailer);
  }
}

function judged(object: number, record: TapeRecord, checksum: number, due: number): TapeRecord {
  if (checksum === due) return record;
  throw new MediumError('corrupt', object, `record ${object} fails its checksum`);
}

/** Errors of the log name byte offsets; a tape's name the object. */
function fail(error: unknown, object: number): never {
  if (!(error instanceof MediumError)) throw error;
  throw new MediumError(error.fault, object, error.message, error.cause ?? error);
}

function numbered<T>(object: number, work: () => MaybePromise<T>): MaybePromise<T> {
  try {
    const outcome = work();
    return outcome instanceof Promise ? outcome.catch(error => fail(error, object)) : outcome;
  } catch (error) {
    return fail(error, object);
  }
}
