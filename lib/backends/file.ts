import { close, constants, fstatSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { syncDirectory } from '../state/directory.ts';
import type { Lock } from '../state/lock-file.ts';
import type { AllocationMap } from './allocation-map.ts';
import { Anchors } from './anchors.ts';
import { AtomicJournal } from './atomic-journal.ts';
import type { BlockBackend, Extent } from './block-backend.ts';
import { FileChannel } from './file-channel.ts';
import { Flusher } from './flusher.ts';
import { MapFile } from './map-file.ts';
import { MediumError } from './medium-error.ts';
import { companion, findMedium, lockMedium, pathError } from './medium-path.ts';
import type { MediumPath } from './medium-path.ts';
import { WriteLease } from './write-lease.ts';

export interface DiskFileOptions {
  readonly path: string;
  /** Size of a new file, which is made sparse. An existing file keeps its own, and another one here is an error. */
  readonly bytes?: number;
  /** 512 unless told. */
  readonly blockSize?: number;
  /** The file is never written, has no map and counts as wholly mapped; other readers may have it open too. */
  readonly readOnly?: boolean;
  /** Where the allocation map is kept; beside the file unless told. */
  readonly stateDir?: string;
  /** Most bytes that may be mapped; all of them unless told. What is mapped beyond it already stays so. */
  readonly allocationLimitBytes?: number | undefined;
}

/** A disk in a file. Rejects with one sentence that names the file when it cannot be used. */
export async function openDiskFile(options: DiskFileOptions): Promise<BlockBackend> {
  const { path, readOnly = false, stateDir } = options;
  const medium = await findMedium(path);
  const bytes = plannedBytes(medium, options);
  const lock = await lockMedium(medium, readOnly, stateDir);
  try {
    return await open(medium, options, bytes, lock);
  } catch (error) {
    lock.release();
    throw pathError(path, error);
  }
}

/** The size that the medium will have, or an error that says why it cannot have it. */
function plannedBytes(
  { stats }: MediumPath,
  { path, bytes, blockSize = 512, readOnly }: DiskFileOptions,
): number {
  if (stats === undefined && readOnly === true) throw new Error(`${path} does not exist`);
  if (stats === undefined && bytes === undefined)
    throw new Error(`${path} does not exist, and no size is given to make it`);
  if (stats !== undefined && bytes !== undefined && bytes !== stats.size) {
    throw new Error(`${path} has ${stats.size} bytes, not the ${bytes} that are asked for`);
  }
  const planned = stats?.size ?? bytes ?? 0;
  if (planned <= 0) throw new Error(`${path} is empty`);
  if (planned < blockSize)
    throw new Error(`${path} has ${planned} bytes, which is less than a block of ${blockSize}`);
  if (stats === undefined && planned % blockSize !== 0) {
    throw new Error(`${path} of ${planned} bytes would not be a whole number of ${blockSize}-byte blocks`);
  }
  return planned;
}

async function open(
  medium: MediumPath,
  options: DiskFileOptions,
  bytes: number,
  lock: Lock,
): Promise<FileDisk> {
  const { blockSize = 512, readOnly = false, stateDir, allocationLimitBytes } = options;
  if (stateDir !== undefined && !readOnly) await mkdir(stateDir, { recursive: true });
  const fresh = medium.stats === undefined;
  const file = fresh ? create(medium.real, bytes) : openSync(medium.real, readOnly ? 'r' : 'r+');
  try {
    const image = fstatSync(file, { bigint: true });
    lock.identify(image.dev, image.ino);
    if (Number(image.size) !== bytes) throw new Error(`${options.path} changes while it is being opened`);
    const map = readOnly
      ? undefined
      : await MapFile.open({
          path: companion(medium, 'map', stateDir),
          image,
          blockSize,
          fresh,
          allocationLimitBytes,
        });
    const journal = new AtomicJournal(companion(medium, 'atomic', stateDir));
    if (map !== undefined) recover(journal, file, image, map, blockSize);
    return new FileDisk({
      file,
      journal,
      bytes,
      blockSize,
      map,
      allocationLimitBytes,
      lock,
      newIn: fresh ? dirname(medium.real) : undefined,
    });
  } catch (error) {
    await promisify(close)(file);
    if (fresh) unlinkSync(medium.real);
    throw error;
  }
}

/** An atomic write that had begun is carried out, marked before it is written as every write is. */
function recover(
  journal: AtomicJournal,
  file: number,
  image: BigIntStats,
  map: MapFile,
  blockSize: number,
): void {
  const left = journal.recover(image, map.believed);
  if (left === undefined) return;
  map.map.mark(left.offset / blockSize, left.data.length / blockSize);
  for (let done = 0; done < left.data.length;)
    done += writeSync(file, left.data, done, left.data.length - done, left.offset + done);
  const { mtimeNs } = fstatSync(file, { bigint: true });
  map.stamp(mtimeNs, mtimeNs);
  journal.applied();
}

function create(path: string, bytes: number): number {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o644);
  try {
    ftruncateSync(file, bytes);
    return file;
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** Zeros are written in pieces of this size, with a turn of the event loop between them. */
const PIECE_BYTES = 1024 * 1024;
let zeros: Buffer | undefined;
/** Where unmapping reads before it writes. */
let scratch: Buffer | undefined;

interface Range {
  readonly offset: number;
  readonly end: number;
  readonly written: Promise<void>;
}

interface Parts {
  readonly file: number;
  readonly journal: AtomicJournal;
  readonly bytes: number;
  readonly blockSize: number;
  /** Undefined for a read-only disk. */
  readonly map: MapFile | undefined;
  readonly allocationLimitBytes: number | undefined;
  readonly lock: Lock;
  /** The directory in which the file has just been made. */
  readonly newIn: string | undefined;
}

class FileDisk implements BlockBackend {
  /** In whole blocks. */
  bytes: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  readonly allocationLimitBytes: number | undefined;
  readonly #channel: FileChannel;
  /** With the piece of a block that there may be at its end. */
  #fileBytes: number;
  #map: MapFile | undefined;
  readonly #anchors: Anchors;
  readonly #lock: Lock;
  readonly #journal: AtomicJournal;
  readonly #flusher = new Flusher(() => this.#sync());
  readonly #lease: WriteLease;
  /** Writes in the thread pool. */
  readonly #writing = new Set<Range>();
  /** Changes answered, and how many of them a flush has covered; the file may come with some of an earlier process. */
  #changes = 1;
  #flushed = 0;
  #newIn: string | undefined;
  #closing: Promise<void> | undefined;

  constructor({ file, journal, bytes, blockSize, map, allocationLimitBytes, lock, newIn }: Parts) {
    this.#journal = journal;
    this.#fileBytes = bytes;
    this.bytes = bytes - (bytes % blockSize);
    this.blockSize = blockSize;
    this.allocationLimitBytes = allocationLimitBytes;
    this.readOnly = map === undefined;
    this.#channel = new FileChannel(file);
    this.#map = map;
    this.#anchors = new Anchors(this.bytes / blockSize);
    this.#lock = lock;
    this.#newIn = newIn;
    this.#lease = new WriteLease({
      modified: () => fstatSync(file, { bigint: true }).mtimeNs,
      busy: () => this.#writing.size > 0,
      keep: (fromNs, untilNs) => this.#map?.stamp(fromNs, untilNs),
    });
  }

  get mappedBytes(): number {
    return this.#map === undefined ? this.bytes : this.#map.map.mappedBlocks * this.blockSize;
  }

  read(into: Buffer, offset: number): MaybePromise<void> {
    return this.#channel.read(into, offset);
  }

  /** Marked before it is written, so that no moment of kill -9 leaves a block written and not marked. */
  write(from: Buffer, offset: number): MaybePromise<void> {
    this.#writable(offset).map.mark(offset / this.blockSize, from.length / this.blockSize);
    if (this.#anchors.any) this.#anchors.remove(offset / this.blockSize, from.length / this.blockSize);
    const later = this.#channel.write(from, offset);
    if (later === undefined) {
      this.#changes++;
      return undefined;
    }
    return this.#track(later, offset, from.length);
  }

  /** See atomic-journal.ts. Two syncs of a device, so that it is no way for every write. */
  async writeAtomic(from: Buffer, offset: number): Promise<void> {
    // There is one record: what it was for is on stable storage first.
    if (this.#journal.held) await this.#flusher.flush();
    const map = this.#writable(offset);
    map.map.mark(offset / this.blockSize, from.length / this.blockSize);
    await this.#journal.put(fstatSync(this.#channel.file, { bigint: true }), offset, from);
    try {
      await this.write(from, offset);
    } catch (error) {
      await this.#journal.cancel();
      throw error;
    }
    this.#journal.applied();
  }

  #writable(offset: number): MapFile {
    if (this.#closing !== undefined) throw new MediumError('io', offset, 'the medium is closed');
    if (this.#map === undefined) throw new MediumError('write-protected', offset, 'the medium is read-only');
    this.#lease.use();
    return this.#map;
  }

  #track(later: Promise<void>, offset: number, length: number): Promise<void> {
    const written = later.finally(() => {
      this.#changes++;
      this.#writing.delete(range);
    });
    const range: Range = { offset, end: offset + length, written };
    this.#writing.add(range);
    return written;
  }

  flush(): MaybePromise<void> {
    if (this.readOnly || this.#changes === this.#flushed) return undefined;
    return this.#flusher.flush();
  }

  async #sync(): Promise<void> {
    const changes = this.#changes;
    const { record } = this.#journal;
    await this.#channel.syncData();
    await this.#map?.flush();
    await this.#journal.release(record);
    if (this.#newIn !== undefined) {
      await syncDirectory(this.#newIn);
      this.#newIn = undefined;
    }
    this.#flushed = changes;
  }

  unmap(offset: number, length: number): Promise<void> {
    return this.#clean(offset, length, (map, first, count) => {
      map.clear(first, count);
      this.#anchors.remove(first, count);
    });
  }

  async anchor(offset: number, length: number): Promise<void> {
    this.#writable(offset).map.requireRoom(offset / this.blockSize, length / this.blockSize);
    await this.#clean(offset, length, (map, first, count) => {
      map.mark(first, count);
      this.#anchors.add(first, count);
    });
  }

  /**
   * Piece by piece: zeros where it is mapped, then the bits, in one turn of the event loop. A write to the same place comes
   * wholly before such a piece or wholly after it; one that is in the thread pool is waited for.
   */
  async #clean(
    offset: number,
    length: number,
    mark: (map: AllocationMap, first: number, count: number) => void,
  ): Promise<void> {
    const end = offset + length;
    while (offset < end) {
      const { map } = this.#writable(offset);
      const run = map.run(offset / this.blockSize, (end - offset) / this.blockSize);
      const bytes = run.mapped
        ? Math.min(run.blocks * this.blockSize, PIECE_BYTES)
        : run.blocks * this.blockSize;
      if (run.mapped) {
        const busy = this.#writeWithin(offset, offset + bytes);
        if (busy !== undefined) {
          await busy.written.catch(() => undefined);
          continue;
        }
        this.#zero(offset, bytes);
        this.#changes++;
      }
      mark(map, offset / this.blockSize, bytes / this.blockSize);
      offset += bytes;
      if (offset < end) await nextTurn();
    }
  }

  #writeWithin(offset: number, end: number): Range | undefined {
    for (const range of this.#writing) if (range.offset < end && offset < range.end) return range;
    return undefined;
  }

  /** In a foreign image much of what counts as mapped may be holes: zeros stay as they are, and holes stay holes. */
  #zero(offset: number, length: number): void {
    zeros ??= Buffer.alloc(PIECE_BYTES);
    if (this.#map?.map.beganMapped === true) {
      scratch ??= Buffer.alloc(PIECE_BYTES);
      const there = scratch.subarray(0, length);
      this.#channel.readNow(there, offset);
      if (there.compare(zeros, 0, length) === 0) return;
    }
    this.#channel.writeNow(zeros.subarray(0, length), offset);
  }

  extent(offset: number, length: number): Extent {
    if (this.#map === undefined) return { mapped: true, bytes: length };
    const run = this.#map.map.run(offset / this.blockSize, length / this.blockSize);
    if (!run.mapped || !this.#anchors.any) return { mapped: run.mapped, bytes: run.blocks * this.blockSize };
    const { mapped: anchored, blocks } = this.#anchors.run(offset / this.blockSize, run.blocks);
    return { mapped: true, anchored, bytes: blocks * this.blockSize };
  }

  async resize(wanted: number | undefined): Promise<void> {
    if (this.#closing !== undefined) throw new MediumError('io', 0, 'the medium is closed');
    await this.#flusher.settled();
    const { file } = this.#channel;
    const found = fstatSync(file).size;
    const bytes = wanted === undefined ? found : wanted - (wanted % this.blockSize);
    if (bytes < this.blockSize) throw new Error(`${bytes} bytes are less than a block of ${this.blockSize}`);
    const map = this.#map;
    if (map === undefined) {
      if (bytes !== found) throw new Error(`the file has ${found} bytes, and is only read`);
    } else if (bytes !== this.#fileBytes || bytes !== found) {
      this.#lease.use();
      // What the file was given from outside may hold anything; a crash on the way finds a map that is not believed.
      const ours = bytes !== found && found === this.#fileBytes;
      if (ours) map.announce(bytes);
      if (bytes !== found) this.#channel.truncateNow(bytes);
      this.#map = map.resized(fstatSync(file, { bigint: true }), !ours);
      this.#lease.end();
      this.#lease.use();
      this.#changes++;
    }
    this.#fileBytes = bytes;
    this.bytes = bytes - (bytes % this.blockSize);
    this.#anchors.forget(this.bytes / this.blockSize);
    await this.flush();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#flusher.settled();
      // A record is of no use to whoever writes to the image next.
      if (this.#journal.held) await this.#sync().catch(() => undefined);
      this.#journal.close();
      await this.#channel.close(file => {
        this.#lease.end();
        this.#map?.close(fstatSync(file, { bigint: true }));
      });
    } finally {
      this.#lock.release();
    }
  }
}
