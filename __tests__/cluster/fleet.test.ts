/**
 * Several gateways on one Redis, as they are meant to be used: all are processes, the load never stops,
 * backend and Redis are really killed. Each request has to get a 200, and to be served once.
 */
import { afterEach, expect, it } from '@jest/globals';
import { killBackends, startBackend, type Backend } from '../support/backend.ts';
import { command, statusOf, untilStatus, type Status } from '../support/admin-status.ts';
import { endAll, serve, type Serving } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad, type Load } from '../support/load.ts';
import { LossyRedis } from '../support/lossy-redis.ts';
import { describeWithRedis, startRedis, stopRedis } from '../support/redis.ts';

const CLIENTS = 10;
const UPLOAD = Buffer.alloc(2000, 'x');
/** For one state, in milliseconds. */
const PATIENCE = 30_000;

const isConnectedAndPaused = ({ store, phase }: Status): boolean =>
  store === 'connected' && phase === 'paused';

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

  /** What the gateway answers to a command. */
  command(index: number, text: string): ReturnType<typeof command> {
    return command(this.gateways[index] as Serving, text);
  }

  statusOf(index: number): Promise<Status> {
    return statusOf(this.gateways[index] as Serving);
  }

  /** Resolves when each gateway has had that status. */
  async untilAll(what: string, isSo: (status: Status) => boolean): Promise<void> {
    for (const [index, gateway] of this.gateways.entries()) {
      await untilStatus(gateway, `gateway ${index}: ${what}`, isSo, PATIENCE);
    }
  }

  /** Resolves when the clients of each gateway have had as many more answers as there are clients. */
  async untilAnswered(): Promise<void> {
    const before = this.loads.map(({ sent }) => sent.length);
    for (const [index, { sent }] of this.loads.entries()) {
      const enough = (before[index] as number) + CLIENTS;
      const what = `answers to the clients of gateway ${index}`;
      await eventually(what, () => sent.length >= enough, PATIENCE);
    }
  }

  /** Pauses at one gateway, and waits for the drain. */
  async pause(index: number): Promise<void> {
    const { status, phase, inFlight } = await this.command(index, 'enable?wait=30s');
    expect([status, phase, inFlight]).toEqual([200, 'paused', 0]);
  }

  /** Until all clients of all gateways are held, by what each gateway says of itself. */
  async untilHeld(): Promise<void> {
    await this.untilAll(
      'all its clients held',
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

  /** The backend is back: resumes at one gateway, and waits until no gateway holds a request. */
  async reopen(index: number): Promise<void> {
    await this.backend.start();
    expect((await this.command(index, 'disable?wait=30s')).status).toBe(200);
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
    await fleet.untilAll(`${count} processes`, ({ processes }) => processes.length === count);
    await fleet.untilAnswered();
  };

  it('answer every request once over ten pauses in which the backend is killed', async () => {
    const redis = await startRedis();
    await start(redis.url, 3);
    for (let window = 0; window < 10; window++) {
      await fleet.window(window % 3, (window + 1) % 3);
      await fleet.untilAnswered();
    }
    await fleet.settle();
  }, 120_000);

  it('keep a pause during which Redis is killed and restarted', async () => {
    const redis = await startRedis();
    await start(redis.url, 2);
    await fleet.pause(0);
    await fleet.backend.kill();
    await redis.kill();
    await fleet.untilAll('store lost', ({ store }) => store === 'lost');
    await fleet.untilHeld();
    await redis.start();
    await fleet.untilAll('connected and paused', isConnectedAndPaused);
    // It had nothing, and was told again.
    await fleet.join(redis.url);
    await fleet.untilHeld();
    await fleet.reopen(1);
    await fleet.settle();
  }, 60_000);

  it('pass requests while Redis is frozen, and keep a pause that began before', async () => {
    const redis = await startRedis();
    await start(redis.url, 2);
    redis.freeze();
    await fleet.untilAll('store lost', ({ store }) => store === 'lost');
    await fleet.untilAnswered();
    redis.thaw();
    await fleet.untilAll('store connected', ({ store }) => store === 'connected');
    await fleet.pause(0);
    await fleet.backend.kill();
    redis.freeze();
    const frozenAt = performance.now();
    await fleet.untilAll('store lost', ({ store }) => store === 'lost');
    await fleet.untilHeld();
    // What it had of the processes has expired by then.
    while (performance.now() < frozenAt + 10_000) {
      expect((await fleet.statusOf(0)).phase).not.toBe('running');
    }
    redis.thaw();
    await fleet.untilAll('connected and paused', isConnectedAndPaused);
    await fleet.reopen(1);
    await fleet.settle();
  }, 60_000);

  it('stay paused at one that joins during a pause, from its first request', async () => {
    const redis = await startRedis();
    await start(redis.url, 1);
    await fleet.pause(0);
    await fleet.backend.kill();
    await fleet.join(redis.url);
    await fleet.untilHeld();
    await fleet.reopen(1);
    await fleet.settle();
  }, 60_000);

  it('agree on one state when two operators enable and disable at the same time', async () => {
    const redis = await startRedis();
    await start(redis.url, 2);
    for (let i = 0; i < 20; i++) {
      const answers = await Promise.all([fleet.command(0, 'enable'), fleet.command(1, 'disable')]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    }
    await fleet.command(0, 'disable?wait=30s');
    await fleet.untilAll('running', ({ phase }) => phase === 'running');
    await fleet.settle();
  }, 60_000);

  it('wait for one that misses messages until it reads the store by itself', async () => {
    const redis = await startRedis();
    const lossy = await new LossyRedis(redis.port).start();
    try {
      await start(redis.url, 1);
      await fleet.join(lossy.url);
      await fleet.untilAll('2 processes', ({ processes }) => processes.length === 2);
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
