/**
 * Several registries on one store, in one process and on one clock: what is shared, and what happens
 * when the store fails. Real stores in processes of their own are tested elsewhere.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AntractOptions } from '../../lib/options/options.ts';
import { OpenRegistry } from '../support/open-registry.ts';
import type { GatedRequest } from '../../lib/gate/gated-request.ts';
import { MemoryStore } from '../../lib/stores/memory-store.ts';
import { MAX_VALUE, type StoredReport } from '../../lib/stores/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { endResponse, enter, gatedRequest, get, hold, passes } from '../support/gate.ts';

interface Member {
  readonly store: FlakyStore;
  readonly registry: OpenRegistry;
  readonly warnings: string[];
}

let clock: FakeClock;
let first: MemoryStore;
let members: Member[];

function join(
  options: AntractOptions = {},
  store = new FlakyStore(new MemoryStore(first, clock)),
  own = clock,
): Member {
  const warnings: string[] = [];
  const logger = {
    info: (message: string) => void warnings.push(message),
    warn: (message: string) => void warnings.push(message),
    error: (message: string) => void warnings.push(message),
  };
  // Each its own id.
  own.chances = [Math.random()];
  const member = {
    store,
    registry: new OpenRegistry({ store, logger, ...options }, own),
    warnings,
  };
  members.push(member);
  return member;
}

/** Lets everything happen that does not wait for the clock. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** Moves the clock on in small steps, as much happens in between. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    clock.advance(Math.min(50, left));
    await settle();
  }
}

/** Neither hears nor says anything any more. */
function isolate({ store }: Member): void {
  store.mode = 'frozen';
  store.isDeaf = true;
}

function reconnect({ store }: Member): void {
  store.mode = 'well';
  store.isDeaf = false;
}

async function joinAll(count: number, options?: AntractOptions): Promise<Member[]> {
  const all = Array.from({ length: count }, () => join(options));
  await Promise.all(all.map(({ registry }) => registry.ready));
  await pass(1000);
  return all;
}

const slowPost = (): GatedRequest =>
  gatedRequest({ request: { method: 'POST', url: '/slow?q=1' } });

const phases = (app = 'default') => members.map(({ registry }) => registry.status(app).phase);
const states = (app = 'default') => members.map(({ registry }) => registry.gate(app).desiredKind);

beforeEach(() => {
  clock = new FakeClock();
  first = new MemoryStore(undefined, clock);
  members = [];
});

afterEach(async () => {
  const closing = members.map(({ registry }) => registry.close());
  await pass(20_000);
  await Promise.all(closing);
  expect(clock.pendingTimers).toBe(0);
});

