import { connect, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Writer } from '../bytes/cursor.ts';
import { u16 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { Log } from '../log.ts';
import { formatAddress, serves, standsFor } from './address.ts';
import type { Endpoint } from './connection.ts';
import type { IscsiTarget, PortalAddress } from './node.ts';

/** Registration with an iSNS server (RFC 4171), so that initiators find the targets by it. */

/** RFC 4171 5.1. */
const HEADER_LENGTH = 12;
const header = layout(HEADER_LENGTH, {
  version: u16(0),
  functionId: u16(2),
  pduLength: u16(4),
  flags: u16(6),
  transactionId: u16(8),
  sequenceId: u16(10),
});
const VERSION = 1;
/** From a client, the first PDU of a message and the last (RFC 4171 5.1.4). */
const FLAGS = 0x8000 | 0x0800 | 0x0400;
const RESPONSE = 0x8000;
/** RFC 4171 5.6.5. */
const DEV_ATTR_REG = 0x0001;
const DEV_DEREG = 0x0004;

/** Attributes, by their tags (RFC 4171 6.1). */
const DELIMITER = 0;
const ENTITY_IDENTIFIER = 1;
const ENTITY_PROTOCOL = 2;
const REGISTRATION_PERIOD = 6;
const PORTAL_IP = 16;
const PORTAL_PORT = 17;
const ISCSI_NAME = 32;
const ISCSI_NODE_TYPE = 33;
const PG_ISCSI_NAME = 48;
const PG_PORTAL_IP = 49;
const PG_PORTAL_PORT = 50;
const PG_TAG = 51;

const PROTOCOL_ISCSI = 2;
const NODE_TARGET = 1;

/** The server forgets us after so long without a word (RFC 4171 6.2.6); we say it again thrice as often. */
const PERIOD_S = 900;
const SOONEST_MS = 1_000;
/** A stop does not wait longer for the server. */
const FAREWELL_MS = 1_000;
const LONGEST_RESPONSE = 64 * 1024;
/** PDU LENGTH has 16 bits: so many bytes of targets go into one message, names being 223 bytes at most … */
const MESSAGE_BYTES = 48 * 1024;
/** … which is this for a node and this for its place in a portal group. */
const NODE_BYTES = 256;
const PG_BYTES = 288;

export interface IsnsOptions {
  readonly server: Endpoint;
  readonly targets: readonly IscsiTarget[];
  readonly portals: readonly PortalAddress[];
  readonly log: Log;
  /** For the connection and the answer together. */
  readonly timeoutMs?: number;
  /** What is waited after a failure. */
  readonly retryMs?: number;
}

/** Attributes one after another (RFC 4171 5.3): tag, length, value, padded to four bytes. */
class Attributes {
  readonly #out = new Writer();

  number(tag: number, value: number): this {
    this.#out.uint(4, tag).uint(4, 4).uint(4, value);
    return this;
  }

  bytes(tag: number, value: Uint8Array): this {
    this.#out
      .uint(4, tag)
      .uint(4, value.length)
      .put(value)
      .zeros(-value.length & 3);
    return this;
  }

  /** With the NUL that RFC 4171 wants behind a string. */
  text(tag: number, value: string): this {
    return this.bytes(tag, Buffer.from(`${value}\0`, 'utf8'));
  }

  delimiter(): this {
    this.#out.uint(4, DELIMITER).uint(4, 0);
    return this;
  }

  done(): Buffer {
    return this.#out.done();
  }
}

/** An address in the sixteen bytes of RFC 4171 6.3.1: an IPv4 one is mapped. Undefined for a name. */
export function portalIp(host: string): Buffer | undefined {
  const bare = host.replace(/%.*$/, '');
  if (isIPv4(bare))
    return Buffer.from([...Array<number>(10).fill(0), 255, 255, ...bare.split('.').map(Number)]);
  if (!isIPv6(bare)) return undefined;
  // The URL parser writes an IPv4 tail as hexadecimal and leaves one run of zeros out.
  const [head = '', tail] = new URL(`http://[${bare}]`).hostname.slice(1, -1).split('::');
  const words = (text: string | undefined): number[] =>
    text === undefined || text === '' ? [] : text.split(':').map(word => parseInt(word, 16));
  const [before, after] = [words(head), words(tail)];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap(word => [word >> 8, word & 255]));
}

