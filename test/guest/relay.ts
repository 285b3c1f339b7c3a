/** A cable between the guest and a portal, which a test may pull and put back. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #pulled = false;
  /** The newest connection that came while the cable was pulled. */
  #waiting: Socket | undefined;
  readonly #target: number;

  private constructor(server: Server, port: number, target: number) {
    this.port = port;
    this.#server = server;
    this.#target = target;
    server.on('connection', near => this.#arrive(near));
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

  /**
   * Every connection breaks, and nothing goes through a new one. That one is not broken as well: open-iscsi 2.1.8
   * does not stop a connection that breaks between its bind and its login, and Linux 6.1 then refuses to bind it
   * for ever: "can't bind conn 2:0 to session 2, retcode -107" (open-iscsi issue 387).
   */
  pull(): void {
    this.#pulled = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What waits is carried now. */
  putBack(): void {
    this.#pulled = false;
    const near = this.#waiting;
    this.#waiting = undefined;
    if (near !== undefined && !near.destroyed) this.#join(near);
  }

  async close(): Promise<void> {
    this.pull();
    this.#waiting?.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #arrive(near: Socket): void {
    if (!this.#pulled) {
      this.#join(near);
      return;
    }
    // Whoever connects again has given up what he had: a login that nobody waits for would end his next session.
    this.#waiting?.destroy();
    this.#waiting = near;
    near.on('error', () => near.destroy());
  }

  #join(near: Socket): void {
    const far = connect({ host: '127.0.0.1', port: this.#target, noDelay: true });
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
