/**
 * The primary's part of a cluster's store: keeps it, and answers the workers. Knows nothing of what
 * they share.
 */
import cluster, { type Worker } from 'node:cluster';
import { machineTime } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import {
  DEFAULT_NAME,
  readArgs,
  readCall,
  toReply,
  type Call,
  type Calls,
  type Method,
  type Reply,
} from './cluster-messages.ts';
import { MemoryStore } from './memory-store.ts';
import { ENDED, LATE, LEFT, REPORT_TTL_MS, type Store } from './store.ts';

/** Options of `setUpPrimary()`. */
export interface PrimaryOptions {
  /** Which of several stores in one cluster; workers give it to their `ClusterStore`. Default `antract`. */
  readonly name?: string;
  /**
   * What is kept in. By default the memory of the primary; another where several machines share it.
   * It is not closed here.
   */
  readonly store?: Store;
}

/** What `setUpPrimary()` returns. */
export interface Primary {
  /** For the primary's own use. */
  readonly store: Store;
  /** Answers no more. What the workers had subscribed to is over. */
  stop(): Promise<void>;
}

type Unsubscribe = () => Promise<void>;

/** More than that many messages that a worker has not taken yet, and it is told of nothing new. */
const MAX_BACKLOG = 1000;
/** A store that is away for longer is not told that a worker has ended: it counts as silent then. */
const END_WITHIN_MS = 10_000;

/**
 * To be called in the primary, before it forks.
 *
 * @throws AntractError `ERR_ANTRACT_STORE` in a worker.
 */
export function setUpPrimary({ name = DEFAULT_NAME, store }: PrimaryOptions = {}): Primary {
  if (!cluster.isPrimary) {
    throw new AntractError(
      'ERR_ANTRACT_STORE',
      'Only the primary of a cluster can be set up as one.',
      {
        status: 500,
      },
    );
  }
  const kept = store ?? new MemoryStore();
  const lines = new Map<Worker, Line>();

  const receive = (worker: Worker, message: unknown): void => {
    const call = readCall(message, name);
    // The last messages of a worker may arrive after its exit. Its report must not replace what the
    // primary has reported of it, and its subscriptions would never end.
    if (!call || (worker.isDead() && call.method !== 'publish')) return;
    const line = lines.get(worker) ?? new Line(worker, kept);
    lines.set(worker, line);
    void line.answer(call);
  };
  const leave = (worker: Worker): void => {
    // A store that is away has nothing to unsubscribe from.
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
  // A worker that is told to leave disconnects first, and may still have requests in flight.
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

/** To one worker. */
class Line {
  readonly #worker: Worker;
  readonly #store: Store;
  /** By the store in the worker and its number for it. */
  readonly #subscriptions = new Map<string, Map<number, Unsubscribe>>();
  /** The ids under which the worker has reported and not left. */
  readonly #reported = new Set<string>();
  #ended = false;
  #backlog = 0;

  constructor(worker: Worker, store: Store) {
    this.#worker = worker;
    this.#store = store;
  }

  async answer({ from, id, method, args }: Call): Promise<void> {
    let outcome: { value?: unknown; error?: string };
    try {
      outcome = { value: await this.#perform(from, method, args) };
    } catch (error) {
      outcome = { error: error instanceof Error ? error.message : String(error) };
    }
    this.#send(toReply({ to: from, answer: { id, ...outcome } }));
  }

  /** The worker has exited: the other processes need not wait until its last reports expire. */
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
        'A worker asked for what this primary does not know.',
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

  /** Resolves with whether the store can only be empty because nothing was published. */
  async #subscribe(from: string, subscription: number): Promise<boolean> {
    const tell = (told: Omit<NonNullable<Reply['told']>, 'subscription'>): void => {
      // It may miss some: it looks again by itself.
      if (this.#backlog < MAX_BACKLOG) {
        this.#send(toReply({ to: from, told: { subscription, ...told } }));
      }
    };
    const unsubscribe = await this.#store.subscribe({
      state: (app, state) => tell({ state: [app, state] }),
      report: (report) => tell({ report }),
    });
    // It may have died meanwhile.
    if (this.#ended) await unsubscribe();
    else {
      const own = this.#subscriptions.get(from) ?? new Map<number, Unsubscribe>();
      this.#subscriptions.set(from, own.set(subscription, unsubscribe));
    }
    return this.#store.startsEmpty === true;
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
    // One that dies just now needs no answer.
    this.#worker.process.send(message, undefined, undefined, () => (this.#backlog -= 1));
  }
}

/** @throws AntractError `ERR_ANTRACT_STORE` where the deadline has passed. */
function timeLeft(deadline: number): number {
  const left = deadline - machineTime();
  if (left > 0) return left;
  throw new AntractError('ERR_ANTRACT_STORE', LATE, { status: 503 });
}
