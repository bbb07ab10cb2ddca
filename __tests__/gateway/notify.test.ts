/** The webhook: what it is told, in which order, and that it never holds anything up. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createAntract, type AntractOptions } from '../../lib/index.ts';
import type { Notification } from '../../lib/webhook/notify.ts';
import { MemoryStore } from '../../lib/stores/memory-store.ts';
import { eventually } from '../support/eventually.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { createOpenAntract, type OpenAntract } from '../support/open-registry.ts';

interface Received extends Notification {
  headers: IncomingMessage['headers'];
  path: string;
}

type Answer = (res: ServerResponse, count: number) => void;

/** A webhook that keeps what it gets. */
class Hook {
  readonly received: Received[] = [];
  url = '';
  #wake: () => void = () => undefined;

  async open(answer: Answer = (res) => void res.end('thanks')): Promise<this> {
    const { url } = await listen(async (req, res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk as Buffer);
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Notification;
      this.received.push({ ...body, headers: req.headers, path: req.url ?? '' });
      this.#wake();
      answer(res, this.received.length);
    });
    this.url = `${url}/hook/secret`;
    return this;
  }

  async got(count: number): Promise<Received[]> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.received;
  }
}

const open = new Set<OpenAntract>();

function create(options: AntractOptions): { antract: OpenAntract; warnings: string[] } {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const antract = createOpenAntract({ logger: { info() {}, warn, error: warn }, ...options });
  open.add(antract);
  return { antract, warnings };
}

async function warned(warnings: string[], pattern: RegExp): Promise<string> {
  const find = () => warnings.find((warning) => pattern.test(warning));
  await eventually(`a warning like ${pattern}`, () => find() !== undefined);
  return find() as string;
}

afterEach(async () => {
  await closeAll();
  await Promise.all([...open].map((antract) => antract.close()));
  open.clear();
});

