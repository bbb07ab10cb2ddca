/**
 * Reloads the workers of a primary: starts a new generation of workers, and lets the old one finish. Several
 * generations share the listening sockets, so no connection is refused meanwhile.
 */
import type { ReloadResult } from '../../admin/access/access-check.ts';
import { AntractError } from '../../common/errors.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import type { WorkerHandle } from './worker-handle.ts';
import { WorkerPool, type WorkerPoolDeps, type WorkerPoolListener } from './worker-pool.ts';

/** What a generation is started with. */
export type GenerationPlan = Pick<WorkerPoolDeps, 'count' | 'setup'>;

/** A worker that takes longer to listen lets a reload fail. */
const LISTEN_WITHIN_MS = 30_000;

export class Generations {
  readonly #warn: (message: string) => void;
  readonly #listener: WorkerPoolListener;
  /** All generations with a worker that runs; the last one takes the connections. */
  readonly #pools = new Set<WorkerPool>();
  /** The number of the last generation. */
  #last = 0;
  #current: WorkerPool | undefined;
  /** Whether a generation is starting. */
  #isStarting = true;
  #isClosing = false;

  constructor(warn: (message: string) => void, listener: WorkerPoolListener) {
    this.#warn = warn;
    this.#listener = listener;
  }

  /** @param first a worker that was started without a configuration. */
  async start(plan: GenerationPlan, first: WorkerHandle): Promise<GatewayAddress> {
    const pool = this.#create(plan);
    const address = await pool.start(first);
    this.#current = pool;
    this.#isStarting = false;
    return address;
  }

  /**
   * Resolves when the new generation listens. If it can't start, the old one stays.
   *
   * @throws AntractError `ERR_ANTRACT_RELOADING`, or the error of `readPlan` or of a worker.
   */
  async reload(readPlan: () => GenerationPlan): Promise<ReloadResult> {
    if (this.#isStarting || this.#isClosing) throw busy(this.#isClosing);
    this.#isStarting = true;
    try {
      const pool = this.#create(readPlan());
      await pool.startAll(LISTEN_WITHIN_MS).catch((error: unknown) => {
        void this.#retire(pool);
        // The shutdown has ended the new workers, too.
        throw this.#isClosing ? busy(true) : error;
      });
      if (this.#isClosing) throw busy(true);
      const old = this.#current;
      this.#current = pool;
      if (old) void this.#retire(old);
      return { started: pool.size, leaving: old?.size ?? 0 };
    } finally {
      this.#isStarting = false;
    }
  }

  /** Resolves when all workers have exited, with whether all exited cleanly. */
  async close(): Promise<boolean> {
    this.#isClosing = true;
    const ends = await Promise.all([...this.#pools].map((pool) => pool.close()));
    return ends.every((isClean) => isClean);
  }

  kill(): void {
    this.#isClosing = true;
    for (const pool of this.#pools) pool.kill();
  }

  async #retire(pool: WorkerPool): Promise<void> {
    await pool.leave();
    this.#pools.delete(pool);
  }

  #create(plan: GenerationPlan): WorkerPool {
    const pool = new WorkerPool(
      { ...plan, generation: ++this.#last, warn: this.#warn },
      this.#listener,
    );
    this.#pools.add(pool);
    return pool;
  }
}

function busy(isClosing: boolean): AntractError {
  return isClosing
    ? new AntractError('ERR_ANTRACT_CLOSED', 'antract is shutting down, so it was not reloaded.', {
        status: 503,
      })
    : new AntractError(
        'ERR_ANTRACT_RELOADING',
        'antract is starting or reloading already. Try again when that has ended.',
        { status: 409 },
      );
}
