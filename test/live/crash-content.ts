/** What the worker writes and the test expects, from numbers that both know. */

/** Of each partition of the tape. */
export const PARTITION_BYTES = 2 ** 40;

/** Whole numbers below a limit, the same ones for the same seed (mulberry32). */
export function generator(seed: number): (limit: number) => number {
  let state = seed | 0;
  return limit => {
    state = (state + 0x6d2b_79f5) | 0;
    let v = Math.imul(state ^ (state >>> 15), state | 1);
    v ^= v + Math.imul(v ^ (v >>> 7), v | 61);
    return ((v ^ (v >>> 14)) >>> 0) % limit;
  };
}

/** Bytes that tell which version they are of, and at which distance from the beginning; never all zeros. */
export function content(version: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let word = Math.imul(version, 0x9e37_79b1) | 1;
  for (let at = 0; at < length; at += 4) {
    word = (Math.imul(word, 0x0019_660d) + 0x3c6e_f35f) | 0;
    bytes[at] = word >>> 24;
    bytes[at + 1] = word >>> 16;
    bytes[at + 2] = version;
    bytes[at + 3] = 0x55;
  }
  return bytes;
}
