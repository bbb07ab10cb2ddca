/** What the last minutes' traffic says about a pause to come. */
import { describe, expect, it } from '@jest/globals';
import { OpenRegistry } from '../support/open-registry.ts';
import { reportTraffic, TrafficStats } from '../../lib/gate/traffic-stats.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { enter, gatedRequest, passes } from '../support/gate.ts';

const MINUTE = 60_000;
const report = (stats: TrafficStats, now: number, inFlight = 0, oldest = 0) =>
  reportTraffic('shop', stats.summary(now), inFlight, oldest);

describe('traffic statistics', () => {
  it('predict the held requests of a steady stream', () => {
    const stats = new TrafficStats(0);
    for (let now = 0; now < 2 * MINUTE; now += 100) stats.record(now, now === 5000 ? 1234 : 20);
    expect(report(stats, 2 * MINUTE, 3)).toEqual({
      app: 'shop',
      windowMs: 2 * MINUTE,
      requestsPerSecond: 10,
      inFlight: 3,
      slowestMs: 1234,
      expectedHeldIn30s: 300,
    });
  });

  it('forget what is older than five minutes, to the second', () => {
    const stats = new TrafficStats(0);
    stats.record(500, 9000);
    stats.record(1500, 50);
    expect(report(stats, 299_900).slowestMs).toBe(9000);
    expect(report(stats, 300_000).slowestMs).toBe(50);
    expect(report(stats, 301_000)).toMatchObject({ slowestMs: 0, requestsPerSecond: 0 });
  });

  it('are not confused by a silence of more than five minutes', () => {
    const stats = new TrafficStats(0);
    for (let now = 0; now < 5 * MINUTE; now += 1000) stats.record(now, 10);
    const later = 60 * MINUTE;
    stats.record(later, 7);
    expect(stats.summary(later)).toMatchObject({ ended: 1, slowestMs: 7 });
  });

  it('count a request that is still in flight among the slowest', () => {
    const stats = new TrafficStats(0);
    stats.record(100, 20);
    expect(report(stats, 1000, 1, 90_000).slowestMs).toBe(90_000);
  });

  it('do not show a flood after a few requests in the first moment', () => {
    const stats = new TrafficStats(0);
    stats.record(5, 5);
    expect(report(stats, 10)).toMatchObject({ requestsPerSecond: 1, expectedHeldIn30s: 30 });
  });

  it('are empty for an app without requests', () => {
    expect(report(new TrafficStats(1000), 1000)).toEqual({
      app: 'shop',
      windowMs: 0,
      requestsPerSecond: 0,
      inFlight: 0,
      slowestMs: 0,
      expectedHeldIn30s: 0,
    });
  });
});

describe('a registry', () => {
  it('measures each request once, from the moment it passed', async () => {
    const clock = new FakeClock();
    const registry = new OpenRegistry({}, clock);
    const gate = registry.gate('default');
    const [quick, slow] = [{ url: '/quick' }, { url: '/slow' }];
    enter(gate, gatedRequest({ request: quick }));
    enter(gate, gatedRequest({ request: slow }));
    clock.advance(40);
    gate.onResponseEnd(quick);
    gate.onResponseEnd(quick);
    clock.advance(3000);
    expect(registry.traffic()).toMatchObject({ inFlight: 1, slowestMs: 3040, windowMs: 3040 });
    gate.onResponseEnd(slow);
    expect(registry.traffic()).toMatchObject({ inFlight: 0, slowestMs: 3040 });
    expect(gate.traffic.summary(clock.now()).ended).toBe(2);
    expect(registry.gate('default').traffic.passed).toBe(2);
  });

  it('does not count held requests as passed', async () => {
    const registry = new OpenRegistry();
    const gate = registry.gate('default');
    await registry.enable();
    expect(passes(gate)).toBe(false);
    expect(registry.gate('default').traffic.passed).toBe(0);
  });

  it('rejects a question about an app that does not exist', () => {
    const registry = new OpenRegistry();
    registry.core.gates.declare('shop');
    expect(() => registry.traffic('shpo')).toThrow(
      /There is no app `shpo`\. The apps are: shop\. Name one/,
    );
  });
});
