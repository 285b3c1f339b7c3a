/** A cable between the guest and a portal, which a test may pull and put back. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #pulled = false;

  private constructor(server: Server, port: number, target: number) {
    this.port = port;
    this.#server = server;
    server.on('connection', near => this.#join(near, target));
  }

  /** Listens on a free port of 127.0.0.1 and carries what comes to `target`, another of its ports. */
  static async open(target: number): Promise<Relay> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new Relay(server, address.port, target);
  }

  /** Every connection breaks; new ones break at once. */
  pull(): void {
    this.#pulled = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  putBack(): void {
    this.#pulled = false;
  }

  async close(): Promise<void> {
    this.pull();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(near: Socket, target: number): void {
    if (this.#pulled) {
      near.destroy();
      return;
    }
    const far = connect({ host: '127.0.0.1', port: target, noDelay: true });
    near.setNoDelay(true);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
