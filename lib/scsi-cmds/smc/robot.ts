import type { TapeMedium } from '../../backends/tape-medium.ts';
import type { Log } from '../../log.ts';
import { CheckCondition, SenseKey } from '../sense.ts';
import type { TapeUnit } from '../ssc/tape-unit.ts';
import type { Element, Volume } from './element.ts';
import type { Inventory, Move } from './inventory.ts';
import { loadFailed, notMoved, preventedByDrive, sourceEmpty, unloadFailed } from './sense.ts';

/** What a drive had or is to get: nothing where it is a cartridge that cannot be read. */
type Held = TapeMedium | undefined;

const commandAborted = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.ABORTED_COMMAND, code: 0x0000 });

/**
 * Carries cartridges, and loads and unloads drives. A cartridge is opened when it comes into a drive and closed when it
 * leaves it. Until it is kept where they lie, everything can be put back; after that nothing that fails moves them again.
 */
export class Robot {
  readonly #inventory: Inventory;
  readonly #log: Log;

  constructor(inventory: Inventory, log: Log) {
    this.#inventory = inventory;
    this.#log = log;
  }

  /** Makes all of the moves or none; their elements have been found right. `aborted` is asked before anything happens. */
  async carry(moves: readonly Move[], aborted: () => boolean): Promise<void> {
    const fromShelf = new Map<Volume, Held>();
    const fromDrives = new Map<Volume, Held>();
    try {
      for (const { volume, from, to } of moves) {
        if (from.drive !== undefined) continue;
        if (to.drive === undefined) await this.#grip(from);
        else fromShelf.set(volume, await this.#take(from));
      }
      for (const { volume, from } of moves) {
        if (from.drive !== undefined) fromDrives.set(volume, await this.#eject(from.drive, aborted));
      }
      if (aborted()) throw commandAborted();
      await this.#keep(moves);
    } catch (error) {
      for (const held of fromShelf.values()) await this.#close(held);
      for (const { volume, from } of moves) {
        if (fromDrives.has(volume)) await insert(from.drive!, fromDrives.get(volume));
      }
      throw error;
    }
    for (const { volume, to } of moves) {
      const held = fromShelf.get(volume) ?? fromDrives.get(volume);
      if (to.drive !== undefined) await insert(to.drive, held);
      else await this.#close(held);
    }
  }

  /** Loads what lies in the drives, at the start. Rejects with one sentence when another program has it. */
  async load(drives: readonly Element[]): Promise<void> {
    for (const { drive, volume } of drives) {
      if (drive === undefined || volume === undefined) continue;
      const taken = await this.#inventory.shelf.take(volume.id);
      if ('medium' in taken) await insert(drive, taken.medium);
      else if (taken.trouble === 'unreadable') {
        this.#unreadable(volume, taken.sentence);
        await insert(drive, undefined);
      } else throw new Error(taken.sentence);
    }
  }

  /** There is something where it should be. */
  async #grip(from: Element): Promise<void> {
    if ((await this.#inventory.shelf.look(from.volume!.id)) === undefined) await this.#lose(from);
  }

  async #lose(from: Element): Promise<never> {
    await this.#inventory.lose(from);
    throw sourceEmpty();
  }

  async #take(from: Element): Promise<Held> {
    const volume = from.volume!;
    const taken = await this.#inventory.shelf.take(volume.id);
    if ('medium' in taken) {
      volume.problem = undefined;
      return taken.medium;
    }
    switch (taken.trouble) {
      case 'gone':
        return this.#lose(from);
      case 'in-use':
        this.#log.warn({ cartridge: volume.barcode }, `not loaded: ${taken.sentence}`);
        throw loadFailed();
      case 'unreadable':
        this.#unreadable(volume, taken.sentence);
        return undefined;
    }
  }

  #unreadable(volume: Volume, sentence: string): void {
    volume.problem = sentence;
    this.#log.error({ cartridge: volume.barcode }, `loaded and cannot be read: ${sentence}`);
  }

  /** When the commands of the drive have ended. It unloads what its initiators left loaded, unless they prevent it. */
  #eject(drive: TapeUnit, aborted: () => boolean): Promise<Held> {
    return drive.alone(async () => {
      if (aborted()) throw commandAborted();
      if (drive.removal.prevented) throw preventedByDrive();
      try {
        return await drive.eject();
      } catch (error) {
        this.#log.error({ err: error, drive: drive.identity.name }, 'the cartridge stays in the drive');
        throw unloadFailed();
      }
    });
  }

  async #keep(moves: readonly Move[]): Promise<void> {
    try {
      await this.#inventory.move(moves);
    } catch (error) {
      this.#log.error({ err: error }, `nothing was moved: ${(error as Error).message}`);
      throw notMoved();
    }
  }

  /** It is where it should be, and what was promised of its content has been kept before. */
  async #close(held: Held): Promise<void> {
    try {
      await held?.close();
    } catch (error) {
      this.#log.error({ err: error }, `a cartridge was not closed: ${(error as Error).message}`);
    }
  }
}

const insert = (drive: TapeUnit, held: Held): Promise<void> =>
  drive.alone(() => (held === undefined ? drive.insertUnreadable() : drive.insert(held)));
