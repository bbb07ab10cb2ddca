/**
 * The store of a worker of `node:cluster`: asks the primary, which keeps the data.
 */
import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { machineTime, systemClock, type Clock, type Timer } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import {
  DEFAULT_NAME,
  readReply,
  toCall,
  type Calls,
  type Method,
  type StoreTraits,
} from './cluster-messages.ts';
import type {
  Publication,
  PublishResult,
  Store,
  StoredState,
  StoredReport,
  StoreListener,
} from './store.ts';

/** Options of `ClusterStore`. */
export interface ClusterStoreOptions {
  /**
   * The name that was passed to `setUpPrimary()`.
   *
   * @default 'antract'
   */
  readonly name?: string;
  /** Replaced in tests. */
  readonly clock?: Clock;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** Both processes are on one machine: a primary that takes longer is stuck, or was not set up. */
const ANSWER_WITHIN_MS = 10_000;

/** Shares states between the workers of one `node:cluster`. The primary calls `setUpPrimary()`. */
export class ClusterStore implements Store {
  readonly #worker: Worker;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #address = randomUUID();
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<number, StoreListener>();
  #startsEmpty = false;
  #isDurable = true;
  /** The last number of a call or subscription. */
  #lastNumber = 0;
  #closing: Promise<void> | undefined;

  /** @throws AntractError `ERR_ANTRACT_STORE` if this process is not a worker of a cluster. */
  constructor({ name = DEFAULT_NAME, clock = systemClock }: ClusterStoreOptions = {}) {
    if (!cluster.worker) {
      throw new AntractError(
        'ERR_ANTRACT_STORE',
        'A ClusterStore is for workers of node:cluster. The primary calls setUpPrimary().',
        { status: 500 },
      );
    }
    this.#worker = cluster.worker;
    this.#name = name;
    this.#clock = clock;
    // Each store adds a listener, and Node warns of a leak beyond its limit.
    this.#worker.setMaxListeners(this.#worker.getMaxListeners() + 1);
    this.#worker.on('message', this.#receive);
    this.#worker.on('disconnect', this.#lose);
  }

  /** The value of the primary's store, known after the first subscription. */
  get startsEmpty(): boolean {
    return this.#startsEmpty;
  }

  /** The value of the primary's store, known after the first subscription. */
  get isDurable(): boolean {
    return this.#isDurable;
  }

  async load(): Promise<ReadonlyMap<string, StoredState>> {
    return new Map((await this.#call('load')) as [string, StoredState][]);
  }

  async publish(app: string, publication: Publication): Promise<PublishResult> {
    const { withinMs, ...rest } = publication;
    const deadline = machineTime() + withinMs;
    const answer = await this.#call('publish', app, rest, deadline);
    const { published, current, warning } = answer as PublishResult;
    return { published, current, warning };
  }

  async subscribe(listener: StoreListener): Promise<() => Promise<void>> {
    const subscription = (this.#lastNumber += 1);
    // Before the answer, because messages may arrive ahead of it.
    this.#listeners.set(subscription, listener);
    try {
      const { startsEmpty, isDurable } = (await this.#call(
        'subscribe',
        subscription,
      )) as StoreTraits;
      this.#startsEmpty = startsEmpty;
      this.#isDurable = isDurable;
    } catch (error) {
      this.#listeners.delete(subscription);
      throw error;
    }
    return async () => {
      if (!this.#listeners.delete(subscription)) return;
      // The listener is removed, even if the primary does not answer.
      await this.#call('unsubscribe', subscription).catch(() => undefined);
    };
  }

  async report(report: StoredReport, ttlMs: number, withinMs: number): Promise<void> {
    await this.#call('report', report, ttlMs, machineTime() + withinMs);
  }

  async reports(): Promise<readonly StoredReport[]> {
    return (await this.#call('reports')) as StoredReport[];
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const hadSubscribed = this.#listeners.size > 0;
    this.#listeners.clear();
    // A primary that is gone, or does not answer, has nothing left to unsubscribe.
    if (hadSubscribed) await this.#ask('close', []).catch(() => undefined);
    this.#worker.off('message', this.#receive);
    this.#worker.off('disconnect', this.#lose);
    this.#worker.setMaxListeners(this.#worker.getMaxListeners() - 1);
    this.#rejectAll('This store has been closed.');
  }

  #call<M extends Method>(method: M, ...args: Calls[M]): Promise<unknown> {
    if (!this.#closing) return this.#ask(method, args);
    return Promise.reject(
      new AntractError('ERR_ANTRACT_CLOSED', 'This store has been closed.', { status: 503 }),
    );
  }

  #ask(method: Method, args: readonly unknown[]): Promise<unknown> {
    const id = (this.#lastNumber += 1);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ANSWER_WITHIN_MS, () => {
        this.#settle(id)?.reject(
          unavailable(
            `The primary did not answer within ${ANSWER_WITHIN_MS / 1000} s. Has it called setUpPrimary()?`,
          ),
        );
      });
      this.#pending.set(id, { resolve, reject, timer });
      const call = toCall({ name: this.#name, from: this.#address, id, method, args });
      this.#worker.process.send?.(call, undefined, undefined, (cause: Error | null) => {
        if (cause) this.#settle(id)?.reject(unavailable('The primary cannot be reached.', cause));
      });
    });
  }

  readonly #receive = (message: unknown): void => {
    const { answer, told } = readReply(message, this.#address) ?? {};
    if (answer) {
      const pending = this.#settle(answer.id);
      if (answer.error === undefined) pending?.resolve(answer.value);
      else pending?.reject(unavailable(answer.error));
    }
    const listener = told && this.#listeners.get(told.subscription);
    if (told?.state) listener?.state(...told.state);
    if (told?.report) listener?.report?.(told.report);
  };

  readonly #lose = (): void => {
    this.#rejectAll('The channel to the primary has been closed.');
  };

  #rejectAll(why: string): void {
    for (const id of this.#pending.keys()) this.#settle(id)?.reject(unavailable(why));
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.timer.cancel();
    return pending;
  }
}

function unavailable(message: string, cause?: Error): AntractError {
  return new AntractError('ERR_ANTRACT_STORE', message, { status: 503, cause });
}
