/** The event stream: what it tells and when, who is passed over, and that nothing of it is left. */
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import express5 from 'express';
import { EventStreams } from '../../lib/admin/event-streams.ts';
import { type AdminOptions, type AntractOptions } from '../../lib/index.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { openStream, type EventStream } from '../support/event-stream.ts';
import { closeAll, connect, listen, readUntil, request } from '../support/http.ts';
import { enter, get, hold } from '../support/gate.ts';
import { createOpenAntract, type OpenAntract, OpenRegistry } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

interface Site {
  antract: OpenAntract;
  url: string;
  port: number;
  events: string;
}

async function start(options?: AntractOptions, adminOptions?: AdminOptions): Promise<Site> {
  const antract = createOpenAntract({ logger: silentLogger, ...options });
  const app = express5();
  app.use(antract.pause());
  app.use('/_antract', antract.admin(adminOptions));
  app.get('/', (_req, res) => void res.end('hello'));
  const { url, port } = await listen(app);
  return { antract, url, port, events: `${url}/_antract/events` };
}

const listeners = ({ core }: OpenAntract): number =>
  core.events
    .eventNames()
    .reduce((sum, name) => sum + core.events.listenerCount(name as 'held'), 0);

describe('the event stream', () => {
  it('begins with a snapshot of every app and the time to reconnect', async () => {
    const { antract, port } = await start();
    await antract.enable('default', { reason: 'upgrade' });
    const socket = await connect(port);
    socket.write('GET /_antract/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const text = await readUntil(socket, (all) => all.includes('"apps"'));
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(text).toMatch(/\r\nContent-Type: text\/event-stream; charset=utf-8\r\n/);
    expect(text).toMatch(/\r\nCache-Control: no-store, no-transform\r\n/);
    expect(text).toMatch(
      /\nretry: 1000\nid: 1\ndata: \{"at":\d+,"server":\{"version":"\d[^"]+","uptimeMs":\d+\},"apps":\[\{"app":"default",/,
    );
    expect(text).toContain('"reason":"upgrade"');
  });

  it('sends each change, also of the requests in flight, with increasing ids', async () => {
    const { antract, url, events } = await start();
    const stream = await openStream(events);
    const first = await stream.next();
    expect(first.apps).toMatchObject([{ app: 'default', phase: 'running', held: 0 }]);
    await antract.enable();
    const paused = await stream.until(({ phase }) => phase === 'paused');
    const answer = request(url);
    const held = await stream.until(({ held: count }) => count === 1);
    await antract.disable();
    const running = await stream.until(({ phase, held: count }) => phase === 'running' && !count);
    const ids = [first, paused, held, running].map(({ id }) => Number(id));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect((await answer).body).toBe('hello');
    stream.leave();
  });

  it('is neither held nor counted as in flight', async () => {
    const { antract, events } = await start();
    await antract.enable();
    const stream = await openStream(events);
    const { apps } = await stream.next();
    expect(apps).toMatchObject([{ phase: 'paused', held: 0, inFlight: 0 }]);
    stream.leave();
  });

  it('ends with antract, and cannot be opened after that', async () => {
    const { antract, events } = await start();
    const streams = [await openStream(events), await openStream(events)];
    await antract.close();
    await Promise.all(streams.map(({ ended }) => ended));
    expect(streams.map(({ res }) => res.complete)).toEqual([true, true]);
    expect(listeners(antract)).toBe(0);
    expect(await request(events)).toMatchObject({
      status: 503,
      body: expect.stringContaining('ERR_ANTRACT_CLOSED'),
    });
  });

  it('leaves no listener when its last reader has disconnected', async () => {
    const { antract, events } = await start();
    const before = listeners(antract);
    const streams = [await openStream(events), await openStream(events)];
    for (const stream of streams) await stream.next();
    expect(listeners(antract)).toBe(before + 16);
    for (const stream of streams) stream.leave();
    await eventually('no listener', () => listeners(antract) === before);
  });

  it('listens to every event, also to those about the backend', async () => {
    const { antract, events } = await start();
    const stream = await openStream(events);
    await stream.next();
    const names =
      'abandoned backendDown backendUp drained evicted expired held paused reachable rejected released resumed stopped ' +
      'tooSlow unhealthy unreachable';
    expect(antract.core.events.eventNames().map(String).toSorted().join(' ')).toBe(names);
    stream.leave();
  });

  it('is open only to clients that pass the access check', async () => {
    const { events } = await start({}, { token: 'secret' });
    expect(await request(events)).toMatchObject({ status: 401 });
    const stream = await openStream(events, { authorization: 'Bearer secret' });
    expect(stream.res.statusCode).toBe(200);
    stream.leave();
  });

  it('takes no parameters', async () => {
    const { events } = await start();
    expect(await request(`${events}?app=default`)).toMatchObject({ status: 400 });
  });

  it('is open to 32 at once; one more gets 503 until another leaves', async () => {
    const { events } = await start();
    const streams: EventStream[] = [];
    for (let i = 0; i < 32; i++) streams.push(await openStream(events));
    expect(await request(events)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
      body: expect.stringContaining('ERR_ANTRACT_ADMIN_BUSY'),
    });
    streams.pop()?.leave();
    const others: EventStream[] = [];
    do others.push(await openStream(events));
    while (others.at(-1)?.res.statusCode !== 200 && others.length < 100);
    expect(others.at(-1)?.res.statusCode).toBe(200);
    for (const other of others) other.leave();
    for (const stream of streams) stream.leave();
  });

  it('that is the second request in a pipeline ends with its connection', async () => {
    const { antract, port } = await start();
    const before = listeners(antract);
    const socket = await connect(port);
    const ask = 'GET /_antract/events HTTP/1.1\r\nHost: localhost\r\n\r\n';
    socket.write(ask + ask);
    await readUntil(socket, (all) => all.includes('"apps"'));
    expect(listeners(antract)).toBe(before + 16);
    socket.destroy();
    await eventually('no listener', () => listeners(antract) === before);
  });
});

describe('over time, the event stream', () => {
  interface Bench {
    clock: FakeClock;
    registry: OpenRegistry;
    streams: EventStreams;
    url: string;
    port: number;
    responses: ServerResponse[];
  }

  async function bench(): Promise<Bench> {
    const clock = new FakeClock();
    const registry = new OpenRegistry({}, clock);
    const streams = new EventStreams(
      registry,
      registry.core.transitions,
      registry.core.closed,
      clock,
    );
    const responses: ServerResponse[] = [];
    const { url, port } = await listen((req, res) => {
      responses.push(res);
      streams.open(req, res);
    });
    return { clock, registry, streams, url, port, responses };
  }

  it('makes one snapshot of a thousand changes, and at most four a second', async () => {
    const { clock, registry, url } = await bench();
    const stream = await openStream(url);
    await stream.next();
    await registry.enable();
    const gate = registry.gate('default');
    for (let i = 0; i < 1000; i++) hold(gate);
    clock.advance(249);
    clock.advance(1);
    const { id, apps } = await stream.next();
    expect([id, apps[0]?.held]).toEqual(['2', 1000]);
    for (let i = 0; i < 100; i++) {
      hold(gate);
      clock.advance(10);
    }
    registry.gate('default').close();
    clock.advance(250);
    const last = await stream.until(({ held }) => held === 0);
    expect(Number(last.id)).toBeLessThanOrEqual(8);
    stream.leave();
  });

  it('sends nothing but a heartbeat every four seconds while nothing changes', async () => {
    const { clock, registry, url } = await bench();
    await registry.enable();
    const stream = await openStream(url);
    await stream.next();
    clock.advance(12_000);
    expect((await stream.next()).apps[0]?.pausedForMs).toBeGreaterThanOrEqual(4000);
    expect((await stream.next()).id).toBe('3');
    // The same deadline is no change; one that was put off is.
    await registry.enable('default', { maxTime: '1h' });
    clock.advance(1000);
    for (;;) {
      const { apps } = await stream.next();
      if ((apps[0]?.endsInMs ?? 0) > 3_000_000) break;
    }
    stream.leave();
  });

  it('also sends the changes without an event: requests that begin and end', async () => {
    const { clock, registry, url } = await bench();
    const stream = await openStream(url);
    await stream.next();
    const gate = registry.gate('default');
    enter(gate);
    clock.advance(1000);
    expect((await stream.next()).apps[0]?.inFlight).toBe(1);
    stream.leave();
  });

  it('keeps no timer and no listener without a reader', async () => {
    const { clock, registry, streams, url } = await bench();
    const stream = await openStream(url);
    await stream.next();
    expect(clock.pendingTimers).toBe(1);
    stream.leave();
    await eventually('no stream', () => streams.size === 0);
    expect(clock.pendingTimers).toBe(0);
    expect(registry.core.events.eventNames()).toEqual([]);
  });

  it('skips clients that do not read, buffers nothing for them, and finally drops them', async () => {
    const { clock, registry, streams, url, port, responses } = await bench();
    const socket = await connect(port);
    socket.pause();
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually('a request', () => responses.length > 0);
    const reader = await openStream(url);
    const app = (number: number): string => `app-${number}`.padEnd(200, 'x');
    for (let number = 0; number < 900; number++) registry.gate(app(number));
    let waiting = 0;
    for (let second = 0; second < 120 && streams.size > 1; second++) {
      enter(registry.gate(app(0)), get(`/${second}`));
      clock.advance(1000);
      waiting = Math.max(waiting, responses[0]?.writableLength ?? 0);
      // Only a client that reads gets all of it.
      await reader.until(({ inFlight }) => inFlight === second + 1);
    }
    expect(streams.size).toBe(1);
    expect(responses[0]?.destroyed).toBe(true);
    // What the kernel took is out of our hands; here no more than one snapshot of 600 kB waited.
    expect(waiting).toBeGreaterThan(0);
    expect(waiting).toBeLessThan(2 * 600_000);
    reader.leave();
  });
});