describe('several processes on one store', () => {
  it('pause together, and resume together', async () => {
    const [a, b] = await joinAll(3);
    const terms = { reason: 'deploy', expect: '2m' };
    expect(await a!.registry.enable('shop', terms)).toMatchObject({
      changed: true,
      shared: true,
    });
    await settle();
    expect(states('shop')).toEqual(['paused', 'paused', 'paused']);
    expect(b!.registry.status('shop')).toMatchObject({ phase: 'paused', reason: 'deploy' });
    const { endsInMs, expectedEndInMs } = a!.registry.status('shop');
    expect(expectedEndInMs).toBeGreaterThan(119_000);
    expect(b!.registry.status('shop')).toMatchObject({ endsInMs, expectedEndInMs });
    expect(await b!.registry.disable('shop')).toMatchObject({ changed: true });
    await settle();
    expect(phases('shop')).toEqual(['running', 'running', 'running']);
  });

  it('stop together, and resume together when the stop is over', async () => {
    const [a, b] = await joinAll(3);
    await a!.registry.stop('default', { maxTime: '10s', message: 'Soon.' });
    await settle();
    expect(states()).toEqual(['stopped', 'stopped', 'stopped']);
    expect(b!.registry.status()).toMatchObject({ message: 'Soon.', endsInMs: 10_000 });
    await pass(5000);
    // Only what is named changes, in another process too.
    await b!.registry.stop('default', { message: 'Later.' });
    await settle();
    expect(a!.registry.status()).toMatchObject({ message: 'Later.', stoppedForMs: 5000 });
    expect(a!.registry.status().endsInMs).toBe(5000);
    const expired: unknown[] = [];
    for (const { registry } of members) registry.on('expired', (event) => expired.push(event));
    // One that joins meanwhile knows the end too.
    const late = join();
    await late.registry.ready;
    await pass(4950);
    expect(states()).toEqual(['stopped', 'stopped', 'stopped', 'stopped']);
    await pass(100);
    expect(states()).toEqual(['running', 'running', 'running', 'running']);
    expect(expired).toHaveLength(3);
    const [stored] = [...(await first.load()).values()];
    expect(JSON.parse(stored?.value ?? '{}')).toMatchObject({ kind: 'running', until: null });
  });

  it('keep a stop without an end, as versions before this one wrote it', async () => {
    const [a] = await joinAll(1);
    const value = JSON.stringify({
      kind: 'stopped',
      since: { in: 0 },
      until: null,
      leaseEnd: null,
      leaseMs: 0,
      message: 'Bye.',
      writer: { id: 'old', command: 1 },
    });
    await new MemoryStore(first, clock).publish('default', {
      expected: 0,
      value,
      ttlMs: 600_000,
      withinMs: 2000,
    });
    await pass(100_000);
    expect(a!.registry.status()).toMatchObject({ phase: 'stopped', endsInMs: null });
    await a!.registry.stop('default', { maxTime: '1s' });
    await pass(1100);
    expect(states()).toEqual(['running']);
  });

  it('show the sum of their held requests, and the count of each process', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable();
    await settle();
    hold(a!.registry.gate('default'));
    hold(b!.registry.gate('default'));
    hold(b!.registry.gate('default'));
    await pass(300);
    const status = a!.registry.status();
    expect(status).toMatchObject({ held: 3, phase: 'paused', store: 'connected' });
    expect(status.processes).toHaveLength(2);
    expect(new Set(status.processes!.map(({ held }) => held))).toEqual(new Set([1, 2]));
    expect(await b!.registry.disable()).toMatchObject({ held: 3 });
  });

  it('are drained when each of them is drained', async () => {
    const [a, b] = await joinAll(2);
    const slow = slowPost();
    enter(b!.registry.gate('default'), slow);
    const drained: string[] = [];
    for (const { registry } of members) registry.on('drained', ({ app }) => drained.push(app));
    await a!.registry.enable();
    const waiting = a!.registry.waitForDrain('default', { timeout: '30s' });
    await settle();
    expect(a!.registry.status()).toMatchObject({
      phase: 'pausing',
      inFlight: 1,
      stragglers: [{ method: 'POST', path: '/slow' }],
    });
    await pass(100);
    expect(drained).toEqual([]);
    endResponse(b!.registry.gate('default'), slow.request);
    expect(await waiting).toMatchObject({ outcome: 'drained', stragglers: [] });
    await settle();
    expect(drained).toEqual(['default', 'default']);
  });

  it('wait for a process that missed the pause, until it reads the store by itself', async () => {
    const [a, b] = await joinAll(2);
    b!.store.isDeaf = true;
    await a!.registry.enable();
    const waiting = a!.registry.waitForDrain('default', { timeout: '30s' });
    let outcome: unknown;
    void waiting.then((result) => (outcome = result.outcome));
    await settle();
    expect([outcome, ...states()]).toEqual([undefined, 'paused', 'running']);
    const acknowledged = a!.registry.status().processes!.map((one) => one.acknowledged);
    expect(new Set(acknowledged)).toEqual(new Set([true, false]));
    await pass(2000);
    expect([outcome, ...states()]).toEqual(['drained', 'paused', 'paused']);
  });

  it('do not drain while a silent process has not acknowledged the pause', async () => {
    const [a, b] = await joinAll(2);
    enter(b!.registry.gate('default'));
    isolate(b!);
    await a!.registry.enable();
    const told: string[] = [];
    a!.registry.on('drained', ({ app }) => told.push(app));
    const waiting = a!.registry.waitForDrain();
    await pass(6000);
    const missing = [{ pid: process.pid, ended: false, fenced: false, blocksDrain: true }];
    expect(await waiting).toMatchObject({ outcome: 'lost', missing });
    expect(a!.warnings.join()).toContain(`WRN_ANTRACT_PROCESS_LOST: process ${process.pid} on `);
    expect(a!.registry.status()).toMatchObject({ phase: 'pausing', lostProcesses: missing });
    expect(a!.registry.status().processes).toHaveLength(1);
    expect(told).toEqual([]);
    await expect(a!.registry.during('shop', () => 'ran')).rejects.toThrow(
      /did not drain: processes that no longer report may still send requests.*lost: 'ignore'/,
    );
    expect(await a!.registry.during('shop', () => 'ran', { lost: 'ignore' })).toBe('ran');
  });

  it('do not drain if a process was silent before the pause', async () => {
    const [a, b] = await joinAll(2);
    isolate(b!);
    await pass(60_000);
    expect(a!.registry.status().lostProcesses).toMatchObject([{ blocksDrain: true }]);
    await a!.registry.enable();
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'lost' });
    reconnect(b!);
    await pass(2000);
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'drained', missing: [] });
  });

  it('tell a process that starts later of a process that fell silent before', async () => {
    const [a, b] = await joinAll(2);
    isolate(b!);
    await pass(10_000);
    isolate(a!);
    const late = join();
    await late.registry.ready;
    await late.registry.enable();
    const waiting = late.registry.waitForDrain();
    await pass(6000);
    expect((await waiting).missing).toHaveLength(2);
  });

  it('drain despite a silent process that had acknowledged the pause and drained', async () => {
    const [a, b, c] = await joinAll(3);
    const slow = slowPost();
    enter(a!.registry.gate('default'), slow);
    await a!.registry.enable();
    await pass(300);
    isolate(b!);
    await pass(6000);
    expect(a!.registry.status().lostProcesses).toMatchObject([{ blocksDrain: false }]);
    endResponse(a!.registry.gate('default'), slow.request);
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'drained' });
    // What it has acknowledged is not this pause.
    await c!.registry.disable();
    await c!.registry.enable();
    await pass(300);
    expect(await c!.registry.waitForDrain()).toMatchObject({ outcome: 'lost' });
  });

  it('do not drain while a silent process passes requests when it has no store', async () => {
    const [a, b] = await joinAll(2, { onStoreError: 'open' });
    await a!.registry.enable();
    await pass(300);
    isolate(b!);
    await pass(6000);
    expect(states()).toEqual(['paused', 'running']);
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'lost' });
  });

  it('drop a silent process when the operator says that it has ended, until it reports again', async () => {
    const [a, b, c] = await joinAll(3);
    isolate(c!);
    await a!.registry.enable();
    // At first it is still waited for.
    const waiting = a!.registry.waitForDrain('default', { lost: 'ignore' });
    await pass(6000);
    expect(await waiting).toMatchObject({ outcome: 'drained', missing: [] });
    expect([a, b].map((one) => one!.registry.status().phase)).toEqual(['paused', 'paused']);
    expect(await b!.registry.waitForDrain()).toMatchObject({ outcome: 'drained' });
    const late = join();
    await late.registry.ready;
    await pass(6000);
    expect(await late.registry.waitForDrain()).toMatchObject({ outcome: 'drained' });

    reconnect(c!);
    await pass(2000);
    isolate(c!);
    await a!.registry.disable();
    await a!.registry.enable();
    await pass(6000);
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'lost' });
    await expect(
      a!.registry.waitForDrain('default', { lost: 'forget' as 'ignore' }),
    ).rejects.toThrow('Expected `lost` to be');
  });

  it('replace a silent process by one that listens on the same address', async () => {
    const [a, b] = await joinAll(2);
    b!.registry.core.sharing!.listensOn('http://0.0.0.0:8080');
    await settle();
    isolate(b!);
    await pass(6000);
    const elsewhere = join();
    elsewhere.registry.core.sharing!.listensOn('http://0.0.0.0:8081');
    await elsewhere.registry.ready;
    await a!.registry.enable();
    await pass(300);
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'lost' });
    const successor = join();
    successor.registry.core.sharing!.listensOn('http://0.0.0.0:8080');
    await successor.registry.ready;
    await pass(300);
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect(a!.registry.status().lostProcesses).toEqual([]);
  });

  it('do not replace a silent worker by another worker of the same cluster', async () => {
    const [a] = await joinAll(1);
    const report = async (id: string, worker: number): Promise<void> => {
      const [own] = await a!.store.reports();
      const at = clock.date();
      const origin = { id, worker, address: 'http://0.0.0.0:8080', startedAt: at, at, beat: 1 };
      const value = JSON.stringify({ ...JSON.parse(own!.value!), ...origin });
      await a!.store.report({ id, value }, 60_000);
    };
    await report('silent', 2);
    await pass(6000);
    await a!.registry.enable();
    await report('forked later', 3);
    expect(a!.registry.status().lostProcesses).toHaveLength(1);
    await report('of the next cluster', 1);
    expect(a!.registry.status().lostProcesses).toHaveLength(0);
  });

  it('do not report a process that left as lost, even if they missed that it left', async () => {
    const [a, b] = await joinAll(2);
    a!.store.isDeaf = true;
    await b!.registry.close();
    await pass(8000);
    expect(a!.warnings).toEqual([]);
    await a!.registry.enable();
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'drained' });
  });

  it('report a process that ends with requests in flight as lost', async () => {
    const [a, b] = await joinAll(2);
    enter(b!.registry.gate('default'));
    const closing = b!.registry.close();
    await pass(11_000);
    await closing;
    await a!.registry.enable();
    const waiting = a!.registry.waitForDrain();
    await pass(6000);
    expect(await waiting).toMatchObject({ outcome: 'lost' });
  });

  it('drop the counts of a process as soon as its primary reports its end', async () => {
    const [a, b] = await joinAll(2);
    enter(b!.registry.gate('default'));
    await a!.registry.enable();
    hold(b!.registry.gate('default'));
    const waiting = a!.registry.waitForDrain();
    await pass(1000);
    expect(a!.registry.status()).toMatchObject({ phase: 'pausing', held: 1, inFlight: 1 });
    const reports = await a!.store.reports();
    const of = (held: number) => reports.filter(({ value }) => value?.includes(`"held":${held}`));
    const [{ id, value }] = of(1) as [StoredReport];
    await a!.store.report({ id, value: 'ended' }, 10_000);
    // No time has passed.
    expect(a!.registry.status()).toMatchObject({ phase: 'paused', held: 0, inFlight: 0 });
    expect(await waiting).toMatchObject({ outcome: 'drained' });
    expect(a!.registry.status().lostProcesses).toMatchObject([{ pid: process.pid, ended: true }]);
    expect(a!.warnings.join()).toMatch(
      /WRN_ANTRACT_PROCESS_LOST: process \d+ on \S+ has ended without leaving. .* drains no longer wait for it/,
    );
    // A report from before its end that arrives late, or the same news once more, changes nothing.
    const late = { ...JSON.parse(value!), beat: 1_000_000 };
    await a!.store.report({ id, value: JSON.stringify(late) }, 10_000);
    await a!.store.report({ id, value: 'ended' }, 10_000);
    expect(a!.registry.status()).toMatchObject({ held: 0, inFlight: 0 });
    expect(a!.registry.status().lostProcesses).toHaveLength(1);
    expect(a!.warnings.join().match(/PROCESS_LOST/g)).toHaveLength(1);
  });

  it('count what a process that has ended reported of the pause, and wait for none of its requests', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable();
    await settle();
    hold(b!.registry.gate('default'));
    await pass(300);
    const [{ id }] = (await a!.store.reports()).filter(
      ({ value }) =>
        (JSON.parse(value!) as { apps: { default?: { held: number } } }).apps.default?.held,
    ) as [StoredReport];
    isolate(b!);
    await a!.store.report({ id, value: 'ended' }, 10_000);
    await a!.registry.disable();
    await pass(1000);
    expect(a!.registry.report()).toMatchObject({ held: 1, complete: true });
  });

  it('show a silent process as ended once its primary reports its end', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable();
    const [id] = (await a!.store.reports()).map((report) => report.id).toSorted();
    const silent = [a, b].find((one) => one!.registry.core.isLeader)!;
    const other = [a, b].find((one) => one !== silent)!;
    silent.store.mode = 'frozen';
    silent.store.isDeaf = true;
    await pass(6000);
    expect(other.registry.status().lostProcesses).toMatchObject([{ ended: false }]);
    await other.store.report({ id: id!, value: 'ended' }, 10_000);
    expect(other.registry.status().lostProcesses).toMatchObject([{ ended: true }]);
  });

  it('show the backend as down while any of them sees it down, until all see it answer', async () => {
    const check = { probe: { check: () => false }, holdOnOutage: '10s' };
    const [a, b] = await joinAll(2, check);
    const backend = () => a!.registry.status().backend;
    const seen = slowPost();
    a!.registry.gate('default').backend.noteAnswer(seen.request);
    expect(backend().state).toBe('up');
    await pass(500);
    enter(b!.registry.gate('default'), seen);
    b!.registry.gate('default').backend.noteFailure(seen.request, 'ECONNREFUSED');
    await pass(1500);
    expect(backend()).toMatchObject({
      state: 'down',
      reason: 'ECONNREFUSED',
      summary: 'The backend is down: connection refused (ECONNREFUSED).',
    });
    // What one saw earlier, and looks into no more, is outdated by an answer since.
    a!.registry.gate('default').backend.noteAnswer(seen.request);
    expect(backend().state).toBe('up');
    expect(b!.registry.gate('default').status().backend.state).toBe('down');
    await pass(1500);
    expect(b!.registry.status().backend.state).toBe('up');
    // One that still probes knows better.
    b!.registry.gate('default').requeue(seen.request);
    await pass(1500);
    a!.registry.gate('default').backend.noteAnswer(seen.request);
    expect(backend()).toMatchObject({ state: 'down', probing: true });
  });

  it('keep an outage over a pause, unless another process had an answer after it', async () => {
    const [a, b] = await joinAll(2);
    const backends = () => [a, b].map((one) => one!.registry.status().backend.state);
    const seen = slowPost();
    enter(b!.registry.gate('default'), seen);
    b!.registry.gate('default').backend.noteFailure(seen.request, 'ECONNREFUSED');
    await pass(1500);
    await a!.registry.enable();
    await pass(1500);
    expect(backends()).toEqual(['down', 'down']);
    expect(a!.registry.status().backend).toMatchObject({
      summary: 'The backend was down when it was last seen: connection refused (ECONNREFUSED).',
    });
    await a!.registry.disable();
    a!.registry.gate('default').backend.noteAnswer(seen.request);
    await pass(1500);
    expect(backends()).toEqual(['up', 'up']);
    await a!.registry.enable();
    await pass(1500);
    expect(backends()).not.toContain('down');
  });

  it('read the reports of an older version, which do not contain the backend', async () => {
    const [a, b] = await joinAll(2);
    await b!.registry.enable();
    await pass(1500);
    const reports = await a!.store.reports();
    for (const { id, value } of reports) {
      const { beat, apps, ...rest } = JSON.parse(value!);
      expect(apps.default).not.toHaveProperty('backend');
      const newer = { ...rest, id: `${id}-old`, beat, apps };
      await a!.store.report({ id: newer.id, value: JSON.stringify(newer) }, 5000);
    }
    expect(a!.registry.status().processes).toHaveLength(4);
    expect(a!.registry.status().backend.state).toBe('unknown');
    const wrong = JSON.parse(reports[0]!.value!);
    wrong.apps.default.backend = { state: 'sideways' };
    await a!.store.report({ id: 'wrong', value: JSON.stringify({ ...wrong, id: 'wrong' }) }, 5000);
    expect(a!.registry.status().processes).toHaveLength(4);
  });

  it('continue without a process that has left as soon as it has nothing in flight, and log no warning', async () => {
    const [a, b] = await joinAll(2);
    const slow = slowPost();
    enter(b!.registry.gate('default'), slow);
    await a!.registry.enable();
    let outcome: unknown;
    void a!.registry.waitForDrain().then((result) => (outcome = result.outcome));
    const closing = b!.registry.close();
    await pass(3000);
    expect(outcome).toBeUndefined();
    endResponse(b!.registry.gate('default'), slow.request);
    await closing;
    await settle();
    expect(outcome).toBe('drained');
    expect(a!.warnings.filter((line) => line.startsWith('WRN_'))).toEqual([]);
    expect(a!.registry.status().processes).toHaveLength(1);
  });

  it('share a pause with a process that starts during it, and it holds its first request', async () => {
    const [a] = await joinAll(1);
    await a!.registry.enable('shop', { maxTime: '1m' });
    await pass(10_000);
    const late = join();
    const gate = late.registry.gate('shop');
    const ticket = hold(gate);
    await late.registry.ready;
    expect(late.registry.status('shop')).toMatchObject({ phase: 'paused', held: 1 });
    expect(late.registry.status('shop').endsInMs).toBe(50_000);
    expect(late.registry.status('shop').pausedForMs).toBe(10_000);
    expect(ticket).toHaveProperty('isListed', true);
  });

  it('release requests that came before a new process knew that the app runs', async () => {
    const [a] = await joinAll(1);
    expect(passes(a!.registry.gate('default'))).toBe(true);
    const late = join();
    const ticket = hold(late.registry.gate('default'));
    expect(late.registry.status()).toMatchObject({ held: 1 });
    await late.registry.ready;
    expect(ticket).toHaveProperty('isListed', false);
  });

  it('agree on when a pause ends, and end it once', async () => {
    const [a, b] = await joinAll(3);
    const ends: string[] = [];
    for (const { registry } of members) registry.on('expired', ({ cause }) => ends.push(cause));
    await a!.registry.enable('default', { maxTime: '10s' });
    await pass(9900);
    expect(states()).toEqual(['paused', 'paused', 'paused']);
    await pass(200);
    expect(states()).toEqual(['running', 'running', 'running']);
    expect(ends).toEqual(['maxTime', 'maxTime', 'maxTime']);
    expect(await b!.registry.enable()).toMatchObject({ changed: true });
    await settle();
    expect(states()).toEqual(['paused', 'paused', 'paused']);
  });

  it('keep a pause whose lease is renewed in any of them', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable('default', { lease: '3s' });
    await settle();
    const { pauseId } = a!.registry.status();
    for (let i = 0; i < 5; i++) {
      await pass(2000);
      await b!.registry.enable('default', { lease: '3s', ifPause: pauseId! });
    }
    await settle();
    expect(states()).toEqual(['paused', 'paused']);
    expect(a!.registry.status().endsInMs).toBe(b!.registry.status().endsInMs);
    expect(a!.registry.status().endsInMs).toBe(290_000);
    await pass(3100);
    expect(states()).toEqual(['running', 'running']);
  });

  it('follow the last command of two operators', async () => {
    const [a, b] = await joinAll(2);
    for (let i = 0; i < 20; i++) {
      const [enabled, disabled] = await Promise.all([a!.registry.enable(), b!.registry.disable()]);
      await settle();
      expect(new Set(states()).size).toBe(1);
      expect(enabled.shared && disabled.shared).toBe(true);
    }
  });

  it('reject a command whose condition is false in another process', async () => {
    const [a, b] = await joinAll(2);
    b!.store.isDeaf = true;
    await a!.registry.enable();
    await expect(b!.registry.enable('default', { ifPause: 'none' })).rejects.toMatchObject({
      code: 'ERR_ANTRACT_ALREADY_PAUSED',
    });
  });

  it('divide the pace among the processes that release', async () => {
    const [a, b, c] = await joinAll(3, { release: { concurrency: 4 } });
    await a!.registry.enable();
    await settle();
    const holdAt = ({ registry }: Member, count: number) => {
      for (let i = 0; i < count; i++) hold(registry.gate('default'));
    };
    holdAt(a!, 10);
    holdAt(b!, 10);
    await pass(300);
    await c!.registry.disable();
    await settle();
    expect(members.map(({ registry }) => registry.gate('default').inFlight)).toEqual([2, 2, 0]);
  });

  it('end the wait for a drain when the pause ends, also while other processes are asked', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable();
    await settle();
    a!.store.mode = 'frozen';
    const waiting = a!.registry.waitForDrain('default', { timeout: '1m' });
    await settle();
    await b!.registry.disable();
    await pass(2100);
    expect(await waiting).toMatchObject({ outcome: 'resumed' });
  });

  it('have one leader', async () => {
    await joinAll(3);
    expect(members.filter(({ registry }) => registry.core.isLeader)).toHaveLength(1);
  });
});

