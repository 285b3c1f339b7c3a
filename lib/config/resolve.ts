import { MAX_LUN } from '../scsi-cmds/lun.ts';
import { formatSize, parseSize, SIZE_FORMS } from '../sizes.ts';
import { resolveAccess, resolveChap } from './access.ts';
import { ConfigError, type ConfigPath } from './config-error.ts';
import { DEFAULT_IQN, parseIscsiName } from '../iscsi-name.ts';
import type {
  DiskOptions,
  LibraryOptions,
  ResolvedLibrary,
  ResolvedPortal,
  ResolvedSan,
  ResolvedTarget,
  ResolvedUnit,
  SanOptions,
  TapeOptions,
  TargetOptions,
} from './options.ts';
import { resolveDrive } from './drive.ts';
import { lunsOf, resolveLibrary } from './library.ts';
import { resolveLimits } from './limits.ts';
import { endpoint, resolveGroups, resolvePortals, resolveRedirect } from './portals.ts';
import { checkShape } from './shape.ts';
import { warnOfShortSecrets } from './short-secrets.ts';

/** What `memory: true` makes of a disk. */
const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024;
const LONGEST_UNIT_NAME = 64;
/** IANA's port for iSNS (RFC 4171). */
const ISNS_PORT = 3205;
/** Enough for a target a tenant. */
const MOST_TARGETS = 1024;

/**
 * Everything parsed, every default in its place, every LUN assigned. Looks at no file. Throws ConfigError for the first
 * thing that is wrong; what is merely unwise goes to `options.log`.
 */
export function resolveOptions(options: SanOptions): ResolvedSan {
  // JavaScript may hand us anything, and only an object can be taken apart.
  const { log, ...plain } = isGroup(options) ? options : checkShape(options);
  const { portals, advertise, state, targets, discoveryChap, isns, limits, ...first } = checkShape(plain);
  const listening = resolvePortals(portals);
  const resolved: ResolvedSan = {
    portals: listening,
    advertise: advertise === undefined ? undefined : endpoint(advertise, ['advertise'], 0),
    state,
    targets: resolveTargets(first, targets ?? [], listening),
    discoveryChap: discoveryChap === undefined ? undefined : resolveChap(discoveryChap, ['discoveryChap']),
    isns: isns === undefined ? undefined : endpoint(isns, ['isns'], ISNS_PORT),
    limits: resolveLimits(limits, ['limits']),
  };
  if (log !== undefined) warnOfShortSecrets(resolved, log);
  return resolved;
}

const isGroup = (options: unknown): boolean =>
  typeof options === 'object' && options !== null && !Array.isArray(options);

function resolveTargets(
  first: TargetOptions,
  others: readonly TargetOptions[],
  portals: readonly ResolvedPortal[],
): ResolvedTarget[] {
  const written: { options: TargetOptions; path: ConfigPath }[] = others.map((options, i) => ({
    options,
    path: ['targets', i],
  }));
  if (written.length === 0 || Object.values(first).some(value => value !== undefined)) {
    written.unshift({ options: first, path: [] });
  }
  if (written.length > MOST_TARGETS) throw new ConfigError(['targets'], `at most ${MOST_TARGETS} targets`);
  const names = new Set<string>();
  const media = new Media();
  const resolved = written.map(({ options, path }) => resolveTarget(options, path, names, media, portals));
  if (resolved.every(({ units, redirect }) => units.length === 0 && redirect === undefined)) {
    throw new ConfigError([], 'there is nothing to serve: give at least one disk, tape or library');
  }
  return resolved;
}

type Claimed = Pick<ResolvedLibrary, 'name' | 'path'> & Partial<Pick<ResolvedUnit, 'readOnly'>>;

/** Which file holds which unit: a file in two places would be changed behind the back of one. */
class Media {
  readonly #byPath = new Map<string, { name: string; readOnly: boolean }>();

