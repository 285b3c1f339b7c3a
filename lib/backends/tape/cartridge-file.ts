import { close, constants, fstatSync, openSync, unlinkSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { syncDirectory } from '../../state/directory.ts';
import type { Lock } from '../../state/lock-file.ts';
import { FileChannel } from '../file-channel.ts';
import { findMedium, lockMedium, pathError } from '../medium-path.ts';
import type { MediumPath } from '../medium-path.ts';
import type { TapeMedium } from '../tape-medium.ts';
import { LogCartridge } from './cartridge.ts';
import { blankArea, openStore } from './file-store.ts';
import { HEADER_AREA_BYTES, isZero } from './header-area.ts';
import { newLabel } from './label.ts';
import type { StoredLabel } from './label.ts';

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
  /** The program serves nobody meanwhile: the file is read and written on the spot. */
  readonly atOnce?: boolean;
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
function isBlank(channel: FileChannel, bytes: number): boolean {
  if (bytes > HEADER_AREA_BYTES) return false;
  const content = Buffer.alloc(bytes);
  channel.readNow(content, 0);
  return isZero(content);
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
    const channel = new FileChannel(file, options.atOnce);
    if (isBlank(channel, Number(stats.size))) {
      if (writeProtected) throw new Error(`${options.path} is empty and may not be written`);
      await initialise(channel, options, dirname(medium.real));
    }
    const { path } = options;
    const accept = (label: StoredLabel): void => refuseOther(options, label);
    return new LogCartridge(await openStore({ channel, path, writeProtected, lock, accept }));
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
  channel.writeNow(blankArea(newLabel({ barcode, capacityBytes, worm, mediaType })), 0);
  await channel.sync();
  await syncDirectory(directory);
}

function refuseOther(
  { path, capacityBytes, barcode, worm, mediaType }: CartridgeFileOptions,
  label: StoredLabel,
): void {
  if (capacityBytes !== undefined && capacityBytes !== label.nativeCapacityBytes) {
    throw new Error(
      `${path} has a capacity of ${label.nativeCapacityBytes} bytes, not the ${capacityBytes} that are asked for`,
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
