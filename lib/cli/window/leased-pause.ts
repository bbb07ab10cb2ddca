/**
 * A pause of our own: begun under a lease that is renewed until it ends, so that it ends by itself
 * should this process be killed or lose the connection. Every call names the pause by its id, so that
 * nobody else's is ever ended. Knows no command.
 */
import { formatMs } from '../../common/format.js';
import type { Clock } from '../../common/clock.ts';
import type { AdminClient, Parameters } from '../client/admin-client.ts';
import { RefusedError, UnreachableError } from '../client/client-errors.ts';
import { CommandFailure } from '../cli-error.ts';
import { delay } from '../delay.ts';
import { readSnapshot, type AppSnapshot } from '../client/snapshot.ts';

export interface LeasedPauseOptions {
  readonly client: AdminClient;
  readonly app: string;
  /** In milliseconds. */
  readonly lease: number;
  readonly maxTime: string | undefined;
  readonly only: string | undefined;
  readonly reason: string;
  /** Takes over a pause, or a stop, that is there already. */
  readonly force: boolean;
  readonly clock: Clock;
  readonly print: (line: string) => void;
  /** Gives up the answer to the first call; whether that has begun a pause is not known then. */
  readonly signal?: AbortSignal;
}

/** How a call that ends the pause went. */
export type End = 'done' | 'ended before' | CommandFailure;

/** A call that ends the pause is tried so often; then the lease has to end it. */
const TRIES = 3;
const BETWEEN_TRIES = 500;
const END_TIMEOUT = 5000;

export class LeasedPause {
  readonly #options: LeasedPauseOptions;
  readonly #id: string;
  readonly #over = new AbortController();
  readonly #lost = new AbortController();
  readonly #renewing: Promise<void>;
  /** When a renewal was last known to hold. */
  #renewedAt: number;
  /** What the server answered last. */
  #last: AppSnapshot;
  #wasStoreLost = false;
  /** It was said that the gateway has ended. */
  #isGone = false;

  /** @throws CommandFailure also when somebody else has paused the app. */
  static async begin(options: LeasedPauseOptions): Promise<LeasedPause> {
    const { client, app, lease, maxTime, only, reason, force, clock, signal } = options;
    const sentAt = clock.now();
    const ifPause = force ? undefined : 'none';
    try {
      const { body } = await client.call(
        'enable',
        { app, lease: `${lease}ms`, reason, max_time: maxTime, only, if_pause: ifPause },
        signal && { signal },
      );
      const snapshot = readSnapshot(body);
      const { pauseId } = snapshot;
      if (pauseId === null) throw new CommandFailure('This server does not know leases.');
      return new LeasedPause(options, pauseId, sentAt, snapshot);
    } catch (error) {
      // To say how to take it over is of no use to whoever has tried.
      throw isConflict(error) && !force ? await alreadyPausedError(options) : error;
    }
  }

  private constructor(
    options: LeasedPauseOptions,
    id: string,
    begunAt: number,
    begun: AppSnapshot,
  ) {
    this.#options = options;
    this.#id = id;
    this.#renewedAt = begunAt;
    this.#last = begun;
    this.#renewing = this.#renewUntilOver();
  }

  get id(): string {
    return this.#id;
  }

  /** Aborted when it is found that the pause has ended, and not by us. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether other processes share the pause through a store. */
  get hasStore(): boolean {
    return this.#last.hasStore;
  }

  /** The last call reached one process alone. */
  get isStoreLost(): boolean {
    return this.#last.isStoreLost;
  }

  /** The store did not answer during a part of the pause. */
  get wasStoreLost(): boolean {
    return this.#wasStoreLost;
  }

  /** Asks the server whether the pause goes on, and renews it. */
  async check(): Promise<boolean> {
    if (!this.lost.aborted) await this.#renew();
    return !this.lost.aborted;
  }

  /** Lets people through. */
  async resume(): Promise<End> {
    this.#over.abort();
    return this.#end('disable', {});
  }

  /** Turns people away. */
  async stop(): Promise<End> {
    this.#over.abort();
    return this.#end('stop', {});
  }

