import { mkdir, readdir, stat } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';
import { type DocumentKind, readDocument, writeDocument } from '../../state/document.ts';
import { acquireLock, InUseError, type Lock } from '../../state/lock-file.ts';
import { pathError } from '../medium-path.ts';
import {
  type CartridgePlace,
  inOrder,
  type ShelvedCartridge,
  type Taken,
  type TapeShelf,
} from '../tape-shelf.ts';
import { openCartridgeFile } from './cartridge-file.ts';
import { readLabel } from './read-label.ts';

export interface ShelfDirectoryOptions {
  /** Made when it is not there. */
  readonly path: string;
  /** Of cartridges that are made here. */
  readonly capacityBytes?: number;
  readonly mediaType?: string;
}

/** What a cartridge's file is called. */
const EXTENSION = '.tape';
/** Locks, places and states of units lie among the cartridges. */
const OURS = /\.sanlet-|\.tmp$|^\./;
/** Labels that are read at the same time. */
const READERS = 16;

/** Cartridge, element, source, by hand: short, as there may be many. */
type StoredPlace = readonly [string, number | null, number | null, boolean];

const PLACES: DocumentKind<readonly StoredPlace[]> = {
  kind: 'shelf',
  version: 1,
  parse(body) {
    if (!Array.isArray(body)) throw new Error('it holds no list of places');
    for (const place of body as unknown[]) {
      const [cartridge, element, source, byHand] = Array.isArray(place) ? (place as unknown[]) : [];
      const numbers = [element, source].every(value => value === null || Number.isInteger(value));
      if (typeof cartridge !== 'string' || !numbers || typeof byHand !== 'boolean') {
        throw new Error('a place is not one');
      }
    }
    return body as StoredPlace[];
  },
};

/**
 * A directory of cartridge files, and a document of where each of them lies. The directory is locked as a whole; a cartridge
 * has its own lock while it is open, so that programs may look at those that are not in a drive.
 */
export async function openShelfDirectory(options: ShelfDirectoryOptions): Promise<TapeShelf> {
  const { path } = options;
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw pathError(path, error);
  }
  try {
    if (!(await stat(path)).isDirectory()) throw new Error(`${path} is no directory`);
    const lock = await acquireLock({
      medium: path,
      path: join(resolve(path), 'shelf.sanlet-lock'),
      shared: false,
    });
    try {
      return new ShelfDirectory(options, await readPlaces(placesIn(path)), lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw pathError(path, error);
  }
}

const placesIn = (path: string): string => join(resolve(path), 'shelf.sanlet-places');

async function readPlaces(path: string): Promise<CartridgePlace[]> {
  try {
    const stored = (await readDocument(path, PLACES)) ?? [];
    return stored.map(([cartridge, element, source, byHand]) => ({
      cartridge,
      element: element ?? undefined,
      source: source ?? undefined,
      byHand,
    }));
  } catch (error) {
    throw new Error(
      `${(error as Error).message}; it says which cartridge lies where: put back a good copy, or remove the file to have the cartridges put into slots anew`,
      { cause: error },
    );
  }
}

/** What stands on a cartridge without a label: its file's name, as far as a label could say it. */
const nameOf = (id: string): string =>
  parse(id)
    .name.replaceAll(/[^ -~]/g, '?')
    .slice(0, 32);

class ShelfDirectory implements TapeShelf {
  readonly name: string;
  places: readonly CartridgePlace[];
  readonly #options: ShelfDirectoryOptions;
  readonly #lock: Lock;

  constructor(options: ShelfDirectoryOptions, places: readonly CartridgePlace[], lock: Lock) {
    this.name = options.path;
    this.places = places;
    this.#options = options;
    this.#lock = lock;
  }

  #file(id: string): string {
    return join(this.name, id);
  }

  async list(): Promise<readonly ShelvedCartridge[]> {
    const entries = await readdir(this.name, { withFileTypes: true }).catch((error: unknown) => {
      throw pathError(this.name, error);
    });
    const names = entries
      .filter(entry => (entry.isFile() || entry.isSymbolicLink()) && !OURS.test(entry.name))
      .map(({ name }) => name);
    const placed = new Set(this.places.map(({ cartridge }) => cartridge));
    const found: ShelvedCartridge[] = [];
    const read = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        const cartridge = await this.look(name);
        if (cartridge === undefined) continue;
        // A file that says nothing of being a cartridge is one when it is called so, or was one.
        if (cartridge.problem === undefined || name.endsWith(EXTENSION) || placed.has(name)) {
          found.push(cartridge);
        }
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
    return found.sort(inOrder);
  }

  async look(id: string): Promise<ShelvedCartridge | undefined> {
    const unreadable = (problem: string): ShelvedCartridge => ({
      id,
      barcode: nameOf(id),
      mediaType: '',
      worm: false,
      problem,
    });
    const path = this.#file(id);
    try {
      const stats = await stat(path);
      if (!stats.isFile()) return unreadable('is no regular file'); // a pipe would wait for its writer
      // What opens it makes a blank cartridge of it.
      if (stats.size === 0 && id.endsWith(EXTENSION)) {
        return { id, barcode: nameOf(id), mediaType: '', worm: false };
      }
      const { barcode, mediaType, worm } = await readLabel(path);
      return { id, barcode: barcode === '' ? nameOf(id) : barcode, mediaType, worm };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === 'ENOENT' ? undefined : unreadable(message);
    }
  }

  async take(id: string): Promise<Taken> {
    const path = this.#file(id);
    try {
      const { size } = await stat(path); // one that is missing would be made
      return {
        medium: await openCartridgeFile({ path, ...(size === 0 ? { barcode: nameOf(id) } : {}) }),
      };
    } catch (error) {
      const { message: sentence } = pathError(path, error);
      if (error instanceof InUseError) return { trouble: 'in-use', sentence };
      const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      return { trouble: gone ? 'gone' : 'unreadable', sentence };
    }
  }

  async make(barcode: string): Promise<ShelvedCartridge> {
    const id = `${barcode}${EXTENSION}`;
    if ((await this.look(id)) !== undefined) throw new Error(`${this.#file(id)} is there already`);
    const { capacityBytes, mediaType = '' } = this.#options;
    const cartridge = await openCartridgeFile({
      path: this.#file(id),
      barcode,
      mediaType,
      ...(capacityBytes === undefined ? {} : { capacityBytes }),
    });
    await cartridge.close();
    return (await this.look(id))!;
  }

  async keep(places: readonly CartridgePlace[]): Promise<void> {
    const stored = places.map(({ cartridge, element, source, byHand }): StoredPlace => [
      cartridge,
      element ?? null,
      source ?? null,
      byHand,
    ]);
    await writeDocument(placesIn(this.name), PLACES, stored);
    this.places = places;
  }

  close(): void {
    this.#lock.release();
  }
}
