/** What the command line says when a store, a pause or a gateway was lost before the command ended. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { untilProcesses } from '../support/admin-status.ts';
import { killBackends, startBackend } from '../support/backend.ts';
import { endAll, serve, type CliProcess } from '../support/cli.ts';
import { Operated, operate } from '../support/operated.ts';
import { describeWithRedis, startRedis, stopRedis, type RedisServer } from '../support/redis.ts';

let folder = mkdtempSync(path.join(tmpdir(), 'antract-endings-'));
const file = (name: string): string => path.join(folder, name);

afterEach(async () => {
  // Ends a command that still waits.
  writeFileSync(file('go'), '');
  await endAll();
  await killBackends();
  await stopRedis();
  rmSync(folder, { recursive: true });
  folder = mkdtempSync(path.join(tmpdir(), 'antract-endings-'));
});

/** A command that says `up`, and ends once {@link go} was called. */
function waitForGo(exitCode = 0): string[] {
  const script = `echo up; while [ ! -e ${file('go')} ]; do sleep 0.05; done; exit ${exitCode}`;
  return ['sh', '-c', script];
}

function go(): void {
  writeFileSync(file('go'), '');
}

interface Printed {
  outcome: string;
  drainTries: number;
  held: number | null;
  stillHeld: number | null;
  longestHoldMs: number | null;
  problems: string[];
  phase: string;
  store: string;
  error: { code: string; message: string; exitCode: number };
}

async function printed(cli: CliProcess): Promise<Printed> {
  const { code } = await cli.exited;
  const json = JSON.parse(cli.stdout) as Printed;
  expect(json.error.exitCode).toBe(code);
  return json;
}

const LONG = ['--drain-timeout', '10m', '--probe-timeout', '10m'];
const AGAIN = /reach the backend again/;

