/**
 * A relay to a Redis that can lose the messages of others: they are published, and never arrive. Knows RESP2
 * and RESP3 as far as to tell where one reply ends.
 */
import { connect, type Socket } from 'node:net';
import { RedisRelay } from './redis-relay.ts';

export class LossyRedis extends RedisRelay {
  /** Whether published messages are lost. */
  losing = false;
  /** How many messages were lost. */
  lost = 0;
  readonly #redisPort: number;

  constructor(redisPort: number) {
    super();
    this.#redisPort = redisPort;
  }

  protected override forward(client: Socket): void {
    const redis = connect(this.#redisPort, '127.0.0.1');
    client.pipe(redis);
    let rest: Buffer = Buffer.alloc(0);
    redis.on('data', (chunk) => {
      const { replies, left } = split(Buffer.concat([rest, chunk]));
      rest = left;
      for (const reply of replies) if (!this.#loses(reply)) client.write(reply);
    });
    redis.on('end', () => client.end());
    for (const socket of [client, redis]) {
      this.track(socket, () => {
        client.destroy();
        redis.destroy();
      });
    }
  }

  #loses(reply: Buffer): boolean {
    if (!this.losing || !/^[*>]3\r\n\$7\r\nmessage\r\n/.test(reply.toString('latin1', 0, 32))) {
      return false;
    }
    this.lost += 1;
    return true;
  }
}

function split(bytes: Buffer): { replies: Buffer[]; left: Buffer } {
  const replies: Buffer[] = [];
  let start = 0;
  for (;;) {
    const end = endOf(bytes, start);
    if (end === undefined) return { replies, left: bytes.subarray(start) };
    replies.push(bytes.subarray(start, end));
    start = end;
  }
}

/** Where the reply that begins there ends; undefined where it has not come in full. */
function endOf(bytes: Buffer, start: number): number | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd === -1) return undefined;
  const kind = String.fromCharCode(bytes[start]!);
  const count = Number(bytes.toString('latin1', start + 1, lineEnd));
  const next = lineEnd + 2;
  if ('$=!'.includes(kind)) {
    const end = count < 0 ? next : next + count + 2;
    return end <= bytes.length ? end : undefined;
  }
  if ('*~>'.includes(kind)) return endOfAll(bytes, next, count);
  if ('%|'.includes(kind)) return endOfAll(bytes, next, count * 2);
  return next;
}

function endOfAll(bytes: Buffer, start: number, count: number): number | undefined {
  let end: number | undefined = start;
  for (let left = count; left > 0 && end !== undefined; left -= 1) end = endOf(bytes, end);
  return end;
}
