import { crc32c } from '../bytes/crc32c.ts';
import { BHS_LENGTH, padded } from './pdu/header.ts';

/** What the framer asks of its owner, in this order for each PDU. */
export interface FramerSink {
  /**
   * A header is whole (and its digest right). Answers where the data segment goes by setting `framer.into` and
   * `framer.at`; leaving `into` undefined throws the bytes away. Called only when there is a data segment.
   */
  land(header: Buffer, ahs: Buffer | undefined, dataLength: number): void;
  /** The PDU is whole. `header` is overwritten by the next one. `digestFailed`: the data segment is not what was sent. */
  pdu(header: Buffer, ahs: Buffer | undefined, dataLength: number, digestFailed: boolean): void;
  /**
   * The header is not what was sent, though it may still say where the next one is. True: go on there. After two in a row
   * the place is lost, and `broken` is called.
   */
  spoilt(): boolean;
  /** The header is not what was sent, or asks for more than `maxDataLength`: nothing after it can be found. */
  broken(why: string): void;
}

const State = { HEADER: 0, REST_OF_HEADER: 1, DATA: 2, TAIL: 3, DEAD: 4 } as const;

/**
 * Cuts a byte stream into PDUs (RFC 7143 11.2). The header is gathered in a scratch; the data segment goes straight from
 * the chunk to where it belongs, so that it is copied once and never reassembled.
 */
export class Framer {
  /** Where the data segment of the present PDU goes, and at which offset; set by the sink in `land`. */
  into: Buffer | undefined;
  at = 0;
  headerDigest = false;
  dataDigest = false;
  maxDataLength: number;

  readonly #sink: FramerSink;
  readonly #header = Buffer.alloc(BHS_LENGTH);
  /** AHS and header digest, when there are any. */
  #rest = Buffer.alloc(0);
  #ahs: Buffer | undefined;
  /** Padding and data digest. */
  readonly #tail = Buffer.alloc(8);
  #state: number = State.HEADER;
  /** Bytes that the present state has, and needs. */
  #have = 0;
  #need = BHS_LENGTH;
  #dataLength = 0;
  /** The digest of the last header was wrong. */
  #spoilt = false;
  /** The present PDU is passed over. */
  #skipping = false;

  constructor(sink: FramerSink, maxDataLength: number) {
    this.#sink = sink;
    this.maxDataLength = maxDataLength;
  }

  /** Nothing more will be looked at. */
  stop(): void {
    this.#state = State.DEAD;
  }

  /** Takes the next bytes of the stream. The sink is called for each PDU that becomes whole. */
  push(chunk: Buffer): void {
    let from = 0;
    const end = chunk.length;
    while (from < end) {
      const state = this.#state;
      if (state === State.DEAD) return;
      const count = Math.min(this.#need, end - from);
      if (state === State.HEADER) chunk.copy(this.#header, this.#have, from, from + count);
      else if (state === State.DATA) {
        if (this.into !== undefined) chunk.copy(this.into, this.at + this.#have, from, from + count);
      } else if (state === State.REST_OF_HEADER) chunk.copy(this.#rest, this.#have, from, from + count);
      else chunk.copy(this.#tail, this.#have, from, from + count);
      from += count;
      this.#have += count;
      this.#need -= count;
      if (this.#need === 0) this.#step(state);
    }
  }

  #enter(state: number, need: number): void {
    this.#state = state;
    this.#have = 0;
    this.#need = need;
  }

  #step(state: number): void {
    if (state === State.HEADER) {
      const header = this.#header;
      this.#dataLength = (header[5]! << 16) | (header[6]! << 8) | header[7]!;
      if (this.#dataLength > this.maxDataLength) {
        this.#fail(`data segment of ${this.#dataLength} bytes where ${this.maxDataLength} are allowed`);
        return;
      }
      const rest = header[4]! * 4 + (this.headerDigest ? 4 : 0);
      this.#ahs = undefined;
      if (rest > 0) {
        this.#rest = Buffer.alloc(rest);
        this.#enter(State.REST_OF_HEADER, rest);
        return;
      }
      this.#headerWhole();
    } else if (state === State.REST_OF_HEADER) {
      const ahsLength = this.#header[4]! * 4;
      if (this.headerDigest) {
        let digest = crc32c(this.#header);
        if (ahsLength > 0) digest = crc32c(this.#rest.subarray(0, ahsLength), digest);
        if (digest !== this.#rest.readUInt32LE(ahsLength)) {
          if (this.#spoilt || !this.#sink.spoilt()) this.#fail('header digest error');
          else this.#skip();
          return;
        }
        this.#spoilt = false;
      }
      if (ahsLength > 0) this.#ahs = this.#rest.subarray(0, ahsLength);
      this.#headerWhole();
    } else if (state === State.DATA) {
      const tail = padded(this.#dataLength) - this.#dataLength + (this.dataDigest ? 4 : 0);
      if (tail > 0) this.#enter(State.TAIL, tail);
      else this.#whole(false);
    } else {
      let failed = false;
      if (this.dataDigest) {
        const padding = padded(this.#dataLength) - this.#dataLength;
        if (this.into !== undefined) {
          let digest = crc32c(this.into.subarray(this.at, this.at + this.#dataLength));
          if (padding > 0) digest = crc32c(this.#tail.subarray(0, padding), digest);
          failed = digest !== this.#tail.readUInt32LE(padding);
        }
      }
      this.#whole(failed);
    }
  }

  #headerWhole(): void {
    if (this.#dataLength === 0) {
      this.#whole(false);
      return;
    }
    this.into = undefined;
    this.at = 0;
    this.#sink.land(this.#header, this.#ahs, this.#dataLength);
    if (this.#state !== State.DEAD) this.#enter(State.DATA, this.#dataLength);
  }

  /** RFC 7143 7.8: a PDU whose header cannot be believed is not looked at. */
  #skip(): void {
    this.#spoilt = true;
    this.into = undefined;
    this.#skipping = true;
    if (this.#dataLength === 0) this.#whole(false);
    else this.#enter(State.DATA, this.#dataLength);
  }

  #whole(digestFailed: boolean): void {
    this.#enter(State.HEADER, BHS_LENGTH);
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    const { into } = this;
    this.#sink.pdu(this.#header, this.#ahs, this.#dataLength, digestFailed);
    if (this.into === into) this.into = undefined;
  }

  #fail(why: string): void {
    this.stop();
    this.#sink.broken(why);
  }
}
