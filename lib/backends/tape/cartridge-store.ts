import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { CartridgeAttributes } from './attributes.ts';
import type { StoredLabel } from './label.ts';
import type { Partition } from './partition.ts';

/** What a cartridge is kept in, beside its partitions' logs. */
export interface CartridgeStore {
  readonly writeProtected: boolean;
  readonly attributes: CartridgeAttributes;
  readonly label: StoredLabel;
  readonly partitions: readonly Partition[];
  /** Everything is erased, and the label and its partitions are those, durably. */
  format(label: StoredLabel): MaybePromise<void>;
  /** The partitions are closed. */
  close(): MaybePromise<void>;
}