describeWithRedis('while the store does not answer', () => {
  let redis: RedisServer;

  async function operateTwo(...more: string[]): Promise<[Operated, Operated]> {
    const backend = await startBackend();
    redis = await startRedis();
    const flags = ['--target', backend.url, '--redis', redis.url, ...more];
    const gateways = await Promise.all([serve(flags), serve(flags)]);
    const [one, two] = gateways.map(
      ({ cli, url, adminUrl }) => new Operated(backend, cli, url, adminUrl),
    ) as [Operated, Operated];
    for (const each of [one, two]) await untilProcesses(each, 2);
    return [one, two];
  }

  async function loseStore(site: Operated): Promise<void> {
    redis.freeze();
    await site.until('store lost', ({ store }) => store === 'lost');
  }

  it('`run` does not run the command, gives up after one try, and names the store', async () => {
    const [site] = await operateTwo();
    await loseStore(site);
    const run = site.antract('run', '--json', ...LONG, '--ignore-lost', '--', 'touch', file('ran'));
    const { outcome, drainTries, problems, error } = await printed(run);
    expect({ outcome, drainTries }).toEqual({ outcome: 'not drained', drainTries: 1 });
    expect(error).toMatchObject({ code: 'ERR_ANTRACT_STORE_LOST', exitCode: 3 });
    expect(error.message).toMatch(/^Not drained: the store does not answer, so other gateways/);
    expect(error.message).toMatch(/--ignore-lost does not help here, because no lease ends/);
    expect(error.message).toMatch(
      /touch was not run\..*Next: bring the store back, or run `antract/,
    );
    expect(error.message).not.toMatch(AGAIN);
    expect(problems).toEqual([error.message]);
    expect(existsSync(file('ran'))).toBe(false);
  });

  it('`run` gives up a drain that had begun, and names the requests in flight', async () => {
    const [site] = await operateTwo();
    await site.begin();
    const run = site.antract('run', '--json', ...LONG, '--', 'true');
    await site.until('pausing', ({ phase }) => phase === 'pausing');
    redis.freeze();
    const { error } = await printed(run);
    expect(error).toMatchObject({ code: 'ERR_ANTRACT_STORE_LOST', exitCode: 3 });
    expect(error.message).toMatch(/the store does not answer.*Still in flight: GET \/hang for/);
  });

  it.each([
    ['pause', '--wait', '10m'],
    ['drain', '--wait', '10m'],
    ['drain', '--wait', '100ms'],
  ])('`%s %s %s` gives up, names the store, and announces no empty list', async (...command) => {
    const [site] = await operateTwo();
    if (command[0] === 'drain') await site.admin('enable');
    await loseStore(site);
    const cli = site.antract(...command, '--json');
    const { error, phase } = await printed(cli);
    expect(phase).toMatch(/^paus/);
    expect(error).toMatchObject({ code: 'ERR_ANTRACT_STORE_LOST', exitCode: 3 });
    expect(error.message).toMatch(
      /^App default is not drained: the store does not answer.*If no other gateway serves requests, add --ignore-lost\.\nIt stays paus\w+ at this gateway/,
    );
    expect(cli.stderr).not.toContain('still in flight');
  });

  it.each(['pause', 'drain'])(
    '`%s --wait --ignore-lost` drains this gateway, not the gateways that can not be asked',
    async (command) => {
      const [site] = await operateTwo();
      if (command === 'drain') await site.admin('enable');
      await loseStore(site);
      // Until the other gateway counts as silent, the drain waits for it.
      const cli = site.antract(command, '--wait', '30s', '--ignore-lost');
      expect(await cli.exited).toMatchObject({ code: 0 });
      expect(cli.stdout).toMatch(/Drained after [\d.]+ m?s: nothing is in flight\./);
      expect(cli.stdout).toMatch(/the others can't be asked, because the store does not answer/);
    },
  );

  it('`drain --ignore-lost` still waits for the requests in flight at this gateway', async () => {
    const [site] = await operateTwo();
    await site.begin();
    await site.admin('enable');
    await loseStore(site);
    const cli = site.antract('drain', '--wait', '3s', '--ignore-lost', '--json');
    const { error } = await printed(cli);
    expect(error).toMatchObject({ code: 'ERR_ANTRACT_DRAIN_TIMEOUT', exitCode: 3 });
    expect(error.message).toMatch(
      /did not drain within .*; 1 request still in flight:\n.*GET \/hang/,
    );
    expect(error.message).not.toContain('--ignore-lost');
  });

  it('`resume --wait` gives up, and says that other gateways may still hold requests', async () => {
    const [site] = await operateTwo();
    await site.admin('enable?wait=10s');
    await loseStore(site);
    const resume = site.antract('resume', '--wait', '10m', '--json');
    const { error, store } = await printed(resume);
    expect(store).toBe('lost');
    expect(error).toMatchObject({ code: 'ERR_ANTRACT_STORE_LOST', exitCode: 1 });
    expect(error.message).toMatch(
      /Other gateways may still hold requests\..*`antract resume` at each/,
    );
  });

  it('a run whose command is done does not hide the requests held at another gateway', async () => {
    const [site, other] = await operateTwo();
    const run = site.antract('run', '--json', ...LONG, '--', ...waitForGo());
    await run.saw('stderr', /^up$/m);
    await loseStore(site);
    const { leave } = await other.hold();
    go();
    const { outcome, held, stillHeld, longestHoldMs, problems, error } = await printed(run);
    expect(outcome).toBe('store lost');
    expect({ held, stillHeld, longestHoldMs }).toEqual({
      held: null,
      stillHeld: null,
      longestHoldMs: null,
    });
    expect(error).toMatchObject({ code: 'ERR_ANTRACT_STORE_LOST', exitCode: 1 });
    expect(error.message).toMatch(
      /sh succeeded, but some gateways may not have resumed\..*other gateways may.*still hold requests\. Next: bring the store back, or run `antract resume` at each gateway/,
    );
    expect(error.message).not.toMatch(AGAIN);
    expect(problems).toEqual([error.message]);
    expect(run.stderr.trimEnd().split('\n').at(-1)).toBe(`antract: ${error.message}`);
    leave();
  });

  it('a run says that the store was away, also when it is back before the command ends', async () => {
    const [site] = await operateTwo();
    const flags = ['--lease', '3s', '--report', file('report.json')];
    const run = site.antract('run', ...flags, '--', ...waitForGo());
    await run.saw('stdout', /^up$/m);
    await loseStore(site);
    await run.saw('stderr', /store does not answer, so it is not known whether other gateways/);
    redis.thaw();
    await site.until('store connected, 2 processes', ({ store, processes }) => {
      return store === 'connected' && processes.length === 2;
    });
    go();
    expect((await run.exited).code).toBe(0);
    const { outcome, problems } = JSON.parse(readFileSync(file('report.json'), 'utf8')) as Printed;
    expect(outcome).toBe('done');
    expect(problems).toEqual([
      'The store did not answer during a part of the pause, so other gateways may not have held all requests.',
    ]);
    expect(run.stderr).toContain(problems[0]);
  });

  it('a run whose pause ended with the store, by --on-store-error open, names the store', async () => {
    const [site] = await operateTwo('--on-store-error', 'open');
    const run = site.antract('run', '--json', '--lease', '60s', '--', ...waitForGo());
    await run.saw('stderr', /^up$/m);
    await loseStore(site);
    go();
    const { outcome, error } = await printed(run);
    expect(outcome).toBe('pause lost');
    expect(error.message).toMatch(
      /ENDED EARLY: the store does not answer \(--on-store-error\), or/,
    );
    expect(error.message).not.toMatch(AGAIN);
  });

  it.each([
    ['resume', /This gateway passes requests to default to the backend\./, 'resume'],
    ['stop', /default is STOPPED at this gateway: clients get 503\./, 'stop'],
    ['keep', /default is STILL PAUSED at this gateway: 0 requests held/, 'resume'],
  ])(
    'a command that fails, with --on-failure %s, says where that applies',
    async (how, state, next) => {
      const [site] = await operateTwo();
      const flags = ['--json', ...LONG, '--on-failure', how];
      const run = site.antract('run', ...flags, '--', ...waitForGo(9));
      await run.saw('stderr', /^up$/m);
      await loseStore(site);
      go();
      const { outcome, error } = await printed(run);
      expect(outcome).toBe('command failed');
      expect(error.exitCode).toBe(9);
      expect(error.message).toMatch(state);
      expect(error.message).toContain('The store does not answer');
      expect(error.message).toContain(`run \`antract ${next}\` at each gateway`);
      expect(error.message).not.toMatch(AGAIN);
    },
  );
});

