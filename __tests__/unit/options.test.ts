import { describe, expect, it } from '@jest/globals';
import { createAntract } from '../../lib/index.ts';
import { readOptions } from '../../lib/options/read-options.ts';
import type { AntractOptions } from '../../lib/options/options.ts';

const refusalOf = (options: unknown): unknown => {
  try {
    createAntract(options as AntractOptions);
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('options', () => {
  it.each([
    [{ maxTime: 'soon' }, '`maxTime`'],
    [{ maxTime: Number.NaN }, '`maxTime`'],
    [{ maxTime: -1 }, '`maxTime`'],
    [{ maxTime: 0 }, '`maxTime`'],
    [{ maxTime: 2 ** 31 }, '`maxTime`'],
    [{ maxTime: '' }, '`maxTime`'],
    [{ maxTime: Infinity }, '`maxTime`'],
    [{ maxTime: null }, 'got null'],
    [{ maxWait: 'x' }, '`maxWait`'],
    [{ maxQueue: 1.5 }, '`maxQueue`'],
    [{ onMaxWait: 'wait' }, "'reject' or 'release'"],
    [{ healthCheckPath: 'up' }, "starts with '/'"],
    [{ healthCheckPath: '/up?x=1' }, "starts with '/'"],
    ...[
      '//host/up',
      '/\\host/up',
      '\\\\host/up',
      'http://host/up',
      '/..//host/up',
      '/./up',
      '/%2E%2e/up',
      '/\t/host/up',
      '/\n/host/up',
      '/u p',
      '/up#x',
      '/ünder',
    ].flatMap((path): [object, string][] => [
      [{ healthCheckPath: path }, "starts with '/'"],
      [{ healthCheckPath: ['/up', path] }, '`healthCheckPath`'],
      [{ isLongLived: path }, '`isLongLived`'],
    ]),
    [{ healthCheckPath: ['/up', ''] }, '`healthCheckPath`'],
    [{ isLongLived: ['/up', ''] }, '`isLongLived`'],
    [{ isLongLived: '/up?' }, '`isLongLived`'],
    [{ isLongLived: '/up?a=b#c' }, '`isLongLived`'],
    [{ isLongLived: '/up?a= b' }, '`isLongLived`'],
    [{ isLongLived: '?a=b' }, '`isLongLived`'],
    [{ isLongLived: [5] }, '`isLongLived`'],
    [{ privilegedUserAgent: '' }, '`privilegedUserAgent`'],
    [{ bypass: true }, '`bypass`'],
    [{ maxTime: '30' }, "a duration with a unit, such as '30s' or '5m', got '30'."],
    [{ probe: {} }, 'one of `url`, `connect` and `check`'],
    [{ probe: { threshold: 2 } }, 'one of `url`, `connect` and `check`'],
    [{ probe: { connect: 'b:1', check: () => true } }, 'one of `url`, `connect` and `check`'],
    [{ probe: { connect: 'b:1', onTimeout: 'wait' } }, "'release' or 'stop'"],
    [{ apps: { shop: { probe: { timeout: 1 } } } }, '`apps.shop.probe`'],
    [{ holdOnOutage: true }, '`holdOnOutage` to be milliseconds or a duration with a unit'],
    [{ maxTime: -1 }, '`maxTime` to be a duration from 1ms to 24 days'],
    [{ release: 5 }, '`release`'],
    [{ release: { concurrency: 0 } }, '`release.concurrency`'],
    [{ release: { perSecond: 0 } }, '`release.perSecond`'],
    [{ release: { jiter: 5 } }, 'Did you mean `jitter`?'],
    [{ adminPath: '_antract' }, '`adminPath`'],
    [{ adminPath: '/' }, '`adminPath`'],
    [{ logger: {} }, '`logger`'],
    [{ apps: [] }, '`apps`'],
    [{ apps: { shop: { maxTme: 5 } } }, '`apps.shop.maxTme`'],
    [{ apps: { 'a\nb': {} } }, '`app`'],
    [{ maxtime: 5 }, 'Did you mean `maxTime`?'],
    [{ mxaTime: 5 }, 'Did you mean `maxTime`?'],
    [{ maxTimes: 5 }, 'Did you mean `maxTime`?'],
    [{ nosuch: 5 }, 'Unknown option `nosuch`. Known: maxTime, healthCheckPath,'],
    [{ max_time: 5 }, 'Did you mean `maxTime`?'],
    [{ colour: 'red' }, 'Known: maxTime'],
    ['5m', '`options`'],
  ])('refuses %j and says what was expected', (options, message) => {
    expect(refusalOf(options)).toMatchObject({
      name: 'AntractError',
      message: expect.stringContaining(message),
      code: expect.stringMatching(/^ERR_ANTRACT_(OPTION|APP_NAME)$/),
    });
  });

  it('reads durations as milliseconds or as text', () => {
    expect(readOptions({ maxTime: '2m', maxWait: 1500 })).toMatchObject({
      maxTime: 120_000,
      maxWait: 1500,
    });
  });

  it('takes undefined for absent', () => {
    const { logger, ...defaults } = readOptions();
    expect(readOptions({ maxTime: undefined, release: undefined })).toMatchObject(defaults);
    expect(logger).toBeDefined();
  });

  it('neither keeps nor changes what it was given', () => {
    const options = { maxTime: '1m', release: { concurrency: 3 } };
    const before = structuredClone(options);
    const settings = readOptions(options);
    options.release.concurrency = 99;
    expect(settings.release.concurrency).toBe(3);
    options.release.concurrency = 3;
    expect(options).toEqual(before);
  });

  it('lets an app inherit what it leaves out', () => {
    const settings = readOptions({ maxTime: '1m', maxQueue: 7, apps: { shop: { maxQueue: 9 } } });
    expect(settings.apps.get('shop')).toMatchObject({ maxTime: 60_000, maxQueue: 9 });
  });

  it('of an app inherit each field of `probe` that the app leaves out', () => {
    const { apps, probe } = readOptions({
      probe: { connect: 'b:1', threshold: 2 },
      apps: { shop: { probe: { threshold: 3, onTimeout: 'stop' } } },
    });
    expect(apps.get('shop')?.probe).toEqual({ ...probe, threshold: 3, onTimeout: 'stop' });
    expect(
      readOptions({
        probe: { threshold: 2 },
        apps: { shop: { probe: { url: 'http://b/' } } },
      }).apps.get('shop')?.probe.threshold,
    ).toBe(2);
  });

  it('is not confused by a RegExp that remembers where it stopped', () => {
    const { privilegedUserAgent } = readOptions({ privilegedUserAgent: /Pingdom/g });
    expect([1, 2].map(() => (privilegedUserAgent as RegExp).test('Pingdom'))).toEqual([true, true]);
  });
});