describe('a process that was frozen', () => {
  let own: FakeClock;
  let frozen: Member;

  const wake = async (ms: number): Promise<void> => {
    own.leap(ms);
    own.advance(0);
    await settle();
  };

  beforeEach(async () => {
    own = new FakeClock();
    frozen = join({}, undefined, own);
    await frozen.registry.ready;
    await joinAll(1);
  });

  afterEach(async () => {
    const closing = frozen.registry.close();
    for (let i = 0; i < 11; i++) {
      own.advance(1000);
      await settle();
    }
    await closing;
    expect(own.pendingTimers).toBe(0);
  });

  it('holds the first request after the freeze until it has read the store', async () => {
    const gate = frozen.registry.gate('default');
    own.leap(10_000);
    const ticket = hold(gate);
    await wake(0);
    expect(ticket).toHaveProperty('isListed', false);
    expect(passes(gate)).toBe(true);
    own.leap(2900);
    expect(passes(gate)).toBe(true);
  });

  it('does not apply an answer of the store that it requested before the freeze', async () => {
    const gate = frozen.registry.gate('default');
    let answer = (): void => undefined;
    const { load } = frozen.store;
    frozen.store.load = async () => {
      const old = await load.call(frozen.store);
      await new Promise<void>((resolve) => (answer = resolve));
      return old;
    };
    own.advance(1000);
    await settle();
    own.advance(1000);
    await settle();
    frozen.store.isDeaf = true;
    frozen.store.load = load;
    await members[1]!.registry.enable();
    own.leap(10_000);
    answer();
    await settle();
    expect(gate.desiredKind).toBe('running');
    expect(passes(gate)).toBe(false);
    await wake(0);
    own.advance(1000);
    await settle();
    expect(gate.desiredKind).toBe('paused');
  });

  it.each(['between', 'during'])(
    'does not report the other processes as lost, frozen %s its heartbeats',
    async (when) => {
      let answer = (): void => undefined;
      if (when === 'during') {
        const { report } = frozen.store;
        frozen.store.report = async (...args) => {
          frozen.store.report = report;
          await new Promise<void>((resolve) => (answer = resolve));
          return report.apply(frozen.store, args);
        };
        own.advance(1000);
        await settle();
      }
      own.leap(10_000);
      answer();
      await settle();
      await wake(0);
      expect(frozen.warnings).toEqual([]);
      expect(frozen.registry.status().processes).toHaveLength(2);
    },
  );
});