describe('a command that fails after its pause was lost', () => {
  it.each([
    ['stop', '--on-failure stop was not applied.'],
    ['keep', '--on-failure keep was not applied.'],
  ])('says why, and that --on-failure %s was not applied', async (how, said) => {
    const site = await operate();
    const flags = ['--json', '--on-failure', how, '--lease', '60s'];
    const run = site.antract('run', ...flags, '--', ...waitForGo(9));
    await run.saw('stderr', /^up$/m);
    await site.admin('disable');
    go();
    const { outcome, problems, error } = await printed(run);
    expect(outcome).toBe('command failed');
    expect(error.exitCode).toBe(9);
    expect(error.message).toMatch(
      /^sh failed with exit code 9 after .*\. THE PAUSE HAS ENDED EARLY: another command resumed the app\. /,
    );
    expect(error.message).toContain(`${said} Requests to default reach the backend again. Next:`);
    expect(problems).toEqual([error.message]);
    expect(run.stderr.match(/EARLY/g)).toHaveLength(1);
  });

  it('repeats at the end what was said when the pause was lost', async () => {
    const site = await operate();
    const flags = ['--json', '--on-failure', 'stop', '--lease', '1s'];
    const run = site.antract('run', ...flags, '--', ...waitForGo(9));
    await run.saw('stderr', /^up$/m);
    await site.admin('disable');
    await run.saw('stderr', /THE PAUSE HAS ENDED EARLY.*The command still runs/);
    go();
    const { problems, error } = await printed(run);
    expect(error.message.match(/EARLY/g)).toHaveLength(1);
    expect(error.message).toContain('--on-failure stop was not applied.');
    expect(problems).toEqual([error.message]);
  });

  it('says so when the gateway was restarted', async () => {
    const site = await operate();
    const flags = ['--on-failure', 'stop', '--lease', '60s'];
    const run = site.antract('run', ...flags, '--', ...waitForGo(9));
    await run.saw('stdout', /^up$/m);
    site.gateway.signalAll('SIGKILL');
    await site.gateway.exited;
    const { port } = new URL(site.url);
    await serve(['--target', site.backend.url, '--port', port]);
    go();
    expect((await run.exited).code).toBe(9);
    expect(run.stderr).toMatch(
      /sh failed with exit code 9 .* THE PAUSE HAS ENDED EARLY: .* or the server was restarted\. --on-failure stop was not applied\. Requests to default reach/,
    );
  });
});

