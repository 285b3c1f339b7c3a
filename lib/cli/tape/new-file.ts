import { randomBytes } from 'node:crypto';
import { closeSync, constants, fdatasync, openSync } from 'node:fs';
import { link, lstat, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pathError } from '../../backends/medium-path.ts';
import { ConfigError } from '../../config/config-error.ts';
import { syncDirectory } from '../../state/directory.ts';

const fdatasyncLater = promisify(fdatasync);

/** Beside the file, and no name that a shelf takes for a cartridge. */
export const nameBeside = (path: string): string =>
  join(dirname(resolve(path)), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);

/** Rejects with ConfigError when there is something already. */
export async function refuseIfThere(path: string, otherwise: string): Promise<void> {
  const there = await lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw pathError(path, error);
    },
  );
  if (there) throw new ConfigError([], `${path} is there already; ${otherwise}`);
}

/** Gives a file that is whole and synchronised its name, durably; rejects when the name is taken, unless `replace`. */
export async function nameFile(from: string, path: string, replace: boolean): Promise<void> {
  if (replace) await rename(from, path);
  else await linkOrRename(from, path);
  await syncDirectory(dirname(resolve(path)));
}

async function linkOrRename(from: string, path: string): Promise<void> {
  try {
    await link(from, path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new ConfigError([], `${path} is there already`);
    // File systems without hard links.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
    await refuseIfThere(path, 'something else has made it meanwhile');
    await rename(from, path);
    return;
  }
  await unlink(from);
}

/** A file that is written beside its name and gets it when it is whole. What is no regular file is written as it is. */
export class NewFile {
  readonly path: string;
  readonly file: number;
  readonly #beside: string | undefined;
  readonly #replace: boolean;
  #open = true;

  private constructor(path: string, file: number, beside: string | undefined, replace: boolean) {
    this.path = path;
    this.file = file;
    this.#beside = beside;
    this.#replace = replace;
  }

  static async create(path: string, replace: boolean): Promise<NewFile> {
    if (path === '-') return new NewFile('standard output', 1, undefined, false);
    try {
      const stats = await stat(path).catch(() => undefined);
      if (stats !== undefined && !stats.isFile() && !stats.isDirectory())
        return new NewFile(path, openSync(path, constants.O_WRONLY), undefined, false);
      if (stats?.isDirectory() === true) throw new ConfigError([], `${path} is a directory`);
      if (!replace) await refuseIfThere(path, '--force writes over it');
      const beside = nameBeside(path);
      const file = openSync(beside, 'wx', 0o644);
      return new NewFile(path, file, beside, replace);
    } catch (error) {
      throw errorOf(path, error);
    }
  }

  /** It is whole. */
  async keep(): Promise<void> {
    if (this.#beside === undefined) {
      this.#close();
      return;
    }
    await fdatasyncLater(this.file);
    this.#close();
    await nameFile(this.#beside, this.path, this.#replace);
  }

  /** It is not to be; never rejects. */
  async discard(): Promise<void> {
    this.#close();
    if (this.#beside !== undefined) await unlink(this.#beside).catch(() => undefined);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.file !== 1) closeSync(this.file);
  }
}

/** What was said of the file beside is told of the name that was given. */
export function errorOf(path: string, error: unknown, beside?: string): Error {
  if (!(error instanceof Error) || error.name === 'ConfigError') return error as Error;
  if ('path' in error) delete error.path;
  const told = pathError(path, error);
  if (beside === undefined || !told.message.includes(beside)) return told;
  return new Error(told.message.replaceAll(beside, path), { cause: error });
}
