// A test in a CommonJS project, as those of Nest are: a transform makes `import` a `require()`.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import 'reflect-metadata';
import { Controller, Get, Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AntractError, createAntract, MemoryStore } from 'antract';
import { RedisStore } from 'antract/redis';
import { storeContract } from 'antract/store-contract';

const logger = { info() {}, warn() {}, error() {} };
const antract = createAntract({ logger });
afterAll(() => antract.close());

@Controller()
class Site {
  @Get()
  answer(): string {
    return 'served';
  }
}

@Module({ controllers: [Site] })
class App implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(antract.pause()).forRoutes('{*path}');
  }
}

test('is CommonJS', () => {
  expect(typeof module.exports).toBe('object');
});

test('a request is held in an application of Nest', async () => {
  const app = await NestFactory.create(App, { logger: false });
  await app.listen(0, '127.0.0.1');
  await antract.enable();
  const held = new Promise((resolve) => antract.once('held', resolve));
  const answer = fetch(await app.getUrl());
  await held;
  await antract.disable();
  expect(await (await answer).text()).toBe('served');
  await app.close();
});

test('the entry points share their classes', () => {
  expect(() => new RedisStore({})).toThrow(AntractError);
  expect(typeof storeContract).toBe('function');
  expect(new MemoryStore()).toBeInstanceOf(MemoryStore);
});

test('the dashboard finds its files', async () => {
  const router = antract.admin();
  const server = createServer((req, res) => router(req, res)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const page = await fetch(url, { headers: { accept: 'text/html' } });
  expect(await page.text()).toContain('uPlot');
  server.close();
  server.closeAllConnections();
});

test('an optional package that is missing is named', () => {
  jest.doMock('redis', () => {
    throw Object.assign(new Error("Cannot find module 'redis'"), { code: 'MODULE_NOT_FOUND' });
  });
  expect(() => new RedisStore({ url: 'redis://127.0.0.1' })).toThrow('npm install redis');
});
