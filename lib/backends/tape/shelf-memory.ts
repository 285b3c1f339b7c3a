import type { TapeMedium } from '../tape-medium.ts';
import {
  type CartridgePlace,
  inOrder,
  type ShelvedCartridge,
  type Taken,
  type TapeShelf,
} from '../tape-shelf.ts';
import { memoryCartridge } from './cartridge-memory.ts';

export interface MemoryShelfOptions {
  readonly name: string;
  /** Of each cartridge. */
  readonly capacityBytes?: number;
  readonly mediaType?: string;
}

/** Cartridges in memory: one that a drive has closed is on the shelf with what was written. */
export class MemoryShelf implements TapeShelf {
  readonly name: string;
  places: readonly CartridgePlace[] = [];
  readonly #options: MemoryShelfOptions;
  readonly #cartridges = new Map<string, TapeMedium>();

  constructor(options: MemoryShelfOptions) {
    this.name = options.name;
    this.#options = options;
  }

  list(): readonly ShelvedCartridge[] {
    return [...this.#cartridges.keys()].map(id => this.look(id)!).sort(inOrder);
  }

  look(id: string): ShelvedCartridge | undefined {
    const label = this.#cartridges.get(id)?.label;
    return label === undefined
      ? undefined
      : { id, barcode: id, mediaType: label.mediaType, worm: label.worm };
  }

  take(id: string): Taken {
    const cartridge = this.#cartridges.get(id);
    if (cartridge === undefined) {
      return { trouble: 'gone', sentence: `there is no cartridge ${id} in ${this.name}` };
    }
    return { medium: kept(cartridge) };
  }

  make(barcode: string): ShelvedCartridge {
    if (this.#cartridges.has(barcode)) throw new Error(`${this.name} has a cartridge ${barcode} already`);
    const { capacityBytes, mediaType = '' } = this.#options;
    const size = capacityBytes === undefined ? {} : { capacityBytes };
    this.#cartridges.set(barcode, memoryCartridge({ barcode, mediaType, ...size }));
    return this.look(barcode)!;
  }

  keep(places: readonly CartridgePlace[]): void {
    this.places = places;
  }

  async close(): Promise<void> {
    for (const cartridge of this.#cartridges.values()) await cartridge.close();
    this.#cartridges.clear();
  }
}

/** The cartridge but for its end: to close it in a drive is to put it back. */
function kept(cartridge: TapeMedium): TapeMedium {
  const verbs = new Map<PropertyKey, unknown>([['close', () => undefined]]);
  return new Proxy(cartridge, {
    get(target, key) {
      const known = verbs.get(key);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      const verb: unknown = (value as () => unknown).bind(target);
      verbs.set(key, verb);
      return verb;
    },
  });
}
