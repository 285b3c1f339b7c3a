import { MediumError } from '../../backends/medium-error.ts';
import type { TapeMedium, TapeRecord } from '../../backends/tape-medium.ts';
import { codingOf, decoded } from './coding.ts';
import { kindOf } from './file-kinds.ts';
import type { Pulse } from './pulse.ts';

/** Records of one length, one behind the other. */
export interface RecordRun {
  readonly count: number;
  readonly bytes: number;
}

/** What lies between two filemarks. */
export interface TapeFile {
  readonly partition: number;
  /** Filemarks before it, as `mt status` counts. */
  readonly file: number;
  /** The logical object number of its first record. */
  readonly object: number;
  readonly records: number;
  readonly bytes: number;
  /** What is kept of them, which compression makes less. */
  readonly storedBytes: number;
  readonly shortest: number;
  readonly longest: number;
  /** At most so many as are asked for; `moreRuns` is how many others there are. */
  readonly runs: readonly RecordRun[];
  readonly moreRuns: number;
  readonly compressed: number;
  readonly encrypted: number;
  readonly looksLike?: string;
  /** Why its first record cannot be read. */
  readonly problem?: string;
  /** Filemarks that follow it, those of empty files behind it included. */
  readonly filemarks: number;
}

export interface ListedRecord extends TapeRecord {
  readonly partition: number;
  readonly file: number;
  readonly object: number;
}

export interface ContentsOptions {
  readonly pulse: Pulse;
  readonly mostRuns: number;
  /** Told of every record, before its file is. */
  readonly onRecord?: ((record: ListedRecord) => Promise<void> | undefined) | undefined;
}

/** A longer record is not expanded to see what it looks like. */
const LONGEST_GLANCE_BYTES = 1024 * 1024;

/** The files of the partition, one at a time, however many there are; the position is wherever that leads to. */
export async function* tapeFiles(medium: TapeMedium, options: ContentsOptions): AsyncGenerator<TapeFile> {
  await medium.rewind();
  const glance = new Glance();
  for (;;) {
    const { kind } = await medium.peek();
    if (kind === 'end-of-data') return;
    const file = await oneFile(medium, options, glance);
    const filemarks = await filemarksHere(medium, options.pulse);
    yield { ...file, filemarks };
  }
}

async function oneFile(
  medium: TapeMedium,
  { pulse, mostRuns, onRecord }: ContentsOptions,
  glance: Glance,
): Promise<Omit<TapeFile, 'filemarks'>> {
  const { partition, file, object } = medium.position;
  const seen = await glance.at(medium);
  const sum = {
    records: 0,
    bytes: 0,
    storedBytes: 0,
    shortest: Infinity,
    longest: 0,
    compressed: 0,
    encrypted: 0,
  };
  const runs: { count: number; bytes: number }[] = [];
  let [last, moreRuns] = [-1, 0];
  for (;;) {
    const lies = medium.peek();
    const next = lies instanceof Promise ? await lies : lies;
    if (next.kind !== 'record') break;
    const told = onRecord?.({ ...next, partition, file, object: medium.position.object });
    if (told !== undefined) await told;
    count(sum, next);
    if (next.length === last && moreRuns === 0) runs.at(-1)!.count++;
    else if (next.length !== last) {
      if (runs.length < mostRuns) runs.push({ count: 1, bytes: next.length });
      else moreRuns++;
    }
    last = next.length;
    const moved = medium.spaceRecords(1);
    if (moved instanceof Promise) await moved;
    const turn = pulse.moved(0);
    if (turn !== undefined) await turn;
  }
  return {
    partition,
    file,
    object,
    ...sum,
    shortest: sum.records === 0 ? 0 : sum.shortest,
    runs,
    moreRuns,
    ...seen,
  };
}

type Sum = {
  -readonly [
    K in 'records' | 'bytes' | 'storedBytes' | 'shortest' | 'longest' | 'compressed' | 'encrypted'
  ]: number;
};

function count(sum: Sum, { length, storedBytes, coding }: TapeRecord): void {
  sum.records++;
  sum.bytes += length;
  sum.storedBytes += storedBytes;
  sum.shortest = Math.min(sum.shortest, length);
  sum.longest = Math.max(sum.longest, length);
  const how = codingOf(coding);
  if (how.compressed) sum.compressed++;
  if (how.encrypted) sum.encrypted++;
}

async function filemarksHere(medium: TapeMedium, pulse: Pulse): Promise<number> {
  let count = 0;
  while ((await medium.peek()).kind === 'filemark') {
    await medium.spaceFilemarks(1);
    count++;
    await pulse.moved(0);
  }
  return count;
}

/** Looks at the first record of a file, and leaves the position as it was. */
class Glance {
  #buffer = Buffer.alloc(0);

  async at(medium: TapeMedium): Promise<{ looksLike?: string; problem?: string }> {
    const lies = await medium.peek();
    if (lies.kind !== 'record' || (lies.storedBytes > LONGEST_GLANCE_BYTES && lies.coding !== 0)) return {};
    if (codingOf(lies.coding).encrypted) return {};
    const { object } = medium.position;
    const bytes = Math.min(lies.storedBytes, LONGEST_GLANCE_BYTES);
    if (this.#buffer.length < bytes) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    const stored = this.#buffer.subarray(0, bytes);
    try {
      await medium.read(stored);
      const looksLike = kindOf(await decoded(stored, lies));
      return looksLike === undefined ? {} : { looksLike };
    } catch (error) {
      if (error instanceof MediumError && error.fault !== 'corrupt') throw error;
      return { problem: (error as Error).message };
    } finally {
      await medium.locate(object);
    }
  }
}
