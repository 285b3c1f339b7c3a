import { AllocationPage, PAGE_BLOCKS } from './allocation-page.ts';
import { MediumError } from './medium-error.ts';

/**
 * Which logical blocks are mapped: one bit a block, in pages of 32,768 blocks.
 *
 * What is kept is where a block differs from the state that the whole medium began in, unmapped for a new one and mapped
 * for a foreign image: an untouched page is a zero in the directory and nothing else, so that neither sixteen tebibytes
 * of nothing nor a full foreign image costs anything. A page that is all different is a number in the directory too.
 */

/** States of a page in the directory. */
const SAME = 0;
const MIXED = 1;
const OPPOSITE = 2;

/** Where the pages are kept. */
export interface PageStore {
  /** One byte a page, as above. */
  readonly directory: Uint8Array;
  /** A page that the directory calls mixed. */
  page(index: number): AllocationPage;
  /** A page that becomes mixed. */
  adopt(index: number, page: AllocationPage): void;
  /** A page that is uniform from now on, or must be read anew. */
  drop(index: number): void;
  /** Bytes `from` to `to` of the page have changed. Throws MediumError when they cannot be kept. */
  savePage(index: number, page: AllocationPage, from: number, to: number): void;
  /** The page's byte in the directory has changed. Throws likewise. */
  saveState(index: number): void;
}

/** A run of blocks in one state. */
export interface BlockRun {
  readonly mapped: boolean;
  readonly blocks: number;
}

/** How much may be mapped. */
export interface AllocationLimit {
  readonly bytes: number;
  readonly blockSize: number;
}

/** Work that one `run` does at most: mixed pages looked into, uniform pages passed. */
const RUN_LIMIT_MIXED = 64;
const RUN_LIMIT_UNIFORM = 65536;

export class AllocationMap {
  readonly blocks: number;
  /** The state that the whole medium began in. */
  readonly beganMapped: boolean;
  readonly #store: PageStore;
  readonly #limit: AllocationLimit | undefined;
  /** Blocks that differ from it; undefined until it is counted. */
  #different: number | undefined;

  /** `different` may be undefined when nobody has counted: it is then counted when it is first wanted. */
  constructor(
    blocks: number,
    beganMapped: boolean,
    store: PageStore,
    different: number | undefined,
    limit?: AllocationLimit,
  ) {
    this.blocks = blocks;
    this.#limit = limit;
    this.beganMapped = beganMapped;
    this.#store = store;
    this.#different = different;
  }

  get mappedBlocks(): number {
    this.#different ??= this.#count();
    return this.beganMapped ? this.blocks - this.#different : this.#different;
  }

  /** Blocks that differ from how it began, when that has been counted. */
  get different(): number | undefined {
    return this.#different;
  }

