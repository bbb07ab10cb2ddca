/** `antract serve --redis`: gateways that are paused together, and what is said of the URL. */
import { afterEach, expect, it } from '@jest/globals';
import { killBackends, startBackend } from '../support/backend.ts';
import { statusOf, untilProcesses, untilStatus } from '../support/admin-status.ts';
import { endAll, runCli, serve } from '../support/cli.ts';
import { request } from '../support/http.ts';
import { describeWithRedis, startRedis, stopRedis } from '../support/redis.ts';

afterEach(async () => {
  await endAll();
  await killBackends();
  await stopRedis();
});

const target = 'http://127.0.0.1:9';

describeWithRedis('gateways on one Redis', () => {
  it('pause and resume together, and one that starts later holds from its first request', async () => {
    const [redis, backend] = await Promise.all([startRedis(), startBackend()]);
    const args = ['--target', backend.url, '--redis', redis.url, '--redis-prefix', 'shop'];
    const [first, second] = [await serve(args), await serve(args)];
    await untilProcesses(first, 2);
    expect((await request(`${first.adminUrl}/enable?wait=10s`)).status).toBe(200);
    const third = await serve(args);
    const answers = [second, third].map(({ url }) => request(url));
    await untilStatus(first, '2 held requests', ({ held }) => held === 2);
    expect(await statusOf(third)).toMatchObject({ phase: 'paused', store: 'connected' });
    await request(`${third.adminUrl}/disable`);
    expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual([200, 200]);
    expect(await redis.cli('keys', '*')).toContain('{shop}');
    second.cli.signal('SIGTERM');
    expect(await second.cli.exited).toEqual({ code: 0, signal: null });
    await untilProcesses(first, 2);
  });

  it('warn about a password in the arguments, and never print it', async () => {
    const redis = await startRedis();
    await redis.cli('config', 'set', 'requirepass', 'sesame');
    const url = redis.url.replace('//', '//:sesame@');
    const { cli } = await serve(['--target', target, '--redis', url]);
    expect(cli.stderr).toContain('WRN_ANTRACT_REDIS_ARGUMENT');
    const wrong = redis.url.replace('//', '//:secret@');
    const refused = await serve(['--target', target], { ANTRACT_REDIS: wrong });
    await refused.cli.saw('stderr', /WRN_ANTRACT_STORE_LOST/);
    expect(refused.cli.stderr).not.toContain('WRN_ANTRACT_REDIS_ARGUMENT');
    const check = runCli(['check', '--target', target, '--probe', '--json'], {
      ANTRACT_REDIS: wrong,
    });
    expect(await check.exited).toEqual({ code: 1, signal: null });
    expect(JSON.parse(check.stdout)).toMatchObject({
      mistakes: [expect.stringMatching(/^The Redis server of `ANTRACT_REDIS` .*WRONGPASS/)],
    });
    expect(cli.stderr + refused.cli.stderr + check.stdout).not.toMatch(/sesame|secret/);
  });
});

it.each<[string[], Record<string, string>, string]>([
  [['--redis', 'http://:secret@x'], {}, 'Expected `--redis` to be a URL such as redis://host:6379'],
  [[], { ANTRACT_REDIS: 'secret' }, 'Expected `ANTRACT_REDIS` to be a URL such as'],
  [['--redis-prefix', 'x'], {}, 'Expected `--redis` to be set, because `--redis-prefix` is set'],
  [
    ['--redis', 'redis://:secret@x', '--redis-prefix', '{x}'],
    {},
    'Expected `--redis-prefix` to be text without { and }.',
  ],
  [['--on-store-error', 'panic'], {}, 'Expected `--on-store-error` to be'],
])('`antract serve` with %j and %j exits with 2 and a sentence', async (args, env, message) => {
  const cli = runCli(['serve', '--target', target, ...args], env);
  expect((await cli.exited).code).toBe(2);
  expect(cli.stderr).toContain(`antract: ${message}`);
  expect(cli.stderr).not.toContain('secret');
});
