import type { CartridgePlace, ShelvedCartridge, TapeShelf } from '../../backends/tape-shelf.ts';
import type { Log } from '../../log.ts';
import { Element, type Elements, ElementType, type Volume } from './element.ts';

/** A cartridge goes from one element to another. */
export interface Move {
  readonly volume: Volume;
  readonly from: Element;
  readonly to: Element;
}

/** Names in a message; the rest are counted. */
const MOST_NAMED = 5;

/**
 * Which cartridge lies in which element. What changes of it is kept by the shelf first and is so afterwards: whenever the
 * process ends, each cartridge lies in one element, the old or the new one.
 */
export class Inventory {
  readonly elements: Elements;
  readonly shelf: TapeShelf;
  /** Physical inventory scans, and labels that they read. */
  readonly counters = { scans: 0, labels: 0, unreadable: 0 };
  readonly #log: Log;
  /** Taken out by a person, and not to be found again by a scan. */
  readonly #outside = new Set<string>();

  constructor(elements: Elements, shelf: TapeShelf, log: Log) {
    this.elements = elements;
    this.shelf = shelf;
    this.#log = log;
  }

  /** Puts everything where it was, and what lay nowhere into free slots. */
  async begin(): Promise<void> {
    const found = new Map((await this.shelf.list()).map(cartridge => [cartridge.id, cartridge]));
    for (const { cartridge: id, element: address, source, byHand } of this.shelf.places) {
      const cartridge = found.get(id);
      if (address === undefined) {
        if (cartridge !== undefined) this.#outside.add(id);
        continue;
      }
      const element = this.elements.at(address);
      if (cartridge === undefined) {
        this.#log.warn(
          { library: this.shelf.name, element: address },
          `the file of the cartridge ${id} is gone: ${element?.title ?? 'where it lay'} is empty`,
        );
      } else if (element !== undefined && element.volume === undefined) {
        const known = source !== undefined && this.elements.at(source)?.type === ElementType.STORAGE;
        element.volume = { ...volumeOf(cartridge), source: known ? source : undefined, byHand };
      }
    }
    await this.#match([...found.values()], this.#empty(ElementType.STORAGE));
  }

  /**
   * Looks at the shelf anew. What is new there is in the import/export elements, as if a person had put it there, and in
   * free slots when those are full. Resolves to the elements that hold something else than before.
   */
  async scan(): Promise<ReadonlySet<Element>> {
    this.counters.scans++;
    const free = [...this.#empty(ElementType.IMPORT_EXPORT), ...this.#empty(ElementType.STORAGE)];
    return this.#match(await this.shelf.list(), free);
  }

  /** Keeps that the cartridges have moved, and makes it so. */
  async move(moves: readonly Move[]): Promise<void> {
    const moved = new Map(moves.map(move => [move.volume, move]));
    await this.#keep(volume => {
      const move = moved.get(volume);
      return move === undefined
        ? undefined
        : { element: move.to.address, source: sourceAfter(move), byHand: false };
    });
    for (const { from } of moves) {
      from.volume = undefined;
      from.counters.picks++;
    }
    for (const move of moves) {
      const { volume, to } = move;
      volume.source = sourceAfter(move);
      volume.byHand = false;
      to.volume = volume;
      to.counters.places++;
    }
  }

  /** A person puts a cartridge that lies outside into an element. */
  async putIn(cartridge: ShelvedCartridge, element: Element): Promise<void> {
    const volume = { ...volumeOf(cartridge), byHand: true };
    element.volume = volume;
    const outside = this.#outside.delete(cartridge.id);
    try {
      await this.#keep();
    } catch (error) {
      element.volume = undefined;
      if (outside) this.#outside.add(cartridge.id);
      throw error;
    }
  }

  /** A person takes the cartridge out of an element; it lies outside then. */
  async takeOut(element: Element): Promise<void> {
    const { volume } = element;
    if (volume === undefined) return;
    element.volume = undefined;
    this.#outside.add(volume.id);
    try {
      await this.#keep();
    } catch (error) {
      element.volume = volume;
      this.#outside.delete(volume.id);
      throw error;
    }
  }

  /** The robot found nothing where the cartridge should be. */
  async lose(element: Element): Promise<void> {
    this.#gone(element);
    await this.#keep();
  }

  /** Cartridges that lie in no element. */
  async outside(): Promise<readonly ShelvedCartridge[]> {
    const inside = new Set(this.elements.all.map(({ volume }) => volume?.id));
    return (await this.shelf.list()).filter(({ id }) => !inside.has(id));
  }

  #empty(type: Element['type']): Element[] {
    return this.elements.of(type).filter(({ volume }) => volume === undefined);
  }

  #gone(element: Element): void {
    const { barcode } = element.volume!;
    this.#log.warn(
      { library: this.shelf.name, element: element.address },
      `the file of the cartridge ${barcode} is gone: ${element.title} is empty`,
    );
    element.volume = undefined;
  }

  /** Makes elements hold what is on the shelf. */
  async #match(found: readonly ShelvedCartridge[], free: readonly Element[]): Promise<ReadonlySet<Element>> {
    this.counters.labels += found.length;
    this.counters.unreadable += found.filter(({ problem }) => problem !== undefined).length;
    const left = new Map(found.map(cartridge => [cartridge.id, cartridge]));
    const changed = new Set<Element>();
    for (const element of this.elements.all) {
      const { volume } = element;
      if (volume === undefined) continue;
      const cartridge = left.get(volume.id);
      left.delete(volume.id);
      if (cartridge !== undefined) {
        if (relabelled(volume, cartridge)) changed.add(element);
      } else if (element.drive === undefined) {
        this.#gone(element); // what is in a drive is open there, whatever has become of its name
        changed.add(element);
      }
    }
    for (const id of this.#outside) if (!left.delete(id)) this.#outside.delete(id);
    const places = free.values();
    const tooMany: string[] = [];
    for (const cartridge of left.values()) {
      const { value: element } = places.next();
      if (element === undefined) tooMany.push(cartridge.barcode);
      else {
        const byHand = element.type === ElementType.IMPORT_EXPORT;
        element.volume = { ...volumeOf(cartridge), byHand };
        changed.add(element);
      }
    }
    if (tooMany.length > 0) {
      const named = tooMany.slice(0, MOST_NAMED).join(', ');
      const more = tooMany.length > MOST_NAMED ? ` and ${tooMany.length - MOST_NAMED} more` : '';
      this.#log.warn(
        { library: this.shelf.name },
        `no free slot for ${named}${more}: they stay on the shelf`,
      );
    }
    if (changed.size > 0) await this.#keep();
    return changed;
  }

  /** `told` says what is to be kept of a volume where that is not what stands. */
  async #keep(told?: (volume: Volume) => Omit<CartridgePlace, 'cartridge'> | undefined): Promise<void> {
    const places: CartridgePlace[] = [];
    for (const { address, volume } of this.elements.all) {
      if (volume === undefined) continue;
      const { id: cartridge, source, byHand } = volume;
      places.push({ cartridge, ...(told?.(volume) ?? { element: address, source, byHand }) });
    }
    for (const cartridge of this.#outside) {
      places.push({ cartridge, element: undefined, source: undefined, byHand: false });
    }
    await this.shelf.keep(places);
  }
}

/** SOURCE STORAGE ELEMENT ADDRESS is that of the last storage element, however it came further (SMC-3 6.10). */
const sourceAfter = ({ from, volume }: Move): number | undefined =>
  from.type === ElementType.STORAGE ? from.address : volume.source;

const volumeOf = ({ id, barcode, mediaType, worm, problem }: ShelvedCartridge): Volume => ({
  id,
  barcode,
  mediaType,
  worm,
  problem,
  source: undefined,
  byHand: false,
});

/** True when its label is another than before. */
function relabelled(volume: Volume, { barcode, mediaType, worm, problem }: ShelvedCartridge): boolean {
  const changed = volume.barcode !== barcode || (volume.problem === undefined) !== (problem === undefined);
  volume.barcode = barcode;
  volume.mediaType = mediaType;
  volume.worm = worm;
  volume.problem = problem;
  return changed;
}
