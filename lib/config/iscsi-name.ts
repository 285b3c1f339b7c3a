/** iSCSI names (RFC 7143 4.2.7). */

export const DEFAULT_IQN = 'iqn.2026-01.io.sanlet:san';
/** RFC 7143 4.2.7.2. */
const LONGEST_NAME_BYTES = 223;

const FORMS: Readonly<Record<string, readonly [form: RegExp, example: string]>> = {
  iqn: [/^iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[^.:]+(\.[^.:]+)*(:.+)?$/u, 'iqn.2026-01.com.example:disks'],
  eui: [/^eui\.[0-9a-f]{16}$/, 'eui. and 16 hexadecimal digits'],
  naa: [/^naa\.([0-9a-f]{16}|[0-9a-f]{32})$/, 'naa. and 16 or 32 hexadecimal digits'],
};

/**
 * The name in its normal form: NFKC and lower case, as RFC 3722's stringprep profile makes it. A string that says what
 * is wrong otherwise.
 */
export function parseIscsiName(text: string): { readonly name: string } | string {
  const name = text.normalize('NFKC').toLowerCase();
  const form = FORMS[name.slice(0, name.indexOf('.'))];
  if (form === undefined)
    return `${JSON.stringify(text)} is no iSCSI name, which begins with iqn., eui. or naa.`;
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES) {
    return `an iSCSI name has at most ${LONGEST_NAME_BYTES} bytes, and this one has ${Buffer.byteLength(name)}`;
  }
  // RFC 3722 6.2: of ASCII only letters, digits, and these three.
  const strange = /[^\p{L}\p{M}\p{N}.:-]/u.exec(name);
  if (strange !== null) {
    return `an iSCSI name has letters, digits, dots, colons and dashes only, not ${JSON.stringify(strange[0])}`;
  }
  const [pattern, example] = form;
  return pattern.test(name)
    ? { name }
    : `${JSON.stringify(text)} is no ${name.slice(0, 3)} name, which looks like ${example}`;
}