describe('the webhook', () => {
  it('gets one message for an event in several processes', async () => {
    const hook = await new Hook().open();
    const store = new MemoryStore();
    const one = create({ notify: hook.url, store }).antract;
    const other = create({ notify: hook.url, store: new MemoryStore(store) }).antract;
    await Promise.all([one.ready(), other.ready()]);
    const seen = (event: 'drained' | 'resumed') =>
      Promise.all([one, other].map(({ registry }) => nextEvent(registry, event)));
    const drained = seen('drained');
    await one.enable();
    await drained;
    const resumed = seen('resumed');
    await other.disable();
    await resumed;
    await hook.got(3);
    // What is left to be sent is sent first.
    await Promise.all([one.close(), other.close()]);
    expect(hook.received.map(({ event }) => event)).toEqual(['paused', 'drained', 'resumed']);
  });

  it('gets a pause, its drain and its end, in order, with the report', async () => {
    const hook = await new Hook().open();
    const { antract } = create({ notify: hook.url });
    const { url } = await listen((req, res) =>
      antract.pause({ app: 'shop' })(req, res, () => void res.end('hello')),
    );
    await request(url);
    await antract.enable('shop', { reason: 'migration', maxTime: '1m' });
    const held = nextEvent(antract, 'held');
    const answer = request(url);
    await held;
    await antract.disable('shop');
    await answer;

    const [paused, drained, resumed] = await hook.got(3);
    expect(paused).toMatchObject({
      event: 'paused',
      app: 'shop',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      reason: 'migration',
      held: 0,
      inFlight: 0,
      endsInMs: 60_000,
      path: '/hook/secret',
      headers: { 'content-type': 'application/json' },
    });
    expect(drained).toMatchObject({
      event: 'drained',
      reason: 'migration',
      afterMs: expect.any(Number),
    });
    expect(resumed).toMatchObject({
      event: 'resumed',
      reason: 'migration',
      held: 1,
      pausedForMs: expect.any(Number),
      report: { endedBy: 'resume', held: 1, complete: false },
    });
  });

  it('gets a message when a pause ends by itself', async () => {
    const hook = await new Hook().open();
    const { antract } = create({ notify: hook.url });
    await antract.enable('default', { maxTime: 1 });
    const received = await hook.got(4);
    expect(received.map(({ event }) => event)).toEqual(['paused', 'drained', 'expired', 'resumed']);
    expect(received[2]).toMatchObject({ cause: 'maxTime' });
  });

  it('gets a stop without the reason of an earlier pause', async () => {
    const hook = await new Hook().open();
    const { antract } = create({ notify: hook.url });
    await antract.enable('default', { reason: 'earlier' });
    await antract.disable();
    await antract.stop('default', { message: 'Back at nine.' });
    await antract.disable();
    const received = (await hook.got(6)).slice(3);
    expect(received).toMatchObject([
      { event: 'stopped', reason: null, message: 'Back at nine.', report: null },
      { event: 'drained', reason: null, report: null },
      { event: 'resumed', reason: null, report: null },
    ]);
  });

  it('gets the user and the password of its URL in a header', async () => {
    const hook = await new Hook().open();
    const { antract } = create({ notify: hook.url.replace('://', '://me:p%40ss@') });
    await antract.enable();
    const [first] = await hook.got(1);
    expect(first?.headers.authorization).toBe(`Basic ${btoa('me:p@ss')}`);
  });

  it('may fail in any way: the failure is logged without its path, and the next message is sent', async () => {
    const hook = await new Hook().open((res, count) => {
      if (count === 1) res.writeHead(500).end();
      else if (count === 2) res.destroy();
      else if (count === 3) res.writeHead(302, { location: '/elsewhere' }).end();
      else res.end();
    });
    const { antract, warnings } = create({ notify: hook.url });
    await antract.enable();
    await antract.disable();
    await antract.enable();
    await hook.got(5);
    await warned(warnings, /answered 'resumed' with 302/);
    expect(warnings[0]).toMatch(/^WRN_ANTRACT_NOTIFY: http:.*answered 'paused' with 500\.$/);
    expect(warnings[1]).toMatch(/'drained' could not be sent: /);
    expect(warnings.join()).not.toContain('secret');
    expect(hook.received.map(({ event, path }) => `${event} ${path}`)).toEqual([
      'paused /hook/secret',
      'drained /hook/secret',
      'resumed /hook/secret',
      'paused /hook/secret',
      'drained /hook/secret',
    ]);
  });

  it('that is unreachable is logged, and delays nothing', async () => {
    const { antract, warnings } = create({ notify: 'http://127.0.0.1:9/' });
    const { changed } = await antract.enable();
    expect(changed).toBe(true);
    expect(await warned(warnings, /paused/)).toMatch(/'paused' could not be sent: /);
  });

  it('that never answers delays no command, and delays close() only for a short time', async () => {
    const hook = await new Hook().open(() => undefined);
    const { antract, warnings } = create({ notify: hook.url });
    for (let i = 0; i < 60; i++) {
      await antract.enable();
      await antract.disable();
    }
    await hook.got(1);
    // It would take minutes to wait 5 s for each of them.
    await antract.close();
    expect(hook.received).toHaveLength(1);
    // 180 events: one is under way, and no more than 100 wait.
    expect(await warned(warnings, /dropped/)).toMatch(/179 notifications were dropped/);
  });

  it('still gets queued messages when antract is closed, and none after that', async () => {
    const hook = await new Hook().open();
    const { antract } = create({ notify: hook.url });
    await antract.enable();
    // The connection is there: the last one takes far less than the second that close() allows.
    await hook.got(2);
    await antract.disable();
    await antract.close();
    expect(hook.received.map(({ event }) => event)).toEqual(['paused', 'drained', 'resumed']);
    expect(antract.core.events.listenerCount('paused')).toBe(0);
  });

  it('gets the events of a gateway too', async () => {
    const hook = await new Hook().open();
    const gateway = await openGateway({ target: 'http://127.0.0.1:9', notify: hook.url });
    await gateway.antract.enable();
    expect((await hook.got(1))[0]).toMatchObject({ event: 'paused', app: 'default' });
    await closeGateways();
  });

  it('ends with the registry', async () => {
    const { antract } = create({ notify: 'http://127.0.0.1:9/' });
    await antract.registry.close();
    expect(antract.core.events.listenerCount('resumed')).toBe(0);
  });

  it.each([
    ['ftp://example.org'],
    ['example.org/hook?token=s3cret'],
    [''],
    [42],
    ['javascript:x'],
    ['http://a%zz@h'],
  ])('must have an http: or https: URL, not %p, which is not repeated', (notify) => {
    const make = () => createAntract({ notify: notify as string });
    expect(make).toThrow('Expected `notify` to be an http: or https: URL.');
  });

  it('may be given as a URL object', () => {
    const { antract } = create({ notify: new URL('https://example.org/hook') });
    expect(antract.core.settings.notify).toBe('https://example.org/hook');
  });
});
