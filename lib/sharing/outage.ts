/**
 * The time in which the store does not answer: what happens to requests then, as `onStoreError` says.
 */
import type { Clock, Timer } from '../common/clock.ts';
import { running } from '../gate/desired-state.ts';
import type { Settings } from '../options/settings.ts';
import type { GateSource } from './gate-source.ts';
import { LOST_AFTER_MS } from './peers.ts';

export interface OutageDeps {
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'onStoreError' | 'maxTime' | 'logger'>;
  readonly gates: GateSource;
}

const CONSEQUENCES = {
  'last-known': 'pauses continue, and commands reach this process only',
  open: 'requests are let through',
  closed: 'requests are held',
  fence: 'requests are held unless it answers within seconds',
} as const satisfies Record<Settings['onStoreError'], string>;

/**
 * A process that has not reported for this long holds its requests. The other processes stop waiting for it
 * a second later; the difference allows for clocks of different speed.
 */
const FENCE_AFTER_MS = LOST_AFTER_MS - 1000;

export class Outage {
  readonly #deps: OutageDeps;
  readonly #isFence: boolean;
  #isActive = false;
  #since = -Infinity;
  #reportedAt = -Infinity;
  /** Ends the holding of all requests. Undefined while requests are not held for the outage. */
  #holdTimer: Timer | undefined;

  constructor(deps: OutageDeps) {
    this.#deps = deps;
    this.#isFence = deps.settings.onStoreError === 'fence';
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  /** When the present or last outage began. */
  get since(): number {
    return this.#since;
  }

  /** Whether all requests are held for the outage. `fence` needs no timer: each request asks. */
  get isHolding(): boolean {
    if (this.#isFence) return this.#deps.clock.now() - this.#reportedAt >= FENCE_AFTER_MS;
    return this.#holdTimer !== undefined;
  }

  /** @param at before the report was sent: the other processes count from its arrival. */
  noteReport(at: number): void {
    this.#reportedAt = at;
  }

  begin(error: unknown): void {
    this.#isActive = true;
    const { settings, gates, clock } = this.#deps;
    const { onStoreError, logger } = settings;
    const now = clock.now();
    this.#since = now;
    const { message } = error as { message?: unknown };
    logger.warn(
      `WRN_ANTRACT_STORE_LOST: the store does not answer (${String(message)}); ${CONSEQUENCES[onStoreError]}.`,
    );
    if (onStoreError === 'closed') this.#hold();
    if (onStoreError !== 'open') return;
    for (const gate of gates) if (gate.desiredKind !== 'running') gate.adopt(running(now));
  }

  end(): void {
    this.#isActive = false;
    this.#deps.settings.logger.info('The store answers again.');
    this.close();
    this.#reconsiderGates();
  }

  /** Cancels the timer. */
  close(): void {
    this.#holdTimer?.cancel();
    this.#holdTimer = undefined;
  }

  /** Holds all requests, at most for `maxTime`: like every pause, this one ends by itself. */
  #hold(): void {
    const { clock, settings } = this.#deps;
    const { maxTime, logger } = settings;
    this.#holdTimer = clock.after(maxTime, () => {
      this.#holdTimer = undefined;
      logger.warn(
        `WRN_ANTRACT_STORE_LOST: the store has not answered for ${maxTime} ms; requests are let through.`,
      );
      this.#reconsiderGates();
    });
    this.#reconsiderGates();
  }

  #reconsiderGates(): void {
    for (const gate of this.#deps.gates) gate.releaser.reconsider();
  }
}
