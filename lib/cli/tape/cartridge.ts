import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathError } from '../../backends/medium-path.ts';
import { MediumError } from '../../backends/medium-error.ts';
import type { CartridgeLabel, TapeMedium } from '../../backends/tape-medium.ts';
import { openCartridgeFile } from '../../backends/tape/cartridge-file.ts';
import type { CartridgeFileOptions } from '../../backends/tape/cartridge-file.ts';
import { readLabel } from '../../backends/tape/read-label.ts';
import { ConfigError } from '../../config/config-error.ts';

/** What the file of a cartridge is called on a shelf: its barcode, and this. */
export const CARTRIDGE_EXTENSION = '.tape';

/** Rejects with ConfigError when there is no such file: a word that is wrong, not a cartridge. */
export async function mustBeThere(path: string): Promise<Awaited<ReturnType<typeof stat>>> {
  try {
    return await stat(path);
  } catch (error) {
    const sentence = pathError(path, error).message;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ConfigError([], sentence);
    throw new Error(sentence, { cause: error });
  }
}

/** Runs work with a cartridge that is there, and closes it whatever happens. Others may read it meanwhile. */
export async function withCartridge<T>(
  path: string,
  options: Omit<CartridgeFileOptions, 'path'>,
  work: (medium: TapeMedium) => Promise<T>,
): Promise<T> {
  const stats = await mustBeThere(path);
  // One that is empty would be made a cartridge.
  if (stats.isFile() && stats.size === 0) throw new Error(`${path} is empty and not a sanlet cartridge`);
  const medium = await openCartridgeFile({ path, atOnce: true, ...options });
  let outcome: T;
  try {
    outcome = await work(medium);
  } catch (error) {
    await Promise.resolve(medium.close()).catch(() => undefined);
    throw cartridgeError(path, error);
  }
  await medium.close();
  return outcome;
}

/** One sentence that names the file. */
export function cartridgeError(path: string, error: unknown): Error {
  if (!(error instanceof MediumError || (error as Error).name === 'RecordFault')) return error as Error;
  const { cause, message } = error as Error;
  if (cause instanceof Error && 'code' in cause) return pathError(path, cause);
  return new Error(`${path}: ${message}`, { cause: error });
}

/** DIR and a barcode name the file on a shelf; anything else is the file. */
export async function pathOnShelf(path: string, barcode: string | undefined): Promise<string> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory() !== true) return path;
  if (barcode === undefined || barcode === '')
    throw new ConfigError([], `${path} is a directory; give a --barcode, or the name of a file`);
  if (!/^[^/]+$/.test(barcode) || barcode.startsWith('.'))
    throw new ConfigError([], `--barcode ${barcode} cannot be the name of a file in ${path}`);
  return join(path, `${barcode}${CARTRIDGE_EXTENSION}`);
}

/** The label, without opening the cartridge; rejects with the rest of a sentence that begins with its name. */
export const readCartridgeLabel = (path: string): Promise<CartridgeLabel> => readLabel(path);

export const mayBeWritten = (path: string): Promise<boolean> =>
  access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
