import { crc32c } from '../../bytes/crc32c.ts';
import { ascii, bit, bytes, u32, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { bootId } from '../../state/process-identity.ts';
import type { CartridgeLabel } from '../tape-medium.ts';
import type { LogEnd } from './tape-log.ts';

/**
 * The first 4 KiB of a cartridge file: three structures, each in a sector of its own, so that writing one again cannot
 * tear another.
 */
export const CARTRIDGE_BLOCK_BYTES = 4096;
export const SYNC_POINT_OFFSET = 512;
export const CLOSE_POINT_OFFSET = 1024;

const MAGIC = 'SANLETTC';
const VERSION = 1;

/** Written once. Its checksum is what the first frame is chained to: frames of another cartridge do not fit. */
const label = layout(96, {
  magic: ascii(0, 8),
  version: u32(8),
  capacityBytes: u64(16),
  uuid: bytes(24, 16),
  barcode: ascii(40, 32),
  worm: bit(72, 0),
  mediaType: ascii(73, 16),
  checksum: u32(92),
});

/** How far the frames were on stable storage at least, and the checksum of the last header before that. */
const syncPoint = layout(16, { offset: u64(0), chain: u32(8), checksum: u32(12) });

/** How far they went when the file was closed in good order, in which boot. */
const closePoint = layout(32, { offset: u64(0), boot: bytes(8, 16), checksum: u32(28) });

/** Checksum over all before the checksum, which is each structure's last field. */
const sumOf = (structure: Buffer, seed: number): number => crc32c(structure.subarray(0, -4), seed);

export interface LabelledBlock {
  readonly label: CartridgeLabel;
  /** What the first frame is chained to, and what the points below are summed with. */
  readonly chain: number;
}

/** A whole block for a blank cartridge. */
export function blankBlock({ uuid, barcode, capacityBytes, worm, mediaType }: CartridgeLabel): Buffer {
  const block = Buffer.alloc(CARTRIDGE_BLOCK_BYTES);
  const first = block.subarray(0, label.length);
  label.magic.set(first, MAGIC);
  label.version.set(first, VERSION);
  label.capacityBytes.set(first, capacityBytes);
  label.uuid.set(first, Buffer.from(uuid, 'hex'));
  label.barcode.set(first, barcode);
  label.worm.set(first, worm);
  label.mediaType.set(first, mediaType);
  const chain = sumOf(first, 0);
  label.checksum.set(first, chain);
  block.set(packSyncPoint({ offset: CARTRIDGE_BLOCK_BYTES, chain }, chain), SYNC_POINT_OFFSET);
  return block;
}

/** Throws with the rest of a sentence that begins with the file's name. */
export function readBlock(block: Buffer): LabelledBlock {
  const first = block.subarray(0, label.length);
  if (label.magic.get(first) !== MAGIC) throw new Error('is not a sanlet cartridge');
  const version = label.version.get(first);
  if (version !== VERSION)
    throw new Error(`is a cartridge of version ${version}, and only ${VERSION} is known here`);
  const chain = sumOf(first, 0);
  if (label.checksum.get(first) !== chain) throw new Error('is a cartridge whose label is damaged');
  return {
    label: {
      uuid: Buffer.from(label.uuid.get(first)).toString('hex'),
      barcode: label.barcode.get(first),
      capacityBytes: label.capacityBytes.get(first),
      worm: label.worm.get(first),
      mediaType: label.mediaType.get(first),
    },
    chain,
  };
}

export function packSyncPoint({ offset, chain }: LogEnd, seed: number): Buffer {
  const point = Buffer.alloc(syncPoint.length);
  syncPoint.offset.set(point, offset);
  syncPoint.chain.set(point, chain);
  syncPoint.checksum.set(point, sumOf(point, seed));
  return point;
}

/** Undefined when it was torn: nothing is known to be on stable storage then. */
export function readSyncPoint(block: Buffer, seed: number): LogEnd | undefined {
  const point = block.subarray(SYNC_POINT_OFFSET, SYNC_POINT_OFFSET + syncPoint.length);
  if (syncPoint.checksum.get(point) !== sumOf(point, seed)) return undefined;
  return { offset: syncPoint.offset.get(point), chain: syncPoint.chain.get(point) };
}

const ownBoot = (): Buffer => Buffer.from(bootId(), 'hex');

export function packClosePoint(offset: number, seed: number): Buffer {
  const point = Buffer.alloc(closePoint.length);
  closePoint.offset.set(point, offset);
  closePoint.boot.set(point, ownBoot());
  closePoint.checksum.set(point, sumOf(point, seed));
  return point;
}

/** How far the file was whole when it was closed; 0 when the machine has been started since, or it was not closed. */
export function readClosePoint(block: Buffer, seed: number): number {
  const point = block.subarray(CLOSE_POINT_OFFSET, CLOSE_POINT_OFFSET + closePoint.length);
  const boot = ownBoot();
  const sameBoot = boot.some(byte => byte !== 0) && boot.compare(closePoint.boot.get(point)) === 0;
  return sameBoot && closePoint.checksum.get(point) === sumOf(point, seed) ? closePoint.offset.get(point) : 0;
}
