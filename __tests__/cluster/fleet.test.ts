/**
 * Several gateways on one Redis, as they are meant to be used: all are processes, the load never stops,
 * backend and Redis are really killed. Nobody may be answered anything but 200, nor served twice.
 */
import { afterEach, expect, it } from '@jest/globals';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import { endAll, serve, type Serving } from '../support/cli.ts';
import { request } from '../support/http.ts';
import { startLoad, type Load } from '../support/load.ts';
import { LossyRedis } from '../support/lossy-redis.ts';
import { describeWithRedis, startRedis, stopRedis } from '../support/redis.ts';

const CLIENTS = 10;
const UPLOAD = Buffer.alloc(2000, 'x');

interface Status {
  phase: string;
  held: number;
  inFlight: number;
  store: string;
  reason: string | null;
  processes: { held: number; seenMs: number }[];
}

/** Gateways before one backend, each with clients of its own. */
class Fleet {
  readonly gateways: Serving[] = [];
  readonly loads: Load[] = [];
  readonly backend: Backend;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** One more gateway, and its load. */
  async join(redis: string): Promise<number> {
    const flags = ['--target', this.backend.url, '--redis', redis, '--access-log', 'off'];
    const gateway = await serve(flags);
    const index = this.gateways.push(gateway) - 1;
    this.loads.push(startLoad(gateway.url, CLIENTS, UPLOAD, `load-${index}`));
    return index;
  }

  /** What one of them answers to a command. */
  async ask(index: number, command: string): Promise<{ status: number; body: Status }> {
    const { adminUrl } = this.gateways[index] as Serving;
    const headers = { accept: 'application/json' };
    const { status, body } = await request(`${adminUrl}/${command}`, { headers });
    return { status, body: JSON.parse(body) as Status };
  }

  async statusOf(index: number): Promise<Status> {
    return (await this.ask(index, 'status?app=default')).body;
  }

  /** Asks all of them until it is so for each. */
  async untilAll(isSo: (status: Status) => boolean): Promise<void> {
    for (const index of this.gateways.keys()) {
      while (!isSo(await this.statusOf(index))) continue;
    }
  }

  /** Until each client has been answered again. */
  async untilAnswered(): Promise<void> {
    const before = this.loads.map(({ sent }) => sent.length);
    for (const [i, load] of this.loads.entries()) {
      while (load.sent.length < (before[i] as number) + CLIENTS) await this.statusOf(i);
    }
  }

  /** Pauses at one gateway, and waits for the drain. */
  async pause(index: number): Promise<void> {
    const { status, body } = await this.ask(index, 'enable?wait=30s');
    expect([status, body.phase, body.inFlight]).toEqual([200, 'paused', 0]);
  }

  /** Until all clients of all gateways are held, by what each gateway says of itself. */
  async untilHeld(): Promise<void> {
    await this.untilAll(
      ({ processes }) => processes.find(({ seenMs }) => seenMs === 0)?.held === CLIENTS,
    );
  }

  /** A maintenance window: paused at one gateway, resumed at another, with the backend killed in it. */
  async window(pauseAt: number, resumeAt: number): Promise<void> {
    await this.pause(pauseAt);
    await this.backend.kill();
    await this.untilHeld();
    await this.reopen(resumeAt);
  }

  /** The backend is back: resumes at one gateway, and waits until nobody is held in any. */
  async reopen(index: number): Promise<void> {
    await this.backend.start();
    expect((await this.ask(index, 'disable?wait=30s')).status).toBe(200);
  }

  /** Ends the load, and compares what was sent with what the backend has seen. */
  async settle(): Promise<void> {
    await this.untilAnswered();
    await Promise.all(this.loads.map((load) => load.stop()));
    const sent = this.loads.flatMap((load) => load.sent);
    expect(sent.filter(({ status }) => status !== 200)).toEqual([]);
    const journal = this.backend.journal();
    expect(journal.map(({ url }) => url).sort()).toEqual(sent.map(({ path }) => path).sort());
    expect(
      journal.every(({ method, bytes }) => bytes === (method === 'POST' ? UPLOAD.length : 0)),
    ).toBe(true);
  }
}

