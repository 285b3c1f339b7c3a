/** Two ends of a connection in this process, with what a real one does: back pressure, pieces, delays and breaks. */
import { Duplex } from 'node:stream';
import type { Random } from './random.ts';

/** What happens to the bytes of one direction. */
export interface Faults {
  /** Pieces of at most so many bytes, their lengths drawn from `random`. */
  readonly cut?: number;
  readonly random?: Random;
  /** Each write arrives so many turns of the event loop late. */
  readonly delayTurns?: number;
  /** The connection breaks after so many bytes. */
  readonly endAfter?: number;
  /** Sees every write as it was sent. */
  readonly seen?: (bytes: Buffer) => void;
  /** This byte, counted from 0, arrives inverted. */
  readonly corruptAt?: number;
}

const later = (turns: number, then: () => void): void => {
  if (turns <= 0) then();
  else setImmediate(() => later(turns - 1, then));
};

class End extends Duplex {
  other!: End;
  readonly #faults: Faults;
  #passed = 0;
  /** The write of the other end that waits until this one is read. */
  #waiting: ((error?: Error) => void) | undefined;

  constructor(faults: Faults) {
    super({ allowHalfOpen: false, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.#faults = faults;
  }

  override _read(): void {
    const done = this.#waiting;
    this.#waiting = undefined;
    if (done !== undefined) setImmediate(done);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#carry(Buffer.from(chunk), done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#carry(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  /** The bytes are a copy, as a socket's are: the writer may use its buffers again once `done` is called. */
  #carry(bytes: Buffer, done: (error?: Error) => void): void {
    const { cut, random, delayTurns = 0, endAfter, corruptAt } = this.#faults;
    this.#faults.seen?.(bytes);
    const start = this.#passed;
    let whole = bytes;
    if (endAfter !== undefined && start + bytes.length >= endAfter) {
      whole = bytes.subarray(0, endAfter - start);
    }
    if (corruptAt !== undefined && corruptAt >= start && corruptAt < start + whole.length) {
      whole[corruptAt - start]! ^= 0xff;
    }
    this.#passed += whole.length;
    later(delayTurns, () => {
      if (this.other.destroyed || this.other.readableEnded) {
        done(new Error('the other end is gone'));
        return;
      }
      let room = true;
      for (let at = 0; at < whole.length;) {
        const length = cut === undefined ? whole.length : 1 + (random?.below(cut) ?? 0);
        room = this.other.push(whole.subarray(at, at + length));
        at += length;
      }
      if (whole.length < bytes.length || this.#passed === endAfter) {
        done();
        this.destroy();
        this.other.destroy();
      } else if (room) setImmediate(done);
      else this.other.#waiting = done;
    });
  }

  override _final(done: () => void): void {
    if (!this.other.destroyed) this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(new Error('the other end is gone'));
    setImmediate(() => {
      if (!this.other.destroyed && !this.other.readableEnded) this.other.push(null);
    });
    done(error);
  }
}

/** `[ours, theirs]`; `faults` hit what ours sends, `back` what theirs sends. */
export function duplexPair(faults: Faults = {}, back: Faults = {}): [Duplex, Duplex] {
  const ours = new End(faults);
  const theirs = new End(back);
  ours.other = theirs;
  theirs.other = ours;
  return [ours, theirs];
}
