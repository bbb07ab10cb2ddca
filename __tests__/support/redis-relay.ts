/** Forwards connections to a Redis on this machine. Each subclass changes what passes. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export abstract class RedisRelay {
  protected readonly sockets = new Set<Socket>();
  readonly #server: Server = createServer((client) => this.forward(client));

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  protected abstract forward(client: Socket): void;

  /** Destroys the socket with the relay, ignores its errors, and reports its end. */
  protected track(socket: Socket, onClose: () => void): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.sockets.delete(socket);
      onClose();
    });
  }
}
