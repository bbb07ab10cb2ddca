// Holds one request in the framework that is named as argument, and asks the admin router for the status.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createAntract } from 'antract';

/** Each mounts `pause` and `admin` as its users do, answers `served` to `/`, and returns its server. */
const FRAMEWORKS = {
  async 'Express 5'(pause, admin) {
    return ofExpress((await import('express')).default, pause, admin);
  },
  async 'Express 4'(pause, admin) {
    return ofExpress((await import('express4')).default, pause, admin);
  },
  async Fastify(pause, admin) {
    const { default: fastify } = await import('fastify');
    const app = fastify();
    await app.register((await import('@fastify/middie')).default);
    app.use(pause).use('/_antract', admin);
    app.get('/', async () => 'served');
    await app.ready();
    return app.server;
  },
  async Koa(pause, admin) {
    const { default: Koa } = await import('koa');
    const app = new Koa();
    const through = (middleware, ctx) =>
      new Promise((resolve, reject) => {
        middleware(ctx.req, ctx.res, (error) => (error ? reject(error) : resolve()));
        ctx.res.once('close', resolve);
      });
    app.use(async (ctx, next) => {
      if (ctx.path.startsWith('/_antract/')) {
        ctx.respond = false;
        ctx.req.url = ctx.url.slice('/_antract'.length);
        admin(ctx.req, ctx.res);
        return;
      }
      await through(pause, ctx);
      if (!ctx.res.writableEnded) await next();
    });
    app.use((ctx) => {
      ctx.body = 'served';
    });
    return createServer(app.callback());
  },
  async Hono(pause, admin) {
    const { Hono } = await import('hono');
    const { getRequestListener } = await import('@hono/node-server');
    const app = new Hono().get('/', (c) => c.text('served'));
    const listener = getRequestListener(app.fetch);
    return createServer((req, res) => {
      if (req.url.startsWith('/_antract/')) {
        req.url = req.url.slice('/_antract'.length);
        admin(req, res);
      } else {
        pause(req, res, () => listener(req, res));
      }
    });
  },
  async Nest(pause, admin) {
    await import('reflect-metadata');
    const { Controller, Get, Module } = await import('@nestjs/common');
    const { NestFactory } = await import('@nestjs/core');
    class Site {
      answer() {
        return 'served';
      }
    }
    const method = Object.getOwnPropertyDescriptor(Site.prototype, 'answer');
    Get()(Site.prototype, 'answer', method);
    Controller()(Site);
    class App {
      configure() {}
    }
    Module({ controllers: [Site] })(App);
    const app = await NestFactory.create(App, { logger: false });
    app.use('/_antract', admin).use(pause);
    await app.init();
    return app.getHttpServer();
  },
};

function ofExpress(express, pause, admin) {
  const app = express().use('/_antract', admin).use(pause);
  app.get('/', (_req, res) => void res.send('served'));
  return createServer(app);
}

const antract = createAntract({ logger: { info() {}, warn() {}, error() {} } });
const server = await FRAMEWORKS[process.argv[2]](antract.pause(), antract.admin());
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}`;

const ask = async (path) => await (await fetch(url + path)).text();
await ask('/_antract/enable?reason=upgrade');
const held = once(antract.registry, 'held');
const answer = ask('/');
await held;
const status = JSON.parse(
  await (
    await fetch(`${url}/_antract/status?app=default`, { headers: { accept: 'application/json' } })
  ).text(),
);
await ask('/_antract/disable');
console.log(JSON.stringify([status.held, status.reason, await answer]));
await antract.close();
server.close();
server.closeAllConnections();
