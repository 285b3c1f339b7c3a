import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathError } from '../../backends/medium-path.ts';
import type { CartridgeLabel, TapeMedium } from '../../backends/tape-medium.ts';
import {
  CARTRIDGE_EXTENSION,
  mayBeWritten,
  mustBeThere,
  readCartridgeLabel,
  withCartridge,
} from './cartridge.ts';

/** One row of `tape ls`. What could not be found out is undefined. */
export interface ListedCartridge {
  readonly path: string;
  readonly barcode: string;
  readonly mediaType: string;
  /** 0 for no limit. */
  readonly capacityBytes?: number;
  readonly usedBytes?: number;
  readonly files?: number;
  readonly records?: number;
  readonly partitions?: number;
  readonly worm: boolean;
  readonly writeProtected: boolean;
  /** The process that has it open to write. */
  readonly inUseBy?: number;
  /** What is wrong with it. */
  readonly problem?: string;
}

/** The cartridges of files and directories; files in a directory that are none are left out unless they are called so. */
export async function listCartridges(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ListedCartridge[]> {
  const found: ListedCartridge[] = [];
  for (const path of paths) {
    const stats = await mustBeThere(path);
    for (const each of stats.isDirectory() ? await cartridgesIn(path) : [path]) {
      signal.throwIfAborted();
      found.push(await listed(each));
    }
  }
  return found;
}

export async function cartridgesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw pathError(directory, error);
  });
  const paths: string[] = [];
  for (const name of names.sort()) {
    const path = join(directory, name);
    if (name.startsWith('.') || !(await isFile(path))) continue;
    if (name.endsWith(CARTRIDGE_EXTENSION) || (await isCartridge(path))) paths.push(path);
  }
  return paths;
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    stats => stats.isFile(),
    () => false,
  );

const isCartridge = (path: string): Promise<boolean> =>
  readCartridgeLabel(path).then(
    () => true,
    () => false,
  );

async function listed(path: string): Promise<ListedCartridge> {
  const writeProtected = !(await mayBeWritten(path));
  try {
    return await withCartridge(path, { readOnly: true }, async medium => ({
      path,
      ...told(medium.label),
      ...(await sums(medium)),
      writeProtected,
    }));
  } catch (error) {
    return { path, ...(await labelOf(path)), writeProtected, ...troubleOf(path, error) };
  }
}

const told = ({ barcode, mediaType, capacityBytes, worm }: CartridgeLabel) => ({
  barcode,
  mediaType,
  capacityBytes,
  worm,
});

const labelOf = (path: string) =>
  readCartridgeLabel(path).then(told, () => ({ barcode: '', mediaType: '', worm: false }));

function troubleOf(path: string, error: unknown): { inUseBy: number } | { problem: string } {
  const { name, message } = error as Error;
  if (name === 'InUseError') return { inUseBy: (error as Error & { pid: number }).pid };
  return { problem: message.startsWith(`${path} `) ? message.slice(path.length + 1) : message };
}

async function sums(
  medium: TapeMedium,
): Promise<Required<Pick<ListedCartridge, 'usedBytes' | 'files' | 'records' | 'partitions'>>> {
  const { partitions } = medium;
  let files = 0;
  for (let partition = 0; partition < partitions.length; partition++) {
    await medium.changePartition(partition);
    files += await filesHere(medium);
  }
  return {
    usedBytes: partitions.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
    files,
    records: partitions.reduce((sum, { end }) => sum + end.object - end.file, 0),
    partitions: partitions.length,
  };
}

/** Files of this partition that hold records. */
async function filesHere(medium: TapeMedium): Promise<number> {
  let files = 0;
  for (;;) {
    if ((await medium.peek()).kind === 'record') files++;
    if ((await medium.spaceFilemarks(1)).stop === 'end-of-data') return files;
  }
}
