import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type DocumentKind, readDocument, writeDocument } from './document.ts';
import type { Lock } from './lock-file.ts';

/** One part of what a unit keeps, and how it is read back. */
export interface Section<T> {
  /** A word, such as `reservations`. */
  readonly name: string;
  /** Gives back the body, typed, or throws an Error that says what is wrong with it. */
  parse(body: unknown): T;
}

type Sections = Readonly<Record<string, unknown>>;

const UNIT: DocumentKind<Sections> = {
  kind: 'unit-state',
  version: 1,
  parse(body) {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new Error('it holds no sections');
    }
    return body as Sections;
  },
};

/**
 * What one logical unit keeps over a restart and kill -9: reservations, saved mode pages and the like, each a section of
 * one document. A section that nobody here knows is kept as it is.
 *
 * A document that cannot be read is never passed over: what it holds was promised to initiators.
 */
export class UnitState {
  readonly path: string;
  #sections: Sections;
  readonly #lock: Lock | undefined;
  /** The write under way, and the one that will hold what was given since. */
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** The directory of the file is known to be there. */
  #placed = false;

  private constructor(path: string, sections: Sections, lock: Lock | undefined) {
    this.path = path;
    this.#sections = sections;
    this.#lock = lock;
  }

  /**
   * Reads the document at `path`; no document is an empty one, and none is made before something is saved. `lock` is let
   * go by `close`. Rejects with one sentence when there is a document and it cannot be understood.
   */
  static async open(path: string, lock?: Lock): Promise<UnitState> {
    try {
      return new UnitState(path, (await readDocument(path, UNIT)) ?? {}, lock);
    } catch (error) {
      throw withRemedy((error as Error).message, error);
    }
  }

  /** What was last saved in the section; undefined for nothing. Throws one sentence when it cannot be understood. */
  read<T>(section: Section<T>): T | undefined {
    const body = this.#sections[section.name];
    if (body === undefined) return undefined;
    try {
      return section.parse(body);
    } catch (error) {
      throw withRemedy(
        `${this.path} holds ${section.name} that are not valid: ${(error as Error).message}`,
        error,
      );
    }
  }

  /**
   * Resolves when `body` is on stable storage; undefined takes the section away. `body` is not to be changed afterwards.
   * What is saved while a write is under way goes out together in the next one. When it rejects, memory has the new body
   * and the file the old one, until the next save.
   */
  save<T>(section: Section<T>, body: T | undefined): Promise<void> {
    const { [section.name]: _old, ...others } = this.#sections;
    this.#sections = body === undefined ? others : { ...others, [section.name]: body };
    this.#next ??= this.#turn();
    return this.#next;
  }

  async #turn(): Promise<void> {
    // A write that fails is told to those who wait for it, not to those after it.
    await this.#writing?.catch(() => undefined);
    const writing = this.#write();
    this.#writing = writing;
    this.#next = undefined;
    try {
      await writing;
    } finally {
      if (this.#writing === writing) this.#writing = undefined;
    }
  }

  async #write(): Promise<void> {
    if (!this.#placed) await mkdir(dirname(this.path), { recursive: true });
    this.#placed = true;
    await writeDocument(this.path, UNIT, this.#sections);
  }

  /** Waits for what is being saved. Idempotent. */
  async close(): Promise<void> {
    await this.#next?.catch(() => undefined);
    await this.#writing?.catch(() => undefined);
    this.#lock?.release();
  }
}

const withRemedy = (problem: string, cause: unknown): Error =>
  new Error(
    `${problem}; it keeps reservations and settings that were promised to survive: put back a good copy, or remove the file to go on without them`,
    { cause },
  );
