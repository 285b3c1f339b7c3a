import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { after } from '../after.ts';
import { MediumError } from '../medium-error.ts';
import { MAX_PARTITIONS, WHOLE_MEDIUM } from '../tape-medium.ts';
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
  TapeWriteOutcome,
} from '../tape-medium.ts';
import type { CartridgeStore } from './cartridge-store.ts';
import { formatted } from './label.ts';
import { overFilemarks, overRecords, toObject } from './motion.ts';
import type { Motion } from './motion.ts';
import type { Partition } from './partition.ts';
import type { Place } from './tape-log.ts';

/** SSC's READ and WRITE name a length in 24 bits. */
const RECORD_LIMIT_BYTES = 0xff_ffff;
/** The longest record may have something of the drive's beside it: what encryption adds. */
const STORED_LIMIT_BYTES = RECORD_LIMIT_BYTES + 4096;
const CODING_LIMIT = 0xff;

const BEGINNING: Place = { object: 0, file: 0, offset: 0, bytes: 0 };

/** The position on a cartridge, and its verbs. Everything else is in the partitions and in what they are kept in. */
export class LogCartridge implements TapeMedium {
  readonly attributes: MediumAttributes;
  readonly writeProtected: boolean;
  readonly #store: CartridgeStore;
  #in: Partition;
  #at = BEGINNING;
  #closed = false;

  constructor(store: CartridgeStore) {
    this.#store = store;
    this.writeProtected = store.writeProtected;
    this.#in = store.partitions[0]!;
    const { attributes } = store;
    this.attributes = {
      get: (partition, id) => attributes.get(partition, id),
      entries: partition => attributes.entries(partition),
      set: (partition, changes) => this.#setAttributes(partition, changes),
    };
  }

  get label(): CartridgeLabel {
    const { uuid, barcode, capacityBytes, worm, mediaType } = this.#store.label;
    return { uuid, barcode, capacityBytes, worm, mediaType };
  }

  get nativeCapacityBytes(): number {
    return this.#store.label.nativeCapacityBytes;
  }

  get partitions(): readonly TapePartition[] {
    return this.#store.partitions;
  }

