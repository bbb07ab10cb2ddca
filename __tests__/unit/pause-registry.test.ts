import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AntractError } from '../../lib/common/errors.ts';
import { OpenRegistry } from '../support/open-registry.ts';
import type { GatedRequest } from '../../lib/gate/gated-request.ts';
import type { RequestLine } from '../../lib/common/request.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { endResponse, enter as enterGate, gatedRequest, hold, passes } from '../support/gate.ts';

let clock: FakeClock;
let warnings: string[];
let registry: OpenRegistry;

const logger = {
  info: () => undefined,
  warn: (message: string) => void warnings.push(message),
  error: (message: string) => void warnings.push(message),
};

beforeEach(() => {
  clock = new FakeClock();
  warnings = [];
  registry = new OpenRegistry({ logger, maxApps: 3, apps: { shop: { maxTime: '1s' } } }, clock);
});

const slowPost = (): GatedRequest =>
  gatedRequest({ request: { method: 'POST', url: '/slow?q=1' } });

const enter = (app: string): RequestLine => enterGate(registry.gate(app), slowPost());

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: AntractError) => error.code,
  );

describe('the registry', () => {
  it('pauses one app without touching another', async () => {
    await registry.enable('a');
    expect([registry.status('a').phase, registry.status('b').phase]).toEqual(['paused', 'running']);
    expect(passes(registry.gate('b'))).toBe(true);
  });

  it('returns whether a command changed the state, and how many requests were held before', async () => {
    expect(await registry.enable()).toMatchObject({ app: 'default', changed: true, held: 0 });
    hold(registry.gate('default'));
    expect(await registry.enable()).toMatchObject({ changed: false, held: 1 });
    expect(await registry.disable()).toMatchObject({ changed: true, held: 1, status: { held: 0 } });
    expect(await registry.disable()).toMatchObject({ changed: false, held: 0 });
  });

  it('uses the options of the app that a command names', async () => {
    const [shop, other] = [await registry.enable('shop'), await registry.enable('other')];
    expect([shop.status.endsInMs, other.status.endsInMs]).toEqual([1000, 300_000]);
  });

  it('logs a warning when a pause reaches its maxTime', async () => {
    await registry.enable('shop');
    clock.advance(1000);
    expect(warnings).toEqual([expect.stringContaining('WRN_ANTRACT_EXPIRED')]);
    expect(warnings[0]).toContain("'shop'");
  });

  it('emits an event and logs a warning when a stop reaches its maxTime', async () => {
    const events: unknown[] = [];
    for (const name of ['stopped', 'expired', 'resumed'] as const) {
      registry.on(name, (event: unknown) => events.push([name, event]));
    }
    expect(await registry.stop('shop', { maxTime: '10s' })).toMatchObject({ changed: true });
    clock.advance(10_000);
    expect(events).toMatchObject([
      ['stopped', { app: 'shop', endsInMs: 10_000 }],
      ['expired', { app: 'shop', cause: 'maxTime', ended: 'stop', pausedForMs: 10_000 }],
      ['resumed', { app: 'shop', pausedForMs: 10_000 }],
    ]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^WRN_ANTRACT_EXPIRED: app 'shop' was stopped for 10 s/);
  });

  it.each([{ maxTime: 'soon' }, { maxTime: 0 }, { max_time: '5m' }, { lease: '5m' }])(
    'rejects stop() with the options %j and stops no app',
    async (options) => {
      expect(await codeOf(registry.stop('a', options as never))).toBe('ERR_ANTRACT_OPTION');
      expect(registry.status('a').phase).toBe('running');
    },
  );

  it.each([
    [{ maxTime: 'soon' }, 'ERR_ANTRACT_OPTION'],
    [{ maxtime: 5 }, 'ERR_ANTRACT_OPTION'],
    [{ reason: 'a\u001b[31m' }, 'ERR_ANTRACT_OPTION'],
    [{ reason: 'x'.repeat(501) }, 'ERR_ANTRACT_OPTION'],
  ])('rejects enable() with the options %j and pauses no app', async (options, code) => {
    expect(await codeOf(registry.enable('a', options as object))).toBe(code);
    expect(registry.status('a').phase).toBe('running');
  });

  it('rejects an invalid app name', async () => {
    for (const app of ['', 'a\nb', 'x'.repeat(254)]) {
      expect(await codeOf(registry.enable(app))).toBe('ERR_ANTRACT_APP_NAME');
    }
  });

  const CALLS = [
    'enable',
    'disable',
    'stop',
    'waitForDrain',
    'waitForRelease',
    'status',
    'report',
    'traffic',
  ];

  it.each([...CALLS, 'during'])(
    'explains that %s() needs an app name as its first argument',
    async (call) => {
      const run = async (argument: unknown): Promise<unknown> =>
        await (registry as unknown as Record<string, (app: unknown) => unknown>)[call]?.(argument);
      for (const argument of [{ maxTime: 5000 }, {}, () => undefined]) {
        await expect(run(argument)).rejects.toMatchObject({
          code: 'ERR_ANTRACT_APP_NAME',
          message: expect.stringContaining(`Did you mean \`${call}('default', …)\`?`),
        });
      }
      for (const argument of [5, null, true, ['shop']]) {
        const error = await run(argument).catch((thrown: unknown) => thrown as Error);
        expect(error).toMatchObject({ code: 'ERR_ANTRACT_APP_NAME' });
        expect(String(error)).toMatch(/name of an app, got (5|null|true|an array)\.$/);
      }
    },
  );

  it('rejects an app name that no pause() uses, if every pause() names its app', async () => {
    registry.core.gates.declare('api');
    expect(await codeOf(registry.enable('apl'))).toBe('ERR_ANTRACT_UNKNOWN_APP');
    expect(() => registry.status('apl')).toThrow('shop, api');
    expect(await codeOf(registry.enable('api'))).toBe('resolved');
    registry.core.gates.declare(undefined);
    expect(await codeOf(registry.enable('apl'))).toBe('resolved');
  });

  it('lists every known app, or the default app if there is none', async () => {
    await registry.enable('a');
    expect(registry.list().map(({ app }) => app)).toEqual(['shop', 'a']);
    expect(new OpenRegistry().list().map(({ app }) => app)).toEqual(['default']);
  });

  it('evicts idle apps above maxApps, and never an app in use', async () => {
    enter('busy');
    await registry.enable('paused');
    for (let i = 0; i < 50; i++) {
      const request = enter(`host-${i}`);
      endResponse(registry.gate(`host-${i}`), request);
    }
    expect(registry.list().map(({ app }) => app)).toEqual(['shop', 'busy', 'paused', 'host-49']);
    enter('host-50');
    expect(() => registry.gate('host-51')).toThrow('maxApps');
    expect(registry.status('paused').phase).toBe('paused');
  });

  it('logs the error of a listener that throws, and executes the command', async () => {
    registry.on('paused', () => {
      throw new Error('oops');
    });
    expect(await registry.enable()).toMatchObject({ changed: true });
    expect(warnings).toEqual([expect.stringContaining('oops')]);
  });

  it('rejects commands after close()', async () => {
    await registry.enable();
    await registry.close();
    expect(await codeOf(registry.disable())).toBe('ERR_ANTRACT_CLOSED');
    expect(registry.gate('default').admit(gatedRequest())).toMatchObject({ reason: 'shutdown' });
  });
});

