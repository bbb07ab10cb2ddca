/**
 * Shows how an app is doing while something is awaited: live on a terminal, as a line now and then
 * elsewhere. Knows no command.
 */
import type { Clock } from '../common/clock.ts';
import type {
  AdminAnswer,
  AdminClient,
  Body,
  CallOptions,
  Parameters,
} from './client/admin-client.ts';
import { StoreLost } from './store-lost.ts';
import type { Terminal } from './terminal.ts';
import { readSnapshot, type AppSnapshot } from './client/snapshot.ts';
import { liveLines, oneLine } from './format-status.ts';

/** How often the server is asked. */
const EVERY = { live: 500, plain: 2000 };
/** How often a line is written where nothing changes. */
const LINE_EVERY = 10_000;
/** How long a store may be away until a wait is given up: a failover takes a moment. */
const STORE_PATIENCE = 2000;

export interface Watch {
  readonly client: AdminClient;
  readonly app: string;
  readonly screen: Terminal;
  readonly clock: Clock;
}

export class Progress {
  /** What was seen last. */
  last: AppSnapshot | undefined;
  /** What a drain was last seen to wait for. */
  lastWaiting: AppSnapshot | undefined;
  readonly #watch: Watch;
  readonly #over = new AbortController();
  readonly #storeLost = new AbortController();
  #storeLostAt: number | undefined;
  #linePhase: string | undefined;
  #lineAt = -Infinity;

  constructor(watch: Watch) {
    this.#watch = watch;
    void this.#run();
  }

  stop(): void {
    this.#over.abort();
    this.#watch.screen.clear();
  }

  /**
   * A call that waits at the server. It can't succeed without the store, so it ends when that stays lost.
   *
   * @throws StoreLost, and as a call.
   */
  async wait(
    endpoint: string,
    parameters: Parameters,
    { signal, ...options }: CallOptions,
  ): Promise<AdminAnswer> {
    const signals = signal ? [signal, this.#storeLost.signal] : [this.#storeLost.signal];
    const answer = await this.#watch.client.call(endpoint, parameters, {
      ...options,
      signal: AbortSignal.any(signals),
    });
    if (answer.status === 202 && readSnapshot(answer.body).isStoreLost) {
      throw new StoreLost(answer.body);
    }
    return answer;
  }

  async #run(): Promise<void> {
    const { client, app, screen, clock } = this.#watch;
    const { signal } = this.#over;
    const every = screen.isLive ? EVERY.live : EVERY.plain;
    // What is over at once needs no line of its own.
    await delay(clock, every / 2, signal);
    while (!signal.aborted) {
      try {
        const { body } = await client.call('status', { app }, { signal, timeout: 5000 });
        const snapshot = readSnapshot(body);
        this.#show(snapshot);
        this.#noteStore(snapshot, body);
      } catch (error) {
        if (signal.aborted) return;
        // Whoever waits for the outcome says what is wrong; this is only for the eye.
        screen.show([(error as Error).message]);
      }
      await delay(clock, every, signal);
    }
  }

  #noteStore({ isStoreLost }: AppSnapshot, body: Body): void {
    if (!isStoreLost) {
      this.#storeLostAt = undefined;
      return;
    }
    const now = this.#watch.clock.now();
    this.#storeLostAt ??= now;
    if (now - this.#storeLostAt >= STORE_PATIENCE) this.#storeLost.abort(new StoreLost(body));
  }

  #show(snapshot: AppSnapshot): void {
    const { screen, clock } = this.#watch;
    this.last = snapshot;
    if (snapshot.stragglers.length > 0) this.lastWaiting = snapshot;
    screen.show(liveLines(snapshot));
    const now = clock.now();
    if (screen.isLive) return;
    if (snapshot.phase === this.#linePhase && now < this.#lineAt + LINE_EVERY) return;
    this.#linePhase = snapshot.phase;
    this.#lineAt = now;
    screen.say(`antract: ${oneLine(snapshot)}`);
  }
}

/** Resolves when the time is over, or the signal is aborted. */
export function delay(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(ms, end, { ref: true });
    signal?.addEventListener('abort', end);
  });
}