  get position(): TapePosition {
    return { partition: this.#in.number, object: this.#at.object, file: this.#at.file };
  }

  get capacityBytes(): number {
    return this.#in.capacityBytes;
  }

  get usedBytes(): number {
    return this.#in.usedBytes;
  }

  get end(): TapePosition {
    return this.#in.end;
  }

  get atBeginning(): boolean {
    return this.#at.object === 0;
  }

  get leftBytes(): number {
    return this.#in.leftBytes(this.#at);
  }

  get earlyWarningBytes(): number {
    return this.#in.earlyWarningBytes;
  }

  get pastEarlyWarning(): boolean {
    return this.leftBytes < this.earlyWarningBytes;
  }

  peek(): MaybePromise<TapeObject> {
    return this.#in.look(this.#at);
  }

  read(into: Buffer): MaybePromise<TapeObject> {
    this.#assertOpen();
    const next = this.#in.look(this.#at);
    return next instanceof Promise ? next.then(there => this.#pass(there, into)) : this.#pass(next, into);
  }

  /** The position moves first: behind a record that cannot be read, too. */
  #pass(next: TapeObject, into: Buffer): MaybePromise<TapeObject> {
    if (next.kind === 'end-of-data') return next;
    const to = this.#in.index.place(this.#at.object + 1);
    return to instanceof Promise
      ? to.then(place => this.#passTo(place, next, into))
      : this.#passTo(to, next, into);
  }

  #passTo(to: Place, next: TapeObject, into: Buffer): MaybePromise<TapeObject> {
    const from = this.#at;
    this.#at = to;
    return next.kind === 'record' ? this.#in.read(from, next, into) : next;
  }

  write(from: Buffer, as?: RecordForm): MaybePromise<TapeWriteOutcome> {
    this.#assertWritable();
    const { length = from.length, coding = 0 } = as ?? {};
    if (from.length === 0 || from.length > STORED_LIMIT_BYTES)
      throw new RangeError(`a record of ${from.length} bytes`);
    if (length <= 0 || length > RECORD_LIMIT_BYTES || coding < 0 || coding > CODING_LIMIT)
      throw new RangeError(`a record of ${length} bytes with coding ${coding}`);
    if (!this.#in.fits(this.#at, 1, from.length)) return 'end-of-medium';
    // At end of data, where most are written, there is nothing to erase.
    return this.#at.object === this.#in.index.objects
      ? this.#grow(this.#in.append(from, length, coding))
      : after(this.#erase(), () => this.#grow(this.#in.append(from, length, coding)));
  }

  writeFilemarks(count: number): MaybePromise<TapeWriteOutcome> {
    this.#assertWritable();
    if (count === 0) return this.#outcome();
    if (!this.#in.fits(this.#at, count, 0)) return 'end-of-medium';
    return after(this.#erase(), () => this.#grow(this.#in.appendFilemarks(count)));
  }

  /** Something is appended at the end, which is the position; a failure leaves the position behind what was written. */
  #grow(work: MaybePromise<void>): MaybePromise<TapeWriteOutcome> {
    if (!(work instanceof Promise)) return this.#grown();
    return work.then(
      () => this.#grown(),
      (error: unknown) => {
        this.#grown();
        throw error;
      },
    );
  }

  #grown(): TapeWriteOutcome {
    this.#at = this.#in.index.end;
    return this.#outcome();
  }

  #outcome(): TapeWriteOutcome {
    return this.pastEarlyWarning ? 'early-warning' : 'written';
  }

  sync(): MaybePromise<void> {
    this.#assertOpen();
    if (this.writeProtected) return undefined;
    const { partitions } = this.#store;
    return partitions.length === 1 ? this.#in.sync() : syncAll(partitions);
  }

  spaceRecords(count: number): MaybePromise<SpaceOutcome> {
    return after(overRecords(this.#in.index, this.#at, count), motion => this.#move(motion));
  }

  spaceFilemarks(count: number): MaybePromise<SpaceOutcome> {
    return after(overFilemarks(this.#in.index, this.#at, count), motion => this.#move(motion));
  }

  #move({ to, outcome }: Motion): SpaceOutcome {
    this.#at = to;
    return outcome;
  }

  spaceEndOfData(): void {
    this.#at = this.#in.index.end;
  }

  locate(object: number, partition = this.#in.number): MaybePromise<SpaceStop> {
    const there = this.#partition(partition);
    return after(toObject(there.index, object), to => {
      this.#in = there;
      this.#at = to;
      return object > to.object ? 'end-of-data' : 'none';
    });
  }

  changePartition(partition: number): void {
    this.#in = this.#partition(partition);
    this.#at = BEGINNING;
  }

  #partition(partition: number): Partition {
    const there = this.#store.partitions[partition];
    if (there === undefined) throw new RangeError(`the cartridge has no partition ${partition}`);
    return there;
  }

  rewind(): void {
    this.#at = BEGINNING;
  }

  erase(): MaybePromise<void> {
    this.#assertWritable();
    return this.#erase();
  }

  #erase(): MaybePromise<void> {
    const { object, file } = this.#at;
    const { objects, filemarks } = this.#in.index;
    if (object === objects) return undefined;
    // Filemarks that end the tape may go: the next file begins there.
    if (this.#store.label.worm && filemarks - file < objects - object)
      throw new MediumError('worm', object, `the cartridge is WORM, and holds object ${object}`);
    return this.#in.cut(this.#at);
  }

  format(capacities: readonly number[]): MaybePromise<void> {
    const { capacityBytes } = this.#store.label;
    const sum = capacities.reduce((all, each) => all + each, 0);
    const limited = capacities.length > 1 || capacityBytes > 0;
    if (
      capacities.length < 1 ||
      capacities.length > MAX_PARTITIONS ||
      !capacities.every(each => Number.isSafeInteger(each) && each >= (limited ? 1 : 0)) ||
      (capacityBytes > 0 && sum > capacityBytes)
    )
      throw new RangeError(`partitions of ${capacities.join(', ')} bytes on a cartridge of ${capacityBytes}`);
    return this.#format(capacityBytes, capacities);
  }

  setCapacity(bytes: number): MaybePromise<void> {
    const { nativeCapacityBytes } = this.#store.label;
    if (!Number.isSafeInteger(bytes) || bytes < 0 || (nativeCapacityBytes > 0 && bytes > nativeCapacityBytes))
      throw new RangeError(`${bytes} bytes on a cartridge of ${nativeCapacityBytes}`);
    const capacity = bytes === 0 ? nativeCapacityBytes : bytes;
    return this.#format(capacity, [capacity]);
  }

  #format(capacityBytes: number, capacities: readonly number[]): MaybePromise<void> {
    this.#assertWritable();
    const { label, partitions, attributes } = this.#store;
    if (label.worm && partitions.some(({ index }) => index.objects > 0))
      throw new MediumError('worm', 0, 'the cartridge is WORM, and is not blank');
    const begin = (): void => {
      this.#in = this.#store.partitions[0]!;
      this.#at = BEGINNING;
    };
    const work = this.#store.format(formatted(label, capacityBytes, capacities));
    if (work instanceof Promise)
      return work.finally(begin).then(() => attributes.keepPartitions(capacities.length));
    begin();
    return attributes.keepPartitions(capacities.length);
  }

  #setAttributes(partition: number, changes: readonly MediumAttribute[]): MaybePromise<void> {
    this.#assertWritable();
    if (partition !== WHOLE_MEDIUM) this.#partition(partition);
    return this.#store.attributes.set(partition, changes);
  }

  close(): MaybePromise<void> {
    if (this.#closed) return undefined;
    this.#closed = true;
    const closing = this.#store.partitions
      .map(partition => partition.close())
      .filter(each => each instanceof Promise);
    return closing.length > 0 ? Promise.all(closing).then(() => this.#store.close()) : this.#store.close();
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

/** Each names its own end as synchronised. */
async function syncAll(partitions: readonly Partition[]): Promise<void> {
  for (const partition of partitions) await partition.sync();
}
