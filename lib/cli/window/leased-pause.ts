/**
 * The pause of one `antract run`. Its lease is renewed while the run lasts, so that the pause ends by
 * itself if this process is killed or loses the connection. Every call names the pause by its id, so
 * that it never ends a pause of another operator.
 */
import { formatMs } from '../../common/format.js';
import type { Clock } from '../../common/clock.ts';
import type { AdminClient, QueryParameters } from '../client/admin-client.ts';
import { RefusedError, UnreachableError } from '../client/client-errors.ts';
import { CommandFailure } from '../cli-error.ts';
import { delay } from '../delay.ts';
import { readSnapshot, type AppSnapshot } from '../client/snapshot.ts';

export interface LeasedPauseDeps {
  readonly client: AdminClient;
  readonly app: string;
  /** In milliseconds. */
  readonly lease: number;
  readonly maxTime: string | undefined;
  readonly expect: string | undefined;
  readonly only: string | undefined;
  readonly reason: string;
  /** Whether to take over an app that is already paused or stopped. */
  readonly force: boolean;
  readonly clock: Clock;
  readonly print: (line: string) => void;
  /** Aborts the first call. It is unknown then whether the app is paused. */
  readonly signal?: AbortSignal;
}

/** The result of a call that ends the pause. */
export type EndResult = 'done' | 'ended before' | CommandFailure;

/** The attempts to end the pause, at least. If all fail, the lease ends it. */
const END_ATTEMPTS = 3;
const RETRY_DELAY_MS = 500;
const END_TIMEOUT_MS = 5000;

export class LeasedPause {
  readonly #deps: LeasedPauseDeps;
  readonly #id: string;
  readonly #ending = new AbortController();
  readonly #lost = new AbortController();
  readonly #renewing: Promise<void>;
  /** When the last successful renewal was sent. */
  #renewedAt: number;
  /** The last response of the server. */
  #last: AppSnapshot;
  #wasStoreLost = false;
  /** Whether the last response had a warning, which is printed once. */
  #hasWarned = false;
  /** Whether it was printed that the gateway has ended. */
  #hasPrintedGone = false;

  /** @throws CommandFailure, also if the app is already paused or stopped. */
  static async begin(deps: LeasedPauseDeps): Promise<LeasedPause> {
    const { client, app, lease, maxTime, expect, only, reason, force, clock, signal } = deps;
    const sentAt = clock.now();
    const ifPause = force ? undefined : 'none';
    try {
      const { body } = await client.call(
        'enable',
        { app, lease: `${lease}ms`, reason, max_time: maxTime, expect, only, if_pause: ifPause },
        signal && { signal },
      );
      const snapshot = readSnapshot(body);
      const { pauseId } = snapshot;
      if (pauseId === null)
        throw new CommandFailure(
          'The server does not support leases. Update antract on the server.',
        );
      return new LeasedPause(deps, pauseId, sentAt, snapshot);
    } catch (error) {
      // The message suggests --force, which is useless with --force.
      throw isConflict(error) && !force ? await alreadyPausedError(deps) : error;
    }
  }

  private constructor(deps: LeasedPauseDeps, id: string, begunAt: number, begun: AppSnapshot) {
    this.#deps = deps;
    this.#id = id;
    this.#renewedAt = begunAt;
    this.#last = begun;
    this.#reportWarning();
    this.#renewing = this.#renewUntilEnd();
  }

  get id(): string {
    return this.#id;
  }

  /** Aborted when a call finds that the pause has ended and this run did not end it. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether other processes share the pause through a store. */
  get hasStore(): boolean {
    return this.#last.hasStore;
  }

  /** Whether the pause outlives the gateway. */
  get isDurable(): boolean {
    return this.#last.isDurable;
  }

  /** Whether the last call reached only one process, because the store did not answer. */
  get isStoreLost(): boolean {
    return this.#last.isStoreLost;
  }

  /** Whether the store failed to answer during a part of the pause. */
  get wasStoreLost(): boolean {
    return this.#wasStoreLost;
  }

  /** Renews the lease, and returns whether the pause is still in force. */
  async check(): Promise<boolean> {
    if (!this.lost.aborted) await this.#renew();
    return !this.lost.aborted;
  }

  /** Ends the pause and releases its requests. */
  async resume(): Promise<EndResult> {
    this.#ending.abort();
    return this.#end('disable', {});
  }

  /** Ends the pause and rejects its requests. */
  async stop(): Promise<EndResult> {
    this.#ending.abort();
    return this.#end('stop', {});
  }

  /** Removes the lease, so that the pause lasts until `maxTime`. */
  async keep(): Promise<EndResult> {
    this.#ending.abort();
    // A renewal in progress would restore the lease.
    await this.#renewing;
    return this.#end('enable', { lease: '0' });
  }

