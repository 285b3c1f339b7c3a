import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { acquireLock } from '../state/lock-file.ts';
import { UnitState } from '../state/unit-state.ts';
import { companion, findMedium } from './medium-path.ts';

export interface UnitStateOptions {
  /** Name of the target, and of the unit in it: another unit over the same medium has a state of its own. */
  readonly target: string;
  readonly unit: string;
  /** The file of the medium; undefined for one in memory. */
  readonly path?: string | undefined;
  readonly readOnly: boolean;
  readonly stateDir?: string | undefined;
}

/**
 * Where a unit's state lies: beside its medium or, when there is one, in the state directory. A medium in memory and one
 * that is only read have nothing beside them: without a state directory nothing is kept for them, which is undefined.
 *
 * The lock of a medium that is written covers its state, so open the medium first; the others have a lock of their own.
 */
export async function openUnitState({
  target,
  unit,
  path,
  readOnly,
  stateDir,
}: UnitStateOptions): Promise<UnitState | undefined> {
  const tag = createHash('sha256').update(`${target}\0${unit}`).digest('hex').slice(0, 10);
  if (path !== undefined && !readOnly) {
    return UnitState.open(companion(await findMedium(path), `unit-${tag}`, stateDir));
  }
  if (stateDir === undefined) return undefined;
  const file = join(resolve(stateDir), `${unit}-${tag}.sanlet-unit`);
  const lock = await acquireLock({ medium: `what ${file} keeps`, path: `${file}-lock`, shared: false });
  try {
    return await UnitState.open(file, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}
