import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { parsePortal } from '../config/portal.ts';
import { Copy, type CopyOutcome } from '../initiator/copy.ts';
import { Initiator } from '../initiator/initiator.ts';
import { readCapacity } from '../initiator/read-capacity.ts';
import { readAll } from '../initiator/block-commands.ts';
import { rewind } from '../initiator/tape-commands.ts';
import { Unit } from '../initiator/unit.ts';
import { San } from '../san.ts';
import { compare, type Comparison } from './comparison.ts';
import { SAMPLE_BYTES, writeSampleImage } from './sample-image.ts';

/**
 * The demonstration: a San of a disk, a second disk and a tape, and an initiator that asks for two copies. It lives here
 * and not in a room of its own because it is the one thing, beside bin/, that knows both the San and the initiator.
 */

export interface DemoCopy extends CopyOutcome {
  readonly from: 'disk' | 'tape';
  readonly to: 'disk' | 'tape';
}

export interface DemoReport {
  /** Absent: the generated sample. */
  readonly image: string | undefined;
  readonly bytes: number;
  readonly copies: readonly DemoCopy[];
  readonly sums: Comparison;
}

export interface DemoOptions {
  readonly image?: string | undefined;
  readonly signal: AbortSignal;
  /** A part begins; gives back what is told of its progress. */
  readonly begin: (what: string, bytes: number) => (bytes: number) => void;
}

const BLOCK = 512;
/** LUNs of the demonstration. */
const [SOURCE, SECOND, TAPE] = [0, 1, 2] as const;

/** Runs it. What it makes lies in a temporary directory, which is gone when this settles. */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const bytes = options.image === undefined ? SAMPLE_BYTES : await imageBytes(options.image);
  const directory = await mkdtemp(join(tmpdir(), 'sanlet-demo-'));
  try {
    const image = options.image === undefined ? join(directory, 'sample.img') : resolve(options.image);
    if (options.image === undefined) await writeSampleImage(image);
    options.signal.throwIfAborted();
    return { image: options.image, bytes, ...(await copyOverTape(image, bytes, directory, options)) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function imageBytes(image: string): Promise<number> {
  const wrong = (why: string): ConfigError => new ConfigError([], why, image);
  const stats = await stat(image).catch((error: NodeJS.ErrnoException) => {
    throw wrong(error.code === 'ENOENT' ? 'there is no such file' : error.message);
  });
  if (!stats.isFile()) throw wrong('an image is a regular file');
  if (stats.size === 0) throw wrong('the image is empty');
  if (stats.size % BLOCK !== 0) {
    throw wrong(`${stats.size} bytes are no multiple of ${BLOCK}, so that this is no image of a disk`);
  }
  return stats.size;
}

async function copyOverTape(
  image: string,
  bytes: number,
  directory: string,
  { signal, begin }: DemoOptions,
): Promise<Pick<DemoReport, 'copies' | 'sums'>> {
  await using san = await San.start({
    state: directory,
    disks: [
      { name: 'source', path: image, ro: true },
      { name: 'second', path: join(directory, 'second.img'), size: bytes },
    ],
    // As much again for what a cartridge needs beside the data.
    tapes: [{ name: 'tape', path: join(directory, 'tape.cartridge'), size: 2 * bytes + SAMPLE_BYTES }],
  });
  const { host, port } = endpointOf(san.portal);
  await using session = await Initiator.login({ host, port, target: san.iqn });
  const step = async (source: number, destination: number): Promise<DemoCopy> => {
    const copy = await Copy.prepare(session, { source, destination, blocks: bytes / BLOCK });
    const [from, to] = copy.kind.split(' to ') as [DemoCopy['from'], DemoCopy['to']];
    return { from, to, ...(await copy.run(begin(copy.kind, copy.bytes ?? bytes), signal)) };
  };
  const copies = [await step(SOURCE, TAPE)];
  await rewind(new Unit(session, TAPE));
  copies.push(await step(TAPE, SECOND));
  // The proof is no part of the copy: it is read by another session, which counts its own bytes.
  await using reader = await Initiator.login({ host, port, target: san.iqn });
  const second = new Unit(reader, SECOND);
  await second.awaitReady();
  const sums = await compare(image, readAll(second, await readCapacity(second)), signal);
  return { copies, sums };
}

function endpointOf(portal: string): { host: string; port: number } {
  const endpoint = parsePortal(portal);
  if (typeof endpoint === 'string') throw new Error(endpoint);
  return endpoint;
}