describe('during a store outage', () => {
  const lose = async (...lost: Member[]) => {
    for (const { store } of lost) store.mode = 'failing';
    await pass(1100);
  };
  const find = async (...found: Member[]) => {
    for (const { store } of found) store.mode = 'well';
    await pass(1100);
  };

  it('a pause continues, and ends after its maxTime', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable('default', { maxTime: '30s', lease: '2s' });
    await settle();
    await lose(a!, b!);
    expect(a!.warnings.join()).toContain(
      'WRN_ANTRACT_STORE_LOST: the store does not answer (gone)',
    );
    expect(a!.registry.status().store).toBe('lost');
    // No process could have renewed the lease.
    await pass(20_000);
    expect(states()).toEqual(['paused', 'paused']);
    await pass(10_000);
    expect(states()).toEqual(['running', 'running']);
    await find(a!, b!);
    expect(states()).toEqual(['running', 'running']);
  });

  it('a lease starts again once it can be renewed', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable('default', { lease: '3s' });
    await settle();
    await lose(a!, b!);
    await pass(10_000);
    await find(a!, b!);
    expect(states()).toEqual(['paused', 'paused']);
    await pass(3000);
    expect(states()).toEqual(['running', 'running']);
  });

  it('a command takes effect in its own process, reports that, and reaches the others later', async () => {
    const [a, b] = await joinAll(2);
    await lose(a!, b!);
    expect(await a!.registry.enable()).toMatchObject({ changed: true, shared: false });
    expect(states()).toEqual(['paused', 'running']);
    await find(a!, b!);
    await pass(2000);
    expect(states()).toEqual(['paused', 'paused']);
  });

  it('a drain fails as soon as this process has nothing in flight, and names the store as the cause', async () => {
    const [a, b] = await joinAll(2);
    await lose(a!, b!);
    const slow = slowPost();
    enter(a!.registry.gate('default'), slow);
    await a!.registry.enable();
    const waiting = a!.registry.waitForDrain();
    await settle();
    endResponse(a!.registry.gate('default'), slow.request);
    const lost = { outcome: 'lost', store: 'lost', missing: [] };
    expect(await waiting).toMatchObject(lost);
    expect(await a!.registry.waitForDrain()).toMatchObject(lost);
    expect(a!.registry.status()).toMatchObject({ phase: 'pausing', store: 'lost' });
    await expect(a!.registry.during('shop', () => 'ran')).rejects.toThrow(
      /did not drain: the store does not answer, so other processes may still send.*lost: 'ignore'/,
    );
  });

  it('a drain also fails if this process knows no other process', async () => {
    const [a] = await joinAll(1);
    await a!.registry.enable();
    await settle();
    expect(await a!.registry.waitForDrain()).toMatchObject({
      outcome: 'drained',
      store: 'connected',
    });
    await lose(a!);
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'lost', store: 'lost' });
    await a!.registry.disable();
    await a!.registry.enable();
    expect(await a!.registry.waitForDrain()).toMatchObject({ outcome: 'lost', store: 'lost' });
    expect(a!.registry.status().phase).toBe('pausing');
    expect(await a!.registry.waitForDrain('default', { lost: 'ignore' })).toMatchObject({
      outcome: 'drained',
    });
    expect(a!.registry.status().phase).toBe('paused');
    // That was said of this pause.
    await a!.registry.disable();
    await pass(50);
    await a!.registry.enable();
    expect(a!.registry.status().phase).toBe('pausing');
    await find(a!);
    await pass(3000);
    expect(await a!.registry.waitForDrain()).toMatchObject({
      outcome: 'drained',
      store: 'connected',
    });
  });

  it('a drain is not done before a process that started during the outage has reported', async () => {
    const [a] = await joinAll(1);
    await a!.registry.enable();
    await a!.registry.waitForDrain();
    await lose(a!);
    const late = join();
    late.store.mode = 'failing';
    // It knows of no pause, because it has never read the store.
    await pass(4000);
    const slow = slowPost();
    enter(late.registry.gate('default'), slow);
    await find(a!);
    expect(a!.registry.status()).toMatchObject({ phase: 'pausing', store: 'connected' });
    let outcome: string | undefined;
    const waiting = a!.registry.waitForDrain().then((result) => {
      ({ outcome } = result);
    });
    await pass(500);
    expect(outcome).toBeUndefined();
    await find(late);
    await pass(3000);
    expect(outcome).toBeUndefined();
    endResponse(late.registry.gate('default'), slow.request);
    await pass(500);
    await waiting;
    expect(outcome).toBe('drained');
    expect(a!.registry.status().phase).toBe('paused');
  });

  it('a drain fails when the store is lost during the wait', async () => {
    const [a, b] = await joinAll(2);
    enter(b!.registry.gate('default'));
    await a!.registry.enable();
    await pass(300);
    const waiting = a!.registry.waitForDrain();
    await pass(300);
    await lose(a!);
    expect(await waiting).toMatchObject({ outcome: 'lost', store: 'lost' });
  });

  it('a drain that ignores lost processes waits for a process that reported up to 5 s ago', async () => {
    const [a, b] = await joinAll(2);
    enter(b!.registry.gate('default'));
    await lose(a!, b!);
    await a!.registry.enable();
    let outcome: string | undefined;
    const waiting = a!.registry.waitForDrain('default', { lost: 'ignore' }).then((result) => {
      ({ outcome } = result);
    });
    await pass(2000);
    expect(outcome).toBeUndefined();
    await pass(4000);
    await waiting;
    expect(outcome).toBe('drained');
    expect(a!.registry.status().phase).toBe('paused');
    // The store tells that the other process still runs.
    await find(a!);
    expect(a!.registry.status().phase).toBe('pausing');
  });

  it.each(['failing', 'frozen'] as const)(
    'counts of other processes show their age, and are left out after 5 s, with a %s store',
    async (mode) => {
      const [a, b] = await joinAll(2);
      enter(b!.registry.gate('default'));
      await pass(1000);
      expect(a!.registry.status()).toMatchObject({ inFlight: 1 });
      for (const { store } of members) store.mode = mode;
      await pass(3000);
      expect(a!.registry.status()).toMatchObject({ inFlight: 1, store: 'lost' });
      await pass(20_000);
      const status = a!.registry.status();
      expect(status).toMatchObject({ phase: 'running', inFlight: 0, held: 0, store: 'lost' });
      expect(a!.registry.traffic().inFlight).toBe(0);
      const others = status.processes?.filter(({ seenMs }) => seenMs > 0) ?? [];
      expect(others).toMatchObject([{ inFlight: 1 }]);
      expect(others[0]?.seenMs).toBeGreaterThan(22_000);
      // That this process reads the store again does not make the other one's report younger.
      a!.store.mode = 'well';
      await pass(4000);
      const { inFlight, processes, store } = a!.registry.status();
      expect({ inFlight, store }).toEqual({ inFlight: 0, store: 'connected' });
      expect(processes?.find(({ seenMs }) => seenMs > 25_000)).toMatchObject({ inFlight: 1 });
    },
  );

  it('a command that exceeds its time takes effect in this process, and only once in total', async () => {
    const [a, b] = await joinAll(2);
    a!.store.mode = 'frozen';
    const enabling = a!.registry.enable();
    await pass(2100);
    expect(await enabling).toMatchObject({ shared: false });
    expect(await a!.registry.disable()).toMatchObject({ shared: false, changed: true });
    await find(a!);
    await pass(2000);
    expect(states()).toEqual(['running', 'running']);
    expect(b!.registry.status().phase).toBe('running');
  });

  it('a command that reached the store wins over a command that reached only this process', async () => {
    const [a, b] = await joinAll(2);
    await lose(a!);
    await a!.registry.enable('default', { reason: 'mine' });
    await b!.registry.enable('default', { reason: 'theirs' });
    await find(a!);
    await settle();
    expect(members.map(({ registry }) => registry.status().reason)).toEqual(['theirs', 'theirs']);
  });

  it('`open` passes all requests, until a pause can be read again', async () => {
    const [a, b] = await joinAll(2, { onStoreError: 'open' });
    await a!.registry.enable();
    await settle();
    await lose(a!, b!);
    expect(states()).toEqual(['running', 'running']);
    await find(a!, b!);
    expect(states()).toEqual(['paused', 'paused']);
  });

  it('`closed` holds all requests for a limited time', async () => {
    const [a, b] = await joinAll(2, { onStoreError: 'closed', maxTime: '1m' });
    await lose(a!);
    const ticket = hold(a!.registry.gate('default'));
    expect(passes(a!.registry.gate('default'))).toBe(false);
    expect(passes(b!.registry.gate('default'))).toBe(true);
    await pass(59_000);
    expect(ticket).toHaveProperty('isListed', true);
    await pass(2000);
    expect(ticket).toHaveProperty('isListed', false);
    expect(passes(a!.registry.gate('default'))).toBe(true);
    await find(a!);
    await lose(a!);
    expect(passes(a!.registry.gate('default'))).toBe(false);
    await find(a!);
    expect(passes(a!.registry.gate('default'))).toBe(true);
  });

  it('a process starts without the store', async () => {
    const store = new FlakyStore(new MemoryStore(first, clock));
    store.mode = 'frozen';
    const { registry } = join({}, store);
    expect(passes(registry.gate('default'))).toBe(false);
    await pass(2900);
    expect(passes(registry.gate('default'))).toBe(false);
    await pass(200);
    await registry.ready;
    expect(passes(registry.gate('default'))).toBe(true);
  });

  it('`fence` holds all requests 4 s after the last report, and until the store was read again', async () => {
    const [a, b] = await joinAll(2, { onStoreError: 'fence', maxTime: '10s' });
    const mayEnter = () => passes(b!.registry.gate('default'));
    isolate(b!);
    await pass(2900);
    expect(mayEnter()).toBe(true);
    await pass(1200);
    expect(mayEnter()).toBe(false);
    const ticket = hold(b!.registry.gate('default'));
    // Earlier than the others do without it.
    expect(a!.registry.status().processes).toHaveLength(2);
    await pass(60_000);
    expect(mayEnter()).toBe(false);
    await a!.registry.enable();
    expect(await a!.registry.waitForDrain()).toMatchObject({ missing: [{ fenced: true }] });
    reconnect(b!);
    await pass(4000);
    expect(states()).toEqual(['paused', 'paused']);
    expect(ticket).toHaveProperty('isListed', true);
    await a!.registry.disable();
    await settle();
    expect(ticket).toHaveProperty('isListed', false);
    expect(mayEnter()).toBe(true);
  });

  it('`fence` also holds requests that a pause of writes does not hold', async () => {
    const [a] = await joinAll(1, { onStoreError: 'fence' });
    const read = gatedRequest();
    await a!.registry.enable('default', { only: 'writes' });
    expect(passes(a!.registry.gate('default'), read)).toBe(true);
    isolate(a!);
    await pass(5000);
    const held = gatedRequest();
    expect(passes(a!.registry.gate('default'), held)).toBe(false);
    const ticket = hold(a!.registry.gate('default'), held);
    reconnect(a!);
    await pass(2000);
    expect(ticket).toHaveProperty('isListed', false);
    expect(states()).toEqual(['paused']);
  });

  it('`fence` holds the requests of a process that starts without its store', async () => {
    const store = new FlakyStore(new MemoryStore(first, clock));
    store.mode = 'failing';
    const { registry } = join({ onStoreError: 'fence' }, store);
    await pass(30_000);
    expect(passes(registry.gate('default'))).toBe(false);
    store.mode = 'well';
    await pass(1100);
    expect(passes(registry.gate('default'))).toBe(true);
  });

  it('a store that lost a pause gets it again', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable('default', { maxTime: '1m', reason: 'deploy' });
    await settle();
    await lose(a!, b!);
    const empty = new MemoryStore(undefined, clock);
    for (const { store } of members) store.inner = new MemoryStore(empty, clock);
    await find(a!, b!);
    expect(states()).toEqual(['paused', 'paused']);
    const late = join({}, new FlakyStore(new MemoryStore(empty, clock)));
    await late.registry.ready;
    expect(late.registry.status()).toMatchObject({ phase: 'paused', reason: 'deploy' });
    expect(late.registry.status().endsInMs).toBe(a!.registry.status().endsInMs);
    await b!.registry.disable();
    await pass(2000);
    expect(states()).toEqual(['running', 'running', 'running']);
  });
});

