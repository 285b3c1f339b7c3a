import { fstatSync } from 'node:fs';
import type { Lock } from '../../state/lock-file.ts';
import { mediumError } from '../file-channel.ts';
import type { FileChannel } from '../file-channel.ts';
import { findAttributes, packAttributeSlot } from './attribute-area.ts';
import { CartridgeAttributes } from './attributes.ts';
import type { CartridgeStore } from './cartridge-store.ts';
import { FileLog } from './file-log.ts';
import type { FileLogParts } from './file-log.ts';
import { ATTRIBUTE_SLOTS, HEADER_AREA_BYTES, LABEL_SLOTS, POINTS_AREA, pointSlots } from './header-area.ts';
import { attributeSeedOf, findLabel, isLast, packLabel, seedOf, sizeOf } from './label.ts';
import type { FoundLabel, StoredLabel } from './label.ts';
import { chunkReader, loadPartition } from './load-partition.ts';
import type { KnownPoint, Loaded } from './load-partition.ts';
import { ObjectIndex } from './object-index.ts';
import { Partition } from './partition.ts';
import { findPoints, packSyncPoint } from './points.ts';
import type { FoundPoints } from './points.ts';

/** The whole header area of a blank cartridge: written once, so that later nothing in it needs room that there is not. */
export function blankArea(label: StoredLabel): Buffer {
  const area = Buffer.alloc(HEADER_AREA_BYTES);
  for (const offset of LABEL_SLOTS) area.set(packLabel(label), offset);
  area.set(blankPoints(label), POINTS_AREA.offset);
  return area;
}

/** Each partition's first sync point says that nothing has been written. */
function blankPoints(label: StoredLabel): Buffer {
  const area = Buffer.alloc(POINTS_AREA.bytes);
  for (const partition of label.partitions.keys()) {
    const seed = seedOf(label, partition);
    const end = { object: 0, file: 0, offset: 0, bytes: 0, chain: seed, head: 0 };
    area.set(packSyncPoint(end, 1, seed), pointSlots(partition)[0] - POINTS_AREA.offset);
  }
  return area;
}

/** What the log of a blank partition has to know of these points. */
const BLANK = { sync: { offset: 0, slot: 0, generation: 1 } } as const;

export interface StoreOptions {
  readonly channel: FileChannel;
  /** For messages. */
  readonly path: string;
  readonly writeProtected: boolean;
  readonly lock: Lock;
  /** Throws when it is not the cartridge that is wanted; nothing has been touched then. */
  readonly accept: (label: StoredLabel) => void;
}

/** Finds what the file holds and, unless it is write-protected, mends what a crash has left. */
export async function openStore(options: StoreOptions): Promise<CartridgeStore> {
  const { channel, path, writeProtected, accept } = options;
  const fileBytes = fstatSync(channel.file).size;
  const area = Buffer.alloc(Math.min(fileBytes, HEADER_AREA_BYTES));
  channel.readNow(area, 0);
  const found = labelIn(path, area);
  const { label } = found;
  accept(label);
  const seed = attributeSeedOf(label);
  const attributes = findAttributes(area, seed);
  if (attributes.lost && !writeProtected)
    throw damaged(path, 'has lost its attributes: both copies are damaged');
  const partitions = await Promise.all(
    label.partitions.map((_, partition) => loadFrom(channel, label, partition, area, fileBytes)),
  );
  for (const { loaded, base } of partitions) {
    if (loaded.damage === undefined || writeProtected) continue;
    const { kind, before } = loaded.damage;
    const at = base + loaded.index.end.offset;
    throw damaged(path, `is ${kind} at byte ${at}, before the point up to which it was ${before.kind}`);
  }
  const store = new FileStore(options, label, attributes);
  if (!writeProtected) await store.mend(found);
  store.take(partitions);
  return store;
}

const damaged = (path: string, what: string): Error =>
  new Error(`${path} ${what}; what can be read can be with the cartridge write-protected`);

function labelIn(path: string, area: Buffer): FoundLabel {
  try {
    return findLabel(area);
  } catch (error) {
    throw new Error(`${path} ${(error as Error).message}`, { cause: error });
  }
}

interface LoadedPartition {
  readonly base: number;
  readonly loaded: Loaded;
  readonly points: FoundPoints;
}

async function loadFrom(
  channel: FileChannel,
  label: StoredLabel,
  partition: number,
  area: Buffer,
  fileBytes: number,
): Promise<LoadedPartition> {
  const { base } = label.partitions[partition]!;
  const seed = seedOf(label, partition);
  const points = findPoints(area, partition, seed);
  const known: KnownPoint[] = [];
  if (points.sync !== undefined) known.push(points.sync);
  if (points.written !== undefined && points.thisBoot) known.push(points.written);
  const log = logOf(channel, label, partition, true, points);
  const size = sizeOf(label, partition, fileBytes);
  return { base, points, loaded: await loadPartition({ log, size, seed, points: known }) };
}