describe('a pause of writes', () => {
  it('cannot be joined by a pause of all requests, nor the reverse', async () => {
    await registry.enable('a', { only: 'writes' });
    expect(await codeOf(registry.enable('a'))).toBe('ERR_ANTRACT_ALREADY_PAUSED');
    expect(await codeOf(registry.enable('a', { only: 'writes', maxTime: '1m' }))).toBe('resolved');
    await registry.enable('b');
    expect(await codeOf(registry.enable('b', { only: 'writes' }))).toBe(
      'ERR_ANTRACT_ALREADY_PAUSED',
    );
    expect(await codeOf(registry.enable('b', { only: 'reads' as 'writes' }))).toBe(
      'ERR_ANTRACT_OPTION',
    );
  });

  it('can follow from a pause of all requests, which releases its reads and ends its wait for reads', async () => {
    enterGate(registry.gate('a'));
    const { status } = await registry.enable('a');
    const gate = registry.gate('a');
    const write = gatedRequest({ request: { method: 'POST', url: '/' } });
    gate.admit(write);
    gate.admit(gatedRequest());
    expect(registry.status('a')).toMatchObject({ phase: 'pausing', held: 2, inFlight: 1 });
    const drained = registry.waitForDrain('a');
    await registry.enable('a', { only: 'writes', ifPause: status.pauseId as string });
    expect(registry.status('a')).toMatchObject({ phase: 'paused', only: 'writes', held: 1 });
    expect(await drained).toMatchObject({ outcome: 'drained' });
  });
});

