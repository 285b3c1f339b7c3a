/** iSCSI names (RFC 7143 4.2.7): iqn.yyyy-mm.domain[:anything], eui. and 16 hex digits, naa. and 16 or 32. */

const LONGEST_NAME = 223;
const FORMS = [
  /^iqn\.\d{4}-(0[1-9]|1[0-2])\.[^\s:]+(:\S*)?$/i,
  /^eui\.[0-9a-f]{16}$/i,
  /^naa\.([0-9a-f]{16}|[0-9a-f]{32})$/i,
];

/** Strict: what we would be called. */
export const isWellFormedName = (name: string): boolean =>
  Buffer.byteLength(name) <= LONGEST_NAME && FORMS.some(form => form.test(name));

/**
 * What a peer may be called: real initiators carry names that miss the date form, so only length, blanks and control
 * characters are looked at.
 */
export const isIscsiName = (name: string): boolean =>
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  name.length > 0 && Buffer.byteLength(name) <= LONGEST_NAME && !/[\s\u0000-\u001f\u007f]/.test(name);

/** `*` stands for any run of characters, `?` for one; case does not count. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some(pattern => {
    const source = pattern
      .toLowerCase()
      .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    return new RegExp(`^${source}$`).test(name.toLowerCase());
  });
}