  /** Leaves it to its longest time. */
  async keep(): Promise<End> {
    this.#over.abort();
    // A renewal on its way would put the lease back.
    await this.#renewing;
    return this.#end('enable', { lease: '0' });
  }

  async #end(endpoint: string, parameters: Parameters): Promise<End> {
    if (this.lost.aborted) return 'ended before';
    const { client, app, clock } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        const timeout = END_TIMEOUT;
        const ending = { app, ...parameters, if_pause: this.#id };
        this.#last = readSnapshot((await client.call(endpoint, ending, { timeout })).body);
        return 'done';
      } catch (error) {
        // The answer to the first attempt may have been lost on its way.
        if (isConflict(error)) return attempt === 1 ? 'ended before' : 'done';
        if (!(error instanceof CommandFailure)) throw error;
        if (!(error instanceof UnreachableError) || attempt === TRIES) return error;
        await delay(clock, BETWEEN_TRIES);
      }
    }
  }

  async #renewUntilOver(): Promise<void> {
    const { lease, clock } = this.#options;
    let wait = lease / 3;
    let hasFailed = false;
    for (;;) {
      await delay(clock, wait, this.#over.signal);
      if (this.#over.signal.aborted || this.lost.aborted) return;
      hasFailed = await this.#renewAloud(hasFailed);
      wait = hasFailed ? Math.min(lease / 3, 1000) : lease / 3;
    }
  }

  /** Returns whether it has failed; says so the first time, and when it works again. */
  async #renewAloud(hadFailed: boolean): Promise<boolean> {
    const { print, lease, clock } = this.#options;
    try {
      await this.#renew();
      this.#isGone = false;
      if (hadFailed && !this.lost.aborted) print('antract answers again; the pause goes on.');
      this.#sayStore();
      return false;
    } catch (error) {
      if (this.#over.signal.aborted) return true;
      if (error instanceof UnreachableError && error.isGone) {
        if (!this.#isGone) print(gatewayGoneText(this.#options, this.hasStore));
        this.#isGone = true;
        return true;
      }
      if (hadFailed) return true;
      const left = formatMs(Math.max(0, this.#renewedAt + lease - clock.now()));
      print(
        `${(error as Error).message} The pause ends by itself in ${left} unless it answers again.`,
      );
      return true;
    }
  }

  #sayStore(): void {
    if (!this.isStoreLost || this.#wasStoreLost) return;
    this.#wasStoreLost = true;
    const { print } = this.#options;
    print(
      'The store does not answer, so it is not known whether other gateways still hold requests.',
    );
  }

  /** @throws UnreachableError, RefusedError. */
  async #renew(): Promise<void> {
    const { client, app, lease, clock } = this.#options;
    const sentAt = clock.now();
    try {
      const timeout = Math.max(1000, lease / 3);
      const parameters = { app, lease: `${lease}ms`, if_pause: this.#id };
      this.#last = readSnapshot((await client.call('enable', parameters, { timeout })).body);
      this.#renewedAt = sentAt;
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (!this.#over.signal.aborted) this.#lost.abort();
    }
  }
}

/** Where the connection is refused. */
export function gatewayGoneText(
  { client, lease }: Pick<LeasedPauseOptions, 'client' | 'lease'>,
  hasStore: boolean,
): string {
  const gone = `Nothing listens at ${client.url.shown} any more: the gateway has ended, and`;
  return hasStore
    ? `${gone} the requests that it held are lost. Other gateways end the pause within ${formatMs(lease)}, because nobody renews it.`
    : `${gone} its pause and the requests that it held with it.`;
}

function isConflict(error: unknown): boolean {
  return error instanceof RefusedError && error.status === 409;
}

async function alreadyPausedError({ client, app }: LeasedPauseOptions): Promise<CommandFailure> {
  const { body } = await client.call('status', { app });
  const { app: name, phase, pausedForMs, stoppedForMs, reason, message } = readSnapshot(body);
  const forMs = pausedForMs ?? stoppedForMs;
  const since = forMs === null ? '' : ` for ${formatMs(forMs)}`;
  const why = reason ?? message;
  return new CommandFailure(
    `App ${name} is ${phase} already${since}${why === null ? '' : `, reason: ${why}`}. ` +
      'Wait until whoever did that is done, or take over with --force.',
  );
}