describe('waitForDrain()', () => {
  it('resolves when the last response has ended', async () => {
    const requests = [enter('a'), enter('a')];
    await registry.enable('a');
    const drained = registry.waitForDrain('a', { timeout: '30s' });
    for (const request of requests) {
      clock.advance(100);
      endResponse(registry.gate('a'), request);
    }
    expect(await drained).toEqual({ outcome: 'drained', waitedMs: 200, stragglers: [] });
    expect(clock.pendingTimers).toBe(1); // the pause's own
  });

  it('resolves at once when nothing is in flight', async () => {
    await registry.enable('a');
    expect(await registry.waitForDrain('a')).toMatchObject({ outcome: 'drained' });
  });

  it('lists the requests in flight when its timeout is over', async () => {
    enter('a');
    await registry.enable('a');
    const drained = registry.waitForDrain('a', { timeout: 500 });
    clock.advance(500);
    expect(await drained).toEqual({
      outcome: 'timeout',
      waitedMs: 500,
      stragglers: [{ method: 'POST', path: '/slow', ageMs: 500 }],
    });
  });

  it('resolves as resumed when the pause ends meanwhile', async () => {
    enter('a');
    await registry.enable('a');
    const drained = registry.waitForDrain('a');
    await registry.disable('a');
    expect(await drained).toMatchObject({ outcome: 'resumed' });
  });

  it('rejects when its signal is aborted, and leaves no listener and no timer', async () => {
    enter('a');
    await registry.enable('a');
    const controller = new AbortController();
    const drained = registry.waitForDrain('a', { timeout: 500, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(drained).rejects.toThrow('enough');
    expect(clock.pendingTimers).toBe(1);
    await expect(registry.waitForDrain('a', { signal: controller.signal })).rejects.toThrow(
      'enough',
    );
  });

  it.each([null, '5s', { timeOut: '5s' }, { timeout: 'soon' }, { signal: {} }, { signal: 5 }])(
    'rejects the options %j, and so does waitForRelease()',
    async (options) => {
      await registry.enable('a');
      expect(await codeOf(registry.waitForDrain('a', options as never))).toBe('ERR_ANTRACT_OPTION');
      expect(await codeOf(registry.waitForRelease('a', options as never))).toBe(
        'ERR_ANTRACT_OPTION',
      );
    },
  );

  it('rejects an app that is neither paused nor stopped', async () => {
    expect(await codeOf(registry.waitForDrain('a'))).toBe('ERR_ANTRACT_NOT_PAUSED');
  });
});

describe('during()', () => {
  it('runs the function after the drain, and resumes the app', async () => {
    const request = enter('a');
    const result = registry.during('a', () => registry.status('a').phase);
    setImmediate(() => endResponse(registry.gate('a'), request));
    expect(await result).toBe('paused');
    expect(registry.status('a').phase).toBe('running');
  });

  it('resumes the app when the function throws', async () => {
    const failing = registry.during('a', () => {
      throw new Error('migration failed');
    });
    await expect(failing).rejects.toThrow('migration failed');
    expect(registry.status('a').phase).toBe('running');
  });

  it('resumes the app without running the function when the drain times out', async () => {
    enter('a');
    let ran = false;
    const result = codeOf(registry.during('a', () => (ran = true), { drainTimeout: 100 }));
    await new Promise(setImmediate);
    clock.advance(100);
    expect(await result).toBe('ERR_ANTRACT_DRAIN_TIMEOUT');
    expect([ran, registry.status('a').phase]).toEqual([false, 'running']);
  });

  it.each([
    ['a missing function', undefined, undefined],
    ['an options object instead of a function', { maxTime: '1m' }, undefined],
    ['a promise instead of a function', Promise.resolve(), undefined],
    ['null as options', () => undefined, null],
    ['a string as options', () => undefined, '30s'],
    ['an invalid duration', () => undefined, { drainTimeout: 'soon' }],
    ['a misspelt option', () => undefined, { drainTimout: '1s' }],
    ['a lease, which it could not renew,', () => undefined, { lease: '1s' }],
    ['an ifPause condition', () => undefined, { ifPause: 'p1' }],
    ['a reason that is not a string', () => undefined, { reason: 5 }],
  ])('rejects %s before it pauses an app', async (_name, fn, options) => {
    const paused: unknown[] = [];
    registry.on('paused', (event) => paused.push(event));
    expect(await codeOf(registry.during('a', fn as never, options as never))).toBe(
      'ERR_ANTRACT_OPTION',
    );
    expect(paused).toEqual([]);
  });

  it('rejects an invalid app name before it pauses an app', async () => {
    for (const app of [5, {}, null, '', () => undefined]) {
      expect(await codeOf(registry.during(app as never, () => undefined))).toBe(
        'ERR_ANTRACT_APP_NAME',
      );
    }
    expect(registry.list().map(({ phase }) => phase)).toEqual(['running']);
  });

  it('uses the default app if none is named, and aborts its signal when the pause ends', async () => {
    await registry.during(undefined, async ({ signal }) => {
      expect(registry.status().phase).toBe('paused');
      await registry.disable();
      expect(signal.aborted).toBe(true);
    });
  });

  it('does not end a pause that another caller began', async () => {
    await registry.enable('a');
    expect(await codeOf(registry.during('a', () => undefined))).toBe('ERR_ANTRACT_ALREADY_PAUSED');
    expect(registry.status('a').phase).toBe('paused');
  });

  it('aborts its signal when its pause ends, and does not end the next pause', async () => {
    await registry.during('a', async ({ signal }) => {
      await registry.disable('a');
      expect(signal.aborted).toBe(true);
      await registry.enable('a');
    });
    expect(registry.status('a').phase).toBe('paused');
    expect(registry.core.events.listenerCount('resumed')).toBe(0);
  });
});
