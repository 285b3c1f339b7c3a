import { SIZE_FORMS, parseSize } from '../sizes.ts';
import { ConfigError, type ConfigPath } from './config-error.ts';
import { resolveDrive } from './drive.ts';
import type { LibraryOptions, ResolvedLibrary, ResolvedUnit } from './options.ts';

/** How many of each a library may have; the addresses of its elements leave room for no more. */
const RANGES = {
  drives: { least: 1, most: 128, default: 1 },
  slots: { least: 1, most: 10_000, default: 10 },
  ie: { least: 0, most: 256, default: 0 },
} as const;

type Counted = keyof typeof RANGES;

function countOf(options: LibraryOptions, key: Counted, path: ConfigPath): number {
  const { least, most, default: otherwise } = RANGES[key];
  const count = options[key] ?? otherwise;
  if (Number.isInteger(count) && count >= least && count <= most) return count;
  throw new ConfigError([...path, key], `must be a whole number from ${least} to ${most}, not ${count}`);
}

/** LUNs that it takes: one for each drive, and one for the changer behind them. */
export const lunsOf = (options: LibraryOptions, path: ConfigPath): number =>
  countOf(options, 'drives', path) + 1;

export const driveName = (library: string, drive: number): string => `${library}-d${drive}`;

/** `first` is the LUN of the first drive. */
export function resolveLibrary(options: LibraryOptions, first: number, path: ConfigPath): ResolvedLibrary {
  const { name, memory = false } = options;
  if (memory && options.path !== undefined) {
    throw new ConfigError(
      [...path, 'memory'],
      `${name} cannot lie in memory and in a directory; leave out memory or path`,
    );
  }
  if (!memory && options.path === undefined) {
    throw new ConfigError(path, `${name} has no shelf; give it a path, or memory: true`);
  }
  const bytes = options.size === undefined ? undefined : parseSize(options.size);
  if (options.size !== undefined && (bytes === undefined || bytes === 0)) {
    throw new ConfigError([...path, 'size'], `${JSON.stringify(options.size)} is not ${SIZE_FORMS}`);
  }
  const drive = resolveDrive(options.drive, [...path, 'drive']);
  const unit = (type: ResolvedUnit['type'], unitName: string, lun: number): ResolvedUnit => ({
    lun,
    type,
    name: unitName,
    path: undefined,
    bytes: undefined,
    blockSize: 0,
    physicalBlockSize: 0,
    thinBytes: undefined,
    readOnly: false,
    removable: true,
    drive: type === 'tape' ? drive : undefined,
    library: name,
  });
  const drives = countOf(options, 'drives', path);
  return {
    name,
    path: options.path,
    bytes,
    drive,
    slots: countOf(options, 'slots', path),
    importExports: countOf(options, 'ie', path),
    drives: Array.from({ length: drives }, (_, i) => unit('tape', driveName(name, i), first + i)),
    changer: unit('changer', name, first + drives),
  };
}
