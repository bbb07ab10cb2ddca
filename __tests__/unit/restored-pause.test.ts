/** What a process that starts with the file of an earlier one holds, logs and ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../lib/common/clock.ts';
import type { AntractOptions } from '../../lib/options/options.ts';
import { FileStore } from '../../lib/stores/file-store.ts';
import { eventually } from '../support/eventually.ts';
import { endResponse, enter, hold } from '../support/gate.ts';
import { OpenRegistry } from '../support/open-registry.ts';

interface Process {
  readonly registry: OpenRegistry;
  readonly log: string[];
}

let directory: string;
let open: OpenRegistry[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'antract-restored-'));
  open = [];
});

afterEach(async () => {
  await Promise.all(open.map((registry) => registry.close()));
  rmSync(directory, { recursive: true });
});

/** @param laterMs how much later than now the process runs. */
function start(laterMs = 0, options: AntractOptions = {}): Process {
  const clock: Clock = { ...systemClock, date: () => systemClock.date() + laterMs };
  const log: string[] = [];
  const note = (message: string): void => void log.push(message);
  const logger = { info: note, warn: note, error: note };
  const store = new FileStore(join(directory, 'state.json'), { logger, clock });
  const registry = new OpenRegistry({ store, logger, ...options }, clock);
  open.push(registry);
  return { registry, log };
}

async function startAgain(laterMs = 0, options: AntractOptions = {}): Promise<Process> {
  await Promise.all(open.map((registry) => registry.close()));
  const started = start(laterMs, options);
  // Before the process knows anything, it holds.
  const gate = started.registry.gate('first');
  const { request } = hold(gate);
  await started.registry.ready;
  endResponse(gate, request);
  return started;
}

describe('a process that starts with a state file', () => {
  it('continues a pause with its id, terms and end, and logs them', async () => {
    const { registry } = start();
    const terms = { maxTime: '10m', expect: '5m', only: 'writes', reason: 'migration' } as const;
    const before = (await registry.enable('shop', terms)).status;

    const next = await startAgain(60_000);
    const after = next.registry.status('shop');
    expect(after).toMatchObject({ phase: 'paused', only: 'writes', reason: 'migration' });
    expect(after.pauseId).toBe(before.pauseId);
    expect(after.endsInMs).toBeLessThanOrEqual(540_000);
    expect(after.endsInMs).toBeGreaterThan(530_000);
    expect(after.expectedEndInMs).toBeLessThanOrEqual(240_000);
    expect(after.expectedEndInMs).toBeGreaterThan(230_000);
    expect(after.pausedForMs).toBeGreaterThanOrEqual(60_000);
    const date = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
    expect(next.log).toEqual([
      expect.stringMatching(
        new RegExp(
          String.raw`^app 'shop' was paused at ${date} \(migration\)\. It stays paused until ${date} at the latest\.$`,
        ),
      ),
      expect.stringMatching(/^App shop is drained after /),
    ]);
  });

  it('continues a stop that has no end, even after months', async () => {
    const { registry } = start();
    await registry.stop('shop', { message: 'closed' });
    const next = await startAgain(200 * 86_400_000);
    expect(next.registry.status('shop')).toMatchObject({ phase: 'stopped', message: 'closed' });
    expect(next.log[0]).toMatch(
      /was stopped at .* \(closed\)\. It stays stopped until a command ends it\.$/,
    );
  });

  it('runs an app that was resumed', async () => {
    const { registry } = start();
    await registry.enable('shop');
    await registry.disable('shop');
    const next = await startAgain();
    expect(next.registry.status('shop').phase).toBe('running');
    expect(next.log).toEqual([]);
  });

  it.each([
    ['`maxTime` was over', { maxTime: '10s' }],
    ['The lease was not renewed', { maxTime: '10m', lease: '10s' }],
  ])('ends a pause whose end has passed: %s. The next start knows', async (cause, terms) => {
    const { registry } = start();
    await registry.enable('shop', terms);
    const next = await startAgain(11_000);
    expect(next.registry.status('shop').phase).toBe('running');
    const gate = next.registry.gate('shop');
    endResponse(gate, enter(gate));
    expect(next.log).toEqual([expect.stringMatching(`^WRN_ANTRACT_EXPIRED: .*${cause} at `)]);
    const third = await startAgain(12_000);
    expect(third.registry.status('shop').phase).toBe('running');
    expect(third.log).toEqual([]);
  });

  it('ends a lease at its time, not later', async () => {
    const { registry } = start();
    await registry.enable('shop', { lease: '10s' });
    const next = await startAgain(9000);
    expect(next.registry.status('shop').leaseEndsInMs).toBeLessThanOrEqual(1000);
    expect(next.log[0]).toMatch(/unless its lease is renewed\.$/);
    await eventually(
      'the end of the lease',
      () => next.registry.status('shop').phase === 'running',
    );
  });

  it('lets the owner of a lease renew it', async () => {
    const { registry } = start();
    const { status } = await registry.enable('shop', { lease: '10s' });
    const next = await startAgain(9000);
    const renewed = await next.registry.enable('shop', { lease: '10s', ifPause: status.pauseId! });
    expect(renewed.changed).toBe(false);
    expect(renewed.status.leaseEndsInMs).toBeGreaterThan(9000);
  });

  it('returns the warning of a command whose state was not written', async () => {
    const { registry } = start();
    await registry.ready;
    rmSync(directory, { recursive: true });
    const result = await registry.enable('shop');
    expect(result).toMatchObject({ changed: true, shared: true, status: { phase: 'paused' } });
    expect(result.warning).toMatch(/would not survive a restart/);
    directory = mkdtempSync(join(tmpdir(), 'antract-restored-'));
  });
});
