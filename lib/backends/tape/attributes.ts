import { Reader, Writer } from '../../bytes/cursor.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { after } from '../after.ts';
import { MediumError } from '../medium-error.ts';
import { MAX_PARTITIONS, WHOLE_MEDIUM } from '../tape-medium.ts';
import type { MediumAttribute, MediumAttributes } from '../tape-medium.ts';

/** All attributes of a cartridge together: more than the chip in a real one holds. */
export const ATTRIBUTES_LIMIT_BYTES = 32 * 1024;
/** How the partition number of the whole medium is kept. */
const WHOLE = 0xff;
const READ_ONLY = 0x80;
const LONGEST_BYTES = 0xffff;

type Kept = ReadonlyMap<number, ReadonlyMap<number, MediumAttribute>>;

/** Medium auxiliary memory over something that keeps a run of bytes. */
export class CartridgeAttributes implements MediumAttributes {
  #kept: Kept;
  readonly #save: (packed: Buffer) => MaybePromise<void>;

  /** `save` answers when the bytes are on stable storage, and throws when the ones before still hold. */
  constructor(save: (packed: Buffer) => MaybePromise<void>, packed: Uint8Array = new Uint8Array()) {
    this.#save = save;
    this.#kept = unpackAttributes(packed);
  }

  get(partition: number, id: number): MediumAttribute | undefined {
    return this.#kept.get(partition)?.get(id);
  }

  entries(partition: number): readonly MediumAttribute[] {
    return [...(this.#kept.get(partition)?.values() ?? [])].sort((a, b) => a.id - b.id);
  }

  set(partition: number, changes: readonly MediumAttribute[]): MaybePromise<void> {
    if (partition !== WHOLE_MEDIUM && !(partition >= 0 && partition < MAX_PARTITIONS))
      throw new RangeError(`no partition ${partition}`);
    const mine = new Map(this.#kept.get(partition));
    for (const attribute of changes) {
      if (attribute.value.length > LONGEST_BYTES)
        throw new RangeError(`an attribute of ${attribute.value.length} bytes`);
      if (attribute.value.length === 0) mine.delete(attribute.id);
      else mine.set(attribute.id, { ...attribute, value: Buffer.from(attribute.value) });
    }
    return this.#change(new Map(this.#kept).set(partition, mine));
  }

  /** A format leaves those of the partitions that there still are. */
  keepPartitions(count: number): MaybePromise<void> {
    const gone = [...this.#kept.keys()].filter(partition => partition >= count);
    if (gone.length === 0) return undefined;
    const kept = new Map(this.#kept);
    for (const partition of gone) kept.delete(partition);
    return this.#change(kept);
  }

  #change(kept: Kept): MaybePromise<void> {
    const packed = pack(kept);
    if (packed.length > ATTRIBUTES_LIMIT_BYTES)
      throw new MediumError('no-space', 0, 'the attributes of a cartridge are 32 KiB at the most');
    return after(this.#save(packed), () => {
      this.#kept = kept;
    });
  }
}

function pack(kept: Kept): Buffer {
  const writer = new Writer();
  for (const [partition, attributes] of kept) {
    for (const { id, format, readOnly = false, value } of attributes.values()) {
      writer.uint(1, partition === WHOLE_MEDIUM ? WHOLE : partition);
      writer.uint(1, (format & ~READ_ONLY) | (readOnly ? READ_ONLY : 0));
      writer.uint(2, id);
      writer.uint(2, value.length);
      writer.put(value);
    }
  }
  return writer.done();
}

/** Throws RangeError over what `pack` did not make. */
export function unpackAttributes(packed: Uint8Array): Kept {
  const kept = new Map<number, Map<number, MediumAttribute>>();
  for (const reader = new Reader(packed); reader.left > 0;) {
    const number = reader.uint(1);
    const partition = number === WHOLE ? WHOLE_MEDIUM : number;
    const format = reader.uint(1);
    const id = reader.uint(2);
    const value = Buffer.from(reader.take(reader.uint(2)));
    const mine = kept.get(partition) ?? new Map<number, MediumAttribute>();
    kept.set(partition, mine);
    const readOnly = (format & READ_ONLY) !== 0;
    mine.set(id, { id, format: format & ~READ_ONLY, ...(readOnly ? { readOnly } : {}), value });
  }
  return kept;
}