function logOf(
  channel: FileChannel,
  label: StoredLabel,
  partition: number,
  writeProtected: boolean,
  { sync }: Pick<FileLogParts, 'sync'>,
): FileLog {
  return new FileLog({
    channel,
    partition,
    base: label.partitions[partition]!.base,
    isLast: isLast(label.partitions, partition),
    seed: seedOf(label, partition),
    writeProtected,
    sync,
  });
}

class FileStore implements CartridgeStore {
  readonly writeProtected: boolean;
  readonly attributes: CartridgeAttributes;
  readonly #channel: FileChannel;
  readonly #lock: Lock;
  #label: StoredLabel;
  #logs: readonly FileLog[] = [];
  #partitions: readonly Partition[] = [];
  #attributeGeneration: number;
  readonly #packed: Uint8Array;
  /** The slot of the attributes that a crash has left behind the other. */
  readonly #tornAttributes: number | undefined;

  constructor(
    { channel, writeProtected, lock }: StoreOptions,
    label: StoredLabel,
    attributes: ReturnType<typeof findAttributes>,
  ) {
    this.writeProtected = writeProtected;
    this.#channel = channel;
    this.#lock = lock;
    this.#label = label;
    this.#attributeGeneration = attributes.generation;
    this.#packed = attributes.packed;
    this.attributes = new CartridgeAttributes(packed => this.#saveAttributes(packed), attributes.packed);
    this.#tornAttributes = attributes.torn ?? attributes.older;
  }

  get label(): StoredLabel {
    return this.#label;
  }

  get partitions(): readonly Partition[] {
    return this.#partitions;
  }

  /** What is there twice is there twice again, and a format that was cut off is ended. */
  async mend({ torn, older }: FoundLabel): Promise<void> {
    if (older !== undefined) await this.#erase();
    const slot = torn ?? older;
    if (slot !== undefined) {
      this.#channel.writeNow(packLabel(this.#label), LABEL_SLOTS[slot]!);
      await this.#channel.sync();
    }
    if (this.#tornAttributes !== undefined) {
      await this.#writeAttributes(this.#packed, this.#attributeGeneration, [this.#tornAttributes]);
    }
    // A format that was cut off after its labels.
    await this.attributes.keepPartitions(this.#label.partitions.length);
  }

  take(loaded: readonly LoadedPartition[]): void {
    this.#logs = loaded.map(({ points }, partition) =>
      logOf(this.#channel, this.#label, partition, this.writeProtected, points),
    );
    this.#partitions = loaded.map(({ loaded: { index, chain } }, number) => {
      const log = this.#logs[number]!;
      const { capacityBytes } = this.#label.partitions[number]!;
      const seed = seedOf(this.#label, number);
      const partition = new Partition({ number, capacityBytes, log, index, chain, seed });
      if (!this.writeProtected) log.begin(partition.point());
      return partition;
    });
  }

  async format(label: StoredLabel): Promise<void> {
    for (const log of this.#logs) await log.settled();
    const [first, second] = LABEL_SLOTS;
    this.#channel.writeNow(packLabel(label), first);
    await this.#channel.sync();
    // From here on what lies on the tape fits nothing, and a start would go on as is done here.
    this.#label = label;
    this.#logs = label.partitions.map((_, partition) => logOf(this.#channel, label, partition, false, BLANK));
    this.#partitions = label.partitions.map(({ capacityBytes }, number) => {
      const log = this.#logs[number]!;
      const seed = seedOf(label, number);
      const index = new ObjectIndex(chunkReader(log));
      return new Partition({ number, capacityBytes, log, index, chain: seed, seed });
    });
    await this.#erase();
    this.#channel.writeNow(packLabel(label), second);
    await this.#channel.sync();
  }

  async #erase(): Promise<void> {
    this.#channel.writeNow(blankPoints(this.#label), POINTS_AREA.offset);
    await this.#channel.truncate(HEADER_AREA_BYTES);
    await this.#channel.sync();
  }

  async #saveAttributes(packed: Buffer): Promise<void> {
    await this.#writeAttributes(packed, this.#attributeGeneration + 1, [0, 1]);
    this.#attributeGeneration++;
  }

  /** One after the other, each on stable storage before the next is touched. */
  async #writeAttributes(packed: Uint8Array, generation: number, slots: readonly number[]): Promise<void> {
    const bytes = packAttributeSlot(packed, generation, attributeSeedOf(this.#label));
    for (const slot of slots) {
      this.#channel.writeNow(bytes, ATTRIBUTE_SLOTS[slot]!);
      await this.#channel.syncData();
    }
  }

  async close(): Promise<void> {
    try {
      await this.#channel.close();
    } catch (error) {
      throw mediumError(error, 0, 'closing');
    } finally {
      this.#lock.release();
    }
  }
}
