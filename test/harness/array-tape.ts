/** A cartridge whose every object can be looked at, and that fails on purpose. */
import { MediumError } from '../../lib/backends/medium-error.ts';
import type {
  CartridgeLabel,
  MediumAttributes,
  SpaceOutcome,
  SpaceStop,
  TapeMedium,
  TapeObject,
  TapePartition,
  TapePosition,
  TapeWriteOutcome,
} from '../../lib/backends/tape-medium.ts';

export type Stored = Buffer | 'filemark';

/** A cartridge as an array, with knobs: where it warns, where it is full, what is bad, how it answers. */
export class ArrayTape implements TapeMedium {
  objects: Stored[] = [];
  at = 0;
  writeProtected = false;
  readonly capacityBytes = 3_000_000;
  readonly nativeCapacityBytes = 3_000_000;
  readonly earlyWarningBytes = 0;
  readonly leftBytes = Infinity;
  readonly label: CartridgeLabel = {
    uuid: '',
    barcode: '',
    capacityBytes: 3_000_000,
    worm: false,
    mediaType: '',
  };
  readonly attributes: MediumAttributes = {
    get: () => undefined,
    entries: () => [],
    set: () => undefined,
  };
  /** Objects after which it warns, and after which nothing fits. */
  warnAfter = Infinity;
  fullAfter = Infinity;
  /** Number of an object that fails. */
  bad = -1;
  fault: 'corrupt' | 'io' | 'no-space' = 'corrupt';
  /** Answers with promises. */
  later = false;
  syncs = 0;
  closed = false;

  #say<T>(value: T): T | Promise<T> {
    return this.later ? new Promise(resolve => setImmediate(resolve, value)) : value;
  }
  get usedBytes(): number {
    return this.objects.reduce((sum, o) => sum + (o === 'filemark' ? 0 : o.length), 0);
  }
  #place(object: number): TapePosition {
    return { partition: 0, object, file: this.objects.slice(0, object).filter(o => o === 'filemark').length };
  }
  get position(): TapePosition {
    return this.#place(this.at);
  }
  get end(): TapePosition {
    return this.#place(this.objects.length);
  }
  get partitions(): readonly TapePartition[] {
    return [this];
  }
  get atBeginning(): boolean {
    return this.at === 0;
  }
  get pastEarlyWarning(): boolean {
    return this.at > this.warnAfter;
  }
  #look(): TapeObject {
    const next = this.objects[this.at];
    if (next === undefined) return { kind: 'end-of-data' };
    return next === 'filemark'
      ? { kind: 'filemark' }
      : { kind: 'record', length: next.length, storedBytes: next.length, coding: 0 };
  }
  peek(): TapeObject | Promise<TapeObject> {
    return this.#say(this.#look());
  }
  read(into: Buffer): TapeObject | Promise<TapeObject> {
    const object = this.#look();
    if (object.kind === 'end-of-data') return this.#say(object);
    const next = this.objects[this.at++]!;
    if (this.at - 1 === this.bad) throw new MediumError(this.fault, this.bad, 'bad on purpose');
    if (next !== 'filemark') next.copy(into);
    return this.#say(object);
  }
  #put(objects: readonly Stored[]): TapeWriteOutcome | Promise<TapeWriteOutcome> {
    if (this.at === this.bad) {
      if (this.later) return Promise.reject(new MediumError(this.fault, this.bad, 'bad on purpose'));
      throw new MediumError(this.fault, this.bad, 'bad on purpose');
    }
    for (const object of objects) {
      if (this.at >= this.fullAfter) return this.#say<TapeWriteOutcome>('end-of-medium');
      this.objects.length = this.at;
      this.objects.push(object);
      this.at++;
    }
    return this.#say<TapeWriteOutcome>(this.pastEarlyWarning ? 'early-warning' : 'written');
  }
  write(from: Buffer): TapeWriteOutcome | Promise<TapeWriteOutcome> {
    return this.#put([Buffer.from(from)]);
  }
  writeFilemarks(count: number): TapeWriteOutcome | Promise<TapeWriteOutcome> {
    return this.#put(Array.from({ length: count }, (): Stored => 'filemark'));
  }
  sync(): void | Promise<void> {
    this.syncs++;
    return this.#say(undefined);
  }
  spaceRecords(count: number): SpaceOutcome | Promise<SpaceOutcome> {
    for (let moved = 0; moved < Math.abs(count); moved++) {
      const next = count > 0 ? this.objects[this.at] : this.objects[this.at - 1];
      if (next === undefined) return this.#say({ moved, stop: count > 0 ? 'end-of-data' : 'beginning' });
      this.at += Math.sign(count);
      if (next === 'filemark') return this.#say({ moved, stop: 'filemark' });
    }
    return this.#say({ moved: Math.abs(count), stop: 'none' });
  }
  spaceFilemarks(count: number): SpaceOutcome | Promise<SpaceOutcome> {
    for (let moved = 0; moved < Math.abs(count);) {
      const next = count > 0 ? this.objects[this.at] : this.objects[this.at - 1];
      if (next === undefined) return this.#say({ moved, stop: count > 0 ? 'end-of-data' : 'beginning' });
      this.at += Math.sign(count);
      if (next === 'filemark') moved++;
    }
    return this.#say({ moved: Math.abs(count), stop: 'none' });
  }
  spaceEndOfData(): void | Promise<void> {
    this.at = this.objects.length;
    return this.#say(undefined);
  }
  locate(object: number): SpaceStop | Promise<SpaceStop> {
    this.at = Math.min(object, this.objects.length);
    return this.#say(object > this.at ? 'end-of-data' : 'none');
  }
  rewind(): void | Promise<void> {
    this.at = 0;
    return this.#say(undefined);
  }
  erase(): void | Promise<void> {
    this.objects.length = this.at;
    return this.#say(undefined);
  }
  changePartition(): void | Promise<void> {
    return this.rewind();
  }
  format(): void | Promise<void> {
    this.at = 0;
    return this.erase();
  }
  setCapacity(): void | Promise<void> {
    return this.format();
  }
  close(): void {
    this.closed = true;
  }
}
