import { AllocationMap, type BlockRun, MemoryPages } from './allocation-map.ts';

/** Pages of the map of anchored blocks that are neither all so nor all not: 16 MiB. */
const MOST_MIXED_PAGES = 4096;

/**
 * Which of the mapped blocks are anchored: they have their room and hold nothing yet. Known in memory only, and not of any
 * number: one that is forgotten is a mapped one of zeros, which a device may make of an anchored block at any time (SBC-3
 * 4.7.4).
 */
export class Anchors {
  #blocks: number;
  #pages: MemoryPages | undefined;
  #map: AllocationMap | undefined;

  constructor(blocks: number) {
    this.#blocks = blocks;
  }

  get any(): boolean {
    return this.#map !== undefined;
  }

  add(first: number, count: number): void {
    this.#pages ??= new MemoryPages(this.#blocks);
    this.#map ??= new AllocationMap(this.#blocks, false, this.#pages, 0);
    this.#map.mark(first, count);
    if (this.#pages.mixed > MOST_MIXED_PAGES) this.forget();
  }

  remove(first: number, count: number): void {
    this.#map?.clear(first, count);
    if (this.#map?.mappedBlocks === 0) this.forget();
  }

  /** The run of mapped blocks that begins at `first`; here `mapped` is anchored. */
  run(first: number, count: number): BlockRun {
    return this.#map?.run(first, count) ?? { mapped: false, blocks: count };
  }

  /** All of them are mapped from now on, in a medium that may have another size. */
  forget(blocks = this.#blocks): void {
    this.#blocks = blocks;
    this.#pages = undefined;
    this.#map = undefined;
  }
}
