/** One server of a comparison, in a process of its own. Sends its port when it listens. */
import { once } from 'node:events';
import http from 'node:http';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { createAntract, MemoryStore } from 'antract';

const { BACKEND } = process.env;
const answer = (_req, res) => res.end('ok');

async function listening(handler) {
  const server = http.createServer(handler).listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
  await once(server, 'listening');
  return server.address().port;
}

function paused(options) {
  const pause = createAntract(options).pause();
  return listening((req, res) => pause(req, res, () => answer(req, res)));
}

function proxyMiddleware() {
  const agent = new http.Agent({ keepAlive: true });
  return createProxyMiddleware({ target: BACKEND, agent, logger: undefined });
}

const SERVERS = {
  plain: () => listening(answer),
  pause: () => paused({}),
  'pause, memory store': () => paused({ store: new MemoryStore() }),
  Express: () => listening(express().use(answer)),
  'Express + pause': () => listening(express().use(createAntract().pause()).use(answer)),
  proxy() {
    const proxy = proxyMiddleware();
    return listening((req, res) => void proxy(req, res));
  },
  'Express proxy': () => listening(express().use(proxyMiddleware())),
  piped() {
    const agent = new http.Agent({ keepAlive: true });
    return listening((req, res) => {
      const { method, url, headers } = req;
      const proxied = http.request(BACKEND, { agent, method, path: url, headers }, (response) => {
        res.writeHead(response.statusCode, response.headers);
        response.pipe(res);
      });
      proxied.on('error', () => res.destroy());
      req.pipe(proxied);
    });
  },
};

/** `heapUsed` in bytes. With `--expose-gc`, `collect` leaves out the garbage. */
process.on('message', ({ collect }) => {
  if (collect) globalThis.gc();
  process.send({ heapUsed: process.memoryUsage().heapUsed });
});
process.send({ port: await SERVERS[process.argv[2]]() });
