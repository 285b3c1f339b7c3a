import { randomBytes } from 'node:crypto';
import { crc32c } from '../../bytes/crc32c.ts';
import { ascii, bit, bytes, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { MAX_PARTITIONS } from '../tape-medium.ts';
import type { CartridgeLabel } from '../tape-medium.ts';
import { HEADER_AREA_BYTES, LABEL_SLOTS, isZero, sumOf } from './header-area.ts';
import { planPartitions, regionBytes } from './partition-plan.ts';
import type { PlannedPartition } from './partition-plan.ts';

const MAGIC = 'SANLETTC';
const VERSION = 2;

const layoutOfLabel = layout(256, {
  magic: ascii(0, 8),
  version: u32(8),
  /** Counts formats. */
  generation: u32(12),
  uuid: bytes(16, 16),
  barcode: ascii(32, 32),
  mediaType: ascii(64, 16),
  worm: bit(80, 0),
  partitionCount: u8(81),
  nativeCapacityBytes: u64(88),
  capacityBytes: u64(96),
  recording: bytes(104, 8),
  partitions: bytes(112, 64),
  checksum: u32(252),
});

export const LABEL_BYTES = layoutOfLabel.length;

const layoutOfPartition = layout(16, { base: u64(0), capacityBytes: u64(8) });

/** The label as the file has it. */
export interface StoredLabel extends CartridgeLabel {
  readonly generation: number;
  readonly nativeCapacityBytes: number;
  /** 16 hexadecimal digits, drawn anew by every format: frames and points of an earlier recording do not fit. */
  readonly recording: string;
  readonly partitions: readonly PlannedPartition[];
}

export type NewLabel = Omit<CartridgeLabel, 'uuid'>;

export const newLabel = (label: NewLabel): StoredLabel => ({
  ...label,
  uuid: randomBytes(16).toString('hex'),
  generation: 1,
  nativeCapacityBytes: label.capacityBytes,
  recording: newRecording(),
  partitions: planPartitions([label.capacityBytes], HEADER_AREA_BYTES),
});

/** The label after a format. */
export const formatted = (
  label: StoredLabel,
  capacityBytes: number,
  capacities: readonly number[],
): StoredLabel => ({
  ...label,
  capacityBytes,
  generation: label.generation + 1,
  recording: newRecording(),
  partitions: planPartitions(capacities, HEADER_AREA_BYTES),
});

const newRecording = (): string => randomBytes(8).toString('hex');

/** What the first frame of a partition is chained to, and what its points are summed with. */
export const seedOf = ({ uuid, recording }: StoredLabel, partition: number): number =>
  crc32c(Buffer.from(`${uuid}${recording}${partition}`));

/** What the attributes are summed with: they outlive a format. */
export const attributeSeedOf = ({ uuid }: StoredLabel): number => crc32c(Buffer.from(uuid));

/** The bytes of a partition that a file of that size has. */
export function sizeOf({ partitions }: StoredLabel, partition: number, fileBytes: number): number {
  const { base, capacityBytes } = partitions[partition]!;
  const behind = Math.max(fileBytes - base, 0);
  return isLast(partitions, partition) ? behind : Math.min(behind, regionBytes(capacityBytes));
}

/** Nothing lies behind it in the file. */
export const isLast = (partitions: readonly PlannedPartition[], partition: number): boolean =>
  partitions.every(({ base }) => base <= partitions[partition]!.base);

export function packLabel(label: StoredLabel): Buffer {
  const packed = Buffer.alloc(layoutOfLabel.length);
  layoutOfLabel.magic.set(packed, MAGIC);
  layoutOfLabel.version.set(packed, VERSION);
  layoutOfLabel.generation.set(packed, label.generation);
  layoutOfLabel.uuid.set(packed, Buffer.from(label.uuid, 'hex'));
  layoutOfLabel.barcode.set(packed, label.barcode);
  layoutOfLabel.mediaType.set(packed, label.mediaType);
  layoutOfLabel.worm.set(packed, label.worm);
  layoutOfLabel.partitionCount.set(packed, label.partitions.length);
  layoutOfLabel.nativeCapacityBytes.set(packed, label.nativeCapacityBytes);
  layoutOfLabel.capacityBytes.set(packed, label.capacityBytes);
  layoutOfLabel.recording.set(packed, Buffer.from(label.recording, 'hex'));
  const partitions = layoutOfLabel.partitions.get(packed);
  for (const [i, { base, capacityBytes }] of label.partitions.entries()) {
    const each = partitions.subarray(i * layoutOfPartition.length);
    layoutOfPartition.base.set(each, base);
    layoutOfPartition.capacityBytes.set(each, capacityBytes);
  }
  layoutOfLabel.checksum.set(packed, sumOf(packed, 0));
  return packed;
}

function parseLabel(from: Uint8Array): StoredLabel | undefined {
  const packed = from.subarray(0, layoutOfLabel.length);
  if (layoutOfLabel.magic.get(packed) !== MAGIC || layoutOfLabel.version.get(packed) !== VERSION)
    return undefined;
  if (layoutOfLabel.checksum.get(packed) !== sumOf(packed, 0)) return undefined;
  const count = layoutOfLabel.partitionCount.get(packed);
  if (count < 1 || count > MAX_PARTITIONS) return undefined;
  const partitions = layoutOfLabel.partitions.get(packed);
  return {
    generation: layoutOfLabel.generation.get(packed),
    uuid: Buffer.from(layoutOfLabel.uuid.get(packed)).toString('hex'),
    barcode: layoutOfLabel.barcode.get(packed),
    mediaType: layoutOfLabel.mediaType.get(packed),
    worm: layoutOfLabel.worm.get(packed),
    nativeCapacityBytes: layoutOfLabel.nativeCapacityBytes.get(packed),
    capacityBytes: layoutOfLabel.capacityBytes.get(packed),
    recording: Buffer.from(layoutOfLabel.recording.get(packed)).toString('hex'),
    partitions: Array.from({ length: count }, (_, i) => {
      const each = partitions.subarray(i * layoutOfPartition.length);
      return {
        base: layoutOfPartition.base.get(each),
        capacityBytes: layoutOfPartition.capacityBytes.get(each),
      };
    }),
  };
}

export interface FoundLabel {
  readonly label: StoredLabel;
  /**
   * What is wrong with the twins: the slot that cannot be read, or the one that is older, which a format that was cut off
   * leaves.
   */
  readonly torn: number | undefined;
  readonly older: number | undefined;
}

/** Throws with the rest of a sentence that begins with the file's name. `area` is the header area, or what there is of it. */
export function findLabel(area: Uint8Array): FoundLabel {
  const slots = LABEL_SLOTS.map(offset => area.subarray(offset, offset + layoutOfLabel.length));
  const there = slots.map(slot => (slot.length < layoutOfLabel.length ? undefined : parseLabel(slot)));
  const [first, second] = there;
  if (first === undefined && second === undefined) throw new Error(whatElse(slots[0]!));
  if (area.length < HEADER_AREA_BYTES)
    throw new Error(
      `is cut short: a cartridge has ${HEADER_AREA_BYTES} bytes at least, and here are ${area.length}`,
    );
  if (first === undefined) return { label: second!, torn: 0, older: undefined };
  if (second === undefined) return { label: first, torn: 1, older: undefined };
  if (first.generation === second.generation) return { label: first, torn: undefined, older: undefined };
  const older = first.generation < second.generation ? 0 : 1;
  return { label: older === 0 ? second : first, torn: undefined, older };
}

/** What a file is whose label cannot be read. */
function whatElse(slot: Uint8Array): string {
  if (slot.length < 12 || isZero(slot) || layoutOfLabel.magic.get(slot) !== MAGIC)
    return 'is not a sanlet cartridge';
  const version = layoutOfLabel.version.get(slot);
  if (version !== VERSION) return `is a cartridge of version ${version}, and only ${VERSION} is known here`;
  if (slot.length < layoutOfLabel.length) return 'is cut short within its label';
  return 'is a cartridge whose label is damaged';
}
