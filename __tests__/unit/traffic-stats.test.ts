/** What the last minutes' traffic says about a pause to come. */
import { describe, expect, it } from '@jest/globals';
import { OpenRegistry } from '../support/open-registry.ts';
import { reportTraffic, trafficStatus } from '../../lib/gate/traffic-report.ts';
import { TrafficStats } from '../../lib/gate/traffic-stats.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { endResponse, enter, gatedRequest, passes } from '../support/gate.ts';

const MINUTE = 60_000;
const report = (stats: TrafficStats, now: number, inFlight = 0, oldest = 0) =>
  reportTraffic('shop', stats.summary(now), inFlight, oldest, lastMinute(stats, now));
const lastMinute = (stats: TrafficStats, now: number) => trafficStatus([stats.lastMinute(now)]);

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
      lastMinute: expect.objectContaining({ requestsPerSecond: 10 }),
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
      lastMinute: {
        windowMs: 0,
        requestsPerSecond: 0,
        p50Ms: null,
        p95Ms: null,
        errorShare: null,
        latestPerSecond: 0,
        latestErrorsPerSecond: 0,
      },
    });
  });
});

describe('the traffic of the last minute', () => {
  it('has the median, the 95th percentile and the share of errors', () => {
    const stats = new TrafficStats(0);
    for (let i = 0; i < 1000; i++) stats.record(MINUTE + i * 55, 100 + i / 10, i % 20 === 0);
    const { p50Ms, p95Ms, ...rest } = lastMinute(stats, 2 * MINUTE - 5000);
    expect(rest).toEqual({
      windowMs: 59_000,
      requestsPerSecond: 16.95,
      errorShare: 0.05,
      latestPerSecond: expect.closeTo(18.2, 0),
      latestErrorsPerSecond: expect.closeTo(0.9, 0),
    });
    expect(Math.abs((p50Ms ?? 0) - 150)).toBeLessThan(5);
    expect(Math.abs((p95Ms ?? 0) - 195)).toBeLessThan(5);
  });

  it('forgets what is older, and shows a silence of 5 s at once', () => {
    const stats = new TrafficStats(0);
    for (let now = 0; now < MINUTE; now += 100) stats.record(now, 800, true);
    expect(lastMinute(stats, MINUTE)).toMatchObject({ errorShare: 1, latestPerSecond: 10 });
    for (let now = MINUTE; now < 2 * MINUTE; now += 100) stats.record(now, 3);
    const after = lastMinute(stats, 2 * MINUTE + 5999);
    expect(after).toMatchObject({ errorShare: 0, p95Ms: 4, latestPerSecond: 0 });
    expect(lastMinute(stats, 10 * MINUTE)).toMatchObject({ p95Ms: null, errorShare: null });
  });

  it('adds up several processes, and takes percentiles of all their requests', () => {
    const [fast, slow] = [new TrafficStats(0), new TrafficStats(0)];
    for (let now = 0; now < MINUTE; now += 100) fast.record(now, 2);
    for (let now = 0; now < MINUTE; now += 1000) slow.record(now, 5000, true);
    const joined = trafficStatus([fast, slow].map((stats) => stats.lastMinute(MINUTE - 1)));
    expect(joined).toMatchObject({ requestsPerSecond: 11, errorShare: 0.0909, p50Ms: 3 });
    expect(joined.p95Ms).toBeGreaterThan(4000);
  });

  it('leaves out the duration of a long-lived request', () => {
    const stats = new TrafficStats(0);
    stats.record(1000, 20);
    stats.record(1000, 50_000, false, false);
    expect(lastMinute(stats, 2000)).toMatchObject({ requestsPerSecond: 1 });
    expect(lastMinute(stats, 2000).p95Ms).toBeLessThan(30);
  });

  it('sorts each duration into the bucket that covers it', () => {
    for (const ms of [0, 1, 7.9, 8, 100, 5000, 3_600_000, 2 ** 40]) {
      const stats = new TrafficStats(0);
      stats.record(1, ms);
      const { p50Ms } = lastMinute(stats, 1);
      expect(p50Ms).toBeGreaterThanOrEqual(Math.min(ms, 2 ** 20) * 0.93);
      expect(p50Ms).toBeLessThanOrEqual(ms * 1.13 + 1);
    }
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
    endResponse(gate, quick);
    endResponse(gate, quick);
    clock.advance(3000);
    expect(registry.traffic()).toMatchObject({ inFlight: 1, slowestMs: 3040, windowMs: 3040 });
    endResponse(gate, slow);
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