/** A wildcard portal stands for every address of this machine that others can reach it by. */
function reachable(portal: PortalAddress): { host: string; port: number; group: number }[] {
  const { port, group, advertise } = portal;
  const host = advertise?.host ?? portal.host;
  const told = { port: advertise === undefined || advertise.port === 0 ? port : advertise.port, group };
  if (standsFor(host, '') === undefined) return [{ host, ...told }];
  return Object.values(networkInterfaces())
    .flatMap(addresses => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .filter(({ address }) => standsFor(host, address) === true)
    .map(({ address }) => ({ host: address, ...told }));
}

/**
 * Keeps the registration of a network entity: registers, again before the server forgets it, and deregisters in the end.
 * What goes wrong is logged, once until it goes right again, and never stops the target.
 */
export class IsnsClient {
  readonly #options: IsnsOptions;
  readonly #timeoutMs: number;
  readonly #retryMs: number;
  /** The entity and the source of its messages: a name that nobody else has. */
  readonly #name: string;
  #transaction = 0;
  #registered = false;
  /** A registration is under way, and may have reached the server. */
  #asking = false;
  #warned = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void>;
  #cancel: () => void = () => {};

  constructor(options: IsnsOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 5_000;
    this.#retryMs = options.retryMs ?? 30_000;
    this.#name = options.targets[0]!.device.name;
    this.#working = this.#register();
  }

  async #register(): Promise<void> {
    let nextMs = (PERIOD_S * 1000) / 3;
    this.#asking = true;
    try {
      for (const message of this.#registrations()) {
        const answer = await this.#ask(DEV_ATTR_REG, message, this.#timeoutMs);
        const periodS = numberOf(answer, REGISTRATION_PERIOD);
        if (periodS !== undefined) nextMs = Math.max(SOONEST_MS, (periodS * 1000) / 3);
      }
      if (!this.#registered) this.#options.log.info({ isns: this.#server }, 'registered with iSNS');
      this.#registered = true;
      this.#warned = false;
    } catch (error) {
      const { message } = error as Error;
      if (!this.#warned && !this.#stopped)
        this.#options.log.warn({ isns: this.#server, why: message }, 'not registered with iSNS');
      this.#warned = true;
      nextMs = this.#retryMs;
    }
    if (this.#stopped) return;
    this.#asking = false;
    this.#timer = setTimeout(() => {
      this.#working = this.#register();
    }, nextMs);
    this.#timer.unref();
  }

  get #server(): string {
    return formatAddress(this.#options.server);
  }

  /**
   * RFC 4171 5.6.5.1: source, message key, delimiter, then the entity, its portals, its nodes and its portal groups. What is
   * too long for one message goes on in others with the same key.
   */
  *#registrations(): Generator<Buffer> {
    const { targets, portals } = this.#options;
    const told = portals.flatMap(reachable).flatMap(({ host, port, group }) => {
      const ip = portalIp(host);
      return ip === undefined ? [] : [{ ip, port, group }]; // a name is no attribute of a portal
    });
    const most = Math.max(1, Math.floor(MESSAGE_BYTES / (NODE_BYTES + PG_BYTES * told.length)));
    for (let from = 0; from < targets.length; from += most) {
      const out = new Attributes().text(ISCSI_NAME, this.#name).text(ENTITY_IDENTIFIER, this.#name);
      out.delimiter().text(ENTITY_IDENTIFIER, this.#name).number(ENTITY_PROTOCOL, PROTOCOL_ISCSI);
      out.number(REGISTRATION_PERIOD, PERIOD_S);
      for (const { ip, port } of from === 0 ? told : []) out.bytes(PORTAL_IP, ip).number(PORTAL_PORT, port);
      const some = targets.slice(from, from + most);
      for (const { device } of some) out.text(ISCSI_NAME, device.name).number(ISCSI_NODE_TYPE, NODE_TARGET);
      for (const target of some) {
        for (const { ip, port, group } of told) {
          out.text(PG_ISCSI_NAME, target.device.name).bytes(PG_PORTAL_IP, ip).number(PG_PORTAL_PORT, port);
          // RFC 4171 6.5.4: a tag of no length says that the node is not to be reached there.
          if (serves(target, group)) out.number(PG_TAG, group);
          else out.bytes(PG_TAG, Buffer.alloc(0));
        }
      }
      yield out.done();
    }
  }

  /** One message and its response over a connection of its own; gives back the attributes. Rejects with an Error. */
  #ask(functionId: number, payload: Buffer, timeoutMs: number): Promise<Buffer> {
    const { server } = this.#options;
    const transactionId = (this.#transaction = (this.#transaction + 1) & 0xffff);
    const request = Buffer.alloc(HEADER_LENGTH);
    header.version.set(request, VERSION);
    header.functionId.set(request, functionId);
    header.pduLength.set(request, payload.length);
    header.flags.set(request, FLAGS);
    header.transactionId.set(request, transactionId);
    return new Promise((resolve, reject) => {
      const socket = connect(server);
      let heard = Buffer.alloc(0);
      const end = (error: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(() => end(new Error('no answer in time')), timeoutMs);
      this.#cancel = () => end(new Error('stopping'));
      socket.on('error', end);
      socket.on('close', () => end(new Error('the server closed the connection')));
      socket.on('data', chunk => {
        heard = Buffer.concat([heard, chunk]);
        if (heard.length > LONGEST_RESPONSE) return end(new Error('the answer is too long'));
        if (heard.length < HEADER_LENGTH) return undefined;
        const length = header.pduLength.get(heard);
        if (heard.length < HEADER_LENGTH + length) return undefined;
        const ours =
          header.functionId.get(heard) === (functionId | RESPONSE) &&
          header.transactionId.get(heard) === transactionId;
        if (!ours || length < 4) return end(new Error('the answer is none to our message'));
        const status = heard.readUInt32BE(HEADER_LENGTH);
        if (status !== 0) return end(new Error(`the server answers status ${status} (RFC 4171 5.4)`));
        resolve(Buffer.from(heard.subarray(HEADER_LENGTH + 4, HEADER_LENGTH + length)));
        return end(new Error('done'));
      });
      socket.write(Buffer.concat([request, payload]));
    });
  }

  /** Deregisters the entity where it is registered; never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#cancel();
    await this.#working;
    if (!this.#registered && !this.#asking) return;
    const entity = new Attributes()
      .text(ISCSI_NAME, this.#name)
      .delimiter()
      .text(ENTITY_IDENTIFIER, this.#name);
    await this.#ask(DEV_DEREG, entity.done(), FAREWELL_MS).catch((error: Error) => {
      if (this.#registered)
        this.#options.log.warn({ isns: this.#server, why: error.message }, 'not deregistered from iSNS');
    });
  }
}

/** The value of the first attribute of that tag; undefined when it is not there, or the attributes are malformed. */
function numberOf(attributes: Buffer, wanted: number): number | undefined {
  for (let at = 0; at + 8 <= attributes.length;) {
    const tag = attributes.readUInt32BE(at);
    const length = attributes.readUInt32BE(at + 4);
    if (at + 8 + length > attributes.length) return undefined;
    if (tag === wanted && length === 4) return attributes.readUInt32BE(at + 8);
    at += 8 + ((length + 3) & ~3);
  }
  return undefined;
}
