// A test in a project of ES modules.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, test } from '@jest/globals';
import { AntractError, createAntract } from 'antract';
import { createGateway } from 'antract/gateway';
import { RedisStore } from 'antract/redis';

test('a request is held', async () => {
  const antract = createAntract();
  const pause = antract.pause();
  const server = createServer((req, res) => pause(req, res, () => res.end('served')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await antract.enable();
  const held = new Promise((resolve) => antract.once('held', resolve));
  const answer = fetch(`http://127.0.0.1:${server.address().port}/`);
  await held;
  await antract.disable();
  expect(await (await answer).text()).toBe('served');
  await antract.close();
  server.close();
  server.closeAllConnections();
});

test('the entry points share their classes', () => {
  expect(() => new RedisStore({})).toThrow(AntractError);
  expect(() => createGateway({})).toThrow(AntractError);
});
