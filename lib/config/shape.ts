import * as v from 'valibot';
import { ConfigError } from './config-error.ts';
import { LIMIT_RANGES } from './limits.ts';
import type { SanOptions } from './options.ts';
import { hint } from './suggestion.ts';

/**
 * The shape of the options: which keys there are and what kind of value each takes. What the values mean, and whether
 * they go together, is resolve.ts.
 */

const show = (value: unknown): string => {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a group of keys';
  if (typeof value === 'function') return 'a function';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

const wants =
  (what: string) =>
  (issue: v.BaseIssue<unknown>): string => {
    const quotes = what === 'text' && typeof issue.input === 'number' ? ' (put it in quotes)' : '';
    return `must be ${what}, not ${show(issue.input)}${quotes}`;
  };

const text = v.pipe(v.string(wants('text')), v.minLength(1, 'must not be empty'));
const flag = v.boolean(wants('true or false'));
const size = v.union([v.string(), v.number()], wants('a size such as 64M, 64MiB or a number of bytes'));
const list = <S extends v.GenericSchema>(of: S) => v.array(of, wants('a list'));

const CONFIGURATION = 'the configuration';

/** Keys of a disk that somebody may want for a tape, and why there are none. */
export const FOR_DISKS: Readonly<Record<string, string>> = {
  block: 'block is for disks: the records of a tape are as long as the initiator writes them',
  physical: 'physical is for disks: a tape has no blocks of its own',
  thin: 'thin is for disks: size says how much a tape takes',
};

/** Unknown keys are refused, with the one that was likely meant, or with what `why` says of it. */
const keys = <E extends v.ObjectEntries>(
  what: string,
  entries: E,
  why: ReadonlyMap<string, string> = new Map(),
) =>
  v.strictObject(entries, issue => {
    if (issue.expected === 'never') {
      const key = String(issue.path?.at(-1)?.key);
      return why.get(key) ?? `there is no such key in ${what} ${hint(key, Object.keys(entries))}`;
    }
    if (issue.expected !== 'Object') return 'is missing';
    return wants(what === CONFIGURATION ? 'a group of keys' : `a group of keys (${what})`)(issue);
  });

const unit = {
  name: text,
  path: v.optional(text),
  memory: v.optional(v.union([v.boolean(), v.string(), v.number()], wants('true or a size'))),
  size: v.optional(size),
  ro: v.optional(flag),
  lun: v.optional(v.number(wants('a number'))),
};
const disk = keys('a disk', {
  ...unit,
  block: v.optional(v.picklist([512, 4096], wants('512 or 4096'))),
  physical: v.optional(v.picklist([512, 4096], wants('512 or 4096'))),
  thin: v.optional(size),
  removable: v.optional(flag),
});
const tape = keys(
  'a tape',
  {
    ...unit,
    // One SPEC for both; it is true of every tape.
    removable: v.optional(v.literal(true, 'a tape is always removable; leave it out')),
    drive: v.optional(text),
  },
  new Map(Object.entries(FOR_DISKS)),
);
const library = keys(
  'a library',
  {
    name: text,
    path: v.optional(text),
    memory: v.optional(flag),
    drives: v.optional(v.number(wants('a number'))),
    slots: v.optional(v.number(wants('a number'))),
    ie: v.optional(v.number(wants('a number'))),
    drive: v.optional(text),
    size: v.optional(size),
    lun: v.optional(v.number(wants('a number'))),
  },
  new Map(Object.entries(FOR_DISKS)),
);
const credentials = { user: text, secret: text };
const chap = keys('CHAP', {
  ...credentials,
  mutual: v.optional(keys('mutual CHAP', credentials)),
  digests: v.optional(
    v.pipe(
      list(v.picklist(['SHA3-256', 'SHA256', 'SHA1', 'MD5'], wants('SHA3-256, SHA256, SHA1 or MD5'))),
      v.minLength(1, 'is empty, so that nobody could log in; leave it out for all'),
    ),
  ),
});
/** By hand and not v.union, which would not say what is wrong within the group. */
const grouped = <G extends v.GenericSchema, P extends v.GenericSchema>(group: G, plain: P) =>
  v.lazy<G | P>(input => (typeof input === 'object' && input !== null ? group : plain));
const mapped = grouped(
  keys('a LUN of a rule', { name: text, ro: v.optional(flag) }),
  v.pipe(v.string(wants('the name of a unit')), v.minLength(1, 'must not be empty')),
);
const access = keys('a rule of access', {
  initiators: v.optional(list(text)),
  chap: v.optional(chap),
  user: v.optional(text),
  luns: v.optional(
    v.lazy(input =>
      Array.isArray(input)
        ? v.array(mapped)
        : v.record(v.string(), mapped, wants('a list of unit names, or a group of them by LUN')),
    ),
  ),
});
const number = v.number(wants('a number'));
const portalKeys = keys('a portal', {
  address: text,
  group: v.optional(number),
  advertise: v.optional(text),
});
const portal = grouped(portalKeys, text);
const redirect = keys('redirect', {
  to: text,
  permanent: v.optional(flag),
  groups: v.optional(list(number)),
});
const target = {
  iqn: v.optional(text),
  disks: v.optional(list(disk)),
  tapes: v.optional(list(tape)),
  libraries: v.optional(list(library)),
  groups: v.optional(list(number)),
  redirect: v.optional(redirect),
  chap: v.optional(chap),
  initiators: v.optional(list(text)),
  access: v.optional(list(access)),
};
const san = keys(CONFIGURATION, {
  ...target,
  portals: v.optional(list(portal)),
  advertise: v.optional(text),
  state: v.optional(text),
  targets: v.optional(list(keys('a target', target))),
  discoveryChap: v.optional(chap),
  isns: v.optional(text),
  limits: v.optional(
    keys(
      'limits',
      v.entriesFromList(Object.keys(LIMIT_RANGES) as (keyof typeof LIMIT_RANGES)[], v.optional(number)),
    ),
  ),
});

/** Gives the options back, typed; throws ConfigError for the first thing that is not of the shape. */
export function checkShape(options: unknown): SanOptions {
  const { success, output, issues } = v.safeParse(san, options, { abortEarly: true });
  if (success) return output;
  const [issue] = issues;
  throw new ConfigError(
    (issue.path ?? []).map(item => item.key as string | number),
    issue.path === undefined && issue.expected === 'Object'
      ? `${CONFIGURATION} ${issue.message}`
      : issue.message,
  );
}
