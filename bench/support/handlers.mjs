/** The handlers of the servers that are compared, each made from nothing. */
import http from 'node:http';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { createAntract, MemoryStore } from 'antract';

const { BACKEND } = process.env;
const answer = (_req, res) => res.end('ok');

function paused(options) {
  const pause = createAntract(options).pause();
  return (req, res) => pause(req, res, () => answer(req, res));
}

function proxyMiddleware() {
  const agent = new http.Agent({ keepAlive: true });
  return createProxyMiddleware({ target: BACKEND, agent, logger: undefined });
}

export const HANDLERS = {
  plain: () => answer,
  pause: () => paused({}),
  'pause, memory store': () => paused({ store: new MemoryStore() }),
  Express: () => express().use(answer),
  'Express + pause': () => express().use(createAntract().pause()).use(answer),
  proxy() {
    const proxy = proxyMiddleware();
    return (req, res) => void proxy(req, res);
  },
  'Express proxy': () => express().use(proxyMiddleware()),
  'pause + proxy'() {
    const pause = createAntract().pause();
    const proxy = proxyMiddleware();
    return (req, res) => pause(req, res, () => void proxy(req, res));
  },
  'Express, pause + proxy': () => express().use(createAntract().pause()).use(proxyMiddleware()),
  piped() {
    const agent = new http.Agent({ keepAlive: true });
    return (req, res) => {
      const { method, url, headers } = req;
      const proxied = http.request(BACKEND, { agent, method, path: url, headers }, (response) => {
        res.writeHead(response.statusCode, response.headers);
        response.pipe(res);
      });
      proxied.on('error', () => res.destroy());
      req.pipe(proxied);
    };
  },
};
