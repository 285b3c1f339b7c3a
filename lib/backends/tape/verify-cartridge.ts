import { constants, fstatSync, openSync } from 'node:fs';
import { FileChannel } from '../file-channel.ts';
import { findMedium, lockMedium, pathError } from '../medium-path.ts';
import type { CartridgeLabel } from '../tape-medium.ts';
import { ATTRIBUTE_HEAD_BYTES, attributeSlotSize, findAttributes } from './attribute-area.ts';
import { unpackAttributes } from './attributes.ts';
import {
  ATTRIBUTE_SLOTS,
  ATTRIBUTE_SLOT_BYTES,
  HEADER_AREA_BYTES,
  LABEL_SLOTS,
  pointSlots,
} from './header-area.ts';
import { LABEL_BYTES, attributeSeedOf, findLabel, isLast, seedOf, sizeOf } from './label.ts';
import type { FoundLabel, StoredLabel } from './label.ts';
import { POINT_BYTES, findPoints } from './points.ts';
import type { FoundPoints } from './points.ts';
import { PartitionCheck } from './verify-partition.ts';
import type { CartridgeFlaw, PartitionContents } from './verify-partition.ts';

export type { CartridgeFlaw, FlawKind, PartitionContents } from './verify-partition.ts';

export interface VerifyOptions {
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Ends it; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Where the lock lies when the file's own directory may not be written. */
  readonly stateDir?: string;
}

export interface CartridgeReport {
  readonly label: CartridgeLabel;
  readonly nativeCapacityBytes: number;
  readonly fileBytes: number;
  readonly partitions: readonly (PartitionContents & { readonly capacityBytes: number })[];
  /** In the order in which they were found, FLAW_LIMIT of them at the most. */
  readonly flaws: readonly CartridgeFlaw[];
  /** How many there are. */
  readonly flawCount: number;
}

/** A file that is damaged all over has millions; the first thousand tell enough. */
export const FLAW_LIMIT = 1000;
const PROGRESS_BYTES = 1024 * 1024;

/**
 * Reads a whole cartridge file and tells what is wrong in it. Nothing is changed, and nobody may write to it meanwhile.
 * Rejects with one sentence that names the file when it cannot be read as a cartridge at all.
 */
export async function verifyCartridge(path: string, options: VerifyOptions = {}): Promise<CartridgeReport> {
  const medium = await findMedium(path);
  if (medium.stats === undefined) throw new Error(`${path} does not exist`);
  const lock = await lockMedium(medium, true, options.stateDir);
  try {
    const channel = new FileChannel(openSync(medium.real, constants.O_RDONLY));
    try {
      return await verify(channel, path, options);
    } finally {
      await channel.close();
    }
  } catch (error) {
    throw pathError(path, error);
  } finally {
    lock.release();
  }
}

async function verify(
  channel: FileChannel,
  path: string,
  { onProgress, signal }: VerifyOptions,
): Promise<CartridgeReport> {
  const fileBytes = fstatSync(channel.file).size;
  const area = Buffer.alloc(Math.min(fileBytes, HEADER_AREA_BYTES));
  await channel.read(area, 0);
  let found: FoundLabel;
  try {
    found = findLabel(area);
  } catch (error) {
    throw new Error(`${path} ${(error as Error).message}`, { cause: error });
  }
  const { label } = found;
  const flaws: CartridgeFlaw[] = [];
  let flawCount = 0;
  const tell = (flaw: CartridgeFlaw): void => {
    if (++flawCount <= FLAW_LIMIT) flaws.push(flaw);
  };
  const points = label.partitions.map((_, partition) =>
    findPoints(area, partition, seedOf(label, partition)),
  );
  checkHeaderArea(area, found, points, tell);

  const partitions: (PartitionContents & { capacityBytes: number })[] = [];
  let before = HEADER_AREA_BYTES;
  let told = 0;
  for (const [partition, { base, capacityBytes }] of label.partitions.entries()) {
    const size = sizeOf(label, partition, fileBytes);
    const reached = (offset: number): void => {
      signal?.throwIfAborted();
      if (before + offset - told < PROGRESS_BYTES) return;
      told = before + offset;
      onProgress?.(told, fileBytes);
    };
    const { sync, written } = points[partition]!;
    const contents = await new PartitionCheck({
      partition,
      read: (into, offset) => channel.read(into, base + offset),
      base,
      size,
      isLast: isLast(label.partitions, partition),
      seed: seedOf(label, partition),
      points: [sync, written].filter(point => point !== undefined),
      tell,
      reached,
    }).run();
    partitions.push({ ...contents, capacityBytes });
    before += size;
  }
  onProgress?.(fileBytes, fileBytes);
  const { uuid, barcode, capacityBytes, worm, mediaType, nativeCapacityBytes } = label;
  return {
    label: { uuid, barcode, capacityBytes, worm, mediaType },
    nativeCapacityBytes,
    fileBytes,
    partitions,
    flaws,
    flawCount,
  };
}

type Tell = (flaw: CartridgeFlaw) => void;
type Range = readonly [from: number, to: number];

/** What stands before the partitions: both copies of everything, and that the rest is zeros. */
function checkHeaderArea(area: Buffer, found: FoundLabel, points: readonly FoundPoints[], tell: Tell): void {
  const used: Range[] = [];
  for (const [slot, offset] of LABEL_SLOTS.entries()) {
    used.push([offset, offset + LABEL_BYTES]);
    if (found.torn === slot || found.older === slot)
      tell({ kind: 'label', byte: offset, bytes: LABEL_BYTES });
  }
  for (const [partition, { torn }] of points.entries()) {
    for (const offset of pointSlots(partition)) used.push([offset, offset + POINT_BYTES]);
    for (const byte of torn) tell({ kind: 'point', byte, bytes: POINT_BYTES, partition });
  }
  used.push(...checkAttributes(area, found.label, tell));
  used.push([HEADER_AREA_BYTES, HEADER_AREA_BYTES]);
  let from = 0;
  for (const [begin, end] of used.sort((a, b) => a[0] - b[0])) {
    for (let at = from; at < begin; at++) {
      if (area[at] === 0) continue;
      const first = at;
      while (at < begin && area[at] !== 0) at++;
      tell({ kind: 'unused', byte: first, bytes: at - first });
    }
    from = end;
  }
}

/** The bytes that are in use of the two copies. */
function checkAttributes(area: Buffer, label: StoredLabel, tell: Tell): Range[] {
  const found = findAttributes(area, attributeSeedOf(label));
  return ATTRIBUTE_SLOTS.map((offset, slot): Range => {
    const bad = found.lost || found.torn === slot || found.older === slot;
    if (bad || !parses(found.packed)) tell({ kind: 'attributes', byte: offset, bytes: ATTRIBUTE_SLOT_BYTES });
    if (bad) return [offset, offset + ATTRIBUTE_SLOT_BYTES];
    return [offset, offset + ATTRIBUTE_HEAD_BYTES + attributeSlotSize(area, offset)];
  });
}

function parses(packed: Uint8Array): boolean {
  try {
    unpackAttributes(packed);
    return true;
  } catch {
    return false;
  }
}
