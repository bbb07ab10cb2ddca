/** What tracing tools hear of held requests. */
import { channel } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from '@jest/globals';
import { OpenRegistry } from '../support/open-registry.ts';
import { gatedRequest, hold } from '../support/gate.ts';

const NAMES = ['held', 'released', 'abandoned', 'rejected'] as const;

const heard: [string, unknown][] = [];
const listeners = NAMES.map((name) => {
  const listener = (message: unknown): void => void heard.push([name, message]);
  return { at: channel(`antract:${name}`), listener };
});

function subscribe(): void {
  for (const { at, listener } of listeners) at.subscribe(listener);
}

afterEach(() => {
  for (const { at, listener } of listeners) at.unsubscribe(listener);
  heard.length = 0;
});

describe('the diagnostics channels', () => {
  it('tell of each held request, with the request itself', async () => {
    subscribe();
    const registry = new OpenRegistry({ maxQueue: 2 });
    const gate = registry.gate('shop');
    await registry.enable('shop');
    const [first, second, third] = ['/a?secret', '/b', '/c'].map((url) => ({ method: 'PUT', url }));
    const tickets = [first!, second!].map((request) => hold(gate, gatedRequest({ request })));
    gate.admit(gatedRequest({ request: third! }));
    gate.onClientDisconnect(tickets[0]!.gated);
    await registry.disable('shop');
    gate.pass(tickets[1]!);

    const seen = (path: string) => ({ app: 'shop', method: 'PUT', path });
    const heldMs = expect.any(Number);
    expect(heard).toEqual([
      ['held', { ...seen('/a'), request: first }],
      ['held', { ...seen('/b'), request: second }],
      [
        'rejected',
        { ...seen('/c'), heldMs: 0, reason: 'full', code: 'ERR_ANTRACT_FULL', request: third },
      ],
      ['abandoned', { ...seen('/a'), heldMs, request: first }],
      ['released', { ...seen('/b'), heldMs, request: second }],
    ]);
    const [, message] = heard[0] as [string, { request: unknown }];
    expect(message.request).toBe(first);
  });

  it('hand no request to the listeners of events, who may keep what they get', async () => {
    subscribe();
    const registry = new OpenRegistry();
    const payloads: unknown[] = [];
    registry.on('held', (...all) => payloads.push(...all));
    await registry.enable();
    hold(registry.gate('default'));
    expect(payloads).toEqual([{ app: 'default', method: 'GET', path: '/' }]);
  });

  it('build no message without a subscriber', async () => {
    const registry = new OpenRegistry();
    await registry.enable();
    let looked = 0;
    const request = {
      method: 'GET',
      get url() {
        looked++;
        return '/';
      },
    };
    hold(registry.gate('default'), gatedRequest({ request }));
    const before = looked;
    subscribe();
    hold(registry.gate('default'), gatedRequest({ request }));
    expect(looked - before).toBe(before);
    expect(heard).toHaveLength(1);
  });
});
