/** One contender of the comparison, in a process of its own; tells its port, and when asked its processor time. */
import { once } from 'node:events';
import http from 'node:http';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { createAntract, MemoryStore } from 'antract';
import { createGateway } from 'antract/gateway';

const answer = (_req, res) => res.end('ok');

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

function paused(options) {
  const pause = createAntract(options).pause();
  return listening(http.createServer((req, res) => pause(req, res, () => answer(req, res))));
}

/** Another one where `BACKEND` names it. */
async function backend() {
  if (process.env.BACKEND) return process.env.BACKEND;
  return `http://127.0.0.1:${await listening(http.createServer(answer))}`;
}

const contenders = {
  plain: () => listening(http.createServer(answer)),
  pause: () => paused({}),
  'pause, memory store': () => paused({ store: new MemoryStore() }),
  Express: () => listening(http.createServer(express().use(answer))),
  'Express + pause': () =>
    listening(http.createServer(express().use(createAntract().pause()).use(answer))),
  async proxy() {
    const agent = new http.Agent({ keepAlive: true });
    const proxy = createProxyMiddleware({ target: await backend(), agent, logger: undefined });
    return listening(http.createServer((req, res) => void proxy(req, res)));
  },
  async gateway() {
    const gateway = createGateway({ target: await backend(), port: 0, accessLog: false });
    const { url } = await gateway.listen();
    return Number(new URL(url).port);
  },
};

process.send({ port: await contenders[process.argv[2]]() });
process.on('message', () => process.send(process.cpuUsage()));
