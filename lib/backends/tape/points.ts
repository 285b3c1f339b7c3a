import { bit, bytes, u32, u64 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { bootId } from '../../state/process-identity.ts';
import { isZero, pointSlots, sumOf } from './header-area.ts';
import type { KnownPoint } from './load-partition.ts';
import type { LogPoint } from './tape-log.ts';

const point = layout(96, {
  offset: u64(0),
  object: u64(8),
  file: u64(16),
  bytes: u64(24),
  head: u64(32),
  chain: u32(40),
  generation: u32(44),
  /** Of a written point, which a loss of power makes worthless: in which boot. */
  boot: bytes(48, 16),
  /** Of a written point: a trailer lies behind it. */
  trailer: bit(64, 0),
  checksum: u32(92),
});

export const POINT_BYTES = point.length;

function pack(values: LogPoint, seed: number, more: (packed: Buffer) => void): Buffer {
  const packed = Buffer.alloc(point.length);
  point.offset.set(packed, values.offset);
  point.object.set(packed, values.object);
  point.file.set(packed, values.file);
  point.bytes.set(packed, values.bytes);
  point.head.set(packed, values.head);
  point.chain.set(packed, values.chain);
  more(packed);
  point.checksum.set(packed, sumOf(packed, seed));
  return packed;
}

/** How far a partition was on stable storage at least. */
export const packSyncPoint = (values: LogPoint, generation: number, seed: number): Buffer =>
  pack(values, seed, packed => point.generation.set(packed, generation));

/** How far it was written, in this boot. */
export const packWrittenPoint = (values: LogPoint, trailer: boolean, seed: number): Buffer =>
  pack(values, seed, packed => {
    point.boot.set(packed, ownBoot());
    point.trailer.set(packed, trailer);
  });

const ownBoot = (): Buffer => Buffer.from(bootId(), 'hex');

interface Parsed extends LogPoint {
  readonly generation: number;
  readonly boot: Uint8Array;
  readonly trailer: boolean;
}

function parse(packed: Uint8Array, seed: number): Parsed | undefined {
  if (point.checksum.get(packed) !== sumOf(packed, seed)) return undefined;
  return {
    offset: point.offset.get(packed),
    object: point.object.get(packed),
    file: point.file.get(packed),
    bytes: point.bytes.get(packed),
    head: point.head.get(packed),
    chain: point.chain.get(packed),
    generation: point.generation.get(packed),
    boot: point.boot.get(packed),
    trailer: point.trailer.get(packed),
  };
}

export interface FoundPoints {
  /** The newer sync point, and its slot; undefined when neither can be read: nothing is known to be on stable storage then. */
  readonly sync: (KnownPoint & { readonly slot: 0 | 1; readonly generation: number }) | undefined;
  readonly written: KnownPoint | undefined;
  /** It was written in this boot: what lies before it is there, whether it was synchronised or not. */
  readonly thisBoot: boolean;
  /** Slots with something in them that cannot be read. */
  readonly torn: readonly number[];
}

/** The points of a partition, from the header area. */
export function findPoints(area: Uint8Array, partition: number, seed: number): FoundPoints {
  const slots = pointSlots(partition);
  const packed = slots.map(offset => area.subarray(offset, offset + POINT_BYTES));
  const [first, second, written] = packed.map(each => parse(each, seed));
  const slot = (second?.generation ?? -1) > (first?.generation ?? -1) ? 1 : 0;
  const sync = slot === 0 ? first : second;
  const boot = ownBoot();
  return {
    sync: sync && { ...sync, trailer: false, kind: 'synchronised', slot },
    written: written && { ...written, kind: 'written' },
    thisBoot: written !== undefined && !isZero(boot) && boot.compare(written.boot) === 0,
    torn: slots.filter((_, i) => [first, second, written][i] === undefined && !isZero(packed[i]!)),
  };
}
