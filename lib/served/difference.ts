import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../config/config-error.ts';
import type { ResolvedLibrary, ResolvedSan, ResolvedTarget, ResolvedUnit } from '../config/options.ts';
import { formatSize } from '../sizes.ts';
import type { ServedTarget } from './target.ts';

/** One change of a target that is served, and how it is told. */
export interface Change {
  readonly told: string;
  /** A unit that is to be opened; its file is looked at before anything changes. */
  readonly opens?: ResolvedUnit;
  /** Or a library, whose directory is. */
  readonly shelves?: ResolvedLibrary;
  /** Gives back what is told instead; the empty string for nothing. */
  run(target: ServedTarget): Promise<string | void>;
}

/** What of a unit is for as long as it is served, and what it is called. */
const FIXED: readonly (readonly [keyof ResolvedUnit, string])[] = [
  ['type', 'what it is'],
  ['path', 'its medium'],
  ['lun', 'its LUN'],
  ['blockSize', 'its block size'],
  ['physicalBlockSize', 'its physical block size'],
  ['thinBytes', 'how much of it may be in use'],
  ['removable', 'whether it is removable'],
  ['drive', 'which drive it is'],
];

/** What of a target holds for logins, and changes as a whole. */
const FRAME: readonly { readonly key: keyof ResolvedTarget; readonly told: string }[] = [
  { key: 'access', told: 'access changed' },
  { key: 'redirect', told: 'redirection changed' },
];

/** What makes `now` what `next` says. Throws ConfigError for what cannot change while it is served. */
export function changesOf(now: ResolvedTarget, next: ResolvedTarget): Change[] {
  if (!isDeepStrictEqual(now.groups, next.groups)) {
    throw new ConfigError(
      [],
      'its portal groups cannot change while it is served; start anew for that',
      now.iqn,
    );
  }
  // Units of a library come and go with it.
  const own = ({ units }: ResolvedTarget): ResolvedUnit[] => units.filter(unit => unit.library === undefined);
  const before = new Map(own(now).map(unit => [unit.name, unit]));
  const after = new Map(own(next).map(unit => [unit.name, unit]));
  const removed = own(now).filter(({ name }) => !after.has(name));
  const added = own(next).filter(({ name }) => !before.has(name));
  const kept = own(next).filter(({ name }) => before.has(name));
  const libraries = libraryChanges(now, next);
  return [
    // First: their LUNs and files may be another's next.
    ...removed.map(removal),
    ...libraries.removed,
    ...kept.flatMap(unit => unitChanges(before.get(unit.name)!, unit)),
    ...added.map(addition),
    ...libraries.added,
    ...FRAME.filter(({ key }) => !isDeepStrictEqual(now[key], next[key])).map(({ told }) => ({
      told,
      run: async () => undefined,
    })),
  ];
}

const removal = ({ name, lun }: ResolvedUnit): Change => ({
  told: `${name} removed from LUN ${lun}`,
  run: target => target.remove(name),
});

const addition = (unit: ResolvedUnit): Change => ({
  told: `${unit.name} added at LUN ${unit.lun}`,
  opens: unit,
  run: target => target.add(unit),
});

/** A library is as it is for as long as it is served. */
function libraryChanges(now: ResolvedTarget, next: ResolvedTarget): { removed: Change[]; added: Change[] } {
  const before = new Map(now.libraries.map(library => [library.name, library]));
  const after = new Map(next.libraries.map(library => [library.name, library]));
  for (const library of now.libraries) {
    const other = after.get(library.name);
    if (other === undefined || isDeepStrictEqual(madeOf(library), madeOf(other))) continue;
    throw new ConfigError(
      [],
      'what a library is made of cannot change while it is served: take it out, load that, and put it back',
      library.name,
    );
  }
  return {
    removed: now.libraries
      .filter(({ name }) => !after.has(name))
      .map(({ name }) => ({
        told: `library ${name} removed`,
        run: (target: ServedTarget) => target.removeLibrary(name),
      })),
    added: next.libraries
      .filter(({ name }) => !before.has(name))
      .map(library => ({
        told: `library ${library.name} added at LUN ${library.drives[0]!.lun} to ${library.changer.lun}`,
        shelves: library,
        run: (target: ServedTarget) => target.addLibrary(library),
      })),
  };
}

/** All but the size of cartridges to come. */
const madeOf = ({ path, drive, slots, importExports, drives, changer }: ResolvedLibrary): unknown => [
  path,
  drive,
  slots,
  importExports,
  drives.map(({ lun }) => lun),
  changer.lun,
];

function unitChanges(now: ResolvedUnit, next: ResolvedUnit): Change[] {
  const { name } = next;
  for (const [key, what] of FIXED) {
    if (now[key] !== next[key]) {
      throw new ConfigError(
        [],
        `${what} cannot change while it is served: take it out, load that, and put it back`,
        name,
      );
    }
  }
  const changes: Change[] = [];
  if (now.readOnly !== next.readOnly) {
    changes.push({
      told: `${name} ${next.readOnly ? 'write protected' : 'writable'}`,
      run: target => target.protect(name, next.readOnly),
    });
  }
  if (next.type === 'disk') changes.push(sizeOf(name, now.bytes, next.bytes));
  else if (now.bytes !== next.bytes) {
    throw new ConfigError([], 'the size of a tape is that of its cartridge and cannot change', name);
  }
  return changes;
}

/** A file whose size nobody says is looked at: it may have grown. */
const sizeOf = (name: string, now: number | undefined, next: number | undefined): Change => ({
  told: `${name} resized`,
  async run(target) {
    if (next !== undefined && next === now) return '';
    const changed = await target.resize(name, next);
    if (!changed) return '';
    const { bytes } = target.luns.find(lun => lun.name === name)!;
    return `${name} resized to ${formatSize(bytes)}`;
  },
});

/** Throws ConfigError when there is a difference beside units and access. */
export function requireSameFrame(now: ResolvedSan, next: ResolvedSan): void {
  const fixed = (key: string, what: string): ConfigError =>
    new ConfigError([key], `${what} cannot change while they are served; start anew for that`);
  if (!isDeepStrictEqual(now.portals, next.portals)) throw fixed('portals', 'portals');
  if (now.state !== next.state)
    throw new ConfigError(['state'], 'cannot change while media are served; start anew for that');
  if (!isDeepStrictEqual(now.targets.map(iqnOf).sort(), next.targets.map(iqnOf).sort())) {
    throw fixed('targets', 'the targets, and their names,');
  }
  const groups = ({ targets }: ResolvedSan): unknown =>
    new Map(targets.map(target => [target.iqn, target.groups]));
  if (!isDeepStrictEqual(groups(now), groups(next))) throw fixed('groups', 'portal groups of targets');
  if (!isDeepStrictEqual(now.isns, next.isns))
    throw new ConfigError(['isns'], 'cannot change while targets are served; start anew for that');
}

const iqnOf = ({ iqn }: ResolvedTarget): string => iqn;
