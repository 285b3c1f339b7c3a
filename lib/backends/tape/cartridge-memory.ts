import { MediumError } from '../medium-error.ts';
import type { TapeMedium } from '../tape-medium.ts';
import { CartridgeAttributes } from './attributes.ts';
import type { CartridgeStore } from './cartridge-store.ts';
import { LogCartridge } from './cartridge.ts';
import { newLabel } from './label.ts';
import type { StoredLabel } from './label.ts';
import { chunkReader } from './load-partition.ts';
import { ObjectIndex } from './object-index.ts';
import { Partition } from './partition.ts';
import type { LogPoint, TapeLog } from './tape-log.ts';

export interface MemoryCartridgeOptions {
  /** Bytes of records that fit; 4 GiB unless told. */
  readonly capacityBytes?: number;
  readonly readOnly?: boolean;
  readonly barcode?: string;
  readonly worm?: boolean;
  readonly mediaType?: string;
}

const DEFAULT_CAPACITY_BYTES = 4 * 1024 * 1024 * 1024;
/** Allocated at a time, when it is first written. */
const SLAB_BYTES = 256 * 1024;

/** A blank cartridge in memory. It ends with the process, so nothing in it is checked. */
export function memoryCartridge(options: MemoryCartridgeOptions = {}): TapeMedium {
  const { capacityBytes = DEFAULT_CAPACITY_BYTES, readOnly = false } = options;
  const { barcode = '', worm = false, mediaType = '' } = options;
  if (!Number.isSafeInteger(capacityBytes) || capacityBytes <= 0) {
    throw new RangeError(`a memory cartridge of ${capacityBytes} bytes`);
  }
  return new LogCartridge(new MemoryStore(newLabel({ barcode, capacityBytes, worm, mediaType }), readOnly));
}

class MemoryStore implements CartridgeStore {
  readonly writeProtected: boolean;
  readonly attributes = new CartridgeAttributes(() => undefined);
  label: StoredLabel;
  partitions: readonly Partition[];

  constructor(label: StoredLabel, writeProtected: boolean) {
    this.writeProtected = writeProtected;
    this.label = label;
    this.partitions = blankPartitions(label);
  }

  format(label: StoredLabel): void {
    this.label = label;
    this.partitions = blankPartitions(label);
  }

  close(): void {
    this.partitions = [];
  }
}

const blankPartitions = ({ partitions }: StoredLabel): Partition[] =>
  partitions.map(({ capacityBytes }, number) => {
    const log = new MemoryLog();
    const index = new ObjectIndex(chunkReader(log));
    return new Partition({ number, capacityBytes, log, index, chain: 0, seed: 0 });
  });

class MemoryLog implements TapeLog {
  readonly checked = false;
  readonly #slabs: Buffer[] = [];

  read(into: Buffer, offset: number): void {
    for (let done = 0; done < into.length;) {
      const slab = this.#slabs[Math.floor((offset + done) / SLAB_BYTES)]!;
      const at = (offset + done) % SLAB_BYTES;
      done += slab.copy(into, done, at, Math.min(SLAB_BYTES, at + into.length - done));
    }
  }

  readPair(first: Buffer, second: Buffer, offset: number): void {
    this.read(first, offset);
    this.read(second, offset + first.length);
  }

  append(headers: Buffer, record: Buffer | undefined, offset: number): void {
    this.#put(headers, offset);
    if (record !== undefined) this.#put(record, offset + headers.length);
  }

  #put(from: Buffer, offset: number): void {
    for (let done = 0; done < from.length;) {
      const slab = this.#slab(Math.floor((offset + done) / SLAB_BYTES));
      done += from.copy(slab, (offset + done) % SLAB_BYTES, done);
    }
  }

  #slab(index: number): Buffer {
    try {
      return (this.#slabs[index] ??= Buffer.allocUnsafeSlow(SLAB_BYTES));
    } catch (error) {
      throw new MediumError('no-space', index * SLAB_BYTES, 'the memory for a cartridge has run out', error);
    }
  }

  cut({ offset }: LogPoint): void {
    this.discard(offset);
  }

  discard(offset: number): void {
    this.#slabs.length = Math.min(this.#slabs.length, Math.ceil(offset / SLAB_BYTES));
  }

  reached(): void {}

  sync(): void {}

  close(): void {
    this.#slabs.length = 0;
  }
}
