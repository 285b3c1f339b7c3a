import {
  closeSync,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import { dirname } from 'node:path';
import { LRUCache } from 'lru-cache';
import { crc32c } from '../bytes/crc32c.ts';
import { ascii, bit, bytes, u32, u64, u64big } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { syncDirectory } from '../state/directory.ts';
import { bootId } from '../state/process-identity.ts';
import { AllocationMap } from './allocation-map.ts';
import type { PageStore } from './allocation-map.ts';
import { AllocationPage, PAGE_BLOCKS, PAGE_BYTES } from './allocation-page.ts';
import { mediumError } from './file-channel.ts';
import type { MediumError } from './medium-error.ts';

/**
 * The allocation map of an image, in a sparse file beside it: a header block, the directory, the pages.
 *
 * When it is believed:
 * - it was closed, and the image has not been touched since (inode, size, modification time): yes, and if its last
 *   changes had been flushed by then, after a loss of power too;
 * - it was not closed, but the machine has not been started again (kill -9), and the image was last modified when we
 *   may have written to it (write-lease.ts): yes, because every change went into the page cache before the write that
 *   it was for was answered;
 * - otherwise no: the image counts as wholly mapped, which is never wrong.
 */

const MAGIC = 'SANLETAM';
const VERSION = 1;
const HEADER_BYTES = 4096;
/** 16 MiB of bitmap at most: 64 GiB of image at 512 bytes a block, written here and there. Uniform pages cost nothing. */
const CACHED_PAGES = 4096;
/** `mapped` of a map in which nobody has counted. */
const NOT_COUNTED = Number.MAX_SAFE_INTEGER;

const header = layout(120, {
  magic: ascii(0, 8),
  version: u32(8),
  /** The medium began wholly mapped: a foreign image. */
  beganMapped: bit(12, 0),
  /** Nobody has the map open. */
  closed: bit(12, 1),
  /** When it was closed, all of it had been flushed. */
  durable: bit(12, 2),
  blockSize: u32(16),
  imageBytes: u64(24),
  device: u64big(32),
  inode: u64big(40),
  /** The image's modification time: when closed this, otherwise this or later. */
  modifiedNs: u64big(48),
  /** Blocks that differ from how it began. */
  different: u64(56),
  boot: bytes(64, 16),
  /** When not closed: and not later than this. */
  untilNs: u64big(80),
  /** The size that the image is being given; 0 when it is not. */
  nextBytes: u64(88),
  checksum: u32(116),
});

const fsyncLater = promisify(fsync);
const ownBoot = (): Uint8Array => Buffer.from(bootId(), 'hex');

export type Image = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs'>;

export interface MapFileOptions {
  readonly path: string;
  /** The image, for what identifies it. */
  readonly image: Image;
  readonly blockSize: number;
  /** The image has just been made and holds nothing but zeros. */
  readonly fresh: boolean;
  readonly allocationLimitBytes?: number | undefined;
}

/** What of the header changes while the map is open. */
interface HeaderState {
  readonly closed: boolean;
  readonly durable: boolean;
  readonly modifiedNs: bigint;
  readonly untilNs: bigint;
  readonly different: number | undefined;
  readonly nextBytes?: number;
}

interface Believed {
  /** Size of the image that the map is of: another one when a change of size was cut short. */
  readonly imageBytes: bigint;
  readonly beganMapped: boolean;
  readonly different: number | undefined;
}

export class MapFile implements PageStore {
  readonly directory: Uint8Array;
  map: AllocationMap;
  readonly #file: number;
  readonly #options: MapFileOptions;
  readonly #pages = new LRUCache<number, AllocationPage>({ max: CACHED_PAGES });
  /** The page used last: sequential work asks for the same one thousands of times. */
  #lastIndex = -1;
  #lastPage: AllocationPage | undefined;
  /** Changes made, and how many of them a flush has covered. */
  #changes = 0;
  #flushed = -1;
  #lost: MediumError | undefined;
  #believed = false;
  #stamped: HeaderState = {
    closed: false,
    durable: false,
    modifiedNs: 0n,
    untilNs: 0n,
    different: undefined,
  };
  /** Its name has been another map's. */
  #moved = false;
  /** The directory is kept as a whole, later. */
  #inBulk = false;

  private constructor(file: number, options: MapFileOptions, believed: Believed, directory: Uint8Array) {
    this.#file = file;
    this.#options = options;
    this.directory = directory;
    const blocks = Math.floor(Number(options.image.size) / options.blockSize);
    const { blockSize, allocationLimitBytes: bytes } = options;
    const limit = bytes === undefined ? undefined : { bytes, blockSize };
    this.map = new AllocationMap(blocks, believed.beganMapped, this, believed.different, limit);
  }

  /** The map was found, and nobody else has written to the image. */
  get believed(): boolean {
    return this.#believed;
  }

  /** Opens the map at `path`, or begins a new one when there is none that can be believed. */
  static async open(options: MapFileOptions): Promise<MapFile> {
    const old = openIfPresent(options.path);
    if (old === undefined) return MapFile.#begin(options);
    let map: MapFile | undefined;
    try {
      if (!options.fresh) map = await MapFile.#believe(old, options);
    } finally {
      if (map === undefined) closeSync(old);
    }
    if (map !== undefined) return map;
    map = MapFile.#begin(options);
    // A loss of power must not bring the old one back.
    await syncDirectory(dirname(options.path));
    return map;
  }

  static async #believe(file: number, options: MapFileOptions): Promise<MapFile | undefined> {
    const found = readHeader(file);
    const believed = found === undefined ? undefined : judge(found, options);
    if (found === undefined || believed === undefined) return undefined;
    const { dev, ino, mtimeNs } = options.image;
    const of = { ...options, image: { dev, ino, mtimeNs, size: believed.imageBytes } };
    const directory = new Uint8Array(pagesOf(of));
    if (fstatSync(file).size < pageOffset(of, pagesOf(of))) return undefined;
    if (readSync(file, directory, 0, directory.length, HEADER_BYTES) !== directory.length) return undefined;
    const map = new MapFile(file, of, believed, directory);
    map.#believed = true;
    if (believed.imageBytes !== options.image.size) return map.resized(options.image, false);
    map.stamp(options.image.mtimeNs, options.image.mtimeNs);
    // What was closed is believed after a loss of power: it must not be found closed once it changes again.
    if (header.closed.get(found)) await fsyncLater(file);
    return map;
  }

  /** A new map, put in place with its header written: a half made one has no name that anybody looks for. */
  static #begin(options: MapFileOptions): MapFile {
    const temporary = `${options.path}.new`;
    const file = openSync(temporary, 'w+');
    try {
      ftruncateSync(file, pageOffset(options, pagesOf(options)));
      const believed = { beganMapped: !options.fresh, different: 0, imageBytes: options.image.size };
      const map = new MapFile(file, options, believed, new Uint8Array(pagesOf(options)));
      map.stamp(options.image.mtimeNs, options.image.mtimeNs);
      renameSync(temporary, options.path);
      return map;
    } catch (error) {
      closeSync(file);
      unlinkSync(temporary);
      throw error;
    }
  }

  /**
   * The image is about to be given this size, in this turn of the event loop: whichever of the two it is found with, the
   * map is believed.
   */
  announce(nextBytes: number): void {
    this.#writeHeader({ ...this.#stamped, nextBytes });
  }

  /**
   * The map of the image at its new size, put in the place of this one, which is closed. Unless `mapped`, what has come to
   * the image holds nothing.
   */
  resized(image: Image, mapped: boolean): MapFile {
    const options = { ...this.#options, image, fresh: false };
    const temporary = `${options.path}.new`;
    const file = openSync(temporary, 'w+');
    try {
      ftruncateSync(file, pageOffset(options, pagesOf(options)));
      const believed = { beganMapped: this.map.beganMapped, different: undefined, imageBytes: image.size };
      const other = new MapFile(file, options, believed, new Uint8Array(pagesOf(options)));
      other.#inBulk = true;
      other.map = this.map.resized(other.map.blocks, other, mapped);
      other.#inBulk = false;
      other.#save(other.directory, 0, other.directory.length, HEADER_BYTES, 0);
      other.stamp(image.mtimeNs, image.mtimeNs);
      renameSync(temporary, options.path);
      other.#moved = true;
      closeSync(this.#file);
      return other;
    } catch (error) {
      closeSync(file);
      unlinkSync(temporary);
      throw error;
    }
  }

  page(index: number): AllocationPage {
    if (index === this.#lastIndex && this.#lastPage !== undefined) return this.#lastPage;
    return this.#remember(index, this.#pages.get(index) ?? this.#load(index));
  }

  #load(index: number): AllocationPage {
    const page = new AllocationPage();
    const offset = pageOffset(this.#options, index);
    try {
      const length = readSync(this.#file, page.bytes, 0, PAGE_BYTES, offset);
      if (length !== PAGE_BYTES) throw new Error('the file is too short');
    } catch (error) {
      throw mediumError(error, index * PAGE_BLOCKS * this.#options.blockSize, 'reading the allocation map');
    }
    this.#pages.set(index, page.recount());
    return page;
  }

  #remember(index: number, page: AllocationPage): AllocationPage {
    this.#lastIndex = index;
    this.#lastPage = page;
    return page;
  }

  adopt(index: number, page: AllocationPage): void {
    this.#pages.set(index, this.#remember(index, page));
  }

  drop(index: number): void {
    this.#pages.delete(index);
    if (index === this.#lastIndex) this.#lastPage = undefined;
  }

  savePage(index: number, page: AllocationPage, from: number, to: number): void {
    this.#save(page.bytes, from, to - from, pageOffset(this.#options, index) + from, index);
  }

  saveState(index: number): void {
    if (this.#inBulk) return;
    this.#save(this.directory, index, 1, HEADER_BYTES + index, index);
  }

  #save(from: Uint8Array, at: number, length: number, offset: number, index: number): void {
    this.#changes++;
    try {
      const done = writeSync(this.#file, from, at, length, offset);
      if (done !== length) throw new Error('it was cut short');
    } catch (error) {
      throw mediumError(error, index * PAGE_BLOCKS * this.#options.blockSize, 'writing the allocation map');
    }
  }

  async flush(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    const changes = this.#changes;
    if (changes === this.#flushed) return;
    try {
      await fsyncLater(this.#file);
      if (this.#moved) await syncDirectory(dirname(this.#options.path));
      this.#moved = false;
    } catch (error) {
      // As in file-channel.ts: the next one would succeed over what is lost.
      this.#lost = mediumError(error, 0, 'fsync of the allocation map');
      throw this.#lost;
    }
    this.#flushed = changes;
  }

  /** Our last write to the image lies between the two. */
  stamp(modifiedNs: bigint, untilNs: bigint): void {
    this.#stamped = { closed: false, durable: false, modifiedNs, untilNs, different: undefined };
    this.#writeHeader(this.#stamped);
  }

  /** Closes it in good order; `image` is the image after its last write. */
  close(image: Image): void {
    try {
      const durable = this.#changes === this.#flushed;
      const modifiedNs = image.mtimeNs;
      const { different } = this.map;
      this.#writeHeader({ closed: true, durable, modifiedNs, untilNs: modifiedNs, different });
    } finally {
      closeSync(this.#file);
    }
  }

  #writeHeader(state: HeaderState): void {
    const { image, blockSize } = this.#options;
    const block = Buffer.alloc(header.length);
    header.magic.set(block, MAGIC);
    header.version.set(block, VERSION);
    header.beganMapped.set(block, this.map.beganMapped);
    header.closed.set(block, state.closed);
    header.durable.set(block, state.durable);
    header.blockSize.set(block, blockSize);
    header.imageBytes.set(block, Number(image.size));
    header.device.set(block, image.dev);
    header.inode.set(block, image.ino);
    header.modifiedNs.set(block, state.modifiedNs);
    header.untilNs.set(block, state.untilNs);
    header.nextBytes.set(block, state.nextBytes ?? 0);
    header.different.set(block, state.different ?? NOT_COUNTED);
    header.boot.set(block, ownBoot());
    header.checksum.set(block, crc32c(block.subarray(0, 116)));
    writeSync(this.#file, block, 0, block.length, 0);
  }
}

const pagesOf = ({ image, blockSize }: MapFileOptions): number =>
  Math.ceil(Number(image.size) / blockSize / PAGE_BLOCKS);

/** Pages lie behind the directory, each within one page of the page cache: kill -9 cannot split a change. */
const pageOffset = (options: MapFileOptions, index: number): number =>
  HEADER_BYTES + Math.ceil(pagesOf(options) / PAGE_BYTES) * PAGE_BYTES + index * PAGE_BYTES;

function openIfPresent(path: string): number | undefined {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined for anything that is not a map of this version, whole. */
function readHeader(file: number): Buffer | undefined {
  const block = Buffer.alloc(header.length);
  if (!fstatSync(file).isFile() || readSync(file, block, 0, block.length, 0) !== block.length)
    return undefined;
  if (header.magic.get(block) !== MAGIC || header.version.get(block) !== VERSION) return undefined;
  return header.checksum.get(block) === crc32c(block.subarray(0, 116)) ? block : undefined;
}

/** Whether nobody but us has modified the image, as far as its time tells. */
function sameTime(block: Buffer, mtimeNs: bigint): boolean {
  const modifiedNs = header.modifiedNs.get(block);
  if (header.closed.get(block)) return mtimeNs === modifiedNs;
  return mtimeNs >= modifiedNs && mtimeNs <= header.untilNs.get(block);
}

/** What the header says, or undefined when it cannot be believed of this image. */
function judge(block: Buffer, { image, blockSize }: MapFileOptions): Believed | undefined {
  const boot = header.boot.get(block);
  // All zeros: a system that does not tell its boots apart.
  const sameBoot = Buffer.compare(boot, ownBoot()) === 0 && boot.some(byte => byte !== 0);
  const closed = header.closed.get(block);
  const imageBytes = header.imageBytes.get(block);
  const size = Number(image.size);
  const sameImage =
    header.blockSize.get(block) === blockSize &&
    (imageBytes === size || header.nextBytes.get(block) === size) &&
    header.inode.get(block) === image.ino &&
    // Device numbers are given out anew at each boot.
    (!sameBoot || header.device.get(block) === image.dev);
  if (!sameImage) return undefined;
  if (!closed && !sameBoot) return undefined;
  if (!sameTime(block, image.mtimeNs)) return undefined;
  if (!sameBoot && !header.durable.get(block)) return undefined;
  const different = header.different.get(block);
  return {
    beganMapped: header.beganMapped.get(block),
    different: closed && different !== NOT_COUNTED ? different : undefined,
    imageBytes: BigInt(imageBytes),
  };
}
