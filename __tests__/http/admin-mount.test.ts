/** Where the admin router is mounted, in each server that can mount it: its answers name full paths. */
import { once } from 'node:events';
import http, { type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import middie from '@fastify/middie';
import connect from 'connect';
import express from 'express';
import express4 from 'express4';
import fastify from 'fastify';
import polka from 'polka';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createAntract, type AdminRouter } from '../../lib/index.ts';
import { request } from '../support/http.ts';
import { silentLogger } from '../support/silent-logger.ts';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

type Mount = (path: string, router: AdminRouter) => Promise<Server> | Server;

const MOUNTS: [string, Mount][] = [
  ['Express 5', (path, router) => http.createServer(express().use(path, router))],
  [
    'Express 4',
    (path, router) =>
      http.createServer((express4 as unknown as typeof express)().use(path, router)),
  ],
  [
    'a router in a router of Express',
    (path, router) => {
      const [, outer = '', inner = ''] = /^(.*)(\/[^/]*)$/.exec(path) ?? [];
      const between = express.Router().use(inner, router);
      return http.createServer(express().use(outer === '' ? '/' : outer, between));
    },
  ],
  ['Connect', (path, router) => http.createServer(connect().use(path, router) as RequestListener)],
  [
    'polka',
    (path, router) => {
      // It mounts at one segment of a path.
      const [, first = '', ...rest] = path.split('/');
      const inner = rest.reduceRight<unknown>(
        (handler, segment) => polka().use(`/${segment}`, handler as AdminRouter),
        router,
      );
      const app = polka().use(`/${first}`, inner as AdminRouter);
      return http.createServer(app.handler as unknown as RequestListener);
    },
  ],
  [
    'Fastify with @fastify/middie',
    async (path, router) => {
      const app = fastify();
      await app.register(middie);
      app.use(path, router);
      await app.ready();
      return app.server;
    },
  ],
  [
    'Express in Fastify',
    async (path, router) => {
      const app = fastify();
      await app.register(middie);
      app.use(express().use(path, router));
      await app.ready();
      return app.server;
    },
  ],
];

async function start(mount: Mount, path: string): Promise<string> {
  const antract = createAntract({ logger: silentLogger, adminPath: path });
  const server = await mount(path, antract.admin());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(
    () => antract.close(),
    () => new Promise((resolve) => server.close(resolve)),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.each(MOUNTS)('the admin router mounted with %s', (_name, mount) => {
  it.each(['/_antract', '/ops/pause'])(
    'names its endpoints with their whole path at %s',
    async (path) => {
      const url = await start(mount, path);
      const index = await request(`${url}${path}`);
      expect(index.body).toContain(`\n${path}/enable`);
      expect((await request(`${url}${path}/?`)).body).toBe(index.body);
      const enabled = await request(`${url}${path}/enable?app=shop`, { method: 'POST' });
      expect(enabled.body).toContain(`Next: do the work, then ${path}/disable?app=shop`);
      expect((await request(`${url}${path}/status?app=shop`)).body).toContain(
        `${path}/disable?app=shop`,
      );
    },
  );
});

it('an admin router that is a server of its own names its endpoints without a prefix', async () => {
  const url = await start((_path, router) => http.createServer(router), '/_antract');
  expect((await request(`${url}/`)).body).toContain('\n/enable');
  expect((await request(`${url}/enable`)).body).toContain('then /disable lets');
});