  /** Whether `count` blocks are mapped already: what every write asks, and nearly always so. */
  allMapped(first: number, count: number): boolean {
    const end = first + count;
    while (first < end) {
      const index = Math.floor(first / PAGE_BLOCKS);
      const at = first - index * PAGE_BLOCKS;
      const here = Math.min(PAGE_BLOCKS - at, end - first);
      const state = this.#store.directory[index];
      if (state === MIXED) {
        if (this.#store.page(index).run(at, here, !this.beganMapped) < here) return false;
      } else if ((state === SAME) !== this.beganMapped) return false;
      first += here;
    }
    return true;
  }

  /** The run that begins at `first`, of `count` blocks at most; may end early, never empty. */
  run(first: number, count: number): BlockRun {
    const end = first + count;
    let mapped: boolean | undefined;
    let at = first;
    let work = 0;
    const { directory } = this.#store;
    while (at < end && work < RUN_LIMIT_MIXED) {
      const index = Math.floor(at / PAGE_BLOCKS);
      const offset = at - index * PAGE_BLOCKS;
      const here = Math.min(PAGE_BLOCKS - offset, end - at);
      const state = directory[index];
      if (state === MIXED) {
        const page = this.#store.page(index);
        mapped ??= page.get(offset) !== this.beganMapped;
        const same = page.run(offset, here, mapped !== this.beganMapped);
        at += same;
        if (same < here) break;
        work++;
      } else {
        mapped ??= (state === SAME) === this.beganMapped;
        if (((state === SAME) === this.beganMapped) !== mapped) break;
        at += here;
        work += RUN_LIMIT_MIXED / RUN_LIMIT_UNIFORM;
      }
    }
    return { mapped: mapped ?? false, blocks: at - first };
  }

  /** Marks the blocks mapped. Kept in the store before it returns. Throws MediumError, and marks none, when they are too many. */
  mark(first: number, count: number): void {
    if (this.allMapped(first, count)) return;
    this.requireRoom(first, count);
    this.#assign(first, count, true);
  }

  /**
   * The same over another number of blocks, in an empty store whose directory is yet to be kept; what comes to it is in
   * the state `mapped`.
   */
  resized(blocks: number, store: PageStore, mapped: boolean): AllocationMap {
    const map = new AllocationMap(blocks, this.beganMapped, store, undefined, this.#limit);
    const kept = Math.min(blocks, this.blocks);
    const whole = Math.floor(kept / PAGE_BLOCKS);
    for (let index = 0; index < whole; index++) {
      const state = this.#store.directory[index]!;
      store.directory[index] = state;
      if (state !== MIXED) continue;
      const page = new AllocationPage(Buffer.from(this.#store.page(index).bytes)).recount();
      store.savePage(index, page, 0, page.bytes.length);
      store.adopt(index, page);
    }
    for (let at = whole * PAGE_BLOCKS; at < kept;) {
      const run = this.run(at, kept - at);
      map.#assign(at, run.blocks, run.mapped);
      at += run.blocks;
    }
    map.#assign(kept, blocks - kept, mapped);
    return map;
  }

  /** Throws MediumError when the blocks may not all be mapped. */
  requireRoom(first: number, count: number): void {
    if (this.#limit !== undefined) this.#requireRoom(this.#limit, first, count);
  }

  #requireRoom({ bytes, blockSize }: AllocationLimit, first: number, count: number): void {
    let room = Math.max(Math.floor(bytes / blockSize) - this.mappedBlocks, 0);
    const end = first + count;
    for (let at = first; at < end;) {
      const run = this.run(at, end - at);
      if (!run.mapped && run.blocks > room)
        throw new MediumError('no-space', (at + room) * blockSize, 'as much is mapped as may be');
      if (!run.mapped) room -= run.blocks;
      at += run.blocks;
    }
  }

  /** Marks the blocks unmapped, likewise. */
  clear(first: number, count: number): void {
    this.#assign(first, count, false);
  }

  #assign(first: number, count: number, mapped: boolean): void {
    const end = first + count;
    while (first < end) {
      const index = Math.floor(first / PAGE_BLOCKS);
      const at = first - index * PAGE_BLOCKS;
      const here = Math.min(PAGE_BLOCKS - at, end - first);
      this.#assignInPage(index, at, here, mapped !== this.beganMapped);
      first += here;
    }
  }

  #assignInPage(index: number, at: number, count: number, differ: boolean): void {
    const store = this.#store;
    const before = store.directory[index]!;
    if (before === (differ ? OPPOSITE : SAME)) return;
    const length = this.#pageLength(index);
    const page = before === MIXED ? store.page(index) : fresh(length, before === OPPOSITE);
    const ones = page.ones;
    if (page.fill(at, count, differ) === 0) return;
    try {
      this.#keep(index, page, before, at, count);
    } catch (error) {
      // What the store holds is true; what this page says is not. Read it anew, and count anew.
      store.drop(index);
      store.directory[index] = before;
      this.#different = undefined;
      throw error;
    }
    if (this.#different !== undefined) this.#different += page.ones - ones;
  }

  /**
   * The page goes before the directory that points to it, and is not written at all once it is uniform: whatever moment
   * the process ends at, the directory and the pages that it calls mixed are true.
   */
  #keep(index: number, page: AllocationPage, before: number, at: number, count: number): void {
    const store = this.#store;
    const after = page.ones === 0 ? SAME : page.ones === this.#pageLength(index) ? OPPOSITE : MIXED;
    if (after === MIXED) {
      if (before === MIXED) store.savePage(index, page, at >>> 3, ((at + count - 1) >>> 3) + 1);
      else {
        // What the store has in this place is from an earlier life of the page.
        store.savePage(index, page, 0, page.bytes.length);
        store.adopt(index, page);
      }
    }
    if (after === before) return;
    store.directory[index] = after;
    store.saveState(index);
    if (after !== MIXED) store.drop(index);
  }

  /** The last page may tell about fewer blocks. */
  #pageLength(index: number): number {
    return Math.min(PAGE_BLOCKS, this.blocks - index * PAGE_BLOCKS);
  }

  #count(): number {
    let different = 0;
    this.#store.directory.forEach((state, index) => {
      if (state === OPPOSITE) different += this.#pageLength(index);
      else if (state === MIXED) different += this.#store.page(index).ones;
    });
    return different;
  }
}

function fresh(length: number, full: boolean): AllocationPage {
  const page = new AllocationPage();
  if (full) page.fill(0, length, true);
  return page;
}

/** Pages in memory, for media that end with the process. */
export class MemoryPages implements PageStore {
  readonly directory: Uint8Array;
  readonly #pages = new Map<number, AllocationPage>();

  constructor(blocks: number) {
    this.directory = new Uint8Array(Math.ceil(blocks / PAGE_BLOCKS));
  }

  /** Pages that are held. */
  get mixed(): number {
    return this.#pages.size;
  }

  page(index: number): AllocationPage {
    const page = this.#pages.get(index);
    if (page === undefined) throw new Error(`page ${index} of the allocation map is missing`);
    return page;
  }

  adopt(index: number, page: AllocationPage): void {
    this.#pages.set(index, page);
  }

  drop(index: number): void {
    this.#pages.delete(index);
  }

  savePage(): void {}

  saveState(): void {}
}
