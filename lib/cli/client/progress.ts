/** Shows the state of an app during a wait: live on a terminal, elsewhere as an occasional line. */
import type { Clock } from '../../common/clock.ts';
import type {
  AdminAnswer,
  AdminClient,
  Body,
  CallOptions,
  QueryParameters,
} from './admin-client.ts';
import { StoreLostError } from './client-errors.ts';
import { delay } from '../delay.ts';
import type { Terminal } from '../terminal.ts';
import { readSnapshot, type AppSnapshot } from './snapshot.ts';
import { snapshotLines } from '../format-status.ts';

/** The time between two requests for the status. */
const POLL_MS = { live: 500, plain: 2000 };
/** The time between two lines while the phase stays the same. */
const LINE_MS = 10_000;
/** A wait ends when the store does not answer for this long, which is longer than a failover. */
const STORE_PATIENCE_MS = 2000;

export interface ProgressDeps {
  readonly client: AdminClient;
  readonly app: string;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Whether to keep waiting while the store does not answer. */
  readonly ignoresLostStore?: boolean;
}

export class Progress {
  /** The last state that showed requests that the drain waits for. */
  lastWithStragglers: AppSnapshot | undefined;
  readonly #deps: ProgressDeps;
  readonly #stopped = new AbortController();
  readonly #storeLost = new AbortController();
  #storeLostAt: number | undefined;
  #linePhase: string | undefined;
  #lineAt = -Infinity;

  constructor(deps: ProgressDeps) {
    this.#deps = deps;
    void this.#run();
  }

  stop(): void {
    this.#stopped.abort();
    this.#deps.terminal.clear();
  }

  /**
   * Makes a call that waits at the server, and ends it when the store stays lost, unless the operator has
   * said that this doesn't matter: without the store the call can't succeed.
   *
   * @throws StoreLostError, and what {@link AdminClient.call} throws.
   */
  async wait(
    endpoint: string,
    parameters: QueryParameters,
    { signal, ...options }: CallOptions,
  ): Promise<AdminAnswer> {
    const signals = signal ? [signal, this.#storeLost.signal] : [this.#storeLost.signal];
    const answer = await this.#deps.client.call(endpoint, parameters, {
      ...options,
      signal: AbortSignal.any(signals),
    });
    const { ignoresLostStore = false } = this.#deps;
    if (answer.status === 202 && !ignoresLostStore && readSnapshot(answer.body).isStoreLost) {
      throw new StoreLostError(answer.body);
    }
    return answer;
  }

  async #run(): Promise<void> {
    const { client, app, terminal, clock } = this.#deps;
    const { signal } = this.#stopped;
    const pollMs = terminal.isLive ? POLL_MS.live : POLL_MS.plain;
    // A wait that ends at once needs no line.
    await delay(clock, pollMs / 2, signal);
    while (!signal.aborted) {
      try {
        const { body } = await client.call('status', { app }, { signal, timeout: 5000 });
        const snapshot = readSnapshot(body);
        this.#show(snapshot);
        this.#checkStore(snapshot, body);
      } catch (error) {
        if (signal.aborted) return;
        // The caller reports what its own call fails with.
        terminal.show([(error as Error).message]);
      }
      await delay(clock, pollMs, signal);
    }
  }

  #checkStore({ isStoreLost }: AppSnapshot, body: Body): void {
    if (!isStoreLost || this.#deps.ignoresLostStore === true) {
      this.#storeLostAt = undefined;
      return;
    }
    const now = this.#deps.clock.now();
    this.#storeLostAt ??= now;
    if (now - this.#storeLostAt >= STORE_PATIENCE_MS)
      this.#storeLost.abort(new StoreLostError(body));
  }

  #show(snapshot: AppSnapshot): void {
    const { terminal, clock } = this.#deps;
    if (snapshot.stragglers.length > 0) this.lastWithStragglers = snapshot;
    terminal.show(snapshotLines(snapshot));
    const now = clock.now();
    if (terminal.isLive) return;
    if (snapshot.phase === this.#linePhase && now < this.#lineAt + LINE_MS) return;
    this.#linePhase = snapshot.phase;
    this.#lineAt = now;
    terminal.printLine(`antract: ${snapshot.summary}`);
  }
}
