import { ConfigError, type ConfigPath } from './config-error.ts';
import type { Endpoint, PortalOptions, ResolvedPortal, ResolvedRedirect, TargetOptions } from './options.ts';
import { DEFAULT_PORTAL, formatPortal, parsePortal } from './portal.ts';
import { hint } from './suggestion.ts';

/** Enough for every portal of a machine. */
const MOST_PORTALS = 64;
/** RFC 7143 13.9: a portal group tag is 16 bits; as RELATIVE TARGET PORT IDENTIFIER it is not 0 (SPC-4 4.3.4). */
const MOST_GROUP = 65_535;
const FIRST_GROUP = 1;

export function endpoint(text: string, path: ConfigPath, defaultPort?: number): Endpoint {
  const parsed = parsePortal(text, defaultPort);
  if (typeof parsed === 'string') throw new ConfigError(path, parsed);
  return parsed;
}

export function resolvePortals(portals: readonly (string | PortalOptions)[] | undefined): ResolvedPortal[] {
  if (portals === undefined || portals.length === 0) return [{ ...DEFAULT_PORTAL, group: FIRST_GROUP }];
  if (portals.length > MOST_PORTALS) throw new ConfigError(['portals'], `at most ${MOST_PORTALS} portals`);
  const resolved = portals.map((portal, i) => resolvePortal(portal, ['portals', i]));
  resolved.forEach(({ host, port }, i) => {
    if (port !== 0 && resolved.findIndex(other => other.host === host && other.port === port) < i) {
      const text = formatPortal({ host, port });
      throw new ConfigError(['portals', i], `${text} is there twice; name each portal once`);
    }
  });
  return resolved;
}

function resolvePortal(portal: string | PortalOptions, path: ConfigPath): ResolvedPortal {
  const isText = typeof portal === 'string';
  const { address, group = FIRST_GROUP, advertise } = isText ? parseSpec(portal, path) : portal;
  const at = (key: string): ConfigPath => (isText ? path : [...path, key]);
  checkGroup(group, at('group'));
  return {
    ...endpoint(address, at('address')),
    group,
    ...(advertise === undefined ? {} : { advertise: endpoint(advertise, at('advertise'), 0) }),
  };
}

const WORDS = ['group', 'advertise'];

/** A portal in one word: `HOST:PORT[,group=2][,advertise=HOST:PORT]`. */
function parseSpec(spec: string, path: ConfigPath): PortalOptions {
  const [address, ...words] = spec.split(',');
  const options: PortalOptions = { address: address! };
  for (const word of words) {
    const at = word.indexOf('=');
    const key = at < 0 ? word : word.slice(0, at);
    const value = at < 0 ? '' : word.slice(at + 1);
    if (!WORDS.includes(key)) {
      throw new ConfigError(path, `a portal has no option ${JSON.stringify(key)} ${hint(key, WORDS)}`);
    }
    if (value === '') throw new ConfigError(path, `${key} needs a value, ,${key}=…`);
    if (key in options) throw new ConfigError(path, `${key} is given twice`);
    if (key === 'advertise') options.advertise = value;
    else options.group = /^[0-9]{1,9}$/.test(value) ? Number(value) : NaN;
  }
  return options;
}

function checkGroup(group: number, path: ConfigPath): void {
  if (Number.isInteger(group) && group >= 1 && group <= MOST_GROUP) return;
  throw new ConfigError(path, `a portal group is a whole number from 1 to ${MOST_GROUP}`);
}

/** The portal groups that serve a target, ascending: those it names, or all there are. */
export function resolveGroups(
  { groups }: TargetOptions,
  portals: readonly ResolvedPortal[],
  path: ConfigPath,
): readonly number[] {
  const there = [...new Set(portals.map(({ group }) => group))].sort((a, b) => a - b);
  if (groups === undefined) return there;
  if (groups.length === 0) {
    throw new ConfigError(
      [...path, 'groups'],
      'is empty, so that no portal would serve the target; leave it out for all',
    );
  }
  groups.forEach((group, i) => mustBeThere(group, there, [...path, 'groups', i]));
  return [...new Set(groups)].sort((a, b) => a - b);
}

function mustBeThere(group: number, there: readonly number[], path: ConfigPath): void {
  checkGroup(group, path);
  if (there.includes(group)) return;
  throw new ConfigError(path, `there is no portal in group ${group}, only in ${there.join(', ')}`);
}

/** Where logins to a target are sent instead (RFC 7143 11.13.5), and in which of its groups. */
export function resolveRedirect(
  { redirect }: TargetOptions,
  groups: readonly number[],
  path: ConfigPath,
): ResolvedRedirect | undefined {
  if (redirect === undefined) return undefined;
  const at = [...path, 'redirect'];
  redirect.groups?.forEach((group, i) => mustBeThere(group, groups, [...at, 'groups', i]));
  const to = endpoint(redirect.to, [...at, 'to']);
  if (to.port === 0) throw new ConfigError([...at, 'to'], 'needs the port that the target has there');
  return { to, permanent: redirect.permanent ?? false, groups: redirect.groups ?? groups };
}