describe('processes on one store, in rare orders of events:', () => {
  /** Two, of which one stops by itself when its backend does not answer after a pause. */
  const joinWithStop = async () => {
    const a = join({
      probe: { check: async () => false, timeout: '1s', onTimeout: 'stop' },
    });
    const [b] = await joinAll(1);
    await a.registry.enable();
    await pass(1000);
    const stopByItself = async (meanwhile: () => unknown): Promise<void> => {
      await a.registry.disable();
      await settle();
      meanwhile();
      await pass(1100);
    };
    return { a, b: b!, stopByItself };
  };

  it('an app beyond `maxApps` of one process is paused in the others, and there once it has room', async () => {
    const [a] = await joinAll(1);
    const b = join({ maxApps: 1 });
    await b.registry.ready;
    const busy = slowPost();
    enter(b.registry.gate('other'), busy);
    expect(await a!.registry.enable('shop')).toMatchObject({ changed: true, shared: true });
    await pass(5000);
    expect(b.warnings).toEqual([]);
    expect(await a!.registry.waitForDrain('shop', { timeout: 0 })).toMatchObject({
      outcome: 'drained',
    });
    endResponse(b.registry.gate('other'), busy.request);
    expect(passes(b.registry.gate('shop'))).toBe(false);
  });

  it('a release does not leave a share of the pace to silent processes', async () => {
    const all = await joinAll(3, { release: { concurrency: 1 } });
    await all[0]!.registry.enable();
    await settle();
    for (const { registry } of all) hold(registry.gate('default'));
    await pass(300);
    await all[0]!.registry.disable();
    await settle();
    const inFlight = () => all.map(({ registry }) => registry.gate('default').inFlight);
    expect(inFlight().filter((count) => count > 0)).toEqual([1]);
    for (const { store } of all) store.mode = 'failing';
    await pass(2000);
    expect(inFlight()).toEqual([1, 1, 1]);
  });

  it('a process that joins does not end a lease that could not be renewed', async () => {
    const [a] = await joinAll(1);
    await a!.registry.enable('default', { lease: '3s' });
    a!.store.mode = 'failing';
    await pass(10_000);
    const late = join();
    await late.registry.ready;
    expect(states()).toEqual(['paused', 'paused']);
    await pass(3100);
    expect(late.registry.gate('default').desiredKind).toBe('running');
  });

  it('`open` returns to a pause, even if its lease has ended meanwhile', async () => {
    const [a] = await joinAll(1, { onStoreError: 'open' });
    await a!.registry.enable('default', { lease: '3s' });
    a!.store.mode = 'failing';
    await pass(10_000);
    expect(states()).toEqual(['running']);
    a!.store.mode = 'well';
    await pass(1100);
    expect(states()).toEqual(['paused']);
  });

  it('the end of a pause by its maxTime does not undo a later command', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable('default', { maxTime: '5s' });
    await settle();
    for (const { store } of members) store.mode = 'failing';
    await pass(6000);
    expect(states()).toEqual(['running', 'running']);
    expect(await a!.registry.enable()).toMatchObject({ shared: false });
    b!.store.mode = 'well';
    await pass(1500);
    a!.store.mode = 'well';
    await pass(3000);
    expect(states()).toEqual(['paused', 'paused']);
  });

  it('a process that missed the end of a pause does not report a drain', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.enable();
    await settle();
    a!.store.isDeaf = true;
    await b!.registry.disable();
    expect(states()).toEqual(['paused', 'running']);
    const waiting = a!.registry.waitForDrain();
    await pass(2000);
    expect(await waiting).toMatchObject({ outcome: 'resumed' });
  });

  it('a store that rejects without a reason counts as lost', async () => {
    const [a] = await joinAll(1);
    // oxlint-disable-next-line prefer-promise-reject-errors -- Stores of others do what they like.
    a!.store.publish = () => Promise.reject(null);
    expect(await a!.registry.enable()).toMatchObject({ changed: true, shared: false });
  });

  it('a late command does not undo a newer command of the same operator', async () => {
    const [a] = await joinAll(1);
    let arrive = (): void => undefined;
    const { publish } = a!.store;
    a!.store.publish = async (...args) => {
      a!.store.publish = publish;
      a!.store.mode = 'failing';
      await new Promise<void>((resolve) => (arrive = resolve));
      return a!.store.inner.publish(...args);
    };
    const enabling = a!.registry.enable();
    await pass(2100);
    expect(await enabling).toMatchObject({ shared: false });
    await a!.registry.disable();
    arrive();
    await settle();
    expect(states()).toEqual(['running']);
    a!.store.mode = 'well';
    await pass(2000);
    expect(states()).toEqual(['running']);
    const late = join();
    await late.registry.ready;
    expect(states()).toEqual(['running', 'running']);
  });

  it('the end of a pause that one process knows reaches a store that lost the pause', async () => {
    const [a, b] = (await joinAll(2)) as [Member, Member];
    await a.registry.enable();
    await settle();
    for (const { store } of members) store.mode = 'failing';
    await pass(1100);
    await a.registry.disable();
    const empty = new MemoryStore(undefined, clock);
    for (const { store } of members) store.inner = new MemoryStore(empty, clock);
    a.store.mode = 'well';
    await pass(1100);
    b.store.mode = 'well';
    await pass(3000);
    expect(states()).toEqual(['running', 'running']);
  });

  it('an old report does not bring back a process that has left', async () => {
    const [a, b] = (await joinAll(2)) as [Member, Member];
    const all = await b.store.reports();
    await b.registry.close();
    expect(all).toHaveLength(2);
    for (const report of all) await new MemoryStore(first, clock).report(report, 5000, 5000);
    await settle();
    expect(a.registry.status().processes).toHaveLength(1);
  });

  it('a process asks for new processes before it reports a drain', async () => {
    const [a] = (await joinAll(1)) as [Member];
    a.store.isDeaf = true;
    const late = join();
    await late.registry.ready;
    const slow = slowPost();
    enter(late.registry.gate('default'), slow);
    const drained: string[] = [];
    a.registry.on('drained', ({ app }) => drained.push(app));
    await a.registry.enable();
    await settle();
    expect(drained).toEqual([]);
    endResponse(late.registry.gate('default'), slow.request);
    await pass(3000);
    expect(drained).toEqual(['default']);
  });

  it('a process that reconnects first does not report the others as lost', async () => {
    const [a] = await joinAll(2);
    for (const { store } of members) store.mode = 'failing';
    await pass(10_000);
    a!.store.mode = 'well';
    await pass(2000);
    expect(a!.warnings.join()).not.toContain('WRN_ANTRACT_PROCESS_LOST');
    await pass(5000);
    expect(a!.warnings.join()).toContain('WRN_ANTRACT_PROCESS_LOST');
  });

  it('an invalid value in the store causes one warning', async () => {
    const [a] = await joinAll(1);
    await new MemoryStore(first, clock).publish('shop', {
      expected: 0,
      value: 'nonsense',
      ttlMs: 600_000,
      withinMs: 2000,
    });
    await pass(10_000);
    const told = a!.warnings.filter((warning) => warning.includes('WRN_ANTRACT_STORE_VALUE'));
    expect(told).toHaveLength(1);
    expect(await a!.registry.enable('shop')).toMatchObject({ changed: true, shared: true });
    expect(states('shop')).toEqual(['paused']);
  });

  it('a store that rejects each publication does not keep a process busy', async () => {
    const [a] = await joinAll(1);
    await a!.registry.enable('default', { maxTime: '5s' });
    a!.store.publish = async () => ({ published: false, current: undefined });
    await pass(6000);
    expect(states()).toEqual(['running']);
    await expect(a!.registry.enable()).rejects.toMatchObject({ code: 'ERR_ANTRACT_STORE_BUSY' });
  });

  it('a drain is not reported before the others know of a stop', async () => {
    const { a, b, stopByItself } = await joinWithStop();
    const seen: string[] = [];
    a.registry.on('drained', () => seen.push(b.registry.gate('default').desiredKind));
    let goOn = (): void => undefined;
    const { publish } = a.store;
    await stopByItself(() => {
      a.store.publish = async (...args) => {
        await new Promise<void>((resolve) => (goOn = resolve));
        return publish.apply(a.store, args);
      };
    });
    expect(states()).toEqual(['stopped', 'running']);
    const waiting = a.registry.waitForDrain('default', { timeout: 100 });
    await pass(200);
    expect(await waiting).toMatchObject({ outcome: 'timeout' });
    goOn();
    await settle();
    expect(states()).toEqual(['stopped', 'stopped']);
    expect(seen).toEqual(['stopped']);
  });

  it('an automatic stop of one process reaches the others after a store outage', async () => {
    const { a, stopByItself } = await joinWithStop();
    await stopByItself(() => (a.store.mode = 'failing'));
    expect(states()).toEqual(['stopped', 'running']);
    a.store.mode = 'well';
    await pass(1100);
    expect(states()).toEqual(['stopped', 'stopped']);
  });

  it('the end of a lease that one process saw before a store outage reaches the others after it', async () => {
    const [a, b] = (await joinAll(2)) as [Member, Member];
    await b.registry.enable('default', { lease: '3s' });
    await settle();
    await pass(1900);
    b.store.mode = 'failing';
    await pass(1000);
    a.store.mode = 'failing';
    await pass(200);
    expect(states()).toEqual(['running', 'paused']);
    for (const { store } of members) store.mode = 'well';
    await pass(1500);
    expect(states()).toEqual(['running', 'running']);
  });

  it('a slow store is subscribed to once, and unsubscribed from at the end', async () => {
    const store = new FlakyStore(new MemoryStore(first, clock));
    const { subscribe } = store;
    let subscribed = 0;
    let left = 0;
    const done: (() => void)[] = [];
    store.subscribe = async (listener) => {
      subscribed++;
      await new Promise<void>((resolve) => done.push(resolve));
      const leave = await subscribe.call(store, listener);
      return async () => {
        left++;
        await leave();
      };
    };
    const { registry } = join({}, store);
    await pass(20_000);
    expect(registry.status().store).toBe('lost');
    for (const resolve of done) resolve();
    await pass(3000);
    expect([subscribed - left, registry.status().store]).toEqual([1, 'connected']);
    await registry.close();
    expect(left).toBe(subscribed);
  });

  it('the second of two maintenance windows at once is rejected', async () => {
    const [a, b] = await joinAll(2);
    let open = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++open);
      await settle();
      open--;
    };
    const windows = [a!, b!].map(({ registry }) => registry.during('default', work));
    const outcomes = await Promise.allSettled(windows);
    expect(most).toBe(1);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('a process closes its store even if the store fails', async () => {
    const store = Object.assign(new FlakyStore(new MemoryStore(first, clock)), { closed: 0 });
    const { registry } = join({}, Object.assign(store, { close: async () => void store.closed++ }));
    await registry.ready;
    store.mode = 'failing';
    await registry.close();
    expect(store.closed).toBe(1);
  });

  it('a process that joins does not announce a pause again', async () => {
    const [a] = await joinAll(1);
    await a!.registry.enable();
    const late = join();
    const spoke: boolean[] = [];
    late.registry.on('paused', () => spoke.push(late.registry.core.isLeader));
    late.registry.gate('default');
    await late.registry.ready;
    expect(spoke).toEqual([false]);
  });

  it('each process is its own leader during a store outage', async () => {
    await joinAll(2);
    for (const { store } of members) store.mode = 'failing';
    await pass(1100);
    expect(members.map(({ registry }) => registry.core.isLeader)).toEqual([true, true]);
    for (const { store } of members) store.mode = 'well';
    await pass(1100);
    expect(members.filter(({ registry }) => registry.core.isLeader)).toHaveLength(1);
  });

  it('a maintenance window does not end the pause of another operator', async () => {
    const [a, b] = await joinAll(2);
    await a!.registry.during('default', async () => {
      a!.store.isDeaf = true;
      await b!.registry.disable();
      // Of its own id.
      clock.chances = [Math.random()];
      await b!.registry.enable('default', { reason: 'theirs' });
    });
    await pass(2000);
    expect(members.map(({ registry }) => registry.status().reason)).toEqual(['theirs', 'theirs']);
  });
});

