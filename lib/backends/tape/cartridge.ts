import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32c } from '../../bytes/crc32c.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { after } from '../after.ts';
import { MediumError } from '../medium-error.ts';
import type {
  CartridgeLabel,
  MediumAttribute,
  MediumAttributes,
  RecordForm,
  SpaceOutcome,
  SpaceStop,
  TapeMedium,
  TapeObject,
  TapePartition,
  TapePosition,
  TapeRecord,
  TapeWriteOutcome,
} from '../tape-medium.ts';
import { FILEMARK, FRAME_BYTES, RECORD, frame, writeFrame } from './frame.ts';
import { overFilemarks, overRecords, placeOf } from './motion.ts';
import type { Motion } from './motion.ts';
import type { ObjectIndex } from './object-index.ts';
import type { TapeLog } from './tape-log.ts';

/** SSC's READ and WRITE name a length in 24 bits. */
const RECORD_LIMIT_BYTES = 0xff_ffff;
/** The early warning comes this long before the end, but not before the last twentieth. */
const EARLY_WARNING_BYTES = 16 * 1024 * 1024;
const EARLY_WARNING_SHARE = 0.05;
/** Filemarks are no bytes of records but take memory and space: with a capacity of n bytes n / 512 fit, and some more. */
const FILEMARKS_LEAST = 4096;
const FILEMARK_COST_BYTES = 512;
/** Filemarks written at a time. */
const FILEMARK_BATCH = 1024;
/** What a short read of a long record verifies at a time. */
const SCRATCH_BYTES = 256 * 1024;

const BEGINNING: TapePosition = { partition: 0, object: 0, file: 0 };
const END_OF_DATA: TapeObject = { kind: 'end-of-data' };
const A_FILEMARK: TapeObject = { kind: 'filemark' };

export interface CartridgeParts {
  readonly log: TapeLog;
  readonly index: ObjectIndex;
  readonly label: CartridgeLabel;
  readonly writeProtected: boolean;
  /** Checksum of the last frame header, or what the first one is chained to. */
  readonly chain: number;
}

/**
 * The whole of a tape but its storage: the position, what lies around it, and when it is full. Where everything lies is
 * in the index, so that only reading, writing and erasing touch the log.
 */
export class LogCartridge implements TapeMedium {
  readonly label: CartridgeLabel;
  readonly writeProtected: boolean;
  readonly #log: TapeLog;
  readonly #index: ObjectIndex;
  readonly #start: number;
  readonly #filemarkLimit: number;
  readonly earlyWarningBytes: number;
  readonly attributes: MediumAttributes;
  readonly #header: Buffer;
  #chain: number;
  #at = BEGINNING;
  #closed = false;
  #scratch: Buffer | undefined;

  constructor({ log, index, label, writeProtected, chain }: CartridgeParts) {
    this.label = label;
    this.writeProtected = writeProtected;
    this.#log = log;
    this.#index = index;
    this.attributes = new KeptAttributes(log.headerBytes === 0);
    this.#start = index.offset(0);
    this.#chain = chain;
    this.#header = Buffer.alloc(log.headerBytes);
    const capacity = label.capacityBytes;
    this.#filemarkLimit =
      capacity === 0 ? Infinity : FILEMARKS_LEAST + Math.floor(capacity / FILEMARK_COST_BYTES);
    this.earlyWarningBytes = Math.min(EARLY_WARNING_BYTES, Math.floor(capacity * EARLY_WARNING_SHARE));
  }

  get nativeCapacityBytes(): number {
    return this.label.capacityBytes;
  }

  get partitions(): readonly TapePartition[] {
    return [this];
  }

  get capacityBytes(): number {
    return this.label.capacityBytes;
  }

  get usedBytes(): number {
    return this.#bytesBefore(this.#index.objects);
  }

  get position(): TapePosition {
    return this.#at;
  }

  get end(): TapePosition {
    return { partition: 0, object: this.#index.objects, file: this.#index.filemarks };
  }

  get atBeginning(): boolean {
    return this.#at.object === 0;
  }

  get pastEarlyWarning(): boolean {
    return this.leftBytes < this.earlyWarningBytes;
  }

  get leftBytes(): number {
    const capacity = this.label.capacityBytes;
    return capacity === 0 ? Infinity : capacity - this.#bytesBefore(this.#at.object);
  }

  /** Bytes of records before an object. */
  #bytesBefore(object: number): number {
    return this.#index.offset(object) - this.#start - object * this.#log.headerBytes;
  }

