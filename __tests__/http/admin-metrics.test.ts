/** Prometheus metrics: their values, what bounds them, and what Prometheus' own tool thinks of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import express5 from 'express';
import { Counter, Registry } from 'prom-client';
import { createMetrics } from '../../lib/admin/metrics/metrics.ts';
import { createAntract, type AdminOptions, type AntractOptions } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/stores/memory-store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { itWith } from '../support/programs.ts';
import { enter, gatedRequest, hold } from '../support/gate.ts';
import { nextEvent } from '../support/next-event.ts';
import { createOpenAntract, type OpenAntract, OpenRegistry } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

interface Site {
  antract: OpenAntract;
  url: string;
  scrape(): Promise<string>;
}

async function start(options?: AntractOptions, adminOptions?: AdminOptions): Promise<Site> {
  const antract = createOpenAntract({ logger: silentLogger, ...options });
  const app = express5();
  app.use(antract.pause());
  app.use('/_antract', antract.admin(adminOptions));
  app.get('/', (_req, res) => void res.end('hello'));
  const { url } = await listen(app);
  return {
    antract,
    url,
    async scrape() {
      const answer = await request(`${url}/_antract/metrics`);
      expect(answer.status).toBe(200);
      return answer.body;
    },
  };
}

/** A site with a pause behind it that held three requests: one released, one abandoned, one refused. */
async function afterAPause(): Promise<Site> {
  const site = await start({ maxQueue: 2 }, { metrics: {} });
  await request(site.url);
  await request(site.url);
  await site.antract.enable('default', { reason: 'anything at all' });
  const abort = new AbortController();
  const held = nextEvent(site.antract, 'held');
  const answer = request(site.url);
  await held;
  const abandoned = nextEvent(site.antract, 'abandoned');
  const heldToo = nextEvent(site.antract, 'held');
  request(site.url, { signal: abort.signal }).catch(() => undefined);
  await heldToo;
  expect((await request(site.url)).status).toBe(503);
  abort.abort();
  await abandoned;
  await site.antract.disable();
  await answer;
  return site;
}

const value = (metrics: string, series: string): number | undefined => {
  const line = metrics.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
};

