/**
 * The primary's part of the store of a cluster: keeps the data and answers the workers.
 */
import cluster, { type Worker } from 'node:cluster';
import { machineTime } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import {
  checkProtocol,
  DEFAULT_NAME,
  readArgs,
  readCall,
  toReply,
  type StoreCall,
  type Calls,
  type Method,
  type Reply,
  type StoreTraits,
} from './cluster-messages.ts';
import { MemoryStore } from './memory-store.ts';
import { ENDED, LATE, LEFT, REPORT_TTL_MS, type Store } from './store.ts';

/** Options of `setUpPrimary()`. */
export interface PrimaryOptions {
  /**
   * The name of the store, if a cluster has several. Workers pass it to their `ClusterStore`.
   *
   * @default 'antract'
   */
  readonly name?: string;
  /**
   * The store that keeps the data. Set one if several machines share it. You close it yourself.
   *
   * @default a `MemoryStore` in the primary
   */
  readonly store?: Store;
}

/** The result of `setUpPrimary()`. */
export interface Primary {
  /** The store, for use in the primary itself. */
  readonly store: Store;
  /** Stops answering the workers, and ends their subscriptions. */
  stop(): Promise<void>;
}

type Unsubscribe = () => Promise<void>;

/** A worker that has not taken this many messages gets no further publications. */
const MAX_BACKLOG = 1000;
/** If the store is unreachable for longer, the end of a worker is not reported. It counts as silent then. */
const END_WITHIN_MS = 10_000;

/**
 * Sets up the store of a cluster. Call it in the primary, before it forks.
 *
 * @throws AntractError `ERR_ANTRACT_STORE` in a worker.
 * @example
 * if (cluster.isPrimary) {
 *   setUpPrimary();
 *   for (let i = 0; i < 4; i++) cluster.fork();
 * } else {
 *   const antract = createAntract({ store: new ClusterStore() });
 * }
 */
export function setUpPrimary({ name = DEFAULT_NAME, store }: PrimaryOptions = {}): Primary {
  if (!cluster.isPrimary) {
    throw new AntractError(
      'ERR_ANTRACT_STORE',
      'setUpPrimary() was called in a worker of node:cluster. Call it in the primary, before it forks.',
      {
        status: 500,
      },
    );
  }
  const kept = store ?? new MemoryStore();
  const lines = new Map<Worker, WorkerLine>();

  const receive = (worker: Worker, message: unknown): void => {
    const call = readCall(message, name);
    // The last messages of a worker may arrive after its exit. Its report must not replace the report of
    // its end, and a new subscription would never end.
    if (!call || (worker.isDead() && call.method !== 'publish')) return;
    const line = lines.get(worker) ?? new WorkerLine(worker, kept);
    lines.set(worker, line);
    void line.answer(call);
  };
  const leave = (worker: Worker): void => {
    // Without a connection to the store there is no subscription to end.
    void lines
      .get(worker)
      ?.end()
      .catch(() => undefined);
  };
  const exit = (worker: Worker): void => {
    leave(worker);
    lines.get(worker)?.reportEnd();
    lines.delete(worker);
  };
  cluster.on('message', receive);
  // A worker that shuts down disconnects first, and may still have requests in flight.
  cluster.on('disconnect', leave);
  cluster.on('exit', exit);

  return {
    store: kept,
    async stop() {
      cluster.off('message', receive);
      cluster.off('disconnect', leave);
      cluster.off('exit', exit);
      const all = [...lines.values()];
      lines.clear();
      await Promise.all(all.map((line) => line.end()));
    },
  };
}

/** The connection to one worker. */
class WorkerLine {
  readonly #worker: Worker;
  readonly #store: Store;
  /** By the id of the store in the worker, then by the number of the subscription. */
  readonly #subscriptions = new Map<string, Map<number, Unsubscribe>>();
  /** The ids under which the worker has reported and not left. */
  readonly #reported = new Set<string>();
  #ended = false;
  #backlog = 0;

  constructor(worker: Worker, store: Store) {
    this.#worker = worker;
    this.#store = store;
  }

