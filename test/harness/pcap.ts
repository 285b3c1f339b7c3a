/** Writes what went over connections in this process as a capture that tshark reads: TCP over IPv4, made up around it. */
import { appendFileSync, writeFileSync } from 'node:fs';
import type { Faults } from './duplex.ts';

const SYN = 0x02;
const ACK = 0x10;
const PUSH_ACK = 0x18;
const FIN_ACK = 0x11;
/** What fits into a packet of IPv4 with room to spare. */
const SEGMENT = 32 * 1024;
const LINKTYPE_RAW = 101;

/** The one's complement sum of RFC 1071. */
function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += (part[i]! << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

interface End {
  readonly address: number;
  readonly port: number;
  /** Next sequence number. */
  sequence: number;
}

/** A capture in the file; its times count microseconds, one a packet. */
export class Capture {
  readonly file: string;
  /** What the target's end of every connection is. */
  readonly port: number;
  #packets = 0;
  #connections = 0;

  constructor(file: string, port = 3260) {
    this.file = file;
    this.port = port;
    const head = Buffer.alloc(24);
    head.writeUInt32LE(0xa1b2_c3d4, 0);
    head.writeUInt16LE(2, 4);
    head.writeUInt16LE(4, 6);
    head.writeUInt32LE(0xffff, 16);
    head.writeUInt32LE(LINKTYPE_RAW, 20);
    writeFileSync(file, head);
  }

  #packet(from: End, to: End, flags: number, data: Buffer = Buffer.alloc(0)): void {
    const tcp = Buffer.alloc(20);
    tcp.writeUInt16BE(from.port, 0);
    tcp.writeUInt16BE(to.port, 2);
    tcp.writeUInt32BE(from.sequence >>> 0, 4);
    if ((flags & ACK) !== 0) tcp.writeUInt32BE(to.sequence >>> 0, 8);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    tcp.writeUInt16BE(0xffff, 14);
    const ip = Buffer.alloc(20);
    ip[0] = 0x45;
    ip.writeUInt16BE(40 + data.length, 2);
    ip[8] = 64;
    ip[9] = 6;
    ip.writeUInt32BE(from.address, 12);
    ip.writeUInt32BE(to.address, 16);
    ip.writeUInt16BE(checksum(ip), 10);
    const pseudo = Buffer.concat([ip.subarray(12, 20), Buffer.of(0, 6, 0, 0)]);
    pseudo.writeUInt16BE(20 + data.length, 10);
    tcp.writeUInt16BE(checksum(pseudo, tcp, data), 16);
    const record = Buffer.alloc(16);
    const at = this.#packets++;
    record.writeUInt32LE(1_700_000_000 + Math.floor(at / 1_000_000), 0);
    record.writeUInt32LE(at % 1_000_000, 4);
    record.writeUInt32LE(40 + data.length, 8);
    record.writeUInt32LE(40 + data.length, 12);
    appendFileSync(this.file, Buffer.concat([record, ip, tcp, data]));
    from.sequence += data.length + ((flags & (SYN | 0x01)) === 0 ? 0 : 1);
  }

  /** A new connection: what its two directions are told with, for `duplexPair`, and what ends it. */
  connection(): { readonly faults: Faults; readonly back: Faults; end(): void } {
    const number = ++this.#connections;
    const initiator: End = { address: 0x7f00_0001, port: 40_000 + number, sequence: 1000 * number };
    const target: End = { address: 0x7f00_0001, port: this.port, sequence: 0x4000_0000 + number };
    this.#packet(initiator, target, SYN);
    this.#packet(target, initiator, SYN | ACK);
    this.#packet(initiator, target, ACK);
    const carry = (from: End, to: End) => (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += SEGMENT) {
        this.#packet(from, to, PUSH_ACK, bytes.subarray(at, at + SEGMENT));
        this.#packet(to, from, ACK);
      }
    };
    return {
      faults: { seen: carry(initiator, target) },
      back: { seen: carry(target, initiator) },
      end: () => {
        this.#packet(initiator, target, FIN_ACK);
        this.#packet(target, initiator, FIN_ACK);
        this.#packet(initiator, target, ACK);
      },
    };
  }
}