describe('the report of a process to the others', () => {
  it('fits into a value of the store, however long it is, with the important parts first', async () => {
    const told: string[] = [];
    class Overheard extends FlakyStore {
      override report(report: StoredReport, ttlMs: number, withinMs: number) {
        told.push(report.value ?? '');
        return super.report(report, ttlMs, withinMs);
      }
    }
    const { registry } = join({}, new Overheard(new MemoryStore(first, clock)));
    await registry.ready;
    for (let i = 0; i < 800; i++) {
      const gate = registry.gate(`host-${i}.example`);
      enter(gate, get(`/${'x'.repeat(4000)}`));
    }
    await registry.enable('last.example');
    await registry.enable('host-799.example');
    await pass(1100);
    const { apps } = JSON.parse(told.at(-1) as string) as { apps: object };
    expect((told.at(-1) as string).length).toBeLessThanOrEqual(MAX_VALUE);
    expect(apps).toHaveProperty(['last.example'], expect.objectContaining({ phase: 'paused' }));
    expect(apps).toHaveProperty(['host-799.example'], expect.objectContaining({ inFlight: 1 }));
    expect(Object.keys(apps).length).toBeGreaterThan(100);
  });

  it('fits into a value of the store with the most silent processes', async () => {
    const told: string[] = [];
    class Overheard extends FlakyStore {
      override report(report: StoredReport, ttlMs: number, withinMs: number) {
        told.push(report.value ?? '');
        return super.report(report, ttlMs, withinMs);
      }
    }
    const all = await joinAll(200);
    await all[0]!.registry.enable('app.example');
    await pass(300);
    for (const one of all) isolate(one);
    const { registry } = join({}, new Overheard(new MemoryStore(first, clock)));
    await registry.ready;
    await pass(7000);
    const { apps, silent } = JSON.parse(told.at(-1) as string) as Record<string, object>;
    expect((told.at(-1) as string).length).toBeLessThanOrEqual(MAX_VALUE);
    expect(Object.keys(silent as object).length).toBeGreaterThan(20);
    expect(apps).toHaveProperty(['app.example']);
    expect(registry.status().lostProcesses).toHaveLength(20);
  });
});

