/**
 * An initiator that does as it is told, right or wrong: sends any PDU and records every one that comes back. Framing,
 * digests and padding are done here once more and not taken from lib/, so that two readings of RFC 7143 11.2 meet.
 */
import type { Duplex } from 'node:stream';
import { crc32cScript } from '../../lib/bytes/crc32c.ts';
import type { Field } from '../../lib/bytes/fields.ts';
import type { Shape } from '../../lib/bytes/layout.ts';
import { describe } from '../../lib/bytes/layout.ts';
import { LAYOUTS } from '../../lib/iscsi/pdu/layouts.ts';

export type Value = number | boolean | Uint8Array | string;
export type Values = Readonly<Record<string, Value>>;

export const NONE = 0xffff_ffff;
const EMPTY = Buffer.alloc(0);

/** The header that `values` make by the layout of `opcode`, or zeros where there is none. */
export function build(opcode: number, values: Values = {}): Buffer {
  const header = Buffer.alloc(48);
  const known = LAYOUTS.get(opcode);
  header[0] = opcode;
  for (const [name, value] of Object.entries(values)) {
    const field = (known?.layout as unknown as Record<string, Field<unknown>> | undefined)?.[name];
    if (field === undefined) throw new Error(`opcode ${opcode.toString(16)}h has no field ${name}`);
    field.set(header, value);
  }
  return header;
}

export class Pdu {
  readonly header: Buffer;
  readonly ahs: Buffer;
  readonly data: Buffer;
  readonly opcode: number;

  constructor(header: Buffer, ahs: Buffer, data: Buffer) {
    this.header = header;
    this.ahs = ahs;
    this.data = data;
    this.opcode = header[0]! & 0x3f;
  }

  get #layout(): Shape {
    const known = LAYOUTS.get(this.opcode);
    if (known === undefined) throw new Error(`opcode ${this.opcode.toString(16)}h came`);
    return known.layout;
  }

  get(name: string): number | boolean | Uint8Array {
    const field = (this.#layout as unknown as Record<string, Field<number | boolean | Uint8Array>>)[name];
    if (field === undefined) throw new Error(`${LAYOUTS.get(this.opcode)!.name} has no field ${name}`);
    return field.get(this.header);
  }

  num(name: string): number {
    return Number(this.get(name));
  }

  flag(name: string): boolean {
    return this.get(name) === true;
  }

  /** Its data segment as key=value pairs. */
  get keys(): Map<string, string> {
    return new Map(this.pairs);
  }

  get pairs(): [string, string][] {
    return this.data
      .toString()
      .split('\0')
      .filter(part => part !== '')
      .map(part => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]);
  }

  toString(): string {
    const name = LAYOUTS.get(this.opcode)?.name ?? `opcode ${this.opcode.toString(16)}h`;
    return `${name} ${describe(this.#layout, this.header)} +${this.data.length}`;
  }
}

export const text = (keys: Readonly<Record<string, string>> | readonly string[]): Buffer =>
  Buffer.from(
    (Array.isArray(keys) ? (keys as string[]) : Object.entries(keys).map(([k, v]) => `${k}=${v}`))
      .map(pair => `${pair}\0`)
      .join(''),
  );

const sum = (...parts: readonly Uint8Array[]): Buffer => {
  const digest = Buffer.alloc(4);
  digest.writeUInt32LE(parts.reduce((seed, part) => crc32cScript(part, seed), 0));
  return digest;
};

/** Opcodes whose StatSN is a number of its own (not R2T, not a Data-In without S, not an unasked NOP-In). */
const numbered = (pdu: Pdu): boolean => {
  if (pdu.opcode === 0x31) return false;
  if (pdu.opcode === 0x25) return pdu.flag('hasStatus');
  if (pdu.opcode === 0x20) return pdu.num('initiatorTaskTag') !== NONE;
  return true;
};

export interface SendOptions {
  readonly data?: Uint8Array;
  readonly ahs?: Uint8Array;
  readonly headerDigest?: 'wrong';
  readonly dataDigest?: 'wrong';
  /** Sends only so many bytes of the PDU; `rest` sends what is left. */
  readonly stopAt?: number;
}

