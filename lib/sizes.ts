/** Sizes as people write them: `64M`, `64MiB`, or a number of bytes. */

const UNITS = ['', 'K', 'M', 'G', 'T', 'P'] as const;

/** What would have been right, for messages. */
export const SIZE_FORMS = 'a size such as 64M, 64MiB or a number of bytes';

/** Bytes, or undefined when it is no size, or no whole number of bytes. Units are powers of 1024; `MB` is refused, since people mean two things by it. */
export function parseSize(size: string | number): number | undefined {
  if (typeof size === 'number') return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
  const parts = /^([0-9]+(?:\.[0-9]+)?)(?:([KMGTP])(?:iB)?)?$/i.exec(size.trim());
  if (parts === null) return undefined;
  const bytes =
    Number(parts[1]) * 1024 ** UNITS.indexOf((parts[2] ?? '').toUpperCase() as (typeof UNITS)[number]);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `64 MiB`, `1.5 GiB`, `512 bytes`: for people, rounded to what three digits tell. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  return `${Number(value.toPrecision(value >= 1000 ? 4 : 3))} ${UNITS[unit]}iB`;
}
