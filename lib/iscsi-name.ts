/** iSCSI names (RFC 7143 4.2.7, RFC 3722), for those who give them and for those who are given them. */

export const DEFAULT_IQN = 'iqn.2026-01.io.sanlet:san';
/** RFC 7143 4.2.7.2. */
const LONGEST_NAME_BYTES = 223;

interface Form {
  readonly exact: RegExp;
  /** What a peer may be called: initiators in use miss the date of an iqn, and put their host's underscores into it. */
  readonly taken: RegExp;
  readonly example: string;
}

const EUI = /^eui\.[0-9a-f]{16}$/; // RFC 7143 4.2.7.5
const NAA = /^naa\.([0-9a-f]{16}|[0-9a-f]{32})$/; // RFC 7143 4.2.7.6, RFC 3980
const FORMS: Readonly<Record<string, Form>> = {
  iqn: {
    exact: /^iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[^.:]+(\.[^.:]+)*(:.+)?$/u, // RFC 7143 4.2.7.4
    taken: /^iqn\../u,
    example: 'iqn.2026-01.com.example:disks',
  },
  eui: { exact: EUI, taken: EUI, example: 'eui. and 16 hexadecimal digits' },
  naa: { exact: NAA, taken: NAA, example: 'naa. and 16 or 32 hexadecimal digits' },
};

/** RFC 3722 6.2: of ASCII only letters, digits, and these three. */
const STRANGE = /[^\p{L}\p{M}\p{N}.:-]/u;
const STRANGE_IN_PEERS = /[^\p{L}\p{M}\p{N}.:_-]/u;

/** NFKC and lower case, as RFC 3722's stringprep profile makes it: two names are the same when this is. */
export const normalName = (text: string): string => text.normalize('NFKC').toLowerCase();

const formOf = (name: string): Form | undefined => FORMS[name.slice(0, Math.max(0, name.indexOf('.')))];

/** The name that the user gives a target, in its normal form. A string that says what is wrong otherwise. */
export function parseIscsiName(text: string): { readonly name: string } | string {
  const name = normalName(text);
  const form = formOf(name);
  if (form === undefined)
    return `${JSON.stringify(text)} is no iSCSI name, which begins with iqn., eui. or naa.`;
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES) {
    return `an iSCSI name has at most ${LONGEST_NAME_BYTES} bytes, and this one has ${Buffer.byteLength(name)}`;
  }
  const strange = STRANGE.exec(name);
  if (strange !== null) {
    return `an iSCSI name has letters, digits, dots, colons and dashes only, not ${JSON.stringify(strange[0])}`;
  }
  return form.exact.test(name)
    ? { name }
    : `${JSON.stringify(text)} is no ${name.slice(0, 3)} name, which looks like ${form.example}`;
}

/** The name that a peer says it has, in its normal form; undefined when it is none that a peer may have. */
export function peerName(text: string): string | undefined {
  if (Buffer.byteLength(text) > LONGEST_NAME_BYTES) return undefined;
  const name = normalName(text);
  const taken =
    Buffer.byteLength(name) <= LONGEST_NAME_BYTES &&
    !STRANGE_IN_PEERS.test(name) &&
    formOf(name)?.taken.test(name) === true;
  return taken ? name : undefined;
}

/** `*` stands for any run of characters, `?` for one; case does not count. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  const wanted = normalName(name);
  return patterns.some(pattern => matches(normalName(pattern), wanted));
}

/** In time of the product of both lengths, whatever the pattern: a peer gives the name. */
function matches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  /** Where the last `*` was, and how much of the name it stands for. */
  let star = -1;
  let taken = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      taken = n;
    } else if (pattern[p] === '?' || pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++taken;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
