import { MAX_LUN } from '../scsi-cmds/lun.ts';
import { DEFAULT_IQN, normalName } from '../iscsi-name.ts';
import { ConfigError } from './config-error.ts';
import type {
  DiskOptions,
  LibraryOptions,
  ResolvedLibrary,
  ResolvedSan,
  ResolvedTarget,
  ResolvedUnit,
  SanOptions,
  TapeOptions,
  TargetOptions,
} from './options.ts';
import { driveName } from './library.ts';
import { freeRun, resolveOptions } from './resolve.ts';

/** Options for what is served already: what is said anew must not move what initiators are using. */

/** The same options, in which units that are served and are given no LUN keep the one they have. */
export function keepingLuns(options: SanOptions, served: Pick<ResolvedSan, 'targets'>): SanOptions {
  if (typeof options !== 'object' || options === null) return options;
  const target = <T extends TargetOptions>(of: T): T => {
    if (typeof of !== 'object' || of === null) return of;
    const iqn = normalName(typeof of.iqn === 'string' ? of.iqn : DEFAULT_IQN);
    const units = served.targets.find(each => each.iqn === iqn)?.units;
    if (units === undefined) return of;
    const luns = new Map(units.map(({ name, lun }) => [name, lun]));
    const keep = <U extends DiskOptions | TapeOptions>(list: U[] | undefined): U[] | undefined =>
      Array.isArray(list)
        ? list.map(unit => {
            const lun = unit?.lun === undefined ? luns.get(unit?.name) : undefined;
            return lun === undefined ? unit : { ...unit, lun };
          })
        : list;
    const { disks, tapes, libraries } = of;
    const keepLibraries = (list: LibraryOptions[] | undefined): LibraryOptions[] | undefined =>
      Array.isArray(list)
        ? list.map(library => {
            const lun = library?.lun === undefined ? luns.get(driveName(library?.name, 0)) : undefined;
            return lun === undefined ? library : { ...library, lun };
          })
        : list;
    return {
      ...of,
      ...(disks === undefined ? {} : { disks: keep(disks) }),
      ...(tapes === undefined ? {} : { tapes: keep(tapes) }),
      ...(libraries === undefined ? {} : { libraries: keepLibraries(libraries) }),
    };
  };
  const { targets } = options;
  return { ...target(options), ...(Array.isArray(targets) ? { targets: targets.map(target) } : {}) };
}

/** A unit that joins a target: checked, with the lowest free LUN unless it has one. Throws ConfigError. */
export function resolveAddition(
  unit: { readonly disk?: DiskOptions; readonly tape?: TapeOptions },
  target: ResolvedTarget,
  others: readonly ResolvedTarget[],
): ResolvedUnit {
  const given = typeof unit === 'object' && unit !== null ? unit : {};
  const keys = Object.keys(given);
  const [key] = keys;
  if (keys.length !== 1 || (key !== 'disk' && key !== 'tape')) {
    throw new ConfigError(
      [],
      'what is added is written { disk: { name, … } }, { tape: { name, … } } or { library: { name, … } }',
    );
  }
  const resolved = resolveAlone(key, given[key]!);
  const { name, path } = resolved;
  const wrong = (what: string, problem: string): ConfigError => new ConfigError([key, what], problem);
  if (target.units.some(each => each.name === name)) {
    throw wrong('name', `there is a ${name} in this target already; name each unit differently`);
  }
  const wanted = given[key]!.lun;
  const taken = new Map(target.units.map(each => [each.lun, each.name]));
  if (wanted !== undefined && taken.has(wanted)) {
    throw wrong('lun', `LUN ${wanted} is ${taken.get(wanted)} already; give each unit a number of its own`);
  }
  const holder = [target, ...others]
    .flatMap(({ units }) => units)
    .find(each => path !== undefined && each.path === path && !(each.readOnly && resolved.readOnly));
  if (holder !== undefined) {
    throw wrong('path', `${path} holds ${holder.name} already; give ${name} a file of its own`);
  }
  const lun = wanted ?? lowestFree(taken);
  if (lun > MAX_LUN) throw wrong('lun', `a target has at most ${MAX_LUN + 1} LUNs`);
  return { ...resolved, lun };
}

/** A library that joins a target: checked, at the lowest free LUNs in a row unless it names its first. Throws ConfigError. */
export function resolveLibraryAddition(
  options: LibraryOptions,
  target: ResolvedTarget,
  others: readonly ResolvedTarget[],
): ResolvedLibrary {
  const wrong = (what: string, problem: string): ConfigError => new ConfigError(['library', what], problem);
  const taken = new Map(target.units.map(each => [each.lun, each.name]));
  const resolveAt = (lun: number | undefined): ResolvedLibrary => {
    try {
      const [alone] = resolveOptions({
        libraries: [lun === undefined ? options : { ...options, lun }],
      }).targets;
      return alone!.libraries[0]!;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(['library', ...error.path.slice(2)], error.problem);
    }
  };
  const { name, path, drives } = resolveAt(undefined);
  const library = resolveAt(options.lun ?? freeRun(taken, 0, drives.length + 1));
  for (const unit of [...library.drives, library.changer]) {
    if (target.units.some(each => each.name === unit.name)) {
      throw wrong('name', `there is a ${unit.name} in this target already; name each unit differently`);
    }
    if (taken.has(unit.lun)) {
      throw wrong(
        'lun',
        `LUN ${unit.lun} is ${taken.get(unit.lun)} already; give each unit a number of its own`,
      );
    }
  }
  const holder = [target, ...others].flatMap(({ libraries }) => libraries).find(each => each.path === path);
  if (path !== undefined && holder !== undefined) {
    throw wrong('path', `${path} holds ${holder.name} already; give ${name} a directory of its own`);
  }
  return library;
}

function lowestFree(taken: ReadonlyMap<number, unknown>): number {
  let lun = 0;
  while (taken.has(lun)) lun++;
  return lun;
}

function resolveAlone(key: 'disk' | 'tape', options: DiskOptions & TapeOptions): ResolvedUnit {
  try {
    const [target] = resolveOptions({ [`${key}s`]: [options] }).targets;
    return target!.units[0]!;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError([key, ...error.path.slice(2)], error.problem);
  }
}
