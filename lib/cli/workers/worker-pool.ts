/**
 * The workers of a gateway: as many as were asked for, and for each that ends another one. Knows
 * neither flags nor signals.
 */
import { formatMs } from '../../common/format.js';
import { systemClock } from '../../common/clock.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import { WorkerHandle } from './worker-handle.ts';
import { delay } from '../progress.ts';
import { RestartPace } from './restart-pace.ts';
import type { WorkerSetup } from './worker-messages.ts';

export interface WorkerPoolOptions {
  readonly count: number;
  readonly setup: WorkerSetup;
  /** One was forked. */
  readonly joined: (member: WorkerHandle) => void;
  /** One is gone. */
  readonly left: (member: WorkerHandle) => void;
  readonly say: (message: string) => void;
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #members = new Set<WorkerHandle>();
  readonly #closing = new AbortController();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  get members(): Iterable<WorkerHandle> {
    return this.#members;
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
    const all = [...this.#members];
    for (const member of all) member.close();
    await Promise.all(all.map(({ gone }) => gone));
    return all.every(({ endedWell }) => endedWell);
  }

  kill(): void {
    this.#closing.abort();
    for (const member of this.#members) member.kill();
  }

  #fork(): WorkerHandle {
    const member = new WorkerHandle(this.#options.setup);
    this.#members.add(member);
    this.#options.joined(member);
    void member.gone.then(() => {
      this.#members.delete(member);
      this.#options.left(member);
    });
    return member;
  }

  /** In one place there is one at a time. */
  async #keep(first: WorkerHandle, onListens: () => void): Promise<void> {
    const { say } = this.#options;
    const pace = new RestartPace();
    for (let member = first; ; member = this.#fork()) {
      const start = systemClock.now();
      void member.listens.then(onListens, () => undefined);
      const how = await member.gone;
      if (this.#closing.signal.aborted) return;
      const pause = pace.next(systemClock.now() - start);
      const when = pause > 0 ? `in ${formatMs(pause)}` : 'now';
      say(`WRN_ANTRACT_WORKER_LOST: worker ${member.pid} ${how}; another one starts ${when}.`);
      await delay(systemClock, pause, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
    }
  }
}