  async #end(endpoint: string, parameters: QueryParameters): Promise<EndResult> {
    if (this.lost.aborted) return 'ended before';
    const { client, app, clock } = this.#deps;
    for (let attempt = 1; ; attempt++) {
      try {
        const ending = { app, ...parameters, if_pause: this.#id };
        this.#last = readSnapshot(
          (await client.call(endpoint, ending, { timeout: END_TIMEOUT_MS })).body,
        );
        return 'done';
      } catch (error) {
        // After a lost response, the conflict shows that an earlier attempt has ended the pause.
        if (isConflict(error)) return attempt === 1 ? 'ended before' : 'done';
        if (!(error instanceof CommandFailure)) throw error;
        if (!(error instanceof UnreachableError)) return error;
        if (attempt >= END_ATTEMPTS && !this.#mayComeBack(error)) return error;
        await delay(clock, RETRY_DELAY_MS);
      }
    }
  }

  /** A gateway with a durable store may be restarted, and then knows the pause until its lease is over. */
  #mayComeBack({ isGone }: UnreachableError): boolean {
    const { clock, lease } = this.#deps;
    return isGone && this.isDurable && clock.now() < this.#renewedAt + lease;
  }

  async #renewUntilEnd(): Promise<void> {
    const { lease, clock } = this.#deps;
    let wait = lease / 3;
    let hasFailed = false;
    for (;;) {
      await delay(clock, wait, this.#ending.signal);
      if (this.#ending.signal.aborted || this.lost.aborted) return;
      hasFailed = await this.#renewAndReport(hasFailed);
      wait = hasFailed ? Math.min(lease / 3, 1000) : lease / 3;
    }
  }

  /** Returns whether the renewal failed. Prints the first failure, and the next success. */
  async #renewAndReport(hadFailed: boolean): Promise<boolean> {
    const { print, lease, clock } = this.#deps;
    try {
      await this.#renew();
      this.#hasPrintedGone = false;
      if (hadFailed && !this.lost.aborted) print('antract answers again; the app is still paused.');
      this.#reportStoreLost();
      return false;
    } catch (error) {
      if (this.#ending.signal.aborted) return true;
      if (error instanceof UnreachableError && error.isGone) {
        if (!this.#hasPrintedGone) print(gatewayGoneText(this.#deps, this.isDurable));
        this.#hasPrintedGone = true;
        return true;
      }
      if (hadFailed) return true;
      const left = formatMs(Math.max(0, this.#renewedAt + lease - clock.now()));
      print(`${(error as Error).message} The pause ends in ${left} unless antract answers before.`);
      return true;
    }
  }

  #reportStoreLost(): void {
    if (!this.isStoreLost || this.#wasStoreLost) return;
    this.#wasStoreLost = true;
    const { print } = this.#deps;
    print(
      'The store does not answer, so it is not known whether other gateways still hold requests.',
    );
  }

  #reportWarning(): void {
    const { warning } = this.#last;
    if (warning !== null && !this.#hasWarned) this.#deps.print(warning);
    this.#hasWarned = warning !== null;
  }

  /** @throws UnreachableError, RefusedError. */
  async #renew(): Promise<void> {
    const { client, app, lease, clock } = this.#deps;
    const sentAt = clock.now();
    try {
      const timeout = Math.max(1000, lease / 3);
      const parameters = { app, lease: `${lease}ms`, if_pause: this.#id };
      this.#last = readSnapshot((await client.call('enable', parameters, { timeout })).body);
      this.#renewedAt = sentAt;
      this.#reportWarning();
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (!this.#ending.signal.aborted) this.#lost.abort();
    }
  }
}

/** The message for a refused connection. */
export function gatewayGoneText(
  { client, lease }: Pick<LeasedPauseDeps, 'client' | 'lease'>,
  isDurable: boolean,
): string {
  const gone = `Nothing listens at ${client.url.shown} any more: the gateway has ended, and the requests that it held are lost.`;
  return isDurable
    ? `${gone} Other gateways end the pause within ${formatMs(lease)}, unless this one is restarted before and still knows it.`
    : `${gone} The pause has ended with it.`;
}

function isConflict(error: unknown): boolean {
  return error instanceof RefusedError && error.status === 409;
}

async function alreadyPausedError({ client, app }: LeasedPauseDeps): Promise<CommandFailure> {
  const { body } = await client.call('status', { app });
  const { app: name, phase, pausedForMs, stoppedForMs, reason, message } = readSnapshot(body);
  const forMs = pausedForMs ?? stoppedForMs;
  const since = forMs === null ? '' : ` for ${formatMs(forMs)}`;
  const why = reason ?? message;
  return new CommandFailure(
    `App ${name} is already ${phase}${since}${why === null ? '' : `, reason: ${why}`}. ` +
      'Wait until it runs again, or take it over with --force.',
  );
}
