/** A relay to a Redis that can fall silent, as when a cable is pulled: nothing passes, nothing ends. */
import { connect, type Socket } from 'node:net';
import { RedisRelay } from './redis-relay.ts';

export class SilentLink extends RedisRelay {
  readonly #redisPort: number;
  #isSilent = false;

  constructor(redisPort: number) {
    super();
    this.#redisPort = redisPort;
  }

  set silent(isSilent: boolean) {
    this.#isSilent = isSilent;
    for (const socket of this.sockets) {
      if (isSilent) socket.pause();
      else socket.resume();
    }
  }

  protected override forward(client: Socket): void {
    const server = connect(this.#redisPort, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.track(from, () => to.destroy());
      from.on('data', (chunk) => to.write(chunk));
      if (this.#isSilent) from.pause();
    }
  }
}
