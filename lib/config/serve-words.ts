import { ConfigError, type ConfigPath } from './config-error.ts';
import { DEFAULT_IQN, normalName } from '../iscsi-name.ts';
import { driveName, lunsOf } from './library.ts';
import type { DiskOptions, LibraryOptions, SanOptions, TapeOptions, TargetOptions } from './options.ts';
import { freeRun, resolveOptions } from './resolve.ts';
import { parseDiskSpec, parseLibrarySpec, parseTapeSpec, type SpecType } from './spec.ts';

/** What the words of `sanlet serve` say beside the configuration file. */
export interface ServeWords {
  readonly portals: readonly string[];
  readonly target?: string | undefined;
  readonly advertise?: string | undefined;
  readonly state?: string | undefined;
  /** Disks, tapes and libraries in the order of argv: that is the order of their LUNs. */
  readonly units: readonly UnitWord[];
}

export interface UnitWord {
  readonly type: SpecType;
  readonly spec: string;
}

/** LUNs of the units that are served, by the name of their target and their own. */
export type KeptLuns = ReadonlyMap<string, ReadonlyMap<string, number>>;
const NOTHING: KeptLuns = new Map();

/**
 * The words over the file: portals, advertise and state replace what the file says; disks, tapes and libraries join the target that
 * `--target` names, or the file's first one, behind the LUNs it has, or at those that `kept` says they have been served
 * at. Throws ConfigError, which names the word.
 */
export function optionsOfWords(words: ServeWords, file?: SanOptions, kept: KeptLuns = NOTHING): SanOptions {
  const base: SanOptions = {
    ...file,
    ...(words.portals.length > 0 ? { portals: [...words.portals] } : {}),
    ...(words.advertise === undefined ? {} : { advertise: words.advertise }),
    ...(words.state === undefined ? {} : { state: words.state }),
  };
  const host = file === undefined ? { path: [], target: {} } : hostOf(file, words.target);
  const iqn = normalName(words.target ?? host.target.iqn ?? DEFAULT_IQN);
  const units = numbered(words.units, nextLun(host.target), kept.get(iqn));
  const { disks = [], tapes = [], libraries = [] } = host.target;
  const of = <O>(type: SpecType): O[] =>
    units.filter(unit => unit.type === type).map(unit => unit.options as O);
  const target: TargetOptions = {
    ...host.target,
    ...(words.target === undefined ? {} : { iqn: words.target }),
    disks: [...disks, ...of<DiskOptions>('disk')],
    tapes: [...tapes, ...of<TapeOptions>('tape')],
    ...(libraries.length > 0 || units.some(({ type }) => type === 'library')
      ? { libraries: [...libraries, ...of<LibraryOptions>('library')] }
      : {}),
  };
  const options = put(base, host.path, target);
  try {
    resolveOptions(options);
  } catch (error) {
    throw error instanceof ConfigError ? inWords(error, words, { ...host, units }) : error;
  }
  return options;
}

interface Host {
  /** Where the target stands in the options. */
  readonly path: ConfigPath;
  readonly target: TargetOptions;
}

/** What of a configuration is of the target that stands at its top. */
const ofTarget = (file: SanOptions): TargetOptions => {
  const { iqn, disks, tapes, libraries, groups, redirect, chap, initiators, access } = file;
  const all = { iqn, disks, tapes, libraries, groups, redirect, chap, initiators, access };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};

/** The target of the file that the words join, or the place of a new one. */
function hostOf(file: SanOptions, named: string | undefined): Host {
  const targets = file.targets ?? [];
  const top = ofTarget(file);
  const hosts: Host[] = targets.map((target, i) => ({ path: ['targets', i], target }));
  if (Object.keys(top).length > 0 || targets.length === 0) hosts.unshift({ path: [], target: top });
  if (named === undefined) return hosts[0]!;
  const normal = (text: string): string => text.normalize('NFKC').toLowerCase();
  const found = hosts.find(({ target }) => normal(target.iqn ?? DEFAULT_IQN) === normal(named));
  return found ?? { path: ['targets', targets.length], target: {} };
}