describe('a store that is empty', () => {
  /** One that may have lost what it had, unlike the memory of a process. */
  const joinLossy = (options?: AntractOptions): Member => {
    const store = new FlakyStore(new MemoryStore(first, clock));
    store.startsEmpty = false;
    return join(options, store);
  };
  const mayEnter = ({ registry }: Member) => passes(registry.gate('default'));
  const empty = (...which: Member[]): void => {
    first = new MemoryStore(undefined, clock);
    // It goes by the time alone to number what it has.
    clock.advance(1);
    for (const { store } of which) store.inner = new MemoryStore(first, clock);
  };

  it('is named in the log when it delays the first start for more than 1 s, once', async () => {
    const a = joinLossy();
    await pass(900);
    expect(a.warnings).toEqual([]);
    await pass(2000);
    expect(a.warnings).toEqual([
      'The store is empty, so it may have lost a pause. Requests are held for another 2 s, in which other processes can publish the pauses that they know of.',
    ]);
    await pass(1000);
    expect(a.warnings).toHaveLength(1);
    const b = joinLossy();
    await pass(4000);
    expect(b.warnings).toEqual([]);
  });

  it('is not relied on for 3 s at the first start, and from then on at once', async () => {
    const a = joinLossy();
    await a.registry.core.joined;
    expect(mayEnter(a)).toBe(false);
    const ticket = hold(a.registry.gate('default'));
    await pass(2900);
    expect(mayEnter(a)).toBe(false);
    await pass(600);
    expect(ticket).toHaveProperty('isListed', false);
    expect(mayEnter(a)).toBe(true);
    await a.registry.ready;
    await pass(2000);
    const b = joinLossy();
    await b.registry.ready;
    expect(mayEnter(b)).toBe(true);
    // What makes it known is no app.
    expect(b.registry.list().map(({ app }) => app)).toEqual(['default']);
    expect(b.warnings).toEqual([]);
  });

  it('makes a new process hold requests until a lost pause is restored', async () => {
    const a = joinLossy();
    await pass(4000);
    await a.registry.enable('default', { reason: 'deploy' });
    a.store.mode = 'failing';
    await pass(2000);
    empty(a);
    const late = joinLossy();
    await late.registry.core.joined;
    expect(mayEnter(late)).toBe(false);
    await pass(2000);
    expect(mayEnter(late)).toBe(false);
    a.store.mode = 'well';
    await pass(1500);
    await late.registry.ready;
    expect(mayEnter(late)).toBe(false);
    expect(late.registry.status()).toMatchObject({ phase: 'paused', reason: 'deploy' });
  });

  it('does not hide from a new process that another was lost before', async () => {
    const [a, b] = [joinLossy(), joinLossy()];
    await pass(5000);
    isolate(b);
    await pass(10_000);
    empty(a);
    await pass(3000);
    const late = joinLossy();
    await late.registry.ready;
    await late.registry.enable();
    const waiting = late.registry.waitForDrain();
    await pass(2000);
    expect(await waiting).toMatchObject({
      outcome: 'lost',
      missing: [{ blocksDrain: true, ended: false }],
    });
    const [known] = a.registry.status().lostProcesses ?? [];
    const [told] = late.registry.status().lostProcesses ?? [];
    expect(Math.abs((told?.silentForMs ?? 0) - (known?.silentForMs ?? 0))).toBeLessThan(1000);

    // The one that told of it ends, and the store loses its data once more.
    isolate(a);
    await pass(6000);
    empty(late);
    await pass(3000);
    const last = joinLossy();
    await pass(5000);
    expect((await last.registry.waitForDrain()).missing).toHaveLength(2);
  });

  it.each([0, 1000, 2500, 4000, 6000])(
    'does not hide from a new process that another fell silent %i ms before',
    async (ms) => {
      const [a, b] = [joinLossy(), joinLossy()];
      await pass(5000);
      isolate(b);
      await pass(ms);
      empty(a);
      const late = joinLossy();
      await pass(50);
      const draining = late.registry.ready.then(async () => {
        await late.registry.enable();
        return late.registry.waitForDrain();
      });
      await pass(12_000);
      expect(await draining).toMatchObject({ outcome: 'lost', missing: [{ blocksDrain: true }] });
      expect(a.registry.status().phase).toBe('pausing');
    },
  );

  it('is not marked as complete before it has a report of each running process', async () => {
    for (let ms = 100; ms < 2500; ms += 200) {
      const [a, b] = [joinLossy(), joinLossy()];
      await pass(5000);
      isolate(b);
      empty();
      await a.store.moveTo(new MemoryStore(first, clock));
      await pass(ms);
      const late = joinLossy();
      const draining = late.registry.ready.then(async () => {
        await late.registry.enable();
        return late.registry.waitForDrain();
      });
      await pass(12_000);
      expect(await draining).toMatchObject({ outcome: 'lost' });
      for (const one of [a, late]) isolate(one);
      empty();
    }
  });

  it('does not bring back a process that an operator said had ended', async () => {
    const [a, b, c] = [joinLossy(), joinLossy(), joinLossy()];
    await pass(5000);
    isolate(b);
    await pass(6000);
    // It misses what the operator says, and goes on telling of the lost process.
    c.store.isDeaf = true;
    c.store.reports = async () => {
      const reports = await c.store.inner.reports();
      return reports.filter(({ value }) => value !== 'dismissed');
    };
    await a.registry.enable();
    const waiting = a.registry.waitForDrain('default', { lost: 'ignore' });
    await pass(5000);
    expect(await waiting).toMatchObject({ outcome: 'drained' });
    for (let i = 0; i < 40; i++) {
      await pass(50);
      expect(a.registry.status()).toMatchObject({ phase: 'paused', lostProcesses: [] });
    }
    c.store.isDeaf = false;
    expect(await a.registry.waitForDrain()).toMatchObject({ outcome: 'drained', missing: [] });
    expect(a.registry.status().lostProcesses).toEqual([]);
    const late = joinLossy();
    await pass(8000);
    expect(await late.registry.waitForDrain()).toMatchObject({ outcome: 'drained', missing: [] });
  });

  it('shows a new process that a silent one had drained, and keeps the pause', async () => {
    const [a, b] = [joinLossy(), joinLossy()];
    await pass(5000);
    await a.registry.enable();
    await pass(300);
    isolate(b);
    await pass(6000);
    // Its own report alone is lost.
    const late = joinLossy();
    late.store.reports = async () => {
      const reports = await late.store.inner.reports();
      return reports.filter(({ value }) => value?.includes('"silent":[{'));
    };
    await pass(8000);
    expect(await late.registry.waitForDrain()).toMatchObject({ outcome: 'drained' });
    expect(late.registry.status().lostProcesses).toMatchObject([{ blocksDrain: false }]);
  });

  it('lets a new process pass requests once another marks it as complete', async () => {
    const a = joinLossy();
    await pass(4000);
    empty(a);
    const late = joinLossy();
    await late.registry.core.joined;
    expect(mayEnter(late)).toBe(false);
    await pass(2800);
    expect(mayEnter(late)).toBe(true);
  });

  it('does not let a process that was frozen pass requests at once', async () => {
    const a = joinLossy();
    await pass(4000);
    empty(a);
    clock.leap(10_000);
    expect(mayEnter(a)).toBe(false);
    await pass(1000);
    expect(mayEnter(a)).toBe(false);
    await pass(3000);
    expect(mayEnter(a)).toBe(true);
  });

  it('does not release requests that `closed` and `fence` hold', async () => {
    for (const onStoreError of ['closed', 'fence'] as const) {
      const a = joinLossy({ onStoreError });
      await pass(5000);
      a.store.mode = 'failing';
      await pass(6000);
      empty(a);
      a.store.mode = 'well';
      await pass(1500);
      expect(mayEnter(a)).toBe(false);
      await pass(3000);
      expect(mayEnter(a)).toBe(true);
    }
  });
});

