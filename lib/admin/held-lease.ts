/**
 * Renews a lease while its holder waits for the answer to `enable?lease&wait`. The holder needs the
 * `pauseId` to renew the lease itself, and learns it from the answer. Until then, the open connection
 * shows that the holder is alive.
 */
import { systemClock, type Timer } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import type { PauseRegistry } from '../registry/pause-registry.ts';
import type { AppStatus } from '../gate/status.ts';

export type LeasedRegistry = Pick<PauseRegistry, 'enable' | 'status'>;

export class HeldLease {
  readonly #registry: LeasedRegistry;
  readonly #app: string;
  readonly #pauseId: string | null;
  readonly #leaseMs: number;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(registry: LeasedRegistry, { app, pauseId }: AppStatus, leaseMs: number) {
    this.#registry = registry;
    this.#app = app;
    this.#pauseId = pauseId;
    this.#leaseMs = leaseMs;
    this.#renewLater();
  }

  /** Stops the renewal. The lease expires unless a client renews it. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  /** Starts the whole lease anew. Does nothing if the pause has ended. */
  async renew(): Promise<void> {
    const { pauseId, leaseEndsInMs } = this.#registry.status(this.#app);
    // An operator may have removed the lease: then it must not come back.
    if (pauseId === null || pauseId !== this.#pauseId || leaseEndsInMs === null) return;
    try {
      await this.#registry.enable(this.#app, { lease: this.#leaseMs, ifPause: pauseId });
    } catch (error) {
      // The pause has ended in another process, the store is busy, or antract was closed. The wait for the
      // drain reports it.
      if (!(error instanceof AntractError)) throw error;
    }
  }

  #renewLater(): void {
    this.#timer = systemClock.after(this.#leaseMs / 3, () => {
      const next = (): void => {
        if (!this.#isOver) this.#renewLater();
      };
      this.renew().then(next, next);
    });
  }
}
