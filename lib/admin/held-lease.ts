/**
 * Renews a lease while its holder waits for the answer to `enable?lease&wait`: only the answer tells the
 * `pauseId` that the holder needs to renew the lease itself. The open connection shows that the holder
 * is alive.
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

  /** The holder has left: the lease runs out unless somebody else renews it. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  /** Gives the holder the whole lease from now on. Does nothing if the pause has ended meanwhile. */
  async renew(): Promise<void> {
    const { pauseId, leaseEndsInMs } = this.#registry.status(this.#app);
    // Somebody may have taken the lease off: then it must not come back.
    if (pauseId === null || pauseId !== this.#pauseId || leaseEndsInMs === null) return;
    try {
      await this.#registry.enable(this.#app, { lease: this.#leaseMs, ifPause: pauseId });
    } catch (error) {
      // It has ended in another process, the store is busy, or antract was closed: the wait finds out.
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