  claim(unit: Claimed, path: ConfigPath): void {
    if (unit.path === undefined) return;
    const other = this.#byPath.get(unit.path);
    if (other !== undefined && !(other.readOnly && unit.readOnly === true)) {
      throw new ConfigError(
        [...path, 'path'],
        `${unit.path} holds ${other.name} already; give ${unit.name} a file of its own`,
      );
    }
    this.#byPath.set(unit.path, { name: unit.name, readOnly: unit.readOnly === true });
  }
}

function resolveTarget(
  options: TargetOptions,
  path: ConfigPath,
  names: Set<string>,
  media: Media,
  portals: readonly ResolvedPortal[],
): ResolvedTarget {
  const parsed = parseIscsiName(options.iqn ?? DEFAULT_IQN);
  if (typeof parsed === 'string') throw new ConfigError([...path, 'iqn'], parsed);
  const iqn = parsed.name;
  if (names.has(iqn)) {
    throw new ConfigError(
      [...path, 'iqn'],
      `there is a target ${iqn} already; give each target an iqn of its own`,
    );
  }
  names.add(iqn);
  const written = [
    ...(options.disks ?? []).map((disk, i) => ({
      type: 'disk' as const,
      options: disk,
      path: [...path, 'disks', i],
    })),
    ...(options.tapes ?? []).map((tape, i) => ({
      type: 'tape' as const,
      options: tape,
      path: [...path, 'tapes', i],
    })),
  ];
  const shelves = (options.libraries ?? []).map((library, i) => ({
    options: library,
    path: [...path, 'libraries', i],
  }));
  const luns = assignLuns([
    ...written.map(unit => ({ ...unit, count: 1 })),
    ...shelves.map(library => ({ ...library, count: lunsOf(library.options, library.path) })),
  ]);
  const taken = new Set<string>();
  const enter = <U extends ResolvedUnit>(unit: U, at: ConfigPath): U => {
    if (taken.has(unit.name)) {
      throw new ConfigError(
        [...at, 'name'],
        `there is a ${unit.name} in this target already; name each unit differently`,
      );
    }
    taken.add(unit.name);
    return unit;
  };
  const units = written.map((unit, i) => {
    const resolved = enter(resolveUnit(unit.type, unit.options, luns[i]!, unit.path), unit.path);
    media.claim(resolved, unit.path);
    return resolved;
  });
  const libraries = shelves.map((library, i) => {
    requireName(library.options.name, library.path);
    const resolved = resolveLibrary(library.options, luns[written.length + i]!, library.path);
    for (const unit of [...resolved.drives, resolved.changer]) units.push(enter(unit, library.path));
    media.claim(resolved, library.path);
    return resolved;
  });
  const groups = resolveGroups(options, portals, path);
  return {
    iqn,
    groups,
    redirect: resolveRedirect(options, groups, path),
    units: units.sort((a, b) => a.lun - b.lun),
    libraries,
    access: resolveAccess(options, units, path),
  };
}

interface Numbered {
  readonly options: DiskOptions | TapeOptions | LibraryOptions;
  readonly path: ConfigPath;
  /** LUNs in a row that it takes. */
  readonly count: number;
}

/** The given ones stand; the others get the lowest free numbers in order. The first one where there are several. */
function assignLuns(units: readonly Numbered[]): number[] {
  const given = new Map<number, string>();
  for (const { options, path, count } of units) {
    const { lun, name } = options;
    if (lun === undefined) continue;
    const most = MAX_LUN - count + 1;
    if (!Number.isInteger(lun) || lun < 0 || lun > most) {
      throw new ConfigError([...path, 'lun'], `must be a whole number from 0 to ${most}, not ${lun}`);
    }
    for (let each = lun; each < lun + count; each++) {
      const other = given.get(each);
      if (other !== undefined) {
        throw new ConfigError(
          [...path, 'lun'],
          `LUN ${each} is ${other} already; give each unit a number of its own`,
        );
      }
      given.set(each, name);
    }
  }
  let next = 0;
  return units.map(({ options, path, count }) => {
    if (options.lun !== undefined) return options.lun;
    const first = freeRun(given, next, count);
    next = first + count;
    if (next > MAX_LUN + 1) throw new ConfigError(path, `a target has at most ${MAX_LUN + 1} LUNs`);
    return first;
  });
}

