import cluster from 'node:cluster';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { machineTime } from '../../lib/common/clock.ts';
import type { Reply } from '../../lib/stores/cluster-messages.ts';
import { setUpPrimary } from '../../lib/stores/cluster-primary.ts';
import { ClusterStore } from '../../lib/stores/cluster-store.ts';
import { FileStore } from '../../lib/stores/file-store.ts';
import { MemoryStore } from '../../lib/stores/memory-store.ts';
import { storeContract } from '../../lib/stores/contract/suite.ts';
import { LATE, type Store, type StoredReport, type StoreListener } from '../../lib/stores/store.ts';
import { CLOCK_OFFSETS, forkWorker, type StoreProcess } from '../support/remote-store.ts';

let workers: StoreProcess[];
let lastName = 0;

beforeAll(() => {
  workers = CLOCK_OFFSETS.map(forkWorker);
});

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.kill()));
});

const publication = { expected: 0, value: 'value', ttlMs: 60_000, withinMs: 4000 };
const nextName = () => `store ${(lastName += 1)}`;

storeContract(
  'ClusterStore, each in a worker of its own',
  async (count) => {
    const name = nextName();
    const primary = setUpPrimary({ name });
    const stores = await Promise.all(
      workers.slice(0, count).map((worker) => worker.open('cluster', { name })),
    );
    return {
      stores,
      close: async () => {
        await Promise.all(stores.map((store) => store.end()));
        await primary.stop();
      },
    };
  },
  { describe, it },
);

