/** The end of a server's connections, without a proxy in between to hold anything back. */
import { afterEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { Traffic } from '../lib/gateway/traffic.ts';
import { closeAll, connect, listen } from './support/http.ts';

afterEach(closeAll);

it('an answer that is complete here, and on its way to a slow client, is not cut off', async () => {
  const size = 20_000_000;
  const { server, port } = await listen((req, res) => {
    traffic.track(req, res, () => undefined);
    res.end(Buffer.alloc(size));
  });
  const traffic = new Traffic(server);
  const client = await connect(port);
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client, 'readable');
  const drained = traffic.drain(10_000);
  let bytes = 0;
  client.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await drained;
  await traffic.end();
  await once(client, 'close');
  expect(bytes).toBeGreaterThan(size);
});
