import { basename } from 'node:path';
import type { TapeMedium } from '../../backends/tape-medium.ts';
import { ConfigError } from '../../config/config-error.ts';
import { IMAGE_FORMATS, formatNamed, formatOfPath } from '../../tape-images/formats.ts';
import type { ImageFormat } from '../../tape-images/formats.ts';
import { ImageOutput } from '../../tape-images/image-output.ts';
import type { Progress } from '../progress.ts';
import { withCartridge } from './cartridge.ts';
import { NewFile, errorOf } from './new-file.ts';
import { Pulse } from './pulse.ts';
import { RecordFault, RecordReader } from './record-reader.ts';
import type { ReadObject } from './record-reader.ts';

export interface ExportWords {
  readonly format?: string;
  /** Of a plain file: which file of the tape, the first being 0. */
  readonly file?: number;
  readonly partition?: number;
  /** Writes over a file that is there. */
  readonly force?: boolean;
  /** Goes on behind records that are damaged. */
  readonly keepGoing?: boolean;
}

export interface Watch {
  readonly signal: AbortSignal;
  readonly begin: (what: string, bytes: number | undefined) => Promise<Progress>;
}

/** What was copied between a cartridge and an image. */
export interface Transfer {
  readonly format: string;
  readonly records: number;
  readonly filemarks: number;
  readonly bytes: number;
  /** Records that could not be had whole, a sentence each, up to some. */
  readonly damage: readonly string[];
  readonly elapsedMs: number;
  /** What a person should know, a sentence each. */
  readonly notes: readonly string[];
}

export const FORMAT_NAMES = IMAGE_FORMATS.map(({ name }) => name).join(', ');

/** The format that is named; throws ConfigError when there is none. */
export function namedFormat(word: string): ImageFormat {
  const format = formatNamed(word);
  if (format === undefined) throw new ConfigError([], `--format ${word}: a format is one of ${FORMAT_NAMES}`);
  return format;
}

export async function exportCartridge(
  path: string,
  out: string,
  words: ExportWords,
  { signal, begin }: Watch,
): Promise<Transfer> {
  const format = words.format === undefined ? formatOfPath(out) : namedFormat(words.format);
  if (format === undefined)
    throw new ConfigError(
      [],
      `the name ${out} does not tell a format; name one with --format: ${FORMAT_NAMES}`,
    );
  if (words.file !== undefined && !format.plain)
    throw new ConfigError([], '--file is for --format raw: the other formats hold every file of a tape');
  return withCartridge(path, { readOnly: true }, async medium => {
    await toPartition(path, medium, words.partition ?? 0);
    if (format.plain) await toFile(path, medium, words.file);
    const file = await NewFile.create(out, words.force ?? false);
    const output = new ImageOutput(file.file);
    const progress = await begin(`exporting ${basename(path)}`, format.plain ? undefined : medium.usedBytes);
    try {
      const copied = await copyOut(medium, output, format, {
        pulse: new Pulse(signal, progress),
        keepGoing: words.keepGoing ?? false,
      });
      await file.keep();
      return copied;
    } catch (error) {
      await file.discard();
      if ((error as NodeJS.ErrnoException).code === 'EPIPE')
        throw new Error(`${file.path} was closed by its reader`, { cause: error });
      throw errorOf(file.path, error);
    } finally {
      progress.done();
    }
  });
}

async function toPartition(path: string, medium: TapeMedium, partition: number): Promise<void> {
  const { length } = medium.partitions;
  if (partition >= length)
    throw new ConfigError(
      [],
      `${path} has no partition ${partition}: ${length === 1 ? 'partition 0 is all there is' : `it has 0 to ${length - 1}`}`,
    );
  await medium.changePartition(partition);
}

/** To the beginning of a file; of the only one that holds records, when none is named. */
async function toFile(path: string, medium: TapeMedium, wanted: number | undefined): Promise<void> {
  if (wanted !== undefined) {
    const { moved } = await medium.spaceFilemarks(wanted);
    const atEnd = (await medium.peek()).kind === 'end-of-data';
    if (moved < wanted || atEnd) throw new ConfigError([], `${path} has no file ${wanted}`);
    return;
  }
  let found: number | undefined;
  for (;;) {
    const { kind } = await medium.peek();
    if (kind === 'record') {
      if (found !== undefined)
        throw new ConfigError(
          [],
          `${path} has more than one file, and a plain file holds one: name it with --file`,
        );
      found = medium.position.object;
    }
    const { stop } = await medium.spaceFilemarks(1);
    if (stop === 'end-of-data') break;
  }
  if (found === undefined) throw new ConfigError([], `${path} holds no records`);
  await medium.locate(found);
}

interface Going {
  readonly pulse: Pulse;
  readonly keepGoing: boolean;
}

/** Sentences about damage that are kept; more would only be scrolled by. */
const MOST_SENTENCES = 100;

async function copyOut(
  medium: TapeMedium,
  output: ImageOutput,
  format: ImageFormat,
  { pulse, keepGoing }: Going,
): Promise<Transfer> {
  const begun = performance.now();
  const writer = format.writer(output);
  const reader = new RecordReader(medium);
  const damage: string[] = [];
  let [records, filemarks, bytes, longest] = [0, 0, 0, 0];
  for (;;) {
    let object: ReadObject;
    try {
      const next = reader.next();
      object = next instanceof Promise ? await next : next;
    } catch (error) {
      if (!keepGoing || !(error instanceof RecordFault) || error.encrypted) throw error;
      if (damage.length < MOST_SENTENCES) damage.push(error.message);
      if (error.data !== undefined) await writer.flawed?.(error.data);
      continue;
    }
    if (object.kind === 'end-of-data') break;
    if (object.kind === 'filemark') {
      if (format.plain) break;
      await writer.filemark();
      filemarks++;
      continue;
    }
    const put = writer.record(object.data);
    if (put instanceof Promise) await put;
    records++;
    bytes += object.data.length;
    longest = Math.max(longest, object.data.length);
    const turn = pulse.moved(object.storedBytes);
    if (turn !== undefined) await turn;
  }
  await output.flush();
  return {
    format: format.name,
    records,
    filemarks,
    bytes,
    damage,
    elapsedMs: performance.now() - begun,
    notes: [...unusual(format, longest), ...otherPartitions(medium)],
  };
}

const unusual = ({ usual }: ImageFormat, longest: number): string[] =>
  usual === undefined || longest <= usual.bytes
    ? []
    : [`the longest record has ${longest} bytes, and ${usual.reader} reads records of up to ${usual.bytes}`];

function otherPartitions({ partitions, position }: TapeMedium): string[] {
  const others = partitions.filter(
    ({ usedBytes, end }, partition) => partition !== position.partition && (usedBytes > 0 || end.object > 0),
  );
  return others.length === 0
    ? []
    : [
        `only partition ${position.partition} was exported; ${others.length} more ${others.length === 1 ? 'holds' : 'hold'} records`,
      ];
}
