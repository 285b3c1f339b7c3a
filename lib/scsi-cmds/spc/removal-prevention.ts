import type { Nexus } from '../nexus.ts';

/** Who holds the medium in: each nexus for itself (SBC-3 5.10). */
export class RemovalPrevention {
  readonly #nexuses = new Set<string>();

  get prevented(): boolean {
    return this.#nexuses.size > 0;
  }

  prevent(nexus: Nexus): void {
    this.#nexuses.add(nexus.id);
  }

  /** Allowed again by the nexus, or the nexus is lost. */
  forget(nexus: Nexus): void {
    this.#nexuses.delete(nexus.id);
  }

  reset(): void {
    this.#nexuses.clear();
  }
}
