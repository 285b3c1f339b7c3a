import { LRUCache } from 'lru-cache';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import {
  MAX_COPIES,
  MAX_COPIES_OF_NEXUS,
  MAX_COPIES_WITH_HELD_DATA,
  MAX_HELD_OF_NEXUS,
  MAX_NEXUSES_WITH_RESULTS,
  MAX_RESULTS_OF_NEXUS,
} from './limits.ts';
import type { CopyOperation } from './operation.ts';
import { CopyCode, refused } from './sense.ts';

/** SERVICE ACTION of EXTENDED COPY(LID1), the one command whose list identifier is a byte. */
export const LID1 = 0x00;

/**
 * The copies of one target: those that run, and what is known of finished ones until it is fetched. List identifiers
 * belong to the I_T nexus and are one space for all originating commands (SPC-4 5.17.4.2). A foreground copy's results go
 * with its nexus; those of a background copy wait for the nexus to come back.
 */
export class OperationTable {
  readonly #running = new Set<CopyOperation>();
  /** Finished ones by nexus and list identifier; the nexus that was heard of least lately goes first. */
  readonly #results = new LRUCache<string, Map<number, CopyOperation>>({ max: MAX_NEXUSES_WITH_RESULTS });
  /** Finished copies with held data, oldest first. */
  readonly #holding = new Set<CopyOperation>();
  #idle: (() => void)[] = [];

  get running(): ReadonlySet<CopyOperation> {
    return this.#running;
  }

  /** There is no room for one more copy of that nexus. */
  full(nexus: Nexus): boolean {
    if (this.#running.size >= MAX_COPIES) return true;
    let own = 0;
    for (const { nexus: other } of this.#running) if (other.id === nexus.id) own++;
    return own >= MAX_COPIES_OF_NEXUS;
  }

  /**
   * Throws OPERATION IN PROGRESS for a list identifier that is in use, INVALID FIELD when a command of the other format
   * uses it (SPC-4 5.17.4.2).
   */
  requireUnused({
    nexus,
    listId,
    serviceAction,
  }: Pick<CopyOperation, 'nexus' | 'listId' | 'serviceAction'>): void {
    if (listId === undefined) return;
    const other = this.#runningWith(nexus, listId);
    if (other === undefined) return;
    const sameFormat = (other.serviceAction === LID1) === (serviceAction === LID1);
    throw refused(sameFormat ? CopyCode.OPERATION_IN_PROGRESS : CopyCode.INVALID_FIELD);
  }

  /** Results of an earlier copy with the same list identifier are gone. */
  add(operation: CopyOperation): void {
    this.#running.add(operation);
    if (operation.listId === undefined) return;
    const known = this.#results.get(operation.nexus.id);
    const earlier = known?.get(operation.listId);
    if (earlier === undefined) return;
    known!.delete(operation.listId);
    this.#holding.delete(earlier);
  }

  find(nexus: Nexus, listId: number): CopyOperation | undefined {
    const running = this.#runningWith(nexus, listId);
    if (running !== undefined) return running;
    const known = this.#results.get(nexus.id)?.get(listId);
    if (known === undefined || known.forgotten) return undefined;
    return known.background || known.nexus === nexus ? known : undefined;
  }

  #runningWith(nexus: Nexus, listId: number): CopyOperation | undefined {
    for (const one of this.#running) if (one.listId === listId && one.nexus.id === nexus.id) return one;
    return undefined;
  }

  /** All that was known of the copy has been fetched, or is no longer so. */
  forget(operation: CopyOperation): void {
    const known = this.#results.get(operation.nexus.id);
    if (known === undefined || known.get(operation.listId!) !== operation) return;
    known.delete(operation.listId!);
    this.#holding.delete(operation);
    if (known.size === 0) this.#results.delete(operation.nexus.id);
  }

  finished(operation: CopyOperation): void {
    this.#running.delete(operation);
    if (operation.listId !== undefined) this.#keep(operation, operation.listId);
    if (this.#running.size === 0) {
      const waiting = this.#idle;
      this.#idle = [];
      for (const go of waiting) go();
    }
  }

  #keep(operation: CopyOperation, listId: number): void {
    if (operation.held !== undefined) this.#keepHeld(operation);
    let known = this.#results.get(operation.nexus.id);
    if (known === undefined) this.#results.set(operation.nexus.id, (known = new Map()));
    known.set(listId, operation);
    // The first of them is the oldest.
    for (const [id, old] of known) {
      if (known.size <= MAX_RESULTS_OF_NEXUS) break;
      known.delete(id);
      this.#holding.delete(old);
    }
  }

  /** SPC-4 5.17.4.5: dropped when the room is needed, first that of the nexus that needs it. */
  #keepHeld(operation: CopyOperation): void {
    for (const old of this.#holding) if (old.held === undefined) this.#holding.delete(old);
    this.#holding.add(operation);
    const own = [...this.#holding].filter(({ nexus }) => nexus.id === operation.nexus.id);
    if (own.length > MAX_HELD_OF_NEXUS) this.#dropFirst(own);
    else if (this.#holding.size > MAX_COPIES_WITH_HELD_DATA) this.#dropFirst(this.#holding);
  }

  #dropFirst([oldest]: Iterable<CopyOperation>): void {
    oldest?.held?.drop();
    this.#holding.delete(oldest!);
  }

  /** Resolves when no copy runs. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>(resolve => this.#idle.push(resolve));
  }
}
