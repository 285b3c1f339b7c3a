import type { Duplex } from 'node:stream';
import { crc32c } from '../bytes/crc32c.ts';
import { BHS_LENGTH, common, padded, setDataLength } from '../iscsi/pdu/header.ts';
import { InitiatorError } from './initiator-error.ts';

/** RFC 7143 11.2.1.5: TotalAHSLength is one byte of words. */
const LONGEST_AHS = 255 * 4;
const DIGEST_LENGTH = 4;

export interface WireHandler {
  /** Where a data segment of `length` bytes goes; called once its header is complete. Throws InitiatorError. */
  land(header: Buffer, length: number): Buffer;
  /** A whole PDU. Header and data are the handler's only until it returns, except what `land` gave. */
  received(header: Buffer, data: Buffer): void;
  /** The connection is gone; called once. */
  ended(error: InitiatorError): void;
}

type Part = 'header' | 'more-header' | 'data' | 'tail';

const NOTHING = Buffer.alloc(0);

/** PDUs over a stream: framing, padding and digests (RFC 7143 11.2), and a count of every byte. */
export class Wire {
  headerDigest = false;
  dataDigest = false;
  /** Every byte on the wire, headers and digests too. */
  bytesIn = 0;
  bytesOut = 0;

  readonly #stream: Duplex;
  readonly #handler: WireHandler;
  readonly #peer: string;
  #ended = false;
  #corked = false;

  readonly #head = Buffer.alloc(BHS_LENGTH + LONGEST_AHS + DIGEST_LENGTH);
  readonly #tail = Buffer.alloc(3 + DIGEST_LENGTH);
  /** What is being filled now, how far, and how far it goes. */
  #part: Part = 'header';
  #into: Buffer = this.#head;
  #at = 0;
  #end = BHS_LENGTH;
  #data: Buffer = NOTHING;

  /** `peer` names the other side in errors. */
  constructor(stream: Duplex, handler: WireHandler, peer: string) {
    this.#stream = stream;
    this.#handler = handler;
    this.#peer = peer;
    stream.on('data', (chunk: Buffer) => this.#push(chunk));
    stream.on('error', (error: Error) => {
      this.end(
        new InitiatorError('closed', `the connection to ${peer} broke: ${error.message}`, { cause: error }),
      );
    });
    const closed = (): void => this.end(new InitiatorError('closed', `${peer} closed the connection`));
    stream.on('end', closed);
    stream.on('close', closed);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends a PDU; its DataSegmentLength is set here. `data` is not copied. */
  send(header: Buffer, data: Uint8Array = NOTHING): void {
    if (this.#ended) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#stream.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#stream.uncork();
      });
    }
    setDataLength(header, data.length);
    this.#write(header);
    if (this.headerDigest) this.#write(digestOf(header));
    if (data.length === 0) return;
    this.#write(data);
    const padding = padded(data.length) - data.length;
    const tail = Buffer.alloc(padding + (this.dataDigest ? DIGEST_LENGTH : 0));
    if (this.dataDigest) tail.writeUInt32LE(crc32c(tail.subarray(0, padding), crc32c(data)), padding);
    if (tail.length > 0) this.#write(tail);
  }

  #write(bytes: Uint8Array): void {
    this.bytesOut += bytes.length;
    this.#stream.write(bytes);
  }

  /** Ends the connection, once. What was written is sent first when `flush` is set. */
  end(error: InitiatorError, flush = false): void {
    if (this.#ended) return;
    this.#ended = true;
    if (flush) this.#stream.end(() => this.#stream.destroy());
    else this.#stream.destroy();
    this.#handler.ended(error);
  }

  #push(chunk: Buffer): void {
    this.bytesIn += chunk.length;
    try {
      let from = 0;
      while (from < chunk.length && !this.#ended) {
        const length = Math.min(chunk.length - from, this.#end - this.#at);
        chunk.copy(this.#into, this.#at, from, from + length);
        this.#at += length;
        from += length;
        while (this.#at === this.#end && !this.#ended) this.#next();
      }
    } catch (error) {
      this.end(
        error instanceof InitiatorError
          ? error
          : new InitiatorError(
              'protocol',
              `the answer of ${this.#peer} cannot be read: ${(error as Error).message}`,
              {
                cause: error,
              },
            ),
      );
    }
  }

  #fill(part: Part, into: Buffer, at: number, end: number): void {
    this.#part = part;
    this.#into = into;
    this.#at = at;
    this.#end = end;
  }

  /** The part that was being filled is full. */
  #next(): void {
    const head = this.#head;
    switch (this.#part) {
      case 'header': {
        const ahs = common.totalAhsLength.get(head) * 4;
        const end = BHS_LENGTH + ahs + (this.headerDigest ? DIGEST_LENGTH : 0);
        this.#fill('more-header', head, BHS_LENGTH, end);
        return;
      }
      case 'more-header': {
        const end = this.#end - (this.headerDigest ? DIGEST_LENGTH : 0);
        if (this.headerDigest) this.#check(crc32c(head.subarray(0, end)), head, end, 'header');
        const length = common.dataSegmentLength.get(head);
        this.#data = length === 0 ? NOTHING : this.#handler.land(head.subarray(0, BHS_LENGTH), length);
        this.#fill('data', this.#data, 0, length);
        return;
      }
      case 'data': {
        const length = this.#end;
        const padding = padded(length) - length;
        this.#fill('tail', this.#tail, 0, length === 0 ? 0 : padding + (this.dataDigest ? DIGEST_LENGTH : 0));
        return;
      }
      case 'tail': {
        const end = this.#end;
        const data = this.#data;
        if (this.dataDigest && end > 0) {
          const padding = end - DIGEST_LENGTH;
          this.#check(crc32c(this.#tail.subarray(0, padding), crc32c(data)), this.#tail, padding, 'data');
        }
        this.#data = NOTHING;
        this.#fill('header', head, 0, BHS_LENGTH);
        this.#handler.received(head.subarray(0, BHS_LENGTH), data);
        return;
      }
    }
  }

  #check(sum: number, from: Buffer, at: number, what: string): void {
    if (from.readUInt32LE(at) === sum) return;
    throw new InitiatorError('protocol', `a ${what} digest from ${this.#peer} is wrong`);
  }
}

function digestOf(bytes: Uint8Array): Buffer {
  const digest = Buffer.alloc(DIGEST_LENGTH);
  digest.writeUInt32LE(crc32c(bytes));
  return digest;
}