storeContract(
  'FileStore in the primary, used by workers',
  async (count) => {
    const name = nextName();
    const directory = mkdtempSync(path.join(tmpdir(), 'antract-state-'));
    const file = new FileStore(path.join(directory, 'state.json'));
    const primary = setUpPrimary({ name, store: file });
    const stores = await Promise.all(
      workers.slice(0, count).map((worker) => worker.open('cluster', { name })),
    );
    return {
      stores,
      close: async () => {
        await Promise.all(stores.map((store) => store.end()));
        await primary.stop();
        await file.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
  { describe, it },
);

/** A memory that counts who listens to it. */
class Watched extends MemoryStore {
  listening = 0;

  override async subscribe(listener: StoreListener) {
    this.listening += 1;
    const unsubscribe = await super.subscribe(listener);
    return async () => {
      this.listening -= 1;
      await unsubscribe();
    };
  }
}

describe('ClusterStore', () => {
  it('shares its state with the primary', async () => {
    const name = nextName();
    const memory = new MemoryStore();
    const primary = setUpPrimary({ name, store: memory });
    const store = await workers[0]!.open('cluster', { name });
    await memory.publish('app', publication);
    expect((await store.load()).get('app')?.value).toBe('value');
    await store.publish('other', publication);
    expect((await primary.store.load()).get('other')?.value).toBe('value');
    await store.end();
    await primary.stop();
  });

  it('is separate from a store of another name in the same worker', async () => {
    const names = [nextName(), nextName()];
    const primaries = names.map((name) => setUpPrimary({ name }));
    const [one, other] = await Promise.all(
      names.map((name) => workers[0]!.open('cluster', { name })),
    );
    await one!.publish('app', publication);
    expect((await one!.load()).size).toBe(1);
    expect((await other!.load()).size).toBe(0);
    await Promise.all([one, other].map((store) => store!.end()));
    await Promise.all(primaries.map((primary) => primary.stop()));
  });

  it('has the state that was published before its worker started', async () => {
    const name = nextName();
    const primary = setUpPrimary({ name });
    await primary.store.publish('app', publication);
    const late = forkWorker();
    const store = await late.open('cluster', { name });
    expect((await store.load()).get('app')?.value).toBe('value');
    await late.kill();
    await primary.stop();
  });

  it('rejects with the reason when the store of the primary fails', async () => {
    const name = nextName();
    const broken: Store = {
      load: () => Promise.reject(new Error('the disk is full')),
      publish: () => Promise.reject(new Error('the disk is full')),
      subscribe: () => Promise.reject(new Error('the disk is full')),
    };
    const primary = setUpPrimary({ name, store: broken });
    const store = await workers[0]!.open('cluster', { name });
    const failure = { code: 'ERR_ANTRACT_STORE', message: 'the disk is full' };
    await expect(store.load()).rejects.toMatchObject(failure);
    await expect(store.publish('app', publication)).rejects.toMatchObject(failure);
    const listener = { state: () => undefined };
    await expect(store.subscribe(listener)).rejects.toMatchObject(failure);
    await store.end();
    await primary.stop();
  });

  it('rejects calls after it was closed', async () => {
    const primary = setUpPrimary({ name: 'closed' });
    const store = await workers[0]!.open('cluster', { name: 'closed' });
    await store.close();
    await expect(store.load()).rejects.toMatchObject({ code: 'ERR_ANTRACT_CLOSED' });
    await primary.stop();
  });

  it('throws in a process that is no worker', () => {
    expect(() => new ClusterStore()).toThrow(
      expect.objectContaining({ code: 'ERR_ANTRACT_STORE', status: 500 }),
    );
  });
});

describe('the primary of a ClusterStore', () => {
  it('rejects a write that it reads after the deadline, as after a freeze, and changes nothing', async () => {
    const name = nextName();
    const memory = new MemoryStore();
    const primary = setUpPrimary({ name, store: memory });
    const told: unknown[] = [];
    await memory.subscribe({
      state: (app) => told.push(app),
      report: (report) => told.push(report),
    });
    const { expected, value, ttlMs } = publication;
    const late = machineTime() - 1;
    for (const [method, args] of [
      ['publish', ['app', { expected, value, ttlMs }, late]],
      ['report', [{ id: 'process', value }, ttlMs, late]],
    ] as const) {
      const message = { mark: 'antract:store', name, from: `late ${method}`, id: 1, method, args };
      const { answer } = (await workers[0]!.ask('sendAndWait', { message })) as Reply;
      expect(answer?.error).toBe(LATE);
    }
    expect(told).toEqual([]);
    expect((await memory.load()).size).toBe(0);
    await primary.stop();
  });

  it('removes the subscriptions of a worker that was killed', async () => {
    const name = nextName();
    const memory = new Watched();
    const primary = setUpPrimary({ name, store: memory });
    const [dying, staying] = [forkWorker(), workers[0]!];
    const listener = { state: () => undefined };
    for (const worker of [dying, staying]) {
      const store = await worker.open('cluster', { name });
      await store.report({ id: String(worker.child.pid), value: 'alive' }, 60_000);
      await Promise.all([store.subscribe(listener), store.subscribe(listener)]);
    }
    expect(memory.listening).toBe(4);

    const left = once(cluster, 'exit');
    await dying.kill();
    await left;
    expect(memory.listening).toBe(2);
    await primary.stop();
    expect(memory.listening).toBe(0);
  });

  it('reports the end of a killed worker, and not of one that had closed its store', async () => {
    const name = nextName();
    const memory = new MemoryStore();
    const primary = setUpPrimary({ name, store: memory });
    const dying = forkWorker();
    for (const [id, values] of [
      ['killed', ['alive']],
      ['left', ['alive', null]],
    ] as const) {
      const store = await dying.open('cluster', { name });
      for (const value of values) await store.report({ id, value }, 60_000);
    }
    const told: StoredReport[] = [];
    await memory.subscribe({ state: () => undefined, report: (report) => told.push(report) });
    const left = once(cluster, 'exit');
    const [worker] = Object.values(cluster.workers ?? {}).filter(
      (one) => one?.process === dying.child,
    );
    await dying.kill();
    await left;
    expect(told).toEqual([{ id: 'killed', value: 'ended' }]);

    const report = { mark: 'antract:store', name, from: 'late', id: 1, method: 'report' };
    cluster.emit('message', worker, {
      ...report,
      args: [{ id: 'killed', value: 'alive' }, 60_000],
    });
    expect(await memory.reports()).toEqual([{ id: 'killed', value: 'ended' }]);
    await primary.stop();
  });

  it('settles every call of a worker whose channel is closed before the answer', async () => {
    const name = nextName();
    const never = new MemoryStore();
    never.load = () => new Promise(() => undefined);
    const primary = setUpPrimary({ name, store: never });
    const leaving = forkWorker();
    await leaving.open('cluster', { name });
    const directory = mkdtempSync(path.join(tmpdir(), 'antract-cluster-'));
    const file = path.join(directory, 'outcome');
    const exited = once(leaving.child, 'exit');
    leaving.ask('loadThenLeave', { store: 1, file }).catch(() => undefined);
    await exited;
    expect(readFileSync(file, 'utf8')).toBe(
      'ERR_ANTRACT_STORE: The channel to the primary has been closed.',
    );
    rmSync(directory, { recursive: true });
    await primary.stop();
  });

  it('ignores messages of others, and rejects invalid ones', async () => {
    const name = nextName();
    const primary = setUpPrimary({ name });
    const [worker] = workers;
    const mark = 'antract:store';
    const call = { mark, name, from: 'me', id: 1, method: 'load', args: [] };
    for (const message of [
      null,
      'text',
      { mark },
      { ...call, name: 'another' },
      { ...call, from: 1 },
      { ...call, id: 'x' },
      { ...call, args: {} },
    ]) {
      await worker!.ask('send', { message });
    }
    for (const [method, args] of [
      ['constructor', []],
      ['publish', []],
      ['publish', ['app', { expected: -1, value: 'v', ttlMs: 1 }]],
      ['publish', ['app', { expected: 0, value: 1, ttlMs: 1 }]],
      ['report', [{ id: 'x' }, 1]],
      ['subscribe', [null]],
    ] as const) {
      const message = { ...call, method, args };
      const answer = (await worker!.ask('sendAndWait', { message })) as { answer: object };
      expect(answer.answer).toEqual({
        id: 1,
        error: expect.stringMatching(/^A worker (called|sent) /),
      });
    }
    expect(await primary.store.load()).toEqual(new Map());
    await primary.stop();
  });
});
