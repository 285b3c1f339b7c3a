/**
 * Payload buffers by size class. Taking one that was given back costs no allocation and no zeroing, so what is in it is
 * somebody's old data: whoever takes a buffer fills what it sends.
 */
const SMALLEST = 4 * 1024;
const CLASSES = 13; // 4 KiB … 16 MiB

/** The largest buffer that the pool keeps; larger ones are made and dropped. */
export const LARGEST_BUFFER = SMALLEST << (CLASSES - 1);

const classOf = (bytes: number): number => (bytes <= SMALLEST ? 0 : 32 - Math.clz32((bytes - 1) >>> 12));

export class BufferPool {
  readonly #free: Buffer[][] = Array.from({ length: CLASSES }, () => []);
  readonly #limitBytes: number;
  #keptBytes = 0;

  /** `limitBytes`: what the pool keeps for later at the most. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes that lie ready. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A buffer of at least `bytes`, not zeroed. */
  take(bytes: number): Buffer {
    if (bytes > LARGEST_BUFFER) return Buffer.allocUnsafeSlow(bytes);
    const size = classOf(bytes);
    const buffer = this.#free[size]!.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(SMALLEST << size);
    this.#keptBytes -= buffer.length;
    return buffer;
  }

  /** Gives back what `take` gave, whole. */
  give(buffer: Buffer): void {
    const size = classOf(buffer.length);
    if (size >= CLASSES || buffer.length !== SMALLEST << size) return;
    if (this.#keptBytes + buffer.length > this.#limitBytes) return;
    this.#keptBytes += buffer.length;
    this.#free[size]!.push(buffer);
  }
}

/** One queue of 128 commands of 64 KiB, or eight transfers of the largest size, lie ready; the rest goes back to V8. */
export const payloads = new BufferPool(8 * LARGEST_BUFFER);
