/** The endpoints for what happened in the last minutes, and who an admin request says it comes from. */
import { afterEach, describe, expect, it } from '@jest/globals';
import express5 from 'express';
import type { AdminOptions } from '../../lib/index.ts';
import { until } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { enter } from '../support/gate.ts';
import { openStream } from '../support/event-stream.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { createOpenAntract, type OpenAntract } from '../support/open-registry.ts';
import { silentLogger } from '../support/silent-logger.ts';

afterEach(closeAll);

/** What the tests look at in an answer. */
interface Answer {
  readonly apps: { readonly app: string }[];
  readonly samples: unknown;
  readonly pauses: unknown;
  readonly transitions: unknown;
  readonly by: { readonly name: string };
}

interface Site {
  antract: OpenAntract;
  clock: FakeClock;
  ask(
    path: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; json: Answer; body: string }>;
  admin: string;
}

async function start(adminOptions?: AdminOptions): Promise<Site> {
  const clock = new FakeClock();
  const antract = createOpenAntract({ logger: silentLogger, apps: { shop: {}, blog: {} } }, clock);
  const app = express5();
  for (const name of ['shop', 'blog']) app.use(`/${name}`, antract.pause({ app: name }));
  app.use('/_antract', antract.admin(adminOptions));
  const { url } = await listen(app);
  const admin = `${url}/_antract`;
  const ask: Site['ask'] = async (path, headers = {}) => {
    const { status, body } = await request(admin + path, {
      headers: { accept: 'application/json', ...headers },
    });
    return { status, body, json: (body.startsWith('{') ? JSON.parse(body) : {}) as Answer };
  };
  return { antract, clock, ask, admin };
}

describe('the history', () => {
  it('has samples, pauses and transitions of each app, or of one', async () => {
    const { antract, clock, ask } = await start();
    enter(antract.core.gate('shop'));
    await ask('/enable?app=shop&reason=deploy');
    clock.advance(4000);
    const { json } = await ask('/history?app=shop');
    expect(json).toMatchObject({
      app: 'shop',
      at: clock.date(),
      since: clock.date() - 4000,
      stepMs: 2000,
      samples: { at: [clock.date() - 2000, clock.date()], inFlight: [1, 1], held: [0, 0] },
      pauses: [{ reason: 'deploy', startedAt: clock.date() - 4000, endedBy: null }],
      transitions: [{ event: 'paused', app: 'shop', reason: 'deploy' }],
    });
    const all = (await ask('/history')).json;
    expect(all.apps.map(({ app }) => app)).toEqual(['shop', 'blog']);
    expect(all.apps[0]).toEqual({
      app: 'shop',
      samples: json.samples,
      pauses: json.pauses,
      transitions: json.transitions,
    });
    expect((await ask('/history?app=shpo')).status).toBe(404);
    const text = (await ask('/history?app=shop', { accept: 'text/plain' })).body;
    expect(text).toMatch(
      /^App shop: 2 samples since 2026-.*\n {2}2026-\S+ App shop is still paused\.\n/,
    );
    await antract.close();
  });

  it('and the transitions are open only to clients that pass the access check', async () => {
    const { ask } = await start({ token: 'secret' });
    for (const path of ['/history', '/transitions']) {
      expect((await ask(path)).status).toBe(401);
      expect((await ask(path, { authorization: 'Bearer secret' })).status).toBe(200);
    }
  });
});

describe('who sent a command', () => {
  it('is the name in a header, or the user of Basic, with the address', async () => {
    const { antract, ask } = await start({ token: 'secret' });
    const address = '127.0.0.1';
    const basic = { authorization: `Basic ${btoa('ada:secret')}` };
    expect((await ask('/enable?app=shop', basic)).json.by).toEqual({
      name: 'ada',
      address,
      token: null,
    });
    const by = { 'x-antract-by': Buffer.from('zoë@build7').toString('latin1') };
    await ask('/stop?app=blog', { ...basic, ...by });
    expect(antract.status('blog').by).toEqual({ name: 'zoë@build7', address, token: null });
    await ask('/disable?app=blog', { ...basic, ...by });
    const { json, body } = await ask('/transitions?app=blog', basic);
    expect(json.transitions).toMatchObject([
      { event: 'stopped', by: { name: 'zoë@build7' } },
      { event: 'drained' },
      { event: 'resumed', by: { name: 'zoë@build7' } },
    ]);
    expect(body).toContain('App blog is stopped by zoë@build7 (127.0.0.1)');
  });

  it('is compared with who began the pause, so that an operator knows whose pause the command changed', async () => {
    const { clock, ask } = await start();
    const enable = async (name: string, parameters = ''): Promise<string> => {
      const headers = { accept: 'text/plain', 'x-antract-by': name };
      return (await ask(`/enable?app=shop${parameters}`, headers)).body;
    };
    await enable('ada@laptop', '&reason=migration');
    clock.advance(180_000);
    expect(await enable('bob@build7', '&reason=disk')).toMatch(
      /^Pause is already enabled, 0 .*\nAnother operator began it 3 min ago: ada@laptop \(127\.0\.0\.1\)\.\nTerms changed: reason "disk"\.\n/,
    );
    expect(await enable('bob@build7', '&wait=1s')).toMatch(
      /^Pause is already enabled, 0 .*\nAnother operator began it 3 min ago: .*\nDrained /,
    );
    expect(await enable('ada@laptop', '&reason=disk')).toMatch(
      /^Pause is already enabled, 0 .*\nTerms changed: /,
    );
    const status = (await ask('/status?app=shop')).json;
    expect(status.by.name).toBe('ada@laptop');
  });

  it('has the name of the token, if it has one', async () => {
    const { ask } = await start({ token: ['secret', { name: 'ci', token: 'other' }] });
    const named = await ask('/enable?app=shop', { authorization: 'Bearer other' });
    expect(named.json.by).toEqual({ name: null, address: '127.0.0.1', token: 'ci' });
    const plain = await ask('/enable?app=blog', { authorization: 'Bearer secret' });
    expect(plain.json.by).toMatchObject({ token: null });
    expect((await ask('/enable?app=blog', { authorization: 'Bearer ci' })).status).toBe(401);
  });

  it('is shortened and printed without control characters, and gives no access', async () => {
    const { ask } = await start({ token: 'secret' });
    const by = { 'x-antract-by': `\u202eroot${'x'.repeat(500)}` };
    const encoded = { 'x-antract-by': Buffer.from(by['x-antract-by']).toString('latin1') };
    expect((await ask('/enable?app=shop', encoded)).status).toBe(401);
    const { json } = await ask('/enable?app=shop', { ...encoded, authorization: 'Bearer secret' });
    expect(json.by.name).toBe(`\ufffdroot${'x'.repeat(95)}`);
  });
});

describe('the event stream', () => {
  it('has the earlier transitions after the first snapshot, and then each new one once', async () => {
    const { antract, clock, admin } = await start();
    await antract.enable('shop', { by: 'ada' });
    const stream = await openStream(`${admin}/events`);
    await stream.next();
    await until(() => stream.transitions.length === 2);
    expect(stream.transitions).toEqual(antract.core.transitions.list());
    await antract.disable('shop');
    await stream.until(({ app, phase }) => app === 'shop' && phase === 'running');
    await until(() => stream.transitions.length === 3);
    clock.advance(10_000);
    expect(stream.transitions.map(({ event }) => event)).toEqual(['paused', 'drained', 'resumed']);
    stream.leave();
  });
});
