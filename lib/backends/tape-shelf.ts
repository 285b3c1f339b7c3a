import type { MaybePromise } from '../bytes/maybe-promise.ts';
import type { TapeMedium } from './tape-medium.ts';

/** A cartridge from outside: what a robot sees of it. */
export interface ShelvedCartridge {
  /** What names it on the shelf: the name of its file. */
  readonly id: string;
  /** What stands on its label, or is written on its file where the label says nothing. */
  readonly barcode: string;
  /** Such as 'LTO-6'; '' for none in particular. */
  readonly mediaType: string;
  readonly worm: boolean;
  /** Why no drive can read it: the rest of a sentence that begins with its name. */
  readonly problem?: string;
}

/** What came of opening one: it, or why not. `unreadable`: it is there, and no drive can make anything of it. */
export type Taken =
  | { readonly medium: TapeMedium }
  | { readonly trouble: 'gone' | 'in-use' | 'unreadable'; readonly sentence: string };

/** Where a cartridge lies. */
export interface CartridgePlace {
  readonly cartridge: string;
  /** The number of the place; undefined when it was taken out, and is not to be put back by itself. */
  readonly element: number | undefined;
  /** The storage place that it was last in. */
  readonly source: number | undefined;
  /** A person put it there, and no robot has moved it since. */
  readonly byHand: boolean;
}

/**
 * Cartridges on a shelf, and what is kept of where each lies. None is open before it is taken, and one that was taken is
 * closed by whoever has it.
 */
export interface TapeShelf {
  /** For messages. */
  readonly name: string;
  /** What is there now, in the order of barcodes. */
  list(): MaybePromise<readonly ShelvedCartridge[]>;
  /** One of them; undefined when it is there no more. */
  look(id: string): MaybePromise<ShelvedCartridge | undefined>;
  /** Opens one. */
  take(id: string): MaybePromise<Taken>;
  /** A new blank one, closed. */
  make(barcode: string): MaybePromise<ShelvedCartridge>;
  /** Where everything lies, as it was last kept. */
  readonly places: readonly CartridgePlace[];
  /** On stable storage when it is answered; what was kept before stands when it rejects. */
  keep(places: readonly CartridgePlace[]): MaybePromise<void>;
  close(): MaybePromise<void>;
}

/** By barcode, and where two have the same by what names them. */
export const inOrder = (a: ShelvedCartridge, b: ShelvedCartridge): number =>
  a.barcode < b.barcode ? -1 : a.barcode > b.barcode ? 1 : a.id < b.id ? -1 : 1;
