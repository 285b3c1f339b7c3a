import type { TapeUnit } from '../ssc/tape-unit.ts';

/** ELEMENT TYPE CODE (SMC-3 6.10). */
export const ElementType = {
  ALL: 0,
  MEDIUM_TRANSPORT: 1,
  STORAGE: 2,
  IMPORT_EXPORT: 3,
  DATA_TRANSFER: 4,
} as const;
export type ElementType = Exclude<(typeof ElementType)[keyof typeof ElementType], 0>;

interface Row {
  readonly type: ElementType;
  readonly name: string;
  /** Address of the first one. Address 0 is no element: in a CDB it stands for the default medium transport element. */
  readonly first: number;
  /** There is room for no more before the next type. */
  readonly most: number;
}

/** The addresses of each type, in the order of their codes; those that large libraries use, and small ones with them. */
export const ELEMENTS: readonly Row[] = [
  { type: ElementType.MEDIUM_TRANSPORT, name: 'robot', first: 0x0001, most: 1 },
  // Each takes a file's name and a label in memory, and a few dozen bytes that a move writes again.
  { type: ElementType.STORAGE, name: 'slot', first: 0x0400, most: 10_000 },
  { type: ElementType.IMPORT_EXPORT, name: 'import/export slot', first: 0x0300, most: 0x100 },
  { type: ElementType.DATA_TRANSFER, name: 'drive', first: 0x0100, most: 0x80 },
];

export const rowOf = (type: ElementType): Row => ELEMENTS[type - 1]!;

/** A cartridge in the library, wherever it is. */
export interface Volume {
  /** Its name on the shelf. */
  readonly id: string;
  /** What the robot reads from its label. */
  barcode: string;
  mediaType: string;
  worm: boolean;
  /** Why no drive can read it. */
  problem: string | undefined;
  /** The storage element that it was last in. */
  source: number | undefined;
  /** A person put it there, and the robot has not moved it since. */
  byHand: boolean;
}

/** A place for one cartridge. */
export class Element {
  readonly type: ElementType;
  readonly address: number;
  /** Of a data transfer element. */
  readonly drive: TapeUnit | undefined;
  volume: Volume | undefined;
  /** How often the robot put something there, and took something away. */
  readonly counters = { places: 0, picks: 0 };

  constructor(type: ElementType, address: number, drive?: TapeUnit) {
    this.type = type;
    this.address = address;
    this.drive = drive;
  }

  /** For messages: `slot 3`, as mtx counts them from 1, `drive 0` from 0. */
  get title(): string {
    const { name, first } = rowOf(this.type);
    const number = this.address - first + (this.type === ElementType.DATA_TRANSFER ? 0 : 1);
    return this.type === ElementType.MEDIUM_TRANSPORT ? name : `${name} ${number}`;
  }
}

/** The elements of a library, which are what they are for as long as it is served. */
export class Elements {
  /** By address, ascending. */
  readonly all: readonly Element[];
  readonly #byAddress: ReadonlyMap<number, Element>;

  constructor(of: { drives: readonly TapeUnit[]; slots: number; importExports: number }) {
    const run = (type: ElementType, count: number, drives?: readonly TapeUnit[]): Element[] => {
      const { first, most, name } = rowOf(type);
      if (count > most)
        throw new RangeError(`${count} elements of type ${name}: there are addresses for ${most}`);
      return Array.from({ length: count }, (_, i) => new Element(type, first + i, drives?.[i]));
    };
    this.all = [
      ...run(ElementType.MEDIUM_TRANSPORT, 1),
      ...run(ElementType.STORAGE, of.slots),
      ...run(ElementType.IMPORT_EXPORT, of.importExports),
      ...run(ElementType.DATA_TRANSFER, of.drives.length, of.drives),
    ].sort((a, b) => a.address - b.address);
    this.#byAddress = new Map(this.all.map(element => [element.address, element]));
  }

  at(address: number): Element | undefined {
    return this.#byAddress.get(address);
  }

  of(type: ElementType): readonly Element[] {
    return this.all.filter(element => element.type === type);
  }

  /** Those of a type, or of all for 0, from an address on, by address: at most `limit`. */
  from(type: number, address: number, limit: number): readonly Element[] {
    const found: Element[] = [];
    for (const element of this.all) {
      if (found.length >= limit) break;
      if (element.address >= address && (type === ElementType.ALL || element.type === type))
        found.push(element);
    }
    return found;
  }

  holding(id: string): Element | undefined {
    return this.all.find(({ volume }) => volume?.id === id);
  }
}