  #lengthOf(object: number): number {
    return this.#index.offset(object + 1) - this.#index.offset(object) - this.#log.headerBytes;
  }

  peek(): TapeObject {
    const { object, file } = this.#at;
    if (object === this.#index.objects) return END_OF_DATA;
    if (object === this.#index.filemark(file)) return A_FILEMARK;
    return {
      kind: 'record',
      length: this.#index.recordLength(object),
      storedBytes: this.#lengthOf(object),
      coding: this.#index.coding(object),
    };
  }

  read(into: Buffer): MaybePromise<TapeObject> {
    this.#assertOpen();
    const next = this.peek();
    if (next.kind === 'end-of-data') return next;
    const { object, file } = this.#at;
    this.#at = { partition: 0, object: object + 1, file: next.kind === 'filemark' ? file + 1 : file };
    if (next.kind === 'filemark') return next;
    const target = into.length > next.storedBytes ? into.subarray(0, next.storedBytes) : into;
    const offset = this.#index.offset(object) + this.#log.headerBytes;
    return numbered(object, () =>
      after(target.length === 0 ? undefined : this.#log.read(target, offset), () =>
        this.#verified(next, object, target, offset),
      ),
    );
  }

  #verified(next: TapeRecord, object: number, got: Buffer, offset: number): MaybePromise<TapeObject> {
    if (this.#log.headerBytes === 0) return next;
    return after(this.#checksumOf(got, offset, next.storedBytes), checksum => {
      if (checksum === this.#index.payloadChecksum(object)) return next;
      throw new MediumError('corrupt', object, `record ${object} fails its checksum`);
    });
  }

  /** Of a record whose first bytes are in `got`; the rest is read for this. */
  #checksumOf(got: Buffer, offset: number, length: number): MaybePromise<number> {
    const checksum = crc32c(got);
    return got.length === length
      ? checksum
      : this.#checksumOfRest(checksum, offset + got.length, offset + length);
  }

  async #checksumOfRest(checksum: number, offset: number, end: number): Promise<number> {
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    for (; offset < end; offset += SCRATCH_BYTES) {
      const piece = this.#scratch.subarray(0, Math.min(SCRATCH_BYTES, end - offset));
      await this.#log.read(piece, offset);
      checksum = crc32c(piece, checksum);
    }
    return checksum;
  }

  write(from: Buffer, as?: RecordForm): MaybePromise<TapeWriteOutcome> {
    this.#assertWritable();
    if (from.length === 0 || from.length > RECORD_LIMIT_BYTES)
      throw new RangeError(`a record of ${from.length} bytes`);
    const capacity = this.label.capacityBytes;
    if (capacity !== 0 && this.#bytesBefore(this.#at.object) + from.length > capacity) return 'end-of-medium';
    const { length = from.length, coding = 0 } = as ?? {};
    return after(this.#erase(), () => this.#append(from, length, coding));
  }

  #append(from: Buffer, length: number, coding: number): MaybePromise<TapeWriteOutcome> {
    const bytes = this.#log.headerBytes;
    const payloadChecksum = bytes === 0 ? 0 : crc32c(from);
    const chain =
      bytes === 0
        ? 0
        : writeFrame(this.#header, {
            type: RECORD,
            storedBytes: from.length,
            length,
            coding,
            object: this.#at.object,
            file: this.#at.file,
            chain: this.#chain,
            payloadChecksum,
          });
    return after(this.#appended(this.#header, from), () => {
      this.#index.addRecord(bytes + from.length, payloadChecksum, length, coding);
      this.#chain = chain;
      this.#at = { partition: 0, object: this.#at.object + 1, file: this.#at.file };
      return this.#outcome();
    });
  }

  #appended(headers: Buffer, record: Buffer | undefined): MaybePromise<void> {
    const { end } = this.#index;
    const failed = (error: unknown): never => {
      this.#log.discard(end);
      throw error;
    };
    return numbered(this.#at.object, () => {
      try {
        const outcome = this.#log.append(headers, record, end);
        return outcome instanceof Promise ? outcome.catch(failed) : outcome;
      } catch (error) {
        return failed(error);
      }
    });
  }

  #outcome(): TapeWriteOutcome {
    return this.pastEarlyWarning ? 'early-warning' : 'written';
  }

  writeFilemarks(count: number): MaybePromise<TapeWriteOutcome> {
    this.#assertWritable();
    if (count === 0) return this.#outcome();
    if (this.#at.file + count > this.#filemarkLimit) return 'end-of-medium';
    return after(this.#erase(), () =>
      count <= FILEMARK_BATCH
        ? after(this.#appendFilemarks(count), () => this.#outcome())
        : this.#appendManyFilemarks(count),
    );
  }

  async #appendManyFilemarks(count: number): Promise<TapeWriteOutcome> {
    for (let left = count; left > 0; left -= FILEMARK_BATCH) {
      await this.#appendFilemarks(Math.min(left, FILEMARK_BATCH));
      await nextTurn();
    }
    return this.#outcome();
  }

  #appendFilemarks(count: number): MaybePromise<void> {
    const bytes = this.#log.headerBytes;
    const headers = count === 1 ? this.#header : Buffer.alloc(bytes * count);
    const chain = bytes === 0 ? 0 : this.#writeFilemarkFrames(headers, count);
    return after(this.#appended(headers, undefined), () => {
      for (let i = 0; i < count; i++) this.#index.addFilemark(bytes);
      this.#chain = chain;
      this.#at = { partition: 0, object: this.#at.object + count, file: this.#at.file + count };
    });
  }

  #writeFilemarkFrames(headers: Buffer, count: number): number {
    let chain = this.#chain;
    for (let i = 0; i < count; i++) {
      const header = headers.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES);
      chain = writeFrame(header, {
        type: FILEMARK,
        storedBytes: 0,
        length: 0,
        coding: 0,
        object: this.#at.object + i,
        file: this.#at.file + i,
        chain,
        payloadChecksum: 0,
      });
    }
    return chain;
  }

  sync(): MaybePromise<void> {
    this.#assertOpen();
    if (this.writeProtected) return undefined;
    return this.#log.sync({ offset: this.#index.end, chain: this.#chain });
  }

  spaceRecords(count: number): SpaceOutcome {
    return this.#move(overRecords(this.#index, this.#at, count));
  }

  spaceFilemarks(count: number): SpaceOutcome {
    return this.#move(overFilemarks(this.#index, this.#at, count));
  }

  #move({ to, outcome }: Motion): SpaceOutcome {
    this.#at = to;
    return outcome;
  }

  spaceEndOfData(): void {
    this.#at = this.end;
  }

  locate(object: number, partition = 0): SpaceStop {
    this.changePartition(partition);
    this.#at = placeOf(this.#index, object);
    return object > this.#index.objects ? 'end-of-data' : 'none';
  }

  changePartition(partition: number): void {
    if (partition !== 0) throw new RangeError(`the cartridge has no partition ${partition}`);
    this.#at = BEGINNING;
  }

  rewind(): void {
    this.#at = BEGINNING;
  }

  erase(): MaybePromise<void> {
    this.#assertWritable();
    return this.#erase();
  }

  /** What lies behind the position goes before anything is written there: frames never follow from two recordings. */
  #erase(): MaybePromise<void> {
    const { object } = this.#at;
    if (object === this.#index.objects) return undefined;
    if (this.label.worm && this.#index.filemarks - this.#at.file < this.#index.objects - object)
      throw new MediumError('worm', object, `the cartridge is WORM, and holds object ${object}`);
    return numbered(object, () =>
      after(this.#chainBefore(object), chain =>
        after(this.#log.cut({ offset: this.#index.offset(object), chain }), () => {
          this.#index.cut(object);
          this.#chain = chain;
        }),
      ),
    );
  }

  /** Checksum of the header before an object, which is what its own frame is chained to. */
  #chainBefore(object: number): MaybePromise<number> {
    if (this.#log.headerBytes === 0) return 0;
    const header = Buffer.alloc(FRAME_BYTES);
    return after(this.#log.read(header, this.#index.offset(object)), () => frame.chain.get(header));
  }

  format(capacities: readonly number[]): MaybePromise<void> {
    this.#assertWritable();
    if (capacities.length !== 1 || capacities[0] !== this.label.capacityBytes)
      throw new MediumError('io', 0, 'only one partition of the whole cartridge can be made yet');
    this.#at = BEGINNING;
    return after(this.#erase(), () => this.sync());
  }

  setCapacity(bytes: number): MaybePromise<void> {
    return this.format([bytes === 0 ? this.label.capacityBytes : bytes]);
  }

  close(): MaybePromise<void> {
    if (this.#closed) return undefined;
    this.#closed = true;
    return this.#log.close({ offset: this.#index.end, chain: this.#chain });
  }

  #assertOpen(): void {
    if (this.#closed) throw new MediumError('io', this.#at.object, 'the cartridge is closed');
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.writeProtected)
      throw new MediumError('write-protected', this.#at.object, 'the cartridge is write-protected');
  }
}

/** Runs work on the log, whose errors name byte offsets, and makes them name the object. */
function numbered<T>(object: number, work: () => MaybePromise<T>): MaybePromise<T> {
  const renumber = (error: unknown): never => {
    if (!(error instanceof MediumError)) throw error;
    throw new MediumError(error.fault, object, error.message, error.cause ?? error);
  };
  try {
    const outcome = work();
    return outcome instanceof Promise ? outcome.catch(renumber) : outcome;
  } catch (error) {
    return renumber(error);
  }
}

/** Attributes in memory. */
class KeptAttributes implements MediumAttributes {
  readonly #kept: boolean;
  readonly #byPartition = new Map<number, Map<number, MediumAttribute>>();

  constructor(kept: boolean) {
    this.#kept = kept;
  }

  get(partition: number, id: number): MediumAttribute | undefined {
    return this.#byPartition.get(partition)?.get(id);
  }

  entries(partition: number): readonly MediumAttribute[] {
    return [...(this.#byPartition.get(partition)?.values() ?? [])].sort((a, b) => a.id - b.id);
  }

  set(partition: number, changes: readonly MediumAttribute[]): void {
    if (!this.#kept) throw new MediumError('io', 0, 'a cartridge file cannot keep attributes yet');
    const kept = this.#byPartition.get(partition) ?? new Map<number, MediumAttribute>();
    this.#byPartition.set(partition, kept);
    for (const attribute of changes) {
      if (attribute.value.length === 0) kept.delete(attribute.id);
      else kept.set(attribute.id, attribute);
    }
  }
}