describe('a backend that answers one of several processes', () => {
  it('is probed at once by the other processes, and each releases only after its own probe', async () => {
    const answers = [false, false];
    const asked = [0, 0];
    const [a, b] = [0, 1].map((i) =>
      join({
        probe: {
          check: async () => {
            // Later than the first process from then on.
            if (i === 1 && asked[1] === 0) {
              await new Promise<void>((resolve) => clock.after(600, resolve));
            }
            asked[i]!++;
            return answers[i]!;
          },
        },
      }),
    ) as [Member, Member];
    await Promise.all(members.map(({ registry }) => registry.ready));
    await pass(1000);
    await a.registry.enable();
    await pass(300);
    hold(b.registry.gate('default'));
    await a.registry.disable();
    await pass(10_000);
    expect(phases()).toEqual(['releasing', 'releasing']);
    answers[0] = true;
    const before = asked[0]!;
    while (asked[0] === before) await pass(50);
    const asks = asked[1]!;
    await pass(100);
    expect(asked[1]).toBe(asks + 1);
    expect(b.registry.gate('default').isOpen).toBe(false);
    answers[1] = true;
    await pass(2000);
    expect(phases()).toEqual(['running', 'running']);
  });
});

describe('a process that is leaving', () => {
  it('releases first, unless only its own backend stays down', async () => {
    const answers = [false, true];
    const [old] = [0, 1].map((i) => join({ probe: { check: async () => answers[i]! } })) as [
      Member,
    ];
    await Promise.all(members.map(({ registry }) => registry.ready));
    await pass(1000);
    old.registry.core.sharing?.onLeaving(1);
    await old.registry.enable();
    await pass(300);
    for (const { registry } of members) hold(registry.gate('default'));
    await pass(300);
    await old.registry.disable();
    await pass(4000);
    const held = () => members.map(({ registry }) => registry.gate('default').status().held);
    expect(held()).toEqual([1, 1]);
    await pass(3000);
    expect(held()).toEqual([1, 0]);
    answers[0] = true;
    await pass(10_000);
    expect(held()).toEqual([0, 0]);
  });
});

describe('a process that starts on a store of another version', () => {
  /** Reports as a process of a later version does. */
  async function reportLater(value: object): Promise<void> {
    await first.report({ id: 'later', value: JSON.stringify(value) }, 60_000, 1000);
  }

  it('is refused while a process with other messages reports, and joins when that has left', async () => {
    await reportLater({ protocol: 99, beat: 1 });
    const late = join();
    const refused = expect(late.registry.core.joined).rejects.toMatchObject({
      code: 'ERR_ANTRACT_PROTOCOL',
      message: expect.stringContaining('Process later uses version 99'),
    });
    await pass(3000);
    await reportLater({ protocol: 99, beat: 2 });
    await pass(3000);
    await refused;
    expect(await first.reports()).toHaveLength(1);
    await first.report({ id: 'later', value: 'left' }, 60_000, 1000);
    await pass(3000);
    expect(late.registry.status()).toMatchObject({ store: 'connected' });
  });

  it('is not refused for a process that no longer reports', async () => {
    await reportLater({ protocol: 99, beat: 1 });
    const late = join();
    await pass(6000);
    await late.registry.core.joined;
    expect(late.registry.status()).toMatchObject({ store: 'connected' });
  });

  it('is refused if it can not read a pause', async () => {
    const value = JSON.stringify({ protocol: 99 });
    await first.publish('shop', { expected: 0, value, ttlMs: 60_000, withinMs: 1000 });
    const late = join();
    await expect(late.registry.core.joined).rejects.toMatchObject({
      code: 'ERR_ANTRACT_PROTOCOL',
      message: expect.stringContaining('The state of app `shop` uses version 99'),
    });
    expect(await first.reports()).toEqual([]);
  });
});
