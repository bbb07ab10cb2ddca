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
import { endResponse, enter, gatedRequest, hold } from '../support/gate.ts';
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
  const site = await start({ maxQueue: 2 });
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

const example = (name: string) => fileURLToPath(new URL(`../../example/${name}`, import.meta.url));

const requestsOf = (app: string, outcome: string, status: string): string =>
  `antract_requests_total{app="${app}",outcome="${outcome}",status="${status}"}`;

const phaseOf = (metrics: string, app = 'default'): string[] =>
  [...metrics.matchAll(new RegExp(`^antract_phase{app="${app}",phase="(\\w+)"} 1$`, 'gm'))].map(
    ([, phase = '']) => phase,
  );

const value = (metrics: string, series: string): number | undefined => {
  const line = metrics.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
};

describe('the metrics', () => {
  it('count requests by outcome, and measure the time of held requests', async () => {
    const site = await afterAPause();
    const metrics = await site.scrape();
    const requests = (outcome: string, status: string) =>
      value(metrics, requestsOf('default', outcome, status));
    expect([
      requests('passed', '2xx'),
      requests('released', '2xx'),
      requests('abandoned', 'none'),
      requests('rejected', '5xx'),
    ]).toEqual([2, 1, 1, 1]);
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
    expect(phaseOf(metrics)).toEqual(['paused']);
    expect(value(metrics, 'antract_held{app="default"}')).toBe(1);
    expect(value(metrics, 'antract_held_limit{app="default"}')).toBe(10_000);
    expect(value(metrics, 'antract_in_flight{app="default"}')).toBe(0);
    expect(value(metrics, 'antract_oldest_hold_seconds{app="default"}')).toBeLessThan(5);
    expect(value(metrics, 'antract_spooled_bytes')).toBe(0);
    const end = value(metrics, 'antract_pause_end_timestamp_seconds{app="default"}') ?? 0;
    expect(end - Date.now() / 1000).toBeGreaterThan(240);
    expect(end - Date.now() / 1000).toBeLessThan(301);
    await antract.disable();
    await answer;
    const after = await scrape();
    expect(phaseOf(after)).toEqual(['running']);
    expect(value(after, 'antract_held{app="default"}')).toBe(0);
    expect(value(after, 'antract_oldest_hold_seconds{app="default"}')).toBe(0);
    expect(after).not.toMatch(/^antract_pause_end_timestamp_seconds\{/m);
  });

  it('count each passed request once, over any number of scrapes', async () => {
    const { url, scrape } = await start();
    const passed = async () => value(await scrape(), requestsOf('default', 'passed', '2xx'));
    await request(url);
    expect(await passed()).toBe(1);
    expect(await passed()).toBe(1);
    await request(url);
    expect(await passed()).toBe(2);
  });

  it('have every series of a known app before its first event', async () => {
    const { scrape } = await start();
    const metrics = await scrape();
    for (const outcome of ['passed', 'released']) {
      for (const status of ['none', '1xx', '2xx', '3xx', '4xx', '5xx'])
        expect(value(metrics, requestsOf('default', outcome, status))).toBe(0);
    }
    for (const status of ['4xx', '5xx'])
      expect(value(metrics, requestsOf('default', 'rejected', status))).toBe(0);
    expect(value(metrics, requestsOf('default', 'abandoned', 'none'))).toBe(0);
    expect(value(metrics, 'antract_stops_total{app="default"}')).toBe(0);
    for (const reason of ['asked', 'lease', 'unplanned']) {
      expect(value(metrics, `antract_pauses_total{app="default",reason="${reason}"}`)).toBe(0);
    }
    expect(value(metrics, 'antract_hold_duration_seconds_count{app="default"}')).toBe(0);
  });

  it('count requests by the class of their status', async () => {
    const { antract, url, scrape } = await start();
    const { url: other } = await listen((req, res) =>
      antract.pause()(req, res, () => {
        res.statusCode = Number(req.url?.slice(1));
        if (res.statusCode === 444) res.destroy();
        else res.end();
      }),
    );
    await request(url);
    for (const status of [304, 404, 410, 500]) await request(`${other}/${status}`);
    await request(`${other}/444`).catch(() => undefined);
    const metrics = await scrape();
    const counts = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'].map((status) =>
      value(metrics, requestsOf('default', 'passed', status)),
    );
    expect(counts).toEqual([1, 0, 1, 1, 2, 1]);
  });

  it('count from the start, and not from the first scrape', async () => {
    const { antract, scrape } = await start();
    const drained = nextEvent(antract, 'drained');
    await antract.stop();
    await drained;
    await antract.disable();
    const drainedAgain = nextEvent(antract, 'drained');
    await antract.enable('default', { lease: '10s' });
    await drainedAgain;
    await antract.disable();
    const metrics = await scrape();
    expect(value(metrics, 'antract_stops_total{app="default"}')).toBe(1);
    expect(value(metrics, 'antract_pauses_total{app="default",reason="lease"}')).toBe(1);
    expect(value(metrics, 'antract_drain_duration_seconds_count{app="default"}')).toBe(2);
    expect(
      value(metrics, 'antract_drain_duration_seconds_bucket{le="0.1",app="default"}'),
    ).toBeDefined();
  });

  it('show a stopped app', async () => {
    const { antract, scrape } = await start();
    await antract.stop();
    expect(phaseOf(await scrape())).toEqual(['stopped']);
  });

  it('have the version of the package', async () => {
    const { scrape } = await start();
    const { version } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    expect(value(await scrape(), `antract_build_info{version="${version}"}`)).toBe(1);
  });

  it('show whether a pause has a lease', async () => {
    const { antract, scrape } = await start();
    await antract.enable('default', { lease: '10s' });
    const metrics = await scrape();
    expect(value(metrics, 'antract_pauses_total{app="default",reason="lease"}')).toBe(1);
    await antract.close();
  });

  it('count a pause of several processes once, so that they can be added up', async () => {
    const store = new MemoryStore();
    const all = await Promise.all([start({ store }), start({ store: new MemoryStore(store) })]);
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
    const { antract, url, scrape } = await start(options);
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
    expect(value(metrics, 'antract_phase{app="other",phase="paused"}')).toBe(200);
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
      expect(phaseOf(metrics, app)).toEqual(['paused']);
      expect(value(metrics, `antract_pauses_total{app="${app}",reason="asked"}`)).toBe(1);
      expect(value(metrics, requestsOf(app, 'passed', '2xx'))).toBe(0);
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
    const passed = async (app: string) =>
      value(await register.metrics(), requestsOf(app, 'passed', 'none'));
    const [one, other] = [{ url: '/' }, { url: '/' }];
    enter(registry.gate('first'), gatedRequest({ request: one }));
    await register.metrics();
    endResponse(registry.gate('first'), one);
    enter(registry.gate('second'), gatedRequest({ request: other }));
    const metrics = await register.metrics();
    expect(value(metrics, 'antract_in_flight{app="first"}')).toBeUndefined();
    expect(value(metrics, 'antract_in_flight{app="second"}')).toBe(1);
    expect(await passed('first')).toBe(1);

    // It comes back, and its gate counts from nothing.
    endResponse(registry.gate('second'), other);
    for (let i = 0; i < 2; i++) {
      endResponse(registry.gate('first'), enter(registry.gate('first')));
    }
    expect(await passed('first')).toBe(3);
  });

  it('count the requests of an app that was evicted between two scrapes', async () => {
    const registry = new OpenRegistry({ maxApps: 1 }, new FakeClock());
    const register = createMetrics(registry.core);
    const pass = (app: string, times: number): void => {
      for (let i = 0; i < times; i++) {
        const req = { url: '/' };
        enter(registry.gate(app), gatedRequest({ request: req }));
        endResponse(registry.gate(app), req);
      }
    };
    pass('first', 2);
    await register.metrics();
    pass('first', 1);
    pass('second', 5);
    pass('first', 4);
    const metrics = await register.metrics();
    const passed = (app: string) => value(metrics, requestsOf(app, 'passed', 'none'));
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
    expect(await register.metrics()).toContain('antract_held');
    await antract.close();
    expect(await register.metrics()).toBe('\n');
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

  itWithPromtool('finds nothing to say about the metrics', async () => {
    const site = await afterAPause();
    expect(await promtool(['check', 'metrics'], await site.scrape())).toEqual({
      code: 0,
      output: '',
    });
  });

  itWithPromtool('takes the alert rules, and they fire when they should', async () => {
    const checked = await promtool(['check', 'rules', example('alerts.yml')]);
    expect(checked).toMatchObject({ code: 0, output: expect.stringContaining('7 rules found') });
    const fixture = fileURLToPath(new URL('../support/alerts.test.yml', import.meta.url));
    expect(await promtool(['test', 'rules', fixture])).toMatchObject({
      code: 0,
      output: expect.stringContaining('SUCCESS'),
    });
  });
});

interface GrafanaDashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

/** The labels of each series. Prometheus adds `instance` and `job`. */
function labelsBySeries(metrics: string): Map<string, string[]> {
  const labels = new Map<string, string[]>();
  const add = (name: string, own: string[]): void =>
    void labels.set(name, ['instance', 'job', ...own]);
  // A gauge may have no value at this moment.
  for (const [, name = ''] of metrics.matchAll(/^# TYPE (\w+) gauge/gm)) add(name, ['app']);
  for (const [, name = '', pairs = ''] of metrics.matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    add(
      name,
      [...pairs.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
    );
  }
  return labels;
}

describe('the alert rules and the Grafana dashboard', () => {
  it('use only series and labels that exist', async () => {
    const { panels, templating, annotations } = JSON.parse(
      await readFile(example('grafana-dashboard.json'), 'utf8'),
    ) as GrafanaDashboard;
    const alerts = await readFile(example('alerts.yml'), 'utf8');
    const expressions = [
      ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
      ...templating.list.flatMap(({ definition }) => definition ?? []),
      ...annotations.list.map(({ expr }) => expr),
      ...[...alerts.matchAll(/^ *expr: (.*)$/gm)].map(([, expr = '']) => expr),
    ];
    expect(expressions.length).toBeGreaterThan(20);
    const { scrape } = await start();
    const labels = labelsBySeries(await scrape());
    for (const expression of expressions) {
      const selectors = [...expression.matchAll(/\b(antract_\w+)(?:\{([^}]*)\})?/g)];
      expect([expression, selectors.length > 0]).toEqual([expression, true]);
      for (const [, name = '', matchers = ''] of selectors) {
        const used = [...matchers.matchAll(/(\w+)=/g)].map(([, label = '']) => label);
        const known = labels.get(name);
        const unknown = used.filter((label) => !known?.includes(label));
        expect([name, known !== undefined, unknown]).toEqual([name, true, []]);
      }
    }
  });

  it('show every metric', async () => {
    const dashboard = await readFile(example('grafana-dashboard.json'), 'utf8');
    const { scrape } = await start();
    const names = [...(await scrape()).matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name);
    expect(names.filter((name) => !dashboard.includes(name))).toEqual([]);
  });
});
