/** Workers with the same configuration. Keeps their number: replaces each one that ends. */
import { formatMs } from '../../common/format.js';
import { systemClock } from '../../common/clock.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import { WorkerHandle } from './worker-handle.ts';
import { CommandFailure } from '../cli-error.ts';
import { delay } from '../delay.ts';
import { RestartPace } from './restart-pace.ts';
import type { WorkerSetup } from './worker-messages.ts';

export interface WorkerPoolDeps {
  readonly count: number;
  /** The number of these workers among those that the primary starts at once. */
  readonly generation: number;
  readonly setup: WorkerSetup;
  readonly warn: (message: string) => void;
}

export interface WorkerPoolListener {
  onFork(handle: WorkerHandle): void;
  onExit(handle: WorkerHandle): void;
}

export class WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #listener: WorkerPoolListener;
  readonly #workers = new Set<WorkerHandle>();
  readonly #closing = new AbortController();

  constructor(deps: WorkerPoolDeps, listener: WorkerPoolListener) {
    this.#deps = deps;
    this.#listener = listener;
  }

  /**
   * Resolves when all workers listen. The others start after the first one, so that an error in the
   * configuration is reported once.
   *
   * @param first a worker that was started without a configuration.
   */
  async start(first: WorkerHandle): Promise<GatewayAddress> {
    this.#add(first);
    const address = await first.listens;
    void this.#keep(first, () => undefined);
    const others = Array.from({ length: this.#deps.count - 1 }, () => {
      return new Promise<void>((resolve) => void this.#keep(this.#fork(), resolve));
    });
    await Promise.all(others);
    return address;
  }

  /**
   * As `start()`, but for a reload: fails if any worker ends before it listens, or does not listen in time.
   * The caller then lets the others leave.
   *
   * @throws CommandFailure, or AntractError if the configuration is wrong.
   */
  async startAll(withinMs: number): Promise<void> {
    const inTime = new AbortController();
    const late = delay(systemClock, withinMs, inTime.signal).then(() => {
      if (inTime.signal.aborted) return;
      throw new CommandFailure(`The new workers did not listen within ${formatMs(withinMs)}.`);
    });
    try {
      await Promise.race([this.#listenAll(), late]);
    } finally {
      inTime.abort();
    }
  }

  async #listenAll(): Promise<void> {
    const first = this.#fork();
    await first.listens;
    // It may be too late.
    if (this.#closing.signal.aborted) return;
    const others = Array.from({ length: this.#deps.count - 1 }, () => this.#fork());
    await Promise.all(others.map(({ listens }) => listens));
    for (const handle of [first, ...others]) void this.#keep(handle, () => undefined);
  }

  get size(): number {
    return this.#workers.size;
  }

  /** Lets each worker finish its requests, also held ones. Resolves when all have exited. Replaces none. */
  async leave(): Promise<void> {
    this.#closing.abort();
    await Promise.all(
      [...this.#workers].map(async (handle) => {
        const hadRequests = handle.isListening;
        handle.leave(this.#deps.generation);
        const ending = await handle.exited;
        if (!hadRequests || handle.exitedCleanly) return;
        this.#deps.warn(
          `WRN_ANTRACT_WORKER_LOST: worker ${handle.pid} ${ending}; it was leaving, so no worker replaces it.`,
        );
      }),
    );
  }

  /** Resolves when all workers have exited, with whether all exited cleanly. */
  async close(): Promise<boolean> {
    this.#closing.abort();
    const all = [...this.#workers];
    for (const handle of all) handle.close();
    await Promise.all(all.map(({ exited }) => exited));
    return all.every(({ exitedCleanly }) => exitedCleanly);
  }

  kill(): void {
    this.#closing.abort();
    for (const handle of this.#workers) handle.kill();
  }

  #fork(): WorkerHandle {
    const handle = new WorkerHandle();
    this.#add(handle);
    return handle;
  }

  #add(handle: WorkerHandle): void {
    handle.setUp(this.#deps.setup);
    this.#workers.add(handle);
    this.#listener.onFork(handle);
    void handle.exited.then(() => {
      this.#workers.delete(handle);
      this.#listener.onExit(handle);
    });
  }

  /** Keeps one place of the pool filled. */
  async #keep(first: WorkerHandle, onListens: () => void): Promise<void> {
    const { warn } = this.#deps;
    const pace = new RestartPace();
    for (let handle = first; ; handle = this.#fork()) {
      const start = systemClock.now();
      void handle.listens.then(onListens, () => undefined);
      const ending = await handle.exited;
      if (this.#closing.signal.aborted) return;
      const delayMs = pace.next(systemClock.now() - start);
      const when = delayMs > 0 ? `in ${formatMs(delayMs)}` : 'now';
      warn(`WRN_ANTRACT_WORKER_LOST: worker ${handle.pid} ${ending}; a new worker starts ${when}.`);
      await delay(systemClock, delayMs, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
    }
  }
}
