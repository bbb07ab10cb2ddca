/**
 * The workers of a gateway: as many as were asked for, and for each that ends another one. Knows
 * neither flags nor signals.
 */
import { formatMs } from '../../common/format.js';
import { systemClock } from '../../common/clock.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import { WorkerHandle } from './worker-handle.ts';
import { delay } from '../delay.ts';
import { RestartPace } from './restart-pace.ts';
import type { WorkerSetup } from './worker-messages.ts';

export interface WorkerPoolOptions {
  readonly count: number;
  readonly setup: WorkerSetup;
  /** One was forked. */
  readonly joined: (worker: WorkerHandle) => void;
  /** One is gone. */
  readonly left: (worker: WorkerHandle) => void;
  readonly warn: (message: string) => void;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #workers = new Set<WorkerHandle>();
  readonly #closing = new AbortController();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  get workers(): Iterable<WorkerHandle> {
    return this.#workers;
  }

  /**
   * Resolves when all listen. The first one goes ahead: what is wrong with the configuration is wrong
   * for all, and said once.
   */
  async start(): Promise<GatewayAddress> {
    const first = this.#fork();
    const address = await first.listens;
    void this.#keep(first, () => undefined);
    const others = Array.from({ length: this.#options.count - 1 }, () => {
      return new Promise<void>((resolve) => void this.#keep(this.#fork(), resolve));
    });
    await Promise.all(others);
    return address;
  }

  /** Resolves when all are gone, with whether they ended well. */
  async close(): Promise<boolean> {
    this.#closing.abort();
    const all = [...this.#workers];
    for (const worker of all) worker.close();
    await Promise.all(all.map(({ gone }) => gone));
    return all.every(({ endedWell }) => endedWell);
  }

  kill(): void {
    this.#closing.abort();
    for (const worker of this.#workers) worker.kill();
  }

  #fork(): WorkerHandle {
    const worker = new WorkerHandle(this.#options.setup);
    this.#workers.add(worker);
    this.#options.joined(worker);
    void worker.gone.then(() => {
      this.#workers.delete(worker);
      this.#options.left(worker);
    });
    return worker;
  }

  /** In one place there is one at a time. */
  async #keep(first: WorkerHandle, onListens: () => void): Promise<void> {
    const { warn } = this.#options;
    const pace = new RestartPace();
    for (let worker = first; ; worker = this.#fork()) {
      const start = systemClock.now();
      void worker.listens.then(onListens, () => undefined);
      const how = await worker.gone;
      if (this.#closing.signal.aborted) return;
      const pause = pace.next(systemClock.now() - start);
      const when = pause > 0 ? `in ${formatMs(pause)}` : 'now';
      warn(`WRN_ANTRACT_WORKER_LOST: worker ${worker.pid} ${how}; another one starts ${when}.`);
      await delay(systemClock, pause, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
    }
  }
}
