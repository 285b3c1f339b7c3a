/** The text format of login and text requests (RFC 7143 6.1): key=value pairs, each ended by a NUL. */

export interface Pair {
  readonly key: string;
  readonly value: string;
}

/** RFC 7143 6.1: a key name has at most 63 bytes. */
const LONGEST_KEY = 63;
/** Long enough for a CHAP challenge in hexadecimal (RFC 7143 12.1.3) and a list of names; a longer value is refused. */
const LONGEST_VALUE = 8192;

/**
 * The pairs of a whole text. Undefined when it is not of the format: no `=`, an empty or overlong key, an overlong
 * value, or no NUL at the end.
 */
export function parseText(text: Uint8Array): Pair[] | undefined {
  if (text.length === 0) return [];
  if (text[text.length - 1] !== 0) return undefined;
  const pairs: Pair[] = [];
  for (const part of Buffer.from(text).toString('utf8').split('\0')) {
    if (part === '') continue; // padding that some initiators count into the length
    const equals = part.indexOf('=');
    if (equals <= 0 || equals > LONGEST_KEY || part.length - equals - 1 > LONGEST_VALUE) return undefined;
    pairs.push({ key: part.slice(0, equals), value: part.slice(equals + 1) });
  }
  return pairs;
}

export const formatText = (pairs: readonly Pair[]): Buffer =>
  Buffer.from(pairs.map(({ key, value }) => `${key}=${value}\0`).join(''), 'utf8');

/** A number in decimal or 0x notation (RFC 7143 6.1); undefined for anything else. */
export function parseNumber(value: string): number | undefined {
  if (!/^(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})$/.test(value)) return undefined;
  const number = Number(value);
  return number <= 0xffff_ffff ? number : undefined;
}

/** Binary values: 0x… hexadecimal or 0b… base64 (RFC 7143 6.1). Undefined when it is neither. */
export function parseBinary(value: string): Buffer | undefined {
  if (/^0[xX]([0-9a-fA-F]{2})+$/.test(value)) return Buffer.from(value.slice(2), 'hex');
  // RFC 7143 6.1: an odd number of hexadecimal digits has an implied leading zero.
  if (/^0[xX][0-9a-fA-F]+$/.test(value)) return Buffer.from(`0${value.slice(2)}`, 'hex');
  if (/^0[bB][A-Za-z0-9+/]+={0,2}$/.test(value)) return Buffer.from(value.slice(2), 'base64');
  return undefined;
}

export const formatBinary = (value: Uint8Array): string => `0x${Buffer.from(value).toString('hex')}`;
