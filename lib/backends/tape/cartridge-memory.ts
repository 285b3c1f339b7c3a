import { randomBytes } from 'node:crypto';
import { MediumError } from '../medium-error.ts';
import { LogCartridge } from './cartridge.ts';
import type { TapeMedium } from '../tape-medium.ts';
import { ObjectIndex } from './object-index.ts';
import type { LogEnd, TapeLog } from './tape-log.ts';

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

/** A blank cartridge in memory. It ends with the process, so nothing in it is framed or checked. */
export function memoryCartridge(options: MemoryCartridgeOptions = {}): TapeMedium {
  const { capacityBytes = DEFAULT_CAPACITY_BYTES, readOnly = false } = options;
  const { barcode = '', worm = false, mediaType = '' } = options;
  if (!Number.isSafeInteger(capacityBytes) || capacityBytes <= 0) {
    throw new RangeError(`a memory cartridge of ${capacityBytes} bytes`);
  }
  return new LogCartridge({
    log: new MemoryLog(),
    index: new ObjectIndex(0),
    label: { uuid: randomBytes(16).toString('hex'), barcode, capacityBytes, worm, mediaType },
    writeProtected: readOnly,
    chain: 0,
  });
}

class MemoryLog implements TapeLog {
  readonly headerBytes = 0;
  readonly #slabs: Buffer[] = [];

  read(into: Buffer, offset: number): void {
    for (let done = 0; done < into.length;) {
      const slab = this.#slabs[Math.floor((offset + done) / SLAB_BYTES)]!;
      const at = (offset + done) % SLAB_BYTES;
      done += slab.copy(into, done, at, Math.min(SLAB_BYTES, at + into.length - done));
    }
  }

  append(_headers: Buffer, record: Buffer | undefined, offset: number): void {
    if (record === undefined) return;
    for (let done = 0; done < record.length;) {
      const slab = this.#slab(Math.floor((offset + done) / SLAB_BYTES));
      done += record.copy(slab, (offset + done) % SLAB_BYTES, done);
    }
  }

  #slab(index: number): Buffer {
    try {
      return (this.#slabs[index] ??= Buffer.allocUnsafeSlow(SLAB_BYTES));
    } catch (error) {
      throw new MediumError('no-space', index * SLAB_BYTES, 'the memory for a cartridge has run out', error);
    }
  }

  cut({ offset }: LogEnd): void {
    this.discard(offset);
  }

  discard(offset: number): void {
    this.#slabs.length = Math.min(this.#slabs.length, Math.ceil(offset / SLAB_BYTES));
  }

  sync(): void {}

  close(): void {
    this.#slabs.length = 0;
  }
}
