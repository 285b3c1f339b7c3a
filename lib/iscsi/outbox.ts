import type { Duplex } from 'node:stream';
import { crc32c } from '../bytes/crc32c.ts';
import { BHS_LENGTH, padded, setDataLength } from './pdu/header.ts';

const HEADERS_KEPT = 1024;

/**
 * PDUs on their way out. They gather while input is worked on and leave with one corked write a turn of the event loop:
 * on Node that is worth more than any other trick of the hot path. The one place that writes the transport.
 */
export class Outbox {
  headerDigest = false;
  dataDigest = false;

  readonly #out: Duplex;
  #queue: Buffer[] = [];
  #headers: Buffer[] = [];
  #sent: (() => void)[] = [];
  #bytes = 0;
  /** Flushes that the transport has not finished, and when one last did. */
  #writes = 0;
  #movedAtMs = 0;
  #scheduled = false;
  #closed = false;
  /** Headers that the transport has let go of, to be used again. */
  readonly #free: Buffer[] = [];

  constructor(out: Duplex) {
    this.#out = out;
  }

  /** A zeroed basic header segment to fill in and push. */
  header(): Buffer {
    const header = this.#free.pop();
    if (header === undefined) return Buffer.alloc(BHS_LENGTH);
    header.fill(0);
    return header;
  }

  /** Bytes that gather for the next flush. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Queues a PDU. `data` may be longer than `length`; it is the caller's again when a `sent` that is pushed with this
   * or a later PDU has been called.
   */
  push(header: Buffer, data?: Buffer, length = data?.length ?? 0, sent?: () => void): void {
    if (this.#closed) {
      if (sent !== undefined) setImmediate(sent);
      return;
    }
    setDataLength(header, length);
    this.#queue.push(header);
    this.#headers.push(header);
    this.#bytes += BHS_LENGTH + length;
    if (this.headerDigest) {
      const digest = Buffer.allocUnsafe(4);
      digest.writeUInt32LE(crc32c(header), 0);
      this.#queue.push(digest);
    }
    if (length > 0) {
      const segment = data!.length === length ? data! : data!.subarray(0, length);
      this.#queue.push(segment);
      const padding = padded(length) - length;
      if (padding > 0 || this.dataDigest) {
        const tail = Buffer.alloc(padding + (this.dataDigest ? 4 : 0));
        if (this.dataDigest) {
          let digest = crc32c(segment);
          if (padding > 0) digest = crc32c(tail.subarray(0, padding), digest);
          tail.writeUInt32LE(digest, padding);
        }
        this.#queue.push(tail);
      }
    }
    if (sent !== undefined) this.#sent.push(sent);
  }

  /** Flushes once what is being done now is done: completions that come in one turn leave together. */
  schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    const queue = this.#queue;
    if (queue.length === 0) return;
    const headers = this.#headers;
    const sent = this.#sent;
    this.#queue = [];
    this.#headers = [];
    this.#sent = [];
    this.#bytes = 0;
    const out = this.#out;
    if (this.#writes++ === 0) this.#movedAtMs = performance.now();
    const done = (): void => {
      this.#writes--;
      this.#movedAtMs = performance.now();
      for (let i = 0; i < headers.length && this.#free.length < HEADERS_KEPT; i++)
        this.#free.push(headers[i]!);
      for (let i = 0; i < sent.length; i++) sent[i]!();
    };
    if (out.destroyed || out.writableEnded) {
      setImmediate(done);
      return;
    }
    out.cork();
    const last = queue.length - 1;
    for (let i = 0; i < last; i++) out.write(queue[i]!);
    out.write(queue[last]!, done); // called with an error, too, when the transport breaks
    out.uncork();
  }

  /** For how long the transport has taken nothing of what it was given. */
  stuckMs(nowMs: number): number {
    return this.#writes === 0 ? 0 : nowMs - this.#movedAtMs;
  }

  /** What is queued leaves, then the transport ends. */
  end(): void {
    this.flush();
    this.#closed = true;
    this.#out.end();
  }

  /** Nothing more leaves; who waits for `sent` is told. */
  close(): void {
    this.#closed = true;
    const sent = this.#sent;
    this.#queue = [];
    this.#headers = [];
    this.#sent = [];
    if (sent.length > 0) setImmediate(() => sent.forEach(each => each()));
  }
}
