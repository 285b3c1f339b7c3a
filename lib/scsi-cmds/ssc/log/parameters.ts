import { binary, type LogParameter } from '../../spc/log-pages.ts';

const bytesOf = (bytes: number, value: number): number[] => {
  const out = Buffer.alloc(8);
  const most = bytes === 8 ? Number.MAX_SAFE_INTEGER : 256 ** bytes - 1;
  out.writeBigUInt64BE(BigInt(Math.min(Math.max(0, Math.floor(value)), most)));
  return [...out.subarray(8 - bytes)];
};

/** A number that stops at what its bytes can say, and that nobody can set. */
export const uint = (code: number, bytes: number, value: number): LogParameter =>
  binary(code, ...bytesOf(bytes, value));

/** Left-aligned, padded with spaces. */
export const text = (code: number, length: number, value: string): LogParameter =>
  binary(code, ...Buffer.from(value.padEnd(length).slice(0, length), 'latin1'));

/** A partition record data counter for each partition (SSC-4 8.2.8): its own length less one, its number, its value. */
export const byPartition = (code: number, bytes: number, values: readonly number[]): LogParameter =>
  binary(
    code,
    ...values.flatMap((value, partition) => [
      3 + bytes,
      0,
      ...bytesOf(2, partition),
      ...bytesOf(bytes, value),
    ]),
  );