export class RawPeer {
  readonly stream: Duplex;
  headerDigest = false;
  dataDigest = false;
  /** Everything that came, in order. */
  readonly pdus: Pdu[] = [];
  /** What the target did against the rules of numbering; a test that ends well leaves it empty. */
  readonly violations: string[] = [];
  /** Settles when the target has ended the connection. */
  readonly ended: Promise<void>;
  gone = false;
  rest: () => void = () => {};

  /** CmdSN is one for all connections of a session. */
  numbers = { cmdSN: 1 };
  expStatSN = 0;
  expCmdSN = 0;
  maxCmdSN = 0;

  /** Swallows what it picks, as a digest error would. */
  lose: ((pdu: Pdu) => boolean) | undefined;
  /** ExpStatSN stops at what is missing, and what comes again is no violation (RFC 7143 4.2.2.2). */
  recovers = false;
  /** With `recovers`: false for a status that is not to be acknowledged yet; `took` does it later. */
  acknowledges: (pdu: Pdu) => boolean = () => true;
  /** Spoils a digest of what is sent. */
  spoils: (() => 'header' | 'data' | undefined) | undefined;
  readonly #got = new Set<number>();

  get cmdSN(): number {
    return this.numbers.cmdSN;
  }

  set cmdSN(cmdSN: number) {
    this.numbers.cmdSN = cmdSN;
  }

  #lastStatSN: number | undefined;
  #window: { exp: number; max: number } | undefined;
  #pending: Buffer = EMPTY;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #read = 0;
  #waiters: { wants: (pdu: Pdu) => boolean; resolve: (pdu: Pdu) => void; reject: (error: Error) => void }[] =
    [];

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => this.#input(chunk));
    stream.on('error', () => {});
    this.ended = new Promise(resolve => {
      const gone = (): void => {
        if (this.gone) return;
        this.gone = true;
        for (const { reject } of this.#waiters.splice(0)) reject(new Error('the connection ended'));
        resolve();
      };
      stream.on('end', gone);
      stream.on('close', gone);
    });
  }

  /** The bytes of a PDU as they go on the wire. */
  bytes(header: Buffer, { data = EMPTY, ahs = EMPTY, headerDigest, dataDigest }: SendOptions = {}): Buffer {
    header[4] = ahs.length / 4;
    header.writeUIntBE(data.length, 5, 3);
    const parts: Uint8Array[] = [header, ahs];
    if (this.headerDigest) {
      const digest = sum(header, ahs);
      if (headerDigest === 'wrong') digest[1]! ^= 0x40;
      parts.push(digest);
    }
    const padding = Buffer.alloc(-data.length & 3);
    parts.push(data, padding);
    if (this.dataDigest && data.length > 0) {
      const digest = sum(data, padding);
      if (dataDigest === 'wrong') digest[2]! ^= 0x01;
      parts.push(digest);
    }
    return Buffer.concat(parts);
  }

  /** Sends a PDU by its layout; `options` may be its data alone. */
  send(opcode: number, values: Values = {}, options: SendOptions | Uint8Array = {}): void {
    this.sendHeader(build(opcode, values), options instanceof Uint8Array ? { data: options } : options);
  }

  sendHeader(header: Buffer, options: SendOptions = {}): void {
    const spoilt = this.spoils?.();
    const bytes = this.bytes(header, {
      ...options,
      ...(spoilt === 'header' ? { headerDigest: 'wrong' as const } : {}),
      ...(spoilt === 'data' ? { dataDigest: 'wrong' as const } : {}),
    });
    const { stopAt } = options;
    if (stopAt === undefined) this.stream.write(bytes);
    else {
      this.stream.write(bytes.subarray(0, stopAt));
      this.rest = () => {
        this.stream.write(bytes.subarray(stopAt));
      };
    }
  }

