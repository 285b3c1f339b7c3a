import { InitiatorError } from './initiator-error.ts';

/** libiscsi's URLs: `iscsi://[user[%secret]@]host[:port]/iqn/lun`. */

const FORM = 'iscsi://[user[%secret]@]host[:port]/iqn/lun';
const DEFAULT_PORT = 3260;
const MAX_LUN = 16_383;

export interface IscsiUrl {
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly secret?: string;
  readonly target?: string;
  readonly lun?: number;
  /** What the target proves itself with: `?target_user=…&target_password=…`. */
  readonly mutual?: { readonly user: string; readonly secret: string };
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
}

/** Reads a URL; `parts` says how much of it must be there. Throws InitiatorError `usage` with one sentence. */
export function parseUrl(url: string, parts: 'portal' | 'target' | 'lun' = 'lun'): IscsiUrl {
  const wrong = (why: string): InitiatorError =>
    new InitiatorError('usage', `${withoutSecret(url)}: ${why}; a URL is ${FORM}`);
  if (!url.startsWith('iscsi://')) throw wrong('does not begin with iscsi://');
  const [rest, query] = cutAt(url.slice('iscsi://'.length), '?');
  const [authority, path] = cutAt(rest, '/');
  const at = authority.lastIndexOf('@');
  const words = path.split('/').filter((word, i, all) => word !== '' || i < all.length - 1);
  if (words.length > 2) throw wrong('has more behind its LUN');
  const [target, lun] = words;
  if (target === '') throw wrong('has an empty target name');
  if (target === undefined && parts !== 'portal') throw wrong('names no target');
  if (lun === undefined && parts === 'lun') throw wrong('names no LUN');
  if (lun !== undefined && (!/^[0-9]{1,5}$/.test(lun) || Number(lun) > MAX_LUN)) {
    throw wrong(`${JSON.stringify(lun)} is no LUN, which is a number from 0 to ${MAX_LUN}`);
  }
  return {
    ...parseHost(at < 0 ? authority : authority.slice(at + 1), wrong),
    ...(at < 0 ? {} : parseUser(authority.slice(0, at), wrong)),
    ...(target === undefined ? {} : { target: decode(target, wrong) }),
    ...(lun === undefined ? {} : { lun: Number(lun) }),
    ...parseQuery(query, wrong),
  };
}

function cutAt(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

type Wrong = (why: string) => InitiatorError;

function parseHost(text: string, wrong: Wrong): { host: string; port: number } {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([0-9]{1,6}))?$/.exec(text);
  if (parts === null) {
    throw wrong(text === '' ? 'names no host' : `${JSON.stringify(text)} is no host and port`);
  }
  const port = parts[3] === undefined ? DEFAULT_PORT : Number(parts[3]);
  if (port < 1 || port > 65_535) throw wrong(`${port} is no port`);
  return { host: (parts[1] ?? parts[2])!, port };
}

/** `user`, `user%secret` or `user:secret`, cut where libiscsi cuts it and not percent-decoded, as it does not either. */
function parseUser(text: string, wrong: Wrong): { user: string; secret?: string } {
  const [percent, colon] = [text.indexOf('%'), text.indexOf(':')];
  const cut = percent >= 0 ? percent : colon;
  const user = cut < 0 ? text : text.slice(0, cut);
  if (user === '') throw wrong('has an empty user');
  if (cut < 0) return { user };
  const secret = text.slice(cut + 1);
  if (secret === '') throw wrong('has an empty secret');
  return { user, secret };
}

/** libiscsi's words behind the `?`; of them the four that say something to us. */
function parseQuery(query: string, wrong: Wrong): Pick<IscsiUrl, 'mutual' | 'headerDigest' | 'dataDigest'> {
  const words = new Map<string, string>();
  for (const word of query.split('&').filter(part => part !== '')) {
    const equals = word.indexOf('=');
    const key = equals < 0 ? word : word.slice(0, equals);
    if (!QUERY_WORDS.includes(key)) throw wrong(`has an unknown word ${JSON.stringify(key)} behind its ?`);
    words.set(key, equals < 0 ? '' : word.slice(equals + 1));
  }
  const digest = (key: string): boolean => {
    const value = (words.get(key) ?? 'none').toLowerCase();
    if (value !== 'none' && value !== 'crc32c') throw wrong(`has a ${key} that is neither none nor crc32c`);
    return value === 'crc32c';
  };
  const [user, secret] = [words.get('target_user'), words.get('target_password')];
  if ((user === undefined) !== (secret === undefined))
    throw wrong('needs target_user and target_password together');
  return {
    ...(user === undefined || secret === undefined ? {} : { mutual: { user, secret } }),
    ...(digest('header_digest') ? { headerDigest: true } : {}),
    ...(digest('data_digest') ? { dataDigest: true } : {}),
  };
}

const QUERY_WORDS = ['target_user', 'target_password', 'header_digest', 'data_digest'];

function decode(text: string, wrong: Wrong): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(`${JSON.stringify(text)} is badly percent-encoded`);
  }
}

/** For messages and reports: what nobody should read over a shoulder is left out. */
export const withoutSecret = (url: string): string =>
  url.replace(/(\/\/[^/@:%]*)[%:][^/]*@/, '$1@').replace(/target_password=[^&]*/, 'target_password=');

/** The URL of a LUN, in the form that parseUrl reads; secrets are left out. */
export const formatUrl = ({ host, port, target, lun }: IscsiUrl): string =>
  `iscsi://${host.includes(':') ? `[${host}]` : host}:${port}${target === undefined ? '' : `/${target}`}${lun === undefined ? '' : `/${lun}`}`;
