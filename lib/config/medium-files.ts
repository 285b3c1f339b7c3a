import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from './config-error.ts';
import type { ResolvedLibrary, ResolvedSan, ResolvedUnit } from './options.ts';

/**
 * Looks whether the files that the options name can be what they are said to be, before anything is opened or made.
 * Rejects with ConfigError for the first that cannot.
 */
export async function checkMediumFiles(san: ResolvedSan): Promise<void> {
  for (const { units, libraries } of san.targets) {
    for (const library of libraries) {
      if (library.path !== undefined) await checkShelf(library, library.path);
    }
    for (const unit of units) {
      if (unit.path !== undefined) await checkFile(unit, unit.path);
    }
  }
}

async function checkFile(
  { name, type, bytes, blockSize, readOnly }: ResolvedUnit,
  path: string,
): Promise<void> {
  const wrong = (problem: string): ConfigError => new ConfigError([], `${path} ${problem}`, name);
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw wrong(`cannot be looked at: ${error.message}`);
  });
  if (stats === undefined) {
    if (readOnly) throw wrong('does not exist, and a read-only medium is not made');
    if (type === 'disk' && bytes === undefined) {
      throw wrong('does not exist; give a size, and it will be made');
    }
    // What else may be wrong with the directory is told when the file is made.
    const directory = dirname(path);
    await stat(directory).catch(() => {
      throw wrong(`cannot be made: there is no directory ${directory}`);
    });
    return;
  }
  if (!stats.isFile()) throw wrong('is no regular file');
  if (type === 'tape') return;
  if (bytes !== undefined && stats.size !== bytes) {
    throw wrong(`has ${stats.size} bytes and not ${bytes}; leave out size, or give another file`);
  }
  if (stats.size === 0) throw wrong('is empty, and a disk is not');
  if (stats.size < blockSize) {
    throw wrong(`has ${stats.size} bytes, which is less than its block size, ${blockSize}`);
  }
}

async function checkShelf({ name }: ResolvedLibrary, path: string): Promise<void> {
  const wrong = (problem: string): ConfigError => new ConfigError([], `${path} ${problem}`, name);
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw wrong(`cannot be looked at: ${error.message}`);
  });
  if (stats === undefined) {
    const directory = dirname(path);
    await stat(directory).catch(() => {
      throw wrong(`cannot be made: there is no directory ${directory}`);
    });
  } else if (!stats.isDirectory()) throw wrong('is no directory, and a library has its cartridges in one');
}