describeWithRedis('several gateways on one Redis', () => {
  let fleet: Fleet;

  afterEach(async () => {
    // Without gateways the clients fail, and see that they are to stop.
    const stopping = fleet.loads.map((load) => load.stop());
    await endAll();
    await Promise.all(stopping);
    await killBackends();
    await stopRedis();
  });

  const start = async (redis: string, count: number): Promise<void> => {
    fleet = new Fleet(await startBackend());
    for (let i = 0; i < count; i++) await fleet.join(redis);
    await fleet.untilAll(({ processes }) => processes.length === count);
    await fleet.untilAnswered();
  };

  it('answer every request once, over ten windows in which the backend is killed', async () => {
    const redis = await startRedis();
    await start(redis.url, 3);
    for (let window = 0; window < 10; window++) {
      await fleet.window(window % 3, (window + 1) % 3);
      await fleet.untilAnswered();
    }
    await fleet.settle();
  }, 120_000);

  it('go on with a pause during which Redis is killed and restarted', async () => {
    const redis = await startRedis();
    await start(redis.url, 2);
    await fleet.pause(0);
    await fleet.backend.kill();
    await redis.kill();
    await fleet.untilAll(({ store }) => store === 'lost');
    await fleet.untilHeld();
    await redis.start();
    await fleet.untilAll(({ store, phase }) => store === 'connected' && phase === 'paused');
    // It had nothing, and was told again.
    await fleet.join(redis.url);
    await fleet.untilHeld();
    await fleet.reopen(1);
    await fleet.settle();
  }, 60_000);

  it('let requests through while Redis is frozen, and go on with a pause', async () => {
    const redis = await startRedis();
    await start(redis.url, 2);
    redis.freeze();
    await fleet.untilAll(({ store }) => store === 'lost');
    await fleet.untilAnswered();
    redis.thaw();
    await fleet.untilAll(({ store }) => store === 'connected');
    await fleet.pause(0);
    await fleet.backend.kill();
    redis.freeze();
    const frozenAt = performance.now();
    await fleet.untilAll(({ store }) => store === 'lost');
    await fleet.untilHeld();
    // What it had of the processes has expired by then.
    while (performance.now() < frozenAt + 10_000) {
      expect((await fleet.statusOf(0)).phase).not.toBe('running');
    }
    redis.thaw();
    await fleet.untilAll(({ store, phase }) => store === 'connected' && phase === 'paused');
    await fleet.reopen(1);
    await fleet.settle();
  }, 60_000);

  it('hold from the first request of one that joins in the middle of a pause', async () => {
    const redis = await startRedis();
    await start(redis.url, 1);
    await fleet.pause(0);
    await fleet.backend.kill();
    await fleet.join(redis.url);
    await fleet.untilHeld();
    await fleet.reopen(1);
    await fleet.settle();
  }, 60_000);

  it('come to one mind when two operators enable and disable at once', async () => {
    const redis = await startRedis();
    await start(redis.url, 2);
    for (let i = 0; i < 20; i++) {
      const answers = await Promise.all([fleet.ask(0, 'enable'), fleet.ask(1, 'disable')]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    }
    await fleet.ask(0, 'disable?wait=30s');
    await fleet.untilAll(({ phase }) => phase === 'running');
    await fleet.settle();
  }, 60_000);

  it('wait for one that messages do not reach, until it looks by itself', async () => {
    const redis = await startRedis();
    const lossy = await new LossyRedis(redis.port).start();
    try {
      await start(redis.url, 1);
      await fleet.join(lossy.url);
      await fleet.untilAll(({ processes }) => processes.length === 2);
      lossy.losing = true;
      for (let window = 0; window < 3; window++) {
        await fleet.window(0, 0);
        await fleet.untilAnswered();
      }
      expect(lossy.lost).toBeGreaterThan(0);
      await fleet.settle();
    } finally {
      await lossy.close();
    }
  }, 60_000);
});