/** The first of `count` numbers in a row, from `from` on, that are not taken. */
export function freeRun(taken: { has(lun: number): boolean }, from: number, count: number): number {
  let first = from;
  for (let lun = first; lun < first + count; lun++) if (taken.has(lun)) first = lun + 1;
  return first;
}

function requireName(name: string, path: ConfigPath): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name.length <= LONGEST_UNIT_NAME) return;
  throw new ConfigError(
    [...path, 'name'],
    `${JSON.stringify(name)} is no name: up to ${LONGEST_UNIT_NAME} letters, digits, dots, dashes and underscores, a letter or digit first`,
  );
}

function resolveUnit(
  type: 'disk' | 'tape',
  options: DiskOptions & TapeOptions,
  lun: number,
  path: ConfigPath,
): ResolvedUnit {
  const { name } = options;
  requireName(name, path);
  const inMemory = options.memory !== undefined && options.memory !== false;
  if (inMemory && options.path !== undefined) {
    throw new ConfigError(
      [...path, 'memory'],
      `${name} cannot lie in memory and in a file; leave out memory or path`,
    );
  }
  if (!inMemory && options.path === undefined) {
    throw new ConfigError(path, `${name} has no medium; give it a path, or memory: true`);
  }
  const blockSize = type === 'disk' ? (options.block ?? 512) : 0;
  const physicalBlockSize = type === 'disk' ? (options.physical ?? 4096) : 0;
  if (physicalBlockSize < blockSize) {
    throw new ConfigError([...path, 'physical'], `is no less than the block size, ${blockSize}`);
  }
  return {
    lun,
    type,
    name,
    path: options.path,
    bytes: resolveBytes(type, options, inMemory, blockSize, path),
    blockSize,
    physicalBlockSize,
    thinBytes: options.thin === undefined ? undefined : bytesOf(options.thin, [...path, 'thin']),
    readOnly: options.ro ?? false,
    removable: type === 'tape' || (options.removable ?? false),
    drive: type === 'tape' ? resolveDrive(options.drive, [...path, 'drive']) : undefined,
  };
}

function resolveBytes(
  type: ResolvedUnit['type'],
  options: DiskOptions & TapeOptions,
  inMemory: boolean,
  blockSize: number,
  path: ConfigPath,
): number | undefined {
  const size = options.size === undefined ? undefined : bytesOf(options.size, [...path, 'size']);
  const memory =
    typeof options.memory === 'boolean' || options.memory === undefined
      ? undefined
      : bytesOf(options.memory, [...path, 'memory']);
  if (size !== undefined && memory !== undefined && size !== memory) {
    throw new ConfigError([...path, 'size'], 'differs from the size given as memory; give one of them');
  }
  const key = size === undefined ? 'memory' : 'size';
  const bytes = size ?? memory ?? (inMemory && type === 'disk' ? DEFAULT_MEMORY_BYTES : undefined);
  if (bytes !== undefined && type === 'disk' && bytes % blockSize !== 0) {
    throw new ConfigError([...path, key], `${bytes} bytes is no multiple of the block size, ${blockSize}`);
  }
  return bytes;
}

function bytesOf(size: string | number, path: ConfigPath): number {
  const bytes = parseSize(size);
  if (bytes === undefined) throw new ConfigError(path, `${JSON.stringify(size)} is not ${SIZE_FORMS}`);
  if (bytes === 0) throw new ConfigError(path, `must be more than ${formatSize(0)}`);
  return bytes;
}
