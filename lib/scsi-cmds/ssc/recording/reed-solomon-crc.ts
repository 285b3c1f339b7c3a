/**
 * The Reed-Solomon CRC of logical block protection method 01h (SSC-4 4.2.29, ECMA-319): the remainder of the block by
 * x^4 + 38h x^3 + CFh x^2 + 38h x + 1 over GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1.
 */
const FIELD = 0x11d;
const GENERATOR = [0x38, 0xcf, 0x38, 0x01] as const;

function multiply(a: number, b: number): number {
  let product = 0;
  for (let left = b; left > 0; left >>= 1) {
    if ((left & 1) !== 0) product ^= a;
    a <<= 1;
    if ((a & 0x100) !== 0) a ^= FIELD;
  }
  return product;
}

/** The generator times each byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) =>
  GENERATOR.reduce((word, coefficient) => ((word << 8) | multiply(byte, coefficient)) >>> 0, 0),
);

export function reedSolomonCrc(bytes: Uint8Array): number {
  let register = 0;
  for (let i = 0; i < bytes.length; i++) {
    register = (register << 8) ^ table[(register >>> 24) ^ bytes[i]!]!;
  }
  return register >>> 0;
}