describe('a gateway that has ended', () => {
  it.each([
    ['resume', ''],
    ['stop', '--on-failure stop was not applied. '],
    ['keep', '--on-failure keep was not applied. '],
  ])('is named once, with what happened to the pause; --on-failure %s', async (how, said) => {
    const site = await operate();
    const flags = ['--json', '--on-failure', how, '--lease', '60s'];
    const run = site.antract('run', ...flags, '--', ...waitForGo(4));
    await run.saw('stderr', /^up$/m);
    site.gateway.signalAll('SIGKILL');
    await site.gateway.exited;
    go();
    const { held, problems, error } = await printed(run);
    expect(held).toBeNull();
    expect(error.exitCode).toBe(4);
    expect(error.message.replace(/after [\d.]+ m?s\./, 'after TIME.')).toBe(
      `sh failed with exit code 4 after TIME. Nothing listens at ${site.adminUrl} any more: ` +
        'the gateway has ended, and the requests that it held are lost. ' +
        `The pause has ended with it. ${said}` +
        'antract does not answer, so what clients see is unknown. ' +
        'Next: start the gateway if it does not run, then run `antract status`.',
    );
    expect(problems).toEqual([error.message]);
    expect(run.stderr).not.toMatch(/Could not reach|COULD NOT|60 s/);
    expect(run.stderr.match(/Nothing listens/g)).toHaveLength(1);
  });
});

it('a run whose backend is not back says what new requests meet when none is held', async () => {
  const site = await operate();
  const run = site.antract('run', '--json', '--probe-timeout', '300ms', '--', ...waitForGo());
  await run.saw('stderr', /^up$/m);
  await site.backend.kill();
  go();
  const { error } = await printed(run);
  expect(error.exitCode).toBe(4);
  expect(error.message).toMatch(
    /sh succeeded, but the app was not running again within 300 ms\. New requests to default are held: the backend does not answer \(/,
  );
});

it('a run that another pause interrupts says so, and reports its own requests', async () => {
  const site = await operate();
  const run = site.antract('run', '--json', '--', ...waitForGo());
  await run.saw('stderr', /^up$/m);
  const { answer } = await site.hold();
  answer.catch(() => undefined);
  await site.backend.kill();
  go();
  // Printed while the command waits at the server.
  await run.saw('stderr', /App default is releasing/);
  await site.admin('enable');
  const json = await printed(run);
  expect(json.error).toMatchObject({ code: 'ERR_ANTRACT_NOT_RELEASED', exitCode: 1 });
  expect(json.error.message).toMatch(
    / paused the app again before the release was over\. default is STILL PAUSED: 1 request held/,
  );
  expect(json).toMatchObject({ held: 1, released: 0, stillHeld: 1 });
  expect(run.stderr).toContain('1 held, 0 released, 0 abandoned, 0 rejected, 1 still held');
});

it('a run whose backend does not answer before --probe-timeout of the gateway stops the app ends with 4', async () => {
  const site = await operate('--probe-timeout', '300ms', '--probe-on-timeout', 'stop');
  const run = site.antract('run', '--json', '--', ...waitForGo());
  await run.saw('stderr', /^up$/m);
  await site.backend.kill();
  go();
  const { outcome, error } = await printed(run);
  expect([outcome, error.code, error.exitCode]).toEqual([
    'probe timed out',
    'ERR_ANTRACT_PROBE_TIMEOUT',
    4,
  ]);
  expect(error.message).toMatch(
    /^sh succeeded\. The backend did not answer within 300 ms \(ECONNREFUSED\)\. So antract stopped the app \(--probe-on-timeout\)\. default is STOPPED: clients get 503\./,
  );
});

it('with --json the message does not repeat the code of an error', async () => {
  const site = await operate();
  const { error } = await printed(site.antract('status', 'nosuchapp', '--json'));
  expect(error.code).toBe('ERR_ANTRACT_UNKNOWN_APP');
  expect(error.message).not.toContain('ERR_ANTRACT');
});

it('a `resume --wait --json` that takes too long tells the state of the app', async () => {
  const site = await operate();
  await site.admin('enable?wait=10s');
  await site.backend.kill();
  const resume = site.antract('resume', '--wait', '300ms', '--json');
  const { phase, error } = await printed(resume);
  expect(phase).toBe('releasing');
  expect(error).toMatchObject({ code: 'ERR_ANTRACT_PROBE_TIMEOUT', exitCode: 4 });
});