const put = (base: SanOptions, [top, index]: ConfigPath, target: TargetOptions): SanOptions => {
  if (top === undefined) return { ...base, ...target };
  const targets = [...(base.targets ?? [])];
  targets[index as number] = target;
  return { ...base, targets };
};

/** The LUN behind those that the target of a file has. */
function nextLun({ disks, tapes, libraries }: TargetOptions): number {
  const count = (disks?.length ?? 0) + (tapes?.length ?? 0) + (libraries?.length ?? 0);
  if (count === 0) return 0;
  const [resolved] = resolveOptions({
    ...(disks && { disks }),
    ...(tapes && { tapes }),
    ...(libraries && { libraries }),
  }).targets;
  return resolved!.units.at(-1)!.lun + 1;
}

interface NumberedUnit extends UnitWord {
  readonly options: DiskOptions | TapeOptions | LibraryOptions;
  /** LUNs in a row that it takes. */
  readonly count: number;
}

const PARSERS: Readonly<Record<SpecType, (spec: string) => NumberedUnit['options']>> = {
  disk: parseDiskSpec,
  tape: parseTapeSpec,
  library: parseLibrarySpec,
};

function numbered(
  words: readonly UnitWord[],
  first: number,
  kept: ReadonlyMap<string, number> | undefined,
): NumberedUnit[] {
  const units = words.map(word => {
    const options = PARSERS[word.type](word.spec);
    const isLibrary = word.type === 'library';
    const lun = options.lun ?? kept?.get(isLibrary ? driveName(options.name, 0) : options.name);
    const count = isLibrary ? wordLuns(options as LibraryOptions, word) : 1;
    return { ...word, count, options: lun === undefined ? options : { ...options, lun } };
  });
  const given = new Set(
    units.flatMap(({ options: { lun }, count }) =>
      lun === undefined ? [] : Array.from({ length: count }, (_, i) => lun + i),
    ),
  );
  let next = first;
  return units.map(unit => {
    if (unit.options.lun !== undefined) return unit;
    const lun = freeRun(given, next, unit.count);
    next = lun + unit.count;
    return { ...unit, options: { ...unit.options, lun } };
  });
}

function wordLuns(options: LibraryOptions, { spec }: UnitWord): number {
  try {
    return lunsOf(options, []);
  } catch (error) {
    throw error instanceof ConfigError
      ? new ConfigError(error.path, error.problem, `--library ${spec}`)
      : error;
  }
}

const KEYS: Readonly<Record<string, SpecType>> = { disks: 'disk', tapes: 'tape', libraries: 'library' };

/** The same complaint, about the word instead of the key that was made from it. */
function inWords(
  error: ConfigError,
  words: ServeWords,
  { path: at, target, units }: Host & { readonly units: readonly NumberedUnit[] },
): ConfigError {
  const { path, problem } = error;
  if (path.length === 0) {
    return new ConfigError([], `${problem}, such as --disk d0=memory`);
  }
  if (path[0] === 'portals' && words.portals.length > 0) {
    return new ConfigError([], problem, `--portal ${words.portals[path[1] as number]}`);
  }
  if (path[0] === 'advertise' && words.advertise !== undefined) {
    return new ConfigError([], problem, `--advertise ${words.advertise}`);
  }
  if (at.some((part, i) => part !== path[i])) return error;
  const [key, index, ...rest] = path.slice(at.length);
  if (key === 'iqn' && words.target !== undefined) {
    return new ConfigError([], problem, `--target ${words.target}`);
  }
  const type = KEYS[key as string];
  if (type === undefined || typeof index !== 'number') return error;
  const written = target[key as 'disks' | 'tapes' | 'libraries']?.length ?? 0;
  const word = units.filter(unit => unit.type === type)[index - written];
  return word === undefined ? error : new ConfigError(rest, problem, `--${type} ${word.spec}`);
}
