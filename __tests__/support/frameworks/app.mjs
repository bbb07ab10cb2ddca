// An app in the framework that is named as argument, with antract as its users mount it, in front of the
// backend `BACKEND`. Tells its parent its port.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createAntract } from 'antract';

const backend = new URL(process.env.BACKEND);

/** What each app does for a request: it asks its backend. */
const ask = async (path) => await (await fetch(new URL(path, backend))).text();

/** Each mounts `pause` and `admin`, answers any other path by `ask`, and returns its server. */
const FRAMEWORKS = {
  async express(pause, admin) {
    const { default: express } = await import('express');
    const app = express().use('/_antract', admin).use(pause);
    app.use((req, res, next) => void ask(req.url).then((text) => res.send(text), next));
    return createServer(app);
  },
  async fastify(pause, admin) {
    const { default: fastify } = await import('fastify');
    const app = fastify();
    await app.register((await import('@fastify/middie')).default);
    app.use(pause).use('/_antract', admin);
    app.get('*', (req) => ask(req.url));
    await app.ready();
    return app.server;
  },
  async koa(pause, admin) {
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
        mounted(admin, ctx.req, ctx.res);
        return;
      }
      await through(pause, ctx);
      if (!ctx.res.writableEnded) await next();
    });
    app.use(async (ctx) => {
      ctx.body = await ask(ctx.url);
    });
    return createServer(app.callback());
  },
  async hono(pause, admin) {
    const { Hono } = await import('hono');
    const { getRequestListener } = await import('@hono/node-server');
    const app = new Hono().get('*', async (c) => c.text(await ask(c.req.path)));
    const listener = getRequestListener(app.fetch);
    return createServer((req, res) => {
      if (req.url.startsWith('/_antract/')) {
        mounted(admin, req, res);
      } else {
        pause(req, res, () => listener(req, res));
      }
    });
  },
  async nest(pause, admin) {
    await import('reflect-metadata');
    const { Controller, Get, Module, Req } = await import('@nestjs/common');
    const { NestFactory } = await import('@nestjs/core');
    class Site {
      answer(req) {
        return ask(req.url);
      }
    }
    const method = Object.getOwnPropertyDescriptor(Site.prototype, 'answer');
    Get('{*path}')(Site.prototype, 'answer', method);
    Req()(Site.prototype, 'answer', 0);
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

/** What a framework that has no mounting of its own does for the admin endpoints. */
function mounted(admin, req, res) {
  req.originalUrl = req.url;
  req.url = req.url.slice('/_antract'.length);
  admin(req, res);
}

const antract = createAntract({
  probe: { connect: backend.host },
  logger: { info() {}, warn() {}, error() {} },
});
const server = await FRAMEWORKS[process.argv[2]](antract.pause(), antract.admin());
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.send({ port: server.address().port });