  /** The next PDU that has not been looked at; with `wants` the next that it picks, others being passed over. */
  next(wants: (pdu: Pdu) => boolean = () => true): Promise<Pdu> {
    while (this.#read < this.pdus.length) {
      const pdu = this.pdus[this.#read++]!;
      if (wants(pdu)) return Promise.resolve(pdu);
    }
    if (this.gone) return Promise.reject(new Error('the connection ended'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing came within 10 s')), 10_000);
      this.#waiters.push({
        wants,
        resolve: pdu => {
          clearTimeout(timer);
          resolve(pdu);
        },
        reject: error => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  nextOf(opcode: number): Promise<Pdu> {
    return this.next(pdu => pdu.opcode === opcode);
  }

  reply(tag: number): Promise<Pdu> {
    return this.next(pdu => numbered(pdu) && pdu.num('initiatorTaskTag') === tag);
  }

  #input(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
    if (this.#chunkBytes < this.#wanted()) return;
    this.#pending = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    for (;;) {
      const length = this.#whole(this.#pending);
      if (length > this.#pending.length) break;
      this.#take(this.#pending.subarray(0, length));
      this.#pending = this.#pending.subarray(length);
    }
    this.#chunks = this.#pending.length > 0 ? [this.#pending] : [];
    this.#chunkBytes = this.#pending.length;
  }

  #wanted(): number {
    const first = this.#chunks[0]!;
    return first.length >= 48 ? this.#whole(first) : 48;
  }

  #whole(from: Buffer): number {
    if (from.length < 48) return 48;
    const data = from.readUIntBE(5, 3);
    return (
      48 +
      from[4]! * 4 +
      (this.headerDigest ? 4 : 0) +
      ((data + 3) & ~3) +
      (this.dataDigest && data > 0 ? 4 : 0)
    );
  }

  #take(bytes: Buffer): void {
    const header = Buffer.from(bytes.subarray(0, 48));
    let at = 48 + header[4]! * 4;
    const ahs = Buffer.from(bytes.subarray(48, at));
    if (this.headerDigest) {
      if (!sum(header, ahs).equals(bytes.subarray(at, at + 4)))
        this.violations.push('header digest is wrong');
      at += 4;
    }
    const length = header.readUIntBE(5, 3);
    const data = Buffer.from(bytes.subarray(at, at + length));
    const end = (at + length + 3) & ~3;
    const padding = bytes.subarray(at + length, end);
    if (padding.some(byte => byte !== 0)) this.violations.push('padding is not zero');
    if (this.dataDigest && length > 0 && !sum(data, padding).equals(bytes.subarray(end, end + 4))) {
      this.violations.push('data digest is wrong');
    }
    this.#arrived(new Pdu(header, ahs, data));
  }

  /** A response is in: it counts once all before it are. */
  took(statSN: number): void {
    if (((statSN - this.expStatSN) | 0) < 0) return;
    this.#got.add(statSN);
    while (this.#got.delete(this.expStatSN)) this.expStatSN = (this.expStatSN + 1) >>> 0;
  }

  #arrived(pdu: Pdu): void {
    if (this.lose?.(pdu) === true) return;
    this.#check(pdu);
    this.pdus.push(pdu);
    while (this.#waiters.length > 0 && this.#read < this.pdus.length) {
      const candidate = this.pdus[this.#read++]!;
      if (this.#waiters[0]!.wants(candidate)) this.#waiters.shift()!.resolve(candidate);
    }
  }

  /** RFC 7143 4.2.2: StatSN goes up by one, ExpCmdSN and MaxCmdSN never go back. */
  #check(pdu: Pdu): void {
    if (pdu.opcode === 0x23 && pdu.num('status') !== 0) return;
    if (pdu.opcode !== 0x25 || numbered(pdu)) {
      const statSN = pdu.num('statSN');
      const last = this.recovers ? undefined : this.#lastStatSN;
      if (last !== undefined && statSN !== (last + 1) >>> 0) {
        this.violations.push(`StatSN ${statSN} after ${last}: ${pdu.toString()}`);
      }
      if (this.recovers && numbered(pdu)) {
        if (this.acknowledges(pdu)) this.took(statSN);
      } else if (numbered(pdu)) {
        this.#lastStatSN = statSN;
        this.expStatSN = (statSN + 1) >>> 0;
      }
    }
    const exp = pdu.num('expCmdSN');
    const max = pdu.num('maxCmdSN');
    if (this.#window !== undefined) {
      if (((exp - this.#window.exp) | 0) < 0) this.violations.push(`ExpCmdSN goes back: ${pdu.toString()}`);
      if (((max - this.#window.max) | 0) < 0) this.violations.push(`MaxCmdSN goes back: ${pdu.toString()}`);
    }
    this.#window = { exp, max };
    this.expCmdSN = exp;
    this.maxCmdSN = max;
  }
}
