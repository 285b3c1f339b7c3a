import { closeSync, openSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { TapeMedium } from '../../backends/tape-medium.ts';
import { pathError } from '../../backends/medium-path.ts';
import { ConfigError } from '../../config/config-error.ts';
import { formatSize } from '../../sizes.ts';
import { formatNamed, formatOfContent, formatOfPath } from '../../tape-images/formats.ts';
import type { ImageFormat } from '../../tape-images/formats.ts';
import { ImageInput } from '../../tape-images/image-input.ts';
import { ImageError, LONGEST_RECORD_BYTES } from '../../tape-images/image.ts';
import { mustBeThere } from './cartridge.ts';
import { makeCartridge, plannedCartridge } from './create.ts';
import type { NewCartridge, NewCartridgeWords } from './create.ts';
import { FORMAT_NAMES, namedFormat } from './export.ts';
import type { Transfer, Watch } from './export.ts';
import { Pulse } from './pulse.ts';

export interface ImportWords extends NewCartridgeWords {
  readonly format?: string;
  /** Bytes of a record that a plain file is cut into. */
  readonly record?: number;
}

export interface Imported extends Transfer {
  readonly cartridge: NewCartridge;
}

const DEFAULT_RECORD_BYTES = 64 * 1024;

/** The bytes of an image, and what they are called in messages. */
interface Source {
  readonly name: string;
  readonly file: number;
  readonly bytes: number | undefined;
}

export async function importImage(
  from: string,
  path: string,
  words: ImportWords,
  { signal, begin }: Watch,
): Promise<Imported> {
  const record = words.record ?? DEFAULT_RECORD_BYTES;
  if (record > LONGEST_RECORD_BYTES)
    throw new ConfigError([], `--record ${record}: a record has up to ${LONGEST_RECORD_BYTES} bytes`);
  const told = words.format === undefined ? undefined : namedFormat(words.format);
  if (told !== undefined && !told.plain && words.record !== undefined)
    throw new ConfigError([], '--record is for --format raw: the other formats know how long records are');
  const planned = await plannedCartridge(path, words);
  const source = await openSource(from);
  const input = new ImageInput(source.file);
  try {
    const format = told ?? (words.record === undefined ? await sniffed(from, input) : formatNamed('raw')!);
    const progress = await begin(`importing ${basename(source.name)}`, source.bytes);
    try {
      const copied = await makeCartridge(planned, medium =>
        copyIn(input, format, record, { medium, planned, pulse: new Pulse(signal, progress) }),
      );
      return { ...copied, cartridge: planned };
    } finally {
      progress.done();
    }
  } catch (error) {
    throw error instanceof ImageError
      ? new Error(`${source.name} ${error.message}`, { cause: error })
      : error;
  } finally {
    if (source.file !== 0) closeSync(source.file);
  }
}

async function openSource(from: string): Promise<Source> {
  if (from === '-') return { name: 'standard input', file: 0, bytes: undefined };
  const stats = await mustBeThere(from);
  if (stats.isDirectory()) throw new ConfigError([], `${from} is a directory, not an image of a tape`);
  try {
    return { name: from, file: openSync(from, 'r'), bytes: stats.isFile() ? Number(stats.size) : undefined };
  } catch (error) {
    throw pathError(from, error);
  }
}

/** What the bytes say, and what the name says where they are silent. */
async function sniffed(from: string, input: ImageInput): Promise<ImageFormat> {
  const format = await formatOfContent(input);
  if (format !== undefined) return format;
  if ((await input.look(1)).length === 0) throw new ImageError('is empty, and no image of a tape');
  const named = formatOfPath(from);
  if (named !== undefined)
    throw new ImageError(`is no ${named.title} image, although its name ends in ${extname(from)}`);
  throw new ImageError(
    `is no image of a tape that is known here (${FORMAT_NAMES}); --format raw makes one file of it, in records of --record bytes`,
  );
}

interface Destination {
  readonly medium: TapeMedium;
  readonly planned: NewCartridge;
  readonly pulse: Pulse;
}

async function copyIn(
  input: ImageInput,
  format: ImageFormat,
  recordBytes: number,
  { medium, planned, pulse }: Destination,
): Promise<Transfer> {
  const begun = performance.now();
  const reader = format.reader(input, recordBytes);
  let [records, filemarks, bytes, flawed] = [0, 0, 0, 0];
  for (;;) {
    const at = input.offset;
    const next = reader.next();
    const object = next instanceof Promise ? await next : next;
    if (object.kind === 'end') break;
    const written = object.kind === 'record' ? medium.write(object.data) : medium.writeFilemarks(1);
    if ((written instanceof Promise ? await written : written) === 'end-of-medium')
      throw tooSmall(planned, input.offset, records);
    if (object.kind === 'filemark') filemarks++;
    else {
      records++;
      bytes += object.data.length;
      if (object.flawed) flawed++;
    }
    const turn = pulse.moved(input.offset - at);
    if (turn !== undefined) await turn;
  }
  const notes = [...reader.passed].map(
    ([what, count]) =>
      `${count} ${what}${count === 1 ? ' was' : 's were'} passed over: a cartridge has no place for that`,
  );
  if (flawed > 0)
    notes.unshift(
      `the image says of ${flawed} record${flawed === 1 ? '' : 's'} that reading the tape had failed there; what it has of them was taken`,
    );
  return {
    format: format.name,
    records,
    filemarks,
    bytes,
    damage: [],
    elapsedMs: performance.now() - begun,
    notes,
  };
}

const tooSmall = ({ path, capacityBytes }: NewCartridge, at: number, records: number): Error =>
  new Error(
    `${path} would be full after ${records} records, at byte ${at} of the image: it has ${formatSize(capacityBytes)}; give a larger --size`,
  );
