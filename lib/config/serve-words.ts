import { ConfigError, type ConfigPath } from './config-error.ts';
import { DEFAULT_IQN, normalName } from '../iscsi-name.ts';
import type { DiskOptions, SanOptions, TapeOptions, TargetOptions } from './options.ts';
import { resolveOptions } from './resolve.ts';
import { parseDiskSpec, parseTapeSpec } from './spec.ts';

/** What the words of `sanlet serve` say beside the configuration file. */
export interface ServeWords {
  readonly portals: readonly string[];
  readonly target?: string | undefined;
  readonly advertise?: string | undefined;
  readonly state?: string | undefined;
  /** Disks and tapes in the order of argv: that is the order of their LUNs. */
  readonly units: readonly UnitWord[];
}

export interface UnitWord {
  readonly type: 'disk' | 'tape';
  readonly spec: string;
}

/** LUNs of the units that are served, by the name of their target and their own. */
export type KeptLuns = ReadonlyMap<string, ReadonlyMap<string, number>>;
const NOTHING: KeptLuns = new Map();

/**
 * The words over the file: portals, advertise and state replace what the file says; disks and tapes join the target that
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
  const { disks = [], tapes = [] } = host.target;
  const target: TargetOptions = {
    ...host.target,
    ...(words.target === undefined ? {} : { iqn: words.target }),
    disks: [
      ...disks,
      ...units.filter(({ type }) => type === 'disk').map(({ options }) => options as DiskOptions),
    ],
    tapes: [...tapes, ...units.filter(({ type }) => type === 'tape').map(({ options }) => options)],
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

const isTarget = ({
  iqn,
  disks,
  tapes,
  groups,
  redirect,
  chap,
  initiators,
  access,
}: TargetOptions): boolean =>
  [iqn, disks, tapes, groups, redirect, chap, initiators, access].some(value => value !== undefined);

/** The target of the file that the words join, or the place of a new one. */
function hostOf(file: SanOptions, named: string | undefined): Host {
  const targets = file.targets ?? [];
  const { iqn, disks, tapes, groups, redirect, chap, initiators, access } = file;
  const top: TargetOptions = Object.fromEntries(
    Object.entries({ iqn, disks, tapes, groups, redirect, chap, initiators, access }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  const hosts: Host[] = targets.map((target, i) => ({ path: ['targets', i], target }));
  if (isTarget(file) || targets.length === 0) hosts.unshift({ path: [], target: top });
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
function nextLun(target: TargetOptions): number {
  const count = (target.disks?.length ?? 0) + (target.tapes?.length ?? 0);
  if (count === 0) return 0;
  const { disks, tapes } = target;
  const [resolved] = resolveOptions({ ...(disks && { disks }), ...(tapes && { tapes }) }).targets;
  return resolved!.units.at(-1)!.lun + 1;
}

interface NumberedUnit extends UnitWord {
  readonly options: DiskOptions | TapeOptions;
}

function numbered(
  words: readonly UnitWord[],
  first: number,
  kept: ReadonlyMap<string, number> | undefined,
): NumberedUnit[] {
  const units = words.map(word => {
    const options = word.type === 'disk' ? parseDiskSpec(word.spec) : parseTapeSpec(word.spec);
    const lun = options.lun ?? kept?.get(options.name);
    return { ...word, options: lun === undefined ? options : { ...options, lun } };
  });
  const given = new Set(units.map(({ options }) => options.lun));
  let next = first;
  return units.map(unit => {
    if (unit.options.lun !== undefined) return unit;
    while (given.has(next)) next++;
    return { ...unit, options: { ...unit.options, lun: next++ } };
  });
}

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
  if ((key !== 'disks' && key !== 'tapes') || typeof index !== 'number') return error;
  const type = key === 'disks' ? 'disk' : 'tape';
  const word = units.filter(unit => unit.type === type)[index - (target[key]?.length ?? 0)];
  return word === undefined ? error : new ConfigError(rest, problem, `--${type} ${word.spec}`);
}
