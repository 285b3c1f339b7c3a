import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import { acquireLock, refuseIfLocked } from '../state/lock-file.ts';
import type { Lock } from '../state/lock-file.ts';
import { MediumError } from './medium-error.ts';

/** Where a medium's file really lies, and where what belongs to it is kept. */
export interface MediumPath {
  /** As it was given, for messages. */
  readonly given: string;
  /** With symbolic links followed. */
  readonly real: string;
  /** Undefined when there is no such file yet. */
  readonly stats: Stats | undefined;
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';

const SENTENCES: Readonly<Record<string, string>> = {
  EACCES: 'may not be opened: permission denied',
  EPERM: 'may not be opened: permission denied',
  EROFS: 'lies on a read-only file system',
  ENOSPC: 'does not fit on its file system',
  EFBIG: 'is larger than its file system allows',
  ENOENT: 'does not exist',
  ENOTDIR: 'lies behind something that is not a directory',
  ELOOP: 'is a loop of symbolic links',
  EISDIR: 'is a directory',
};

/** One sentence about why a file cannot be used. */
export function pathError(path: string, error: unknown): Error {
  // What a file says while it is being opened has a byte and no name.
  if (error instanceof MediumError) {
    return codeOf(error.cause) === ''
      ? new Error(`${path}: ${error.message}`, { cause: error })
      : pathError(path, error.cause);
  }
  if (!(error instanceof Error) || codeOf(error) === '') return error as Error;
  const about = (error as NodeJS.ErrnoException).path ?? path;
  return new Error(`${about} ${SENTENCES[codeOf(error)] ?? `cannot be used: ${error.message}`}`, {
    cause: error,
  });
}

/** Finds the file, or where it would be made. Rejects with one sentence when it is not a regular file. */
export async function findMedium(given: string): Promise<MediumPath> {
  try {
    const real = await realpath(given);
    const stats = await stat(real);
    if (!stats.isFile()) throw new Error(`${given} is ${kindOf(stats)}, not a regular file`);
    return { given, real, stats };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw pathError(given, error);
  }
  const wanted = resolve(given);
  try {
    return { given, real: join(await realpath(dirname(wanted)), basename(wanted)), stats: undefined };
  } catch (error) {
    throw pathError(dirname(wanted), error);
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isBlockDevice()) return 'a block device';
  if (stats.isCharacterDevice()) return 'a character device';
  return 'a pipe or a socket';
}

/** The name of a file that belongs to the medium: beside it, or in the state directory under a name made from its path. */
export function companion({ real }: MediumPath, suffix: string, stateDir: string | undefined): string {
  if (stateDir === undefined) return `${real}.sanlet-${suffix}`;
  const tag = createHash('sha256').update(real).digest('hex').slice(0, 10);
  return join(resolve(stateDir), `${basename(real)}-${tag}.sanlet-${suffix}`);
}

const NO_LOCK: Lock = { identify: () => undefined, release: () => undefined };

/**
 * Locks the medium. The lock lies beside it whatever the state directory, because two programs with two state directories
 * must still meet; only where that directory cannot be written does the state directory do. A reader who can write
 * neither goes without.
 */
export async function lockMedium(
  medium: MediumPath,
  shared: boolean,
  stateDir: string | undefined,
): Promise<Lock> {
  const options = { medium: medium.given, shared };
  const beside = companion(medium, 'lock', undefined);
  if (await isWritable(dirname(medium.real))) return acquireLock({ ...options, path: beside });
  refuseIfLocked({ ...options, path: beside });
  if (stateDir !== undefined) return acquireLock({ ...options, path: companion(medium, 'lock', stateDir) });
  if (shared) return NO_LOCK;
  throw new Error(
    `${dirname(medium.real)} may not be written, and ${medium.given} needs files beside it: name a state directory`,
  );
}

async function isWritable(directory: string): Promise<boolean> {
  try {
    await access(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