  async answer(call: StoreCall): Promise<void> {
    const { from, id, method, args } = call;
    let outcome: { value?: unknown; error?: string };
    try {
      checkProtocol(call);
      outcome = { value: await this.#perform(from, method, args) };
    } catch (error) {
      outcome = { error: error instanceof Error ? error.message : String(error) };
    }
    this.#send(toReply({ to: from, answer: { id, ...outcome } }));
  }

  /** The worker has exited. The other processes need not wait until its last reports expire. */
  reportEnd(): void {
    for (const id of this.#reported) {
      this.#store
        .report?.({ id, value: ENDED }, REPORT_TTL_MS, END_WITHIN_MS)
        .catch(() => undefined);
    }
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#subscriptions.keys()].map((from) => this.#unsubscribeAll(from)));
  }

  async #perform(from: string, method: Method, args: readonly unknown[]): Promise<unknown> {
    if (!Object.hasOwn(readArgs, method)) {
      throw new AntractError(
        'ERR_ANTRACT_STORE',
        'A worker called a method that this primary does not know. Do they run the same version?',
      );
    }
    const calls: { [M in Method]: (...args: Calls[M]) => Promise<unknown> } = {
      load: async () => [...(await this.#store.load())],
      publish: (app, publication, deadline) =>
        this.#store.publish(app, { ...publication, withinMs: timeLeft(deadline) }),
      subscribe: (subscription) => this.#subscribe(from, subscription),
      unsubscribe: (subscription) => this.#unsubscribe(from, subscription),
      report: async (report, ttlMs, deadline) => {
        const withinMs = timeLeft(deadline);
        if (report.value === null || report.value === LEFT) this.#reported.delete(report.id);
        else this.#reported.add(report.id);
        await this.#store.report?.(report, ttlMs, withinMs);
      },
      reports: async () => this.#store.reports?.() ?? [],
      close: () => this.#unsubscribeAll(from),
    };
    return (calls[method] as (...args: readonly unknown[]) => Promise<unknown>)(
      ...readArgs[method](args),
    );
  }

  async #subscribe(from: string, subscription: number): Promise<StoreTraits> {
    const tell = (told: Omit<NonNullable<Reply['told']>, 'subscription'>): void => {
      // The worker reads the store again by itself, so it may miss messages.
      if (this.#backlog < MAX_BACKLOG) {
        this.#send(toReply({ to: from, told: { subscription, ...told } }));
      }
    };
    const unsubscribe = await this.#store.subscribe({
      state: (app, state) => tell({ state: [app, state] }),
      report: (report) => tell({ report }),
    });
    // The worker may have exited in the meantime.
    if (this.#ended) await unsubscribe();
    else {
      const own = this.#subscriptions.get(from) ?? new Map<number, Unsubscribe>();
      this.#subscriptions.set(from, own.set(subscription, unsubscribe));
    }
    const { startsEmpty = false, isDurable = true } = this.#store;
    return { startsEmpty, isDurable };
  }

  async #unsubscribe(from: string, subscription: number): Promise<void> {
    const own = this.#subscriptions.get(from);
    const unsubscribe = own?.get(subscription);
    own?.delete(subscription);
    await unsubscribe?.();
  }

  async #unsubscribeAll(from: string): Promise<void> {
    const own = this.#subscriptions.get(from) ?? new Map<number, Unsubscribe>();
    this.#subscriptions.delete(from);
    await Promise.all([...own.values()].map((unsubscribe) => unsubscribe()));
  }

  #send(message: Reply): void {
    if (!this.#worker.isConnected()) return;
    this.#backlog += 1;
    // An error means that the worker has exited. It needs no answer.
    this.#worker.process.send(message, undefined, undefined, () => (this.#backlog -= 1));
  }
}

/** @throws AntractError `ERR_ANTRACT_STORE` after the deadline. */
function timeLeft(deadline: number): number {
  const left = deadline - machineTime();
  if (left > 0) return left;
  throw new AntractError('ERR_ANTRACT_STORE', LATE, { status: 503 });
}
