/**
 * Shows how an app is doing while something is awaited: live on a terminal, as a line now and then
 * elsewhere. Knows no command.
 */
import type { Clock } from '../../common/clock.ts';
import type { AdminAnswer, AdminClient, Body, CallOptions, Parameters } from './admin-client.ts';
import { StoreLostError } from './client-errors.ts';
import { delay } from '../delay.ts';
import type { Terminal } from '../terminal.ts';
import { readSnapshot, type AppSnapshot } from './snapshot.ts';
import { statusLines } from '../format-status.ts';

/** How often the server is asked. */
const EVERY = { live: 500, plain: 2000 };
/** How often a line is written where nothing changes. */
const LINE_EVERY = 10_000;
/** How long a store may be away until a wait is given up: a failover takes a moment. */
const STORE_PATIENCE = 2000;

export interface ProgressDeps {
  readonly client: AdminClient;
  readonly app: string;
  readonly terminal: Terminal;
  readonly clock: Clock;
}

export class Progress {
  /** What was seen last. */
  last: AppSnapshot | undefined;
  /** What a drain was last seen to wait for. */
  lastWaiting: AppSnapshot | undefined;
  readonly #watch: ProgressDeps;
  readonly #over = new AbortController();
  readonly #storeLost = new AbortController();
  #storeLostAt: number | undefined;
  #linePhase: string | undefined;
  #lineAt = -Infinity;

  constructor(watch: ProgressDeps) {
    this.#watch = watch;
    void this.#run();
  }

  stop(): void {
    this.#over.abort();
    this.#watch.terminal.clear();
  }

  /**
   * A call that waits at the server. It can't succeed without the store, so it ends when that stays lost.
   *
   * @throws StoreLostError, and as a call.
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
      throw new StoreLostError(answer.body);
    }
    return answer;
  }

  async #run(): Promise<void> {
    const { client, app, terminal, clock } = this.#watch;
    const { signal } = this.#over;
    const every = terminal.isLive ? EVERY.live : EVERY.plain;
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
        terminal.show([(error as Error).message]);
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
    if (now - this.#storeLostAt >= STORE_PATIENCE) this.#storeLost.abort(new StoreLostError(body));
  }

  #show(snapshot: AppSnapshot): void {
    const { terminal, clock } = this.#watch;
    this.last = snapshot;
    if (snapshot.stragglers.length > 0) this.lastWaiting = snapshot;
    terminal.show(statusLines(snapshot));
    const now = clock.now();
    if (terminal.isLive) return;
    if (snapshot.phase === this.#linePhase && now < this.#lineAt + LINE_EVERY) return;
    this.#linePhase = snapshot.phase;
    this.#lineAt = now;
    terminal.printLine(`antract: ${snapshot.summary}`);
  }
}
