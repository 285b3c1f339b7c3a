import { MAX_LUN } from '../scsi-cmds/lun.ts';
import { ConfigError, type ConfigPath } from './config-error.ts';
import type {
  AccessOptions,
  ChapOptions,
  MappedUnit,
  ResolvedMapping,
  ResolvedRule,
  TargetOptions,
} from './options.ts';
import { hint } from './suggestion.ts';

/** Every host of a cluster with a rule of its own, many times over. */
const MOST_RULES = 4096;

/** The rules of a target, by which initiators come in and see its units; one for all where none are written. */
export function resolveAccess(
  options: TargetOptions,
  units: readonly { readonly name: string }[],
  path: ConfigPath,
): ResolvedRule[] {
  const { access, initiators } = options;
  const chap = options.chap === undefined ? undefined : resolveChap(options.chap, [...path, 'chap']);
  if (access === undefined) return [{ ...patterns(initiators), ...(chap === undefined ? {} : { chap }) }];
  if (initiators !== undefined) {
    throw new ConfigError([...path, 'initiators'], 'stands in the rules of access where there are some');
  }
  if (access.length === 0) {
    throw new ConfigError(
      [...path, 'access'],
      'has no rule, so that nobody could log in; leave it out for all',
    );
  }
  if (access.length > MOST_RULES) throw new ConfigError([...path, 'access'], `at most ${MOST_RULES} rules`);
  const users = usersOf(access, chap, path);
  const names = units.map(({ name }) => name);
  return access.map((rule, i) => {
    const at = [...path, 'access', i];
    const credentials = credentialsOf(rule, users, chap, at);
    return {
      ...patterns(rule.initiators),
      ...(credentials === undefined ? {} : { chap: credentials }),
      ...(rule.luns === undefined ? {} : { luns: resolveLuns(rule.luns, names, [...at, 'luns']) }),
    };
  });
}

const patterns = (initiators: readonly string[] | undefined): { initiators?: string[] } =>
  initiators === undefined
    ? {}
    : { initiators: initiators.map(name => name.normalize('NFKC').toLowerCase()) };

/** Every CHAP user of the target: one name, one secret. */
function usersOf(
  access: readonly AccessOptions[],
  common: ChapOptions | undefined,
  path: ConfigPath,
): Map<string, ChapOptions> {
  const users = new Map<string, ChapOptions>();
  if (common !== undefined) users.set(common.user, common);
  access.forEach(({ chap }, i) => {
    if (chap === undefined) return;
    const at = [...path, 'access', i, 'chap'];
    resolveChap(chap, at);
    const other = users.get(chap.user);
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(chap)) {
      throw new ConfigError(
        [...at, 'user'],
        `${chap.user} has other secrets elsewhere in this target; say them once, and user: ${chap.user} in the other rules`,
      );
    }
    users.set(chap.user, chap);
  });
  return users;
}

/** A rule's own credentials, those of the user that it names, or those of the target. */
function credentialsOf(
  { chap, user }: AccessOptions,
  users: ReadonlyMap<string, ChapOptions>,
  common: ChapOptions | undefined,
  at: ConfigPath,
): ChapOptions | undefined {
  if (user === undefined) return chap ?? common;
  if (chap !== undefined) {
    throw new ConfigError([...at, 'user'], 'is said by chap already; leave out user or chap');
  }
  const known = users.get(user);
  if (known === undefined) {
    const near =
      users.size === 0 ? '; give chap with user and secret instead' : ` ${hint(user, [...users.keys()])}`;
    throw new ConfigError(
      [...at, 'user'],
      `there is no secret of ${JSON.stringify(user)} in this target${near}`,
    );
  }
  return known;
}

function resolveLuns(
  luns: NonNullable<AccessOptions['luns']>,
  names: readonly string[],
  path: ConfigPath,
): ReadonlyMap<number, ResolvedMapping> {
  const map = new Map<number, ResolvedMapping>();
  const taken = new Map<string, number>();
  for (const [key, mapped] of Object.entries<string | MappedUnit>(luns)) {
    const at = [...path, Array.isArray(luns) ? Number(key) : key];
    const lun = Number(key);
    if (!/^[0-9]+$/.test(key) || lun > MAX_LUN) {
      throw new ConfigError(at, `a LUN is a whole number from 0 to ${MAX_LUN}, not ${JSON.stringify(key)}`);
    }
    const { name, ro = false } = typeof mapped === 'string' ? { name: mapped } : mapped;
    if (!names.includes(name)) {
      const known = names.length === 0 ? '' : ` ${hint(name, names)}`;
      throw new ConfigError(at, `there is no unit ${JSON.stringify(name)} in this target${known}`);
    }
    const other = taken.get(name);
    if (other !== undefined) {
      throw new ConfigError(at, `${name} stands at LUN ${other} of this rule already; show each unit once`);
    }
    if (map.has(lun)) throw new ConfigError(at, `LUN ${lun} is there twice; name each LUN once`);
    taken.set(name, lun);
    map.set(lun, { name, readOnly: ro });
  }
  return map;
}

/** RFC 7143 12.1.3: the two directions have different secrets. */
export function resolveChap(chap: ChapOptions, path: ConfigPath): ChapOptions {
  if (chap.mutual !== undefined && chap.mutual.secret === chap.secret) {
    throw new ConfigError(
      [...path, 'mutual', 'secret'],
      'must differ from the secret of the other direction',
    );
  }
  return chap;
}
