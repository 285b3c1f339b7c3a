import { randomBytes } from 'node:crypto';
import { close, constants, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { syncDirectory } from '../../state/directory.ts';
import type { Lock } from '../../state/lock-file.ts';
import { FileChannel } from '../file-channel.ts';
import { Flusher } from '../flusher.ts';
import { findMedium, lockMedium, pathError } from '../medium-path.ts';
import type { MediumPath } from '../medium-path.ts';
import { LogCartridge } from './cartridge.ts';
import type { CartridgeLabel, TapeMedium } from '../tape-medium.ts';
import {
  CARTRIDGE_BLOCK_BYTES,
  CLOSE_POINT_OFFSET,
  SYNC_POINT_OFFSET,
  blankBlock,
  packClosePoint,
  packSyncPoint,
  readBlock,
  readClosePoint,
  readSyncPoint,
} from './cartridge-block.ts';
import { FRAME_BYTES } from './frame.ts';
import { recover } from './recovery.ts';
import type { LogEnd, TapeLog } from './tape-log.ts';

export interface CartridgeFileOptions {
  /** A file that is missing or empty becomes a blank cartridge. */
  readonly path: string;
  /** Bytes of records that fit on a new cartridge, 0 or nothing for no limit. Another one than it has is an error. */
  readonly capacityBytes?: number;
  /** The cartridge is write-protected, as it also is when the file may not be written. */
  readonly readOnly?: boolean;
  /** Up to 32 characters on a new cartridge's label. Another one than it has is an error. */
  readonly barcode?: string;
  /** A new cartridge can be written once. Another one than it has is an error. */
  readonly worm?: boolean;
  /** Up to 16 characters, such as LTO-6, on a new cartridge's label. Another one than it has is an error. */
  readonly mediaType?: string;
  /** Where the lock lies when the file's own directory may not be written. */
  readonly stateDir?: string;
}

/** A cartridge in a file. Rejects with one sentence that names the file when it cannot be used. */
export async function openCartridgeFile(options: CartridgeFileOptions): Promise<TapeMedium> {
  const { path, readOnly = false, stateDir } = options;
  refuseImpossible(options);
  const medium = await findMedium(path);
  const writeProtected = readOnly || !(await mayWrite(medium));
  const lock = await lockMedium(medium, writeProtected, stateDir);
  try {
    return await open(medium, options, writeProtected, lock);
  } catch (error) {
    lock.release();
    throw pathError(path, error);
  }
}

/** A new file, an empty one, or one whose creation a loss of power has left without its label. */
function isBlank(file: number, bytes: number): boolean {
  if (bytes > CARTRIDGE_BLOCK_BYTES) return false;
  const content = Buffer.alloc(bytes);
  readSync(file, content, 0, bytes, 0);
  return content.every(byte => byte === 0);
}

async function mayWrite({ real, stats }: MediumPath): Promise<boolean> {
  if (stats === undefined) return true;
  try {
    await access(real, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** What no cartridge can be. */
function refuseImpossible({
  path,
  capacityBytes = 0,
  barcode = '',
  mediaType = '',
}: CartridgeFileOptions): void {
  if (!Number.isSafeInteger(capacityBytes) || capacityBytes < 0) {
    throw new RangeError(`${path} cannot have a capacity of ${capacityBytes} bytes`);
  }
  if (!/^[ -~]{0,32}$/.test(barcode)) throw new RangeError(`${path} cannot have the barcode '${barcode}'`);
  if (!/^[ -~]{0,16}$/.test(mediaType))
    throw new RangeError(`${path} cannot be of the media type '${mediaType}'`);
}

async function open(
  medium: MediumPath,
  options: CartridgeFileOptions,
  writeProtected: boolean,
  lock: Lock,
): Promise<TapeMedium> {
  const isNew = medium.stats === undefined;
  if (isNew && writeProtected) throw new Error(`${options.path} does not exist`);
  const { O_RDWR, O_RDONLY, O_CREAT, O_EXCL } = constants;
  const file = openSync(
    medium.real,
    writeProtected ? O_RDONLY : isNew ? O_RDWR | O_CREAT | O_EXCL : O_RDWR,
    0o644,
  );
  try {
    const stats = fstatSync(file, { bigint: true });
    lock.identify(stats.dev, stats.ino);
    const channel = new FileChannel(file);
    if (isBlank(file, Number(stats.size))) {
      if (writeProtected) throw new Error(`${options.path} is empty and may not be written`);
      await initialise(channel, options, dirname(medium.real));
    }
    return await load(channel, options, writeProtected, lock);
  } catch (error) {
    await promisify(close)(file);
    if (isNew) unlinkSync(medium.real);
    throw error;
  }
}

/** On stable storage at once: a cartridge without its label would be nobody's. */
async function initialise(
  channel: FileChannel,
  options: CartridgeFileOptions,
  directory: string,
): Promise<void> {
  const { capacityBytes = 0, barcode = '', worm = false, mediaType = '' } = options;
  const uuid = randomBytes(16).toString('hex');
  channel.writeNow(blankBlock({ uuid, barcode, capacityBytes, worm, mediaType }), 0);
  await channel.sync();
  await syncDirectory(directory);
}

async function load(
  channel: FileChannel,
  options: CartridgeFileOptions,
  writeProtected: boolean,
  lock: Lock,
): Promise<TapeMedium> {
  const { path } = options;
  const fileBytes = fstatSync(channel.file).size;
  if (fileBytes < CARTRIDGE_BLOCK_BYTES) throw new Error(`${path} is not a sanlet cartridge`);
  const block = Buffer.alloc(CARTRIDGE_BLOCK_BYTES);
  channel.readNow(block, 0);
  const { label, chain } = readLabel(path, block);
  refuseOther(options, label);
  const syncPoint = readSyncPoint(block, chain);
  const closedBytes = readClosePoint(block, chain);
  const found = await recover({ channel, fileBytes, chain, syncPoint, closedBytes });
  if (found.damage !== undefined && !writeProtected) {
    throw new Error(
      `${path} ${found.damage}; what lies before that can be read with the cartridge write-protected`,
    );
  }
  const log = new FileLog(channel, lock, chain, writeProtected, syncPoint);
  if (fileBytes > found.index.end && !writeProtected) await channel.truncate(found.index.end);
  // Of a copy that was cut short: what is written behind its end now must not be taken for what was synchronised.
  if (!writeProtected && (syncPoint === undefined || syncPoint.offset > found.index.end)) {
    await log.cut({ offset: found.index.end, chain: found.chain });
  }
  return new LogCartridge({ log, index: found.index, label, writeProtected, chain: found.chain });
}

function readLabel(path: string, block: Buffer): ReturnType<typeof readBlock> {
  try {
    return readBlock(block);
  } catch (error) {
    throw new Error(`${path} ${(error as Error).message}`, { cause: error });
  }
}

function refuseOther(
  { path, capacityBytes, barcode, worm, mediaType }: CartridgeFileOptions,
  label: CartridgeLabel,
): void {
  if (capacityBytes !== undefined && capacityBytes !== label.capacityBytes) {
    throw new Error(
      `${path} has a capacity of ${label.capacityBytes} bytes, not the ${capacityBytes} that are asked for`,
    );
  }
  if (barcode !== undefined && barcode !== label.barcode) {
    throw new Error(`${path} has the barcode '${label.barcode}', not '${barcode}'`);
  }
  if (worm !== undefined && worm !== label.worm) {
    throw new Error(`${path} is ${label.worm ? 'a' : 'not a'} WORM cartridge`);
  }
  if (mediaType !== undefined && mediaType !== label.mediaType) {
    throw new Error(`${path} is of the media type '${label.mediaType}', not '${mediaType}'`);
  }
}

/** Up to here a frame and its record are put together in one buffer: cheaper than telling the kernel of two. */
const POOLED_BYTES = 16 * 1024;

class FileLog implements TapeLog {
  readonly headerBytes = FRAME_BYTES;
  readonly #channel: FileChannel;
  readonly #lock: Lock;
  readonly #labelChain: number;
  readonly #writeProtected: boolean;
  readonly #flusher = new Flusher(() => this.#sync());
  readonly #pooled = Buffer.allocUnsafeSlow(POOLED_BYTES);
  /** The point that the file names as synchronised; undefined when it names none that can be read. */
  #syncPoint: LogEnd | undefined;
  /** Something may have changed since that point was written: by us, or by a process before us. */
  #changed = true;
  /** The end as the last one who wants it synchronised knows it. */
  #wanted: LogEnd = { offset: 0, chain: 0 };

  constructor(
    channel: FileChannel,
    lock: Lock,
    labelChain: number,
    writeProtected: boolean,
    syncPoint: LogEnd | undefined,
  ) {
    this.#channel = channel;
    this.#lock = lock;
    this.#labelChain = labelChain;
    this.#writeProtected = writeProtected;
    this.#syncPoint = syncPoint;
  }

  read(into: Buffer, offset: number): MaybePromise<void> {
    return this.#channel.read(into, offset);
  }

  append(headers: Buffer, record: Buffer | undefined, offset: number): MaybePromise<void> {
    this.#changed = true;
    if (record === undefined) return this.#channel.write(headers, offset);
    const length = headers.length + record.length;
    if (length > POOLED_BYTES) return this.#channel.writePair(headers, record, offset);
    headers.copy(this.#pooled, 0);
    record.copy(this.#pooled, headers.length);
    return this.#channel.write(this.#pooled.subarray(0, length), offset);
  }

  /** The synchronised point goes back first, and durably: what lies before it must be there, whatever happens next. */
  async cut(end: LogEnd): Promise<void> {
    this.#changed = true;
    if (this.#syncPoint === undefined || end.offset < this.#syncPoint.offset) {
      this.#writeSyncPoint(end);
      await this.#channel.syncData();
      this.#syncPoint = end;
    }
    await this.#channel.truncate(end.offset);
  }

  discard(offset: number): void {
    try {
      this.#channel.truncateNow(offset);
    } catch {
      // The next append goes over it, and the next start finds its end.
    }
  }

  sync(end: LogEnd): MaybePromise<void> {
    if (!this.#changed) return undefined;
    this.#wanted = end;
    return this.#flusher.flush();
  }

  async #sync(): Promise<void> {
    const end = this.#wanted;
    // Before, not after: what is appended meanwhile is for the next one.
    this.#changed = false;
    try {
      await this.#channel.syncData();
      this.#writeSyncPoint(end);
      this.#syncPoint = end;
    } catch (error) {
      this.#changed = true;
      throw error;
    }
  }

  #writeSyncPoint(end: LogEnd): void {
    this.#channel.writeNow(packSyncPoint(end, this.#labelChain), SYNC_POINT_OFFSET);
  }

  async close({ offset }: LogEnd): Promise<void> {
    try {
      await this.#flusher.settled();
      if (!this.#writeProtected) {
        this.#channel.writeNow(packClosePoint(offset, this.#labelChain), CLOSE_POINT_OFFSET);
      }
      await this.#channel.close();
    } finally {
      this.#lock.release();
    }
  }
}
