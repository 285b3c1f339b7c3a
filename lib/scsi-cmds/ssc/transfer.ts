import { setImmediate } from 'node:timers/promises';
import { invalidFieldInCdb } from '../sense.ts';
import { MAX_TRANSFER_BYTES } from './limits.ts';
import type { TapeUnit } from './tape-unit.ts';

/** What FIXED and TRANSFER LENGTH ask for (SSC-4 6.4). */
export interface Transfer {
  readonly fixed: boolean;
  readonly records: number;
  /** Bytes of each record, with what protects it. */
  readonly length: number;
  /** Those of them that are no part of the record: logical block protection information. */
  readonly protection: number;
}

/** `at`: the byte of the CDB that the count begins in. `limit`: the most bytes that may go at once. */
export function transferOf(
  unit: TapeUnit,
  { fixed, count, at }: { fixed: boolean; count: number; at: number },
  protection: number,
  limit = MAX_TRANSFER_BYTES,
): Transfer {
  if (!fixed) {
    // A block of nothing but its protection is none.
    if (count !== 0 && count <= protection) throw invalidFieldInCdb(at);
    return { fixed, records: count === 0 ? 0 : 1, length: count, protection };
  }
  if (unit.blockLength === 0) throw invalidFieldInCdb(1, 0);
  const length = unit.blockLength + protection;
  if (count * length > limit) throw invalidFieldInCdb(at);
  return { fixed, records: count, length, protection };
}

/** The residual when `done` records went well: blocks in fixed mode, bytes in variable mode. */
export const residualOf = (transfer: Transfer, done: number): number =>
  (transfer.records - done) * (transfer.fixed ? 1 : transfer.length);

const RECORDS_AT_A_TIME = 256;

/** To be awaited when it is a promise: a medium that answers at once must not hold the event loop for long. */
export const breather = (done: number): Promise<void> | undefined =>
  done > 0 && done % RECORDS_AT_A_TIME === 0 ? setImmediate() : undefined;

const BYTES_AT_A_TIME = 2 * 1024 * 1024;

/** The same where records are only looked at, so that no transfer bounds how many bytes there are. */
export class Breather {
  #records = 0;
  #bytes = 0;

  /** Behind a record of so many bytes. */
  behind(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (++this.#records < RECORDS_AT_A_TIME && this.#bytes < BYTES_AT_A_TIME) return undefined;
    this.#records = 0;
    this.#bytes = 0;
    return setImmediate();
  }
}
