import { ConfigError } from '../config/config-error.ts';
import { hint } from '../config/suggestion.ts';
import type { ChangerUnit } from '../scsi-cmds/smc/changer-unit.ts';
import { type Element, ElementType } from '../scsi-cmds/smc/element.ts';
import type { TapeUnit } from '../scsi-cmds/ssc/tape-unit.ts';

export interface OpenedLibrary {
  readonly drives: readonly TapeUnit[];
  readonly changer: ChangerUnit;
}

const NAMES = {
  [ElementType.MEDIUM_TRANSPORT]: 'robot',
  [ElementType.STORAGE]: 'slot',
  [ElementType.IMPORT_EXPORT]: 'import/export',
  [ElementType.DATA_TRANSFER]: 'drive',
} as const;

/** It names a file, too. */
const BARCODE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;

/** A place of a library and what is in it. */
export interface LibraryElement {
  /** By which initiators know it. */
  readonly address: number;
  readonly type: 'slot' | 'import/export' | 'drive';
  /** Of the cartridge in it. */
  readonly barcode?: string;
  /** The name of its file. */
  readonly cartridge?: string;
  /** What it is, such as LTO-6. */
  readonly mediaType?: string;
  /** Why no drive can read it. */
  readonly problem?: string;
}

/** What a person does at a library: looks at it, puts cartridges into its import/export slots and takes them out. */
export class Library {
  readonly name: string;
  readonly #changer: ChangerUnit;

  constructor(name: string, changer: ChangerUnit) {
    this.name = name;
    this.#changer = changer;
  }

  /** Slots, import/export slots and drives, by address. */
  get elements(): readonly LibraryElement[] {
    return this.#changer.elements.all.filter(({ type }) => type !== ElementType.MEDIUM_TRANSPORT).map(told);
  }

  /** Cartridges on the shelf that are in no element, by barcode. */
  async outside(): Promise<readonly string[]> {
    return (await this.#changer.inventory.outside()).map(({ barcode }) => barcode);
  }

  /** Makes a blank cartridge; it lies outside until it is inserted, or found by a scan. */
  async create(barcode: string): Promise<void> {
    if (!BARCODE.test(barcode)) {
      throw new ConfigError(
        ['barcode'],
        `${JSON.stringify(barcode)} is no barcode: up to 32 letters, digits, dots, dashes and underscores, a letter or digit first`,
        this.name,
      );
    }
    await this.#changer.alone(() => this.#changer.inventory.shelf.make(barcode));
  }

  /**
   * Looks at the shelf anew, as INITIALIZE ELEMENT STATUS does: what is new there is put into import/export slots, and into
   * free slots when those are full. Initiators are told.
   */
  rescan(): Promise<void> {
    return this.#changer.alone(() => this.#changer.scan());
  }

  /**
   * Puts a cartridge that is outside into an import/export slot, the first free one unless `address` names another.
   * Initiators are told (IMPORT OR EXPORT ELEMENT ACCESSED). Rejects with ConfigError when that cannot be.
   */
  insert(barcode: string, address?: number): Promise<LibraryElement> {
    return this.#byHand(async () => {
      const outside = await this.#changer.inventory.outside();
      const cartridge = outside.find(each => each.barcode === barcode);
      if (cartridge === undefined) {
        const inside = this.#changer.elements.all.find(({ volume }) => volume?.barcode === barcode);
        const known = outside.map(each => each.barcode);
        const why =
          inside !== undefined
            ? `${barcode} is in ${inside.title} already`
            : `there is no cartridge ${JSON.stringify(barcode)} outside${known.length === 0 ? '' : ` ${hint(barcode, known)}`}`;
        throw new ConfigError(['barcode'], why, this.name);
      }
      const stations = this.#changer.elements.of(ElementType.IMPORT_EXPORT);
      const element = stations.find(each =>
        address === undefined ? each.volume === undefined : each.address === address,
      );
      if (element === undefined || element.volume !== undefined) {
        const why =
          address === undefined
            ? 'no import/export slot is free'
            : `${address} is no free import/export slot`;
        throw new ConfigError([], why, this.name);
      }
      await this.#changer.inventory.putIn(cartridge, element);
      this.#changer.tellOf(new Set([element]));
      return told(element);
    });
  }

  /** Takes a cartridge out of an import/export slot, by its barcode or the slot's address. It stays outside until it is inserted. */
  remove(what: string | number): Promise<void> {
    return this.#byHand(async () => {
      const element = this.#changer.elements
        .of(ElementType.IMPORT_EXPORT)
        .find(({ volume, address }) => volume !== undefined && (address === what || volume.barcode === what));
      if (element === undefined) {
        throw new ConfigError(
          [],
          `there is no cartridge ${JSON.stringify(what)} in an import/export slot`,
          this.name,
        );
      }
      await this.#changer.inventory.takeOut(element);
      this.#changer.tellOf(new Set([element]));
    });
  }

  /** When the robot is at rest, and the station is not locked. */
  #byHand<T>(work: () => Promise<T>): Promise<T> {
    return this.#changer.alone(() => {
      if (this.#changer.removal.prevented) {
        throw new ConfigError([], 'an initiator keeps the import/export slots locked', this.name);
      }
      return work();
    });
  }
}

function told({ address, type, volume }: Element): LibraryElement {
  const element = { address, type: NAMES[type] as LibraryElement['type'] };
  if (volume === undefined) return element;
  const { barcode, id: cartridge, mediaType, problem } = volume;
  return { ...element, barcode, cartridge, mediaType, ...(problem === undefined ? {} : { problem }) };
}
