import { AllocationMap, MemoryPages } from './allocation-map.ts';
import { Anchors } from './anchors.ts';
import type { BlockBackend, Extent } from './block-backend.ts';
import { MediumError } from './medium-error.ts';

export interface MemoryDiskOptions {
  /** Size of the medium; a multiple of `blockSize`. */
  readonly bytes: number;
  /** 512 unless told. */
  readonly blockSize?: number;
  /** An initiator may not write it. */
  readonly readOnly?: boolean;
  /** Most bytes that may be mapped; all of them unless told. */
  readonly allocationLimitBytes?: number | undefined;
}

/** What is allocated at a time, when it is first written. */
const SLAB_BYTES = 256 * 1024;
/** 1 PiB: the map's directory is then 64 MiB of untouched memory. */
export const MEMORY_LIMIT_BYTES = 2 ** 50;

/** A sparse disk in memory: ten tebibytes cost nothing until they are written. */
export function memoryDisk(options: MemoryDiskOptions): BlockBackend {
  const { bytes, blockSize = 512, readOnly = false, allocationLimitBytes } = options;
  if (bytes <= 0 || bytes > MEMORY_LIMIT_BYTES) {
    throw new RangeError(`a memory disk of ${bytes} bytes: 1 to ${MEMORY_LIMIT_BYTES} are possible`);
  }
  if (bytes % blockSize !== 0) {
    throw new RangeError(`a memory disk of ${bytes} bytes is not a whole number of ${blockSize}-byte blocks`);
  }
  return new MemoryDisk(bytes, blockSize, readOnly, allocationLimitBytes);
}

class MemoryDisk implements BlockBackend {
  bytes: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly allocationLimitBytes: number | undefined;
  #map: AllocationMap;
  readonly #anchors: Anchors;
  readonly #slabs = new Map<number, Buffer>();

  constructor(bytes: number, blockSize: number, readOnly: boolean, limit: number | undefined) {
    this.readOnly = readOnly;
    this.allocationLimitBytes = limit;
    this.bytes = bytes;
    this.blockSize = blockSize;
    const blocks = bytes / blockSize;
    this.#anchors = new Anchors(blocks);
    this.#map = new AllocationMap(
      blocks,
      false,
      new MemoryPages(blocks),
      0,
      limit === undefined ? undefined : { bytes: limit, blockSize },
    );
  }

  get mappedBytes(): number {
    return this.#map.mappedBlocks * this.blockSize;
  }

  read(into: Buffer, offset: number): void {
    for (let done = 0; done < into.length;) {
      const index = Math.floor((offset + done) / SLAB_BYTES);
      const at = offset + done - index * SLAB_BYTES;
      const length = Math.min(SLAB_BYTES - at, into.length - done);
      const slab = this.#slabs.get(index);
      if (slab === undefined) into.fill(0, done, done + length);
      else slab.copy(into, done, at, at + length);
      done += length;
    }
  }

  write(from: Buffer, offset: number): void {
    this.#map.mark(offset / this.blockSize, from.length / this.blockSize);
    if (this.#anchors.any) this.#anchors.remove(offset / this.blockSize, from.length / this.blockSize);
    for (let done = 0; done < from.length;) {
      const index = Math.floor((offset + done) / SLAB_BYTES);
      const at = offset + done - index * SLAB_BYTES;
      const length = Math.min(SLAB_BYTES - at, from.length - done);
      from.copy(this.#slab(index), at, done, done + length);
      done += length;
    }
  }

  /** It ends with the process, and nobody looks at it while it is being written. */
  writeAtomic(from: Buffer, offset: number): void {
    this.write(from, offset);
  }

  #slab(index: number): Buffer {
    let slab = this.#slabs.get(index);
    if (slab !== undefined) return slab;
    try {
      slab = Buffer.alloc(Math.min(SLAB_BYTES, this.bytes - index * SLAB_BYTES));
    } catch (error) {
      throw new MediumError('no-space', index * SLAB_BYTES, 'the memory for a disk has run out', error);
    }
    this.#slabs.set(index, slab);
    return slab;
  }

  flush(): void {}

  unmap(offset: number, length: number): void {
    const end = offset + length;
    while (offset < end) {
      const { mapped, bytes } = this.extent(offset, end - offset);
      if (mapped) this.#free(offset, bytes);
      offset += bytes;
    }
  }

  /** Zeros a mapped run and lets go of slabs in which nothing is left. */
  #free(offset: number, length: number): void {
    this.#map.clear(offset / this.blockSize, length / this.blockSize);
    if (this.#anchors.any) this.#anchors.remove(offset / this.blockSize, length / this.blockSize);
    const end = offset + length;
    for (let index = Math.floor(offset / SLAB_BYTES); index * SLAB_BYTES < end; index++) {
      const slab = this.#slabs.get(index);
      if (slab === undefined) continue;
      const start = index * SLAB_BYTES;
      if (this.#isUnmapped(start, slab.length)) this.#slabs.delete(index);
      else slab.fill(0, Math.max(offset - start, 0), Math.min(end - start, slab.length));
    }
  }

  anchor(offset: number, length: number): void {
    const [first, count] = [offset / this.blockSize, length / this.blockSize];
    this.#map.requireRoom(first, count);
    this.unmap(offset, length);
    this.#map.mark(first, count);
    this.#anchors.add(first, count);
  }

  #isUnmapped(offset: number, length: number): boolean {
    const { mapped, bytes } = this.extent(offset, length);
    return !mapped && bytes === length;
  }

  extent(offset: number, length: number): Extent {
    const run = this.#map.run(offset / this.blockSize, length / this.blockSize);
    if (!run.mapped || !this.#anchors.any) return { mapped: run.mapped, bytes: run.blocks * this.blockSize };
    const { mapped: anchored, blocks } = this.#anchors.run(offset / this.blockSize, run.blocks);
    return { mapped: true, anchored, bytes: blocks * this.blockSize };
  }

  resize(wanted = this.bytes): void {
    const bytes = wanted - (wanted % this.blockSize);
    if (bytes <= 0 || bytes > MEMORY_LIMIT_BYTES) {
      throw new RangeError(`a disk in memory has 1 to ${MEMORY_LIMIT_BYTES} bytes, not ${bytes}`);
    }
    const blocks = bytes / this.blockSize;
    this.#map = this.#map.resized(blocks, new MemoryPages(blocks), false);
    this.#anchors.forget(blocks);
    const edge = Math.floor(Math.min(bytes, this.bytes) / SLAB_BYTES);
    this.bytes = bytes;
    for (const [index, slab] of this.#slabs) {
      if (index < edge) continue;
      const length = Math.min(SLAB_BYTES, bytes - index * SLAB_BYTES);
      if (length <= 0) this.#slabs.delete(index);
      else if (length !== slab.length) {
        const other = Buffer.alloc(length);
        slab.copy(other);
        this.#slabs.set(index, other);
      }
    }
  }

  close(): void {
    this.#slabs.clear();
  }
}
