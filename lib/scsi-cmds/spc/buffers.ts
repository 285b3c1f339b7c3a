import type { Nexus } from '../nexus.ts';

/** One data buffer a unit, made when it is first written. */
export const DATA_BUFFER_BYTES = 64 * 1024;
/** Of each nexus; the capacity field has 13 bits (SPC-4 6.18.8). */
export const ECHO_BUFFER_BYTES = 4096;

/** What READ BUFFER and WRITE BUFFER work on: 64 KiB a unit, and 4 KiB of echo a nexus. Lost with a reset. */
export class DeviceBuffers {
  #data: Buffer | undefined;
  readonly #echoes = new Map<string, Buffer>();

  /** Up to `bytes` from `offset` on; zeros where nothing was ever written. */
  read(offset: number, bytes: number): Buffer {
    const end = Math.min(offset + bytes, DATA_BUFFER_BYTES);
    return this.#data === undefined
      ? Buffer.alloc(end - offset)
      : Buffer.from(this.#data.subarray(offset, end));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#data ??= Buffer.alloc(DATA_BUFFER_BYTES);
    this.#data.set(bytes, offset);
  }

  echoes(nexus: Nexus, bytes: Uint8Array): void {
    this.#echoes.set(nexus.id, Buffer.from(bytes));
  }

  /** What the nexus wrote last; undefined when that was nothing. */
  echo(nexus: Nexus): Buffer | undefined {
    return this.#echoes.get(nexus.id);
  }

  forget(nexus: Nexus): void {
    this.#echoes.delete(nexus.id);
  }

  reset(): void {
    this.#data = undefined;
    this.#echoes.clear();
  }
}
