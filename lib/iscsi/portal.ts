import { type Server, type Socket, createServer } from 'node:net';
import type { Connection, Endpoint } from './connection.ts';
import type { IscsiNode, PortalAddress } from './node.ts';
import { formatAddress, hostOf } from './address.ts';
import { readInto } from './receive-buffer.ts';

/** A network portal (RFC 7143 4.4.1): an address that listens. */
export class Portal {
  readonly #server: Server;
  readonly #node: IscsiNode;
  readonly #group: number;
  endpoint: Endpoint;

  private constructor(node: IscsiNode, wanted: PortalAddress) {
    this.#node = node;
    this.#group = wanted.group;
    this.endpoint = wanted;
    // noDelay: a response that waits for the next one is a queue depth of 1 made slow.
    this.#server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, socket =>
      this.#accept(socket),
    );
  }

  /** Port 0 picks a free one. Rejects with the system's error when the address cannot be had. */
  static open(node: IscsiNode, wanted: PortalAddress): Promise<Portal> {
    const portal = new Portal(node, wanted);
    return new Promise((resolve, reject) => {
      const server = portal.#server;
      server.once('error', reject);
      server.listen({ host: wanted.host, port: wanted.port }, () => {
        server.off('error', reject);
        server.on('error', error => node.log.error({ err: error }, 'portal'));
        const address = server.address();
        const known = address !== null && typeof address === 'object';
        if (known) portal.endpoint = { host: wanted.host, port: address.port };
        node.portals.push({ ...wanted, ...portal.endpoint, ...(known ? { bound: address.address } : {}) });
        resolve(portal);
      });
    });
  }

  #accept(accepted: Socket): void {
    const { localAddress, localPort, remoteAddress, remotePort } = accepted;
    const local =
      localAddress === undefined || localPort === undefined
        ? undefined
        : { host: hostOf(localAddress), port: localPort };
    let connection: Connection | undefined;
    const socket = readInto(accepted, bytes => connection?.receive(bytes));
    const peer =
      remoteAddress === undefined || remotePort === undefined
        ? undefined
        : { host: hostOf(remoteAddress), port: remotePort };
    connection = this.#node.handle(
      socket,
      local,
      peer === undefined ? 'gone' : formatAddress(peer),
      this.#group,
    );
  }

  /** No more connections; those that are there are the node's to end. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve());
    });
  }
}