describe('the metrics', () => {
  it('count requests by outcome, and measure the time of held requests', async () => {
    const site = await afterAPause();
    const metrics = await site.scrape();
    const requests = (outcome: string) =>
      value(metrics, `antract_requests_total{app="default",outcome="${outcome}"}`);
    expect(['passed', 'released', 'abandoned', 'rejected'].map(requests)).toEqual([2, 1, 1, 1]);
    // Not the one that was refused at once.
    expect(value(metrics, 'antract_hold_duration_seconds_count{app="default"}')).toBe(2);
    expect(value(metrics, 'antract_pauses_total{app="default",reason="asked"}')).toBe(1);
    expect(metrics).not.toContain('anything at all');
  });

  it('show the state at the time of the scrape', async () => {
    const { antract, url, scrape } = await start();
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const answer = request(url);
    await held;
    const metrics = await scrape();
    expect(value(metrics, 'antract_paused{app="default"}')).toBe(1);
    expect(value(metrics, 'antract_held{app="default"}')).toBe(1);
    expect(value(metrics, 'antract_in_flight{app="default"}')).toBe(0);
    expect(value(metrics, 'antract_oldest_hold_seconds{app="default"}')).toBeLessThan(5);
    expect(value(metrics, 'antract_spooled_bytes')).toBe(0);
    await antract.disable();
    await answer;
    const after = await scrape();
    expect(value(after, 'antract_paused{app="default"}')).toBe(0);
    expect(value(after, 'antract_held{app="default"}')).toBe(0);
    expect(value(after, 'antract_oldest_hold_seconds{app="default"}')).toBe(0);
  });

  it('count each passed request once, over any number of scrapes', async () => {
    const { url, scrape } = await start();
    const passed = async () =>
      value(await scrape(), 'antract_requests_total{app="default",outcome="passed"}');
    await request(url);
    expect(await passed()).toBe(1);
    expect(await passed()).toBe(1);
    await request(url);
    expect(await passed()).toBe(2);
  });

  it('have every series of a known app before its first event', async () => {
    const { scrape } = await start();
    const metrics = await scrape();
    for (const outcome of ['passed', 'released', 'abandoned', 'rejected']) {
      expect(value(metrics, `antract_requests_total{app="default",outcome="${outcome}"}`)).toBe(0);
    }
    for (const reason of ['asked', 'lease', 'unplanned']) {
      expect(value(metrics, `antract_pauses_total{app="default",reason="${reason}"}`)).toBe(0);
    }
    expect(value(metrics, 'antract_hold_duration_seconds_count{app="default"}')).toBe(0);
  });

  it('show a stopped app as stopped and not as paused', async () => {
    const { antract, scrape } = await start();
    const before = await scrape();
    expect(value(before, 'antract_stopped{app="default"}')).toBe(0);
    await antract.stop();
    const metrics = await scrape();
    expect(value(metrics, 'antract_stopped{app="default"}')).toBe(1);
    expect(value(metrics, 'antract_paused{app="default"}')).toBe(0);
  });

  it('show whether a pause has a lease', async () => {
    const { antract, scrape } = await start({}, { metrics: {} });
    await antract.enable('default', { lease: '10s' });
    const metrics = await scrape();
    expect(value(metrics, 'antract_pauses_total{app="default",reason="lease"}')).toBe(1);
    await antract.close();
  });

  it('count a pause of several processes once, so that they can be added up', async () => {
    const store = new MemoryStore();
    const all = await Promise.all([
      start({ store }, { metrics: {} }),
      start({ store: new MemoryStore(store) }, { metrics: {} }),
    ]);
    await Promise.all(all.map(({ antract }) => antract.ready()));
    const [one, other] = all;
    const paused = nextEvent(other.antract, 'paused');
    await one.antract.enable();
    await paused;
    const counts = await Promise.all(
      all.map(async ({ scrape }) =>
        value(await scrape(), 'antract_pauses_total{app="default",reason="asked"}'),
      ),
    );
    expect(counts.toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([0, 1]);
    await Promise.all(all.map(({ antract }) => antract.close()));
  });

  it('distinguish holds in an outage from the pauses of an operator', async () => {
    const options = { probe: { check: () => false }, holdOnOutage: '10s' };
    const { antract, url, scrape } = await start(options, { metrics: {} });
    const pause = antract.pause();
    const { url: proxy } = await listen((req, res) =>
      // A backend that refuses the first connection.
      pause(req, res, () => expect(pause.requeue(req, res, () => res.end())).toBe(true)),
    );
    const reasons = async () => {
      const metrics = await scrape();
      return ['asked', 'lease', 'unplanned'].map((reason) =>
        value(metrics, `antract_pauses_total{app="default",reason="${reason}"}`),
      );
    };
    expect((await request(url)).status).toBe(200);
    const answer = request(proxy);
    await nextEvent(antract, 'unreachable');
    expect(await reasons()).toEqual([0, 0, 1]);
    expect(value(await scrape(), 'antract_outage{app="default"}')).toBe(1);
    await antract.enable();
    expect(value(await scrape(), 'antract_outage{app="default"}')).toBe(0);
    expect(await reasons()).toEqual([1, 0, 1]);
    await antract.close();
    expect((await answer).status).toBe(503);
  });

  it('are in the text format of Prometheus for each Accept header', async () => {
    const { url } = await start();
    const headers = { accept: 'application/json' };
    const answer = await request(`${url}/_antract/metrics`, { headers });
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  it('give the first hundred apps labels of their own, and all others one', async () => {
    const registry = new OpenRegistry({}, new FakeClock());
    const register = createMetrics(registry.core, {}, { spooledBytes: () => 4096 });
    for (let i = 0; i < 300; i++) {
      await registry.enable(`app-${i}`);
      hold(registry.gate(`app-${i}`));
    }
    const metrics = await register.metrics();
    expect(metrics.match(/^antract_held\{/gm)).toHaveLength(101);
    expect(value(metrics, 'antract_held{app="other"}')).toBe(200);
    expect(value(metrics, 'antract_paused{app="other"}')).toBe(200);
    expect(value(metrics, 'antract_pauses_total{app="other",reason="asked"}')).toBe(200);
    expect(value(metrics, 'antract_spooled_bytes')).toBe(4096);
  });

  it('keep the labels of declared apps when clients send other names', async () => {
    const apps = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`shop-${i}`, {}]));
    const antract = createOpenAntract({ logger: { info() {}, warn() {}, error() {} }, apps });
    antract.pause({ app: (req) => String(req.headers['x-app']) });
    antract.pause({ app: 'blog' });
    const { core } = antract;
    const register = createMetrics(core);
    const holdIn = async (app: string): Promise<void> => {
      await antract.enable(app);
      hold(core.gate(app));
    };
    for (let i = 0; i < 150; i++) await holdIn(`client-${i}`);
    await holdIn('shop-119');
    await holdIn('blog');
    const metrics = await register.metrics();
    for (const app of ['shop-119', 'blog', 'client-99']) {
      expect(value(metrics, `antract_held{app="${app}"}`)).toBe(1);
      expect(value(metrics, `antract_paused{app="${app}"}`)).toBe(1);
      expect(value(metrics, `antract_pauses_total{app="${app}",reason="asked"}`)).toBe(1);
      expect(value(metrics, `antract_requests_total{app="${app}",outcome="passed"}`)).toBe(0);
    }
    expect(value(metrics, 'antract_held{app="shop-0"}')).toBe(0);
    expect(value(metrics, 'antract_held{app="other"}')).toBe(50);
    // 121 declared, 100 others, and one for the rest.
    expect(metrics.match(/^antract_held\{/gm)).toHaveLength(222);
    await antract.close();
  });

  it('have no value for an evicted app', async () => {
    const registry = new OpenRegistry({ maxApps: 1 }, new FakeClock());
    const register = createMetrics(registry.core);
    const enterIn = (app: string): void => {
      enter(registry.gate(app));
    };
    const [one, other] = [{ url: '/' }, { url: '/' }];
    enter(registry.gate('first'), gatedRequest({ request: one }));
    await register.metrics();
    registry.gate('first').onResponseEnd(one);
    enter(registry.gate('second'), gatedRequest({ request: other }));
    const metrics = await register.metrics();
    expect(value(metrics, 'antract_in_flight{app="first"}')).toBeUndefined();
    expect(value(metrics, 'antract_in_flight{app="second"}')).toBe(1);
    expect(value(metrics, 'antract_requests_total{app="first",outcome="passed"}')).toBe(1);

    // It comes back, and counts from nothing.
    registry.gate('second').onResponseEnd(other);
    enterIn('first');
    enterIn('first');
    expect(await register.metrics()).toContain(
      'antract_requests_total{app="first",outcome="passed"} 3',
    );
  });

  it('count the requests of an app that was evicted between two scrapes', async () => {
    const registry = new OpenRegistry({ maxApps: 1 }, new FakeClock());
    const register = createMetrics(registry.core);
    const pass = (app: string, times: number): void => {
      for (let i = 0; i < times; i++) {
        const req = { url: '/' };
        enter(registry.gate(app), gatedRequest({ request: req }));
        registry.gate(app).onResponseEnd(req);
      }
    };
    pass('first', 2);
    await register.metrics();
    pass('first', 1);
    pass('second', 5);
    pass('first', 4);
    const metrics = await register.metrics();
    const passed = (app: string) =>
      value(metrics, `antract_requests_total{app="${app}",outcome="passed"}`);
    expect([passed('first'), passed('second')]).toEqual([7, 5]);
  });
});

describe('a metrics register of the user', () => {
  it('gets the metrics, and is answered with all of its own', async () => {
    const register = new Registry();
    new Counter({ name: 'mine_total', help: 'Mine.', registers: [register] }).inc(7);
    const { scrape } = await start({}, { metrics: { register } });
    const metrics = await scrape();
    expect(value(metrics, 'mine_total')).toBe(7);
    expect(value(metrics, 'antract_held{app="default"}')).toBe(0);
    expect(await register.metrics()).toContain('antract_held{app="default"} 0');
  });

  it('contains only its own metrics after antract is closed', async () => {
    const register = new Registry();
    const { antract } = await start({}, { metrics: { register } });
    expect(antract.core.events.listenerCount('released')).toBe(1);
    await antract.close();
    expect(await register.metrics()).toBe('\n');
    expect(antract.core.events.listenerCount('released')).toBe(0);
  });

  it('must be a Registry of prom-client', () => {
    const antract = createAntract();
    expect(() => antract.admin({ metrics: { register: {} as Registry } })).toThrow(
      /`admin.metrics.register` to be a Registry of prom-client, got an object/,
    );
    expect(() => antract.admin({ metrics: { registry: 1 } as object })).toThrow(
      /Unknown option `admin.metrics.registry`. Did you mean `register`/,
    );
  });
});

describe('before the first request for metrics', () => {
  it('no event is counted', async () => {
    const { antract, scrape } = await start();
    expect(antract.core.events.listenerCount('released')).toBe(0);
    await scrape();
    expect(antract.core.events.listenerCount('released')).toBe(1);
    await scrape();
    expect(antract.core.events.listenerCount('released')).toBe(1);
  });
});

describe("Prometheus' own tool", () => {
  const itWithPromtool = itWith('promtool', 'prometheus');

  /** Exit code and all that was printed. */
  async function promtool(args: string[], input = ''): Promise<{ code: number; output: string }> {
    const child = spawn('promtool', args);
    // Checking rules it may end without a look at its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number]>,
    ]);
    return { code, output: output + errors };
  }

  const example = (name: string) =>
    fileURLToPath(new URL(`../../example/${name}`, import.meta.url));

  itWithPromtool('finds nothing to say about the metrics', async () => {
    const site = await afterAPause();
    expect(await promtool(['check', 'metrics'], await site.scrape())).toEqual({
      code: 0,
      output: '',
    });
  });

  itWithPromtool('takes the alert rules, and they fire when they should', async () => {
    const checked = await promtool(['check', 'rules', example('alerts.yml')]);
    expect(checked).toMatchObject({ code: 0, output: expect.stringContaining('4 rules found') });
    const fixture = fileURLToPath(new URL('../support/alerts.test.yml', import.meta.url));
    expect(await promtool(['test', 'rules', fixture])).toMatchObject({
      code: 0,
      output: expect.stringContaining('SUCCESS'),
    });
  });

  it('and the Grafana dashboard name only existing metrics', async () => {
    const site = await afterAPause();
    const metrics = await site.scrape();
    const known = new Set([...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
    const dashboard = await readFile(example('grafana-dashboard.json'), 'utf8');
    expect(JSON.parse(dashboard)).toMatchObject({ title: 'antract' });
    const alerts = await readFile(example('alerts.yml'), 'utf8');
    const used = (dashboard + alerts).match(/\bantract_[a-z_]+/g) ?? [];
    const plain = used.map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    expect(plain.length).toBeGreaterThan(5);
    expect(plain.filter((name) => !known.has(name))).toEqual([]);
  });
});
