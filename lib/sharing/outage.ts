/**
 * While the store does not answer: what becomes of requests meanwhile, as `onStoreError` says. Knows
 * gates, and no store.
 */
import type { Clock, Timer } from '../common/clock.ts';
import type { Gate } from '../gate/gate.ts';
import { running } from '../gate/desired-state.ts';
import type { Settings } from '../options/settings.ts';
import { LOST_AFTER_MS } from './peers.ts';

export interface OutageContext {
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'onStoreError' | 'maxTime' | 'logger'>;
  readonly gates: () => Iterable<Gate>;
}

const MEANWHILE = {
  'last-known': 'what was asked for last goes on, and commands reach this process alone',
  open: 'requests are let through',
  closed: 'requests are held',
  fence: 'requests are held unless it answers within seconds',
} as const satisfies Record<Settings['onStoreError'], string>;

/**
 * A process that has not reported for that long holds its requests. The other processes don't wait for
 * it any longer a second later: the difference is for clocks that run unevenly.
 */
const FENCE_AFTER_MS = LOST_AFTER_MS - 1000;

export class Outage {
  readonly #context: OutageContext;
  readonly #isFence: boolean;
  #isOn = false;
  #since = -Infinity;
  #reportedAt = -Infinity;
  /** How long everybody is held. Undefined where nobody is for that. */
  #patience: Timer | undefined;

  constructor(context: OutageContext) {
    this.#context = context;
    this.#isFence = context.settings.onStoreError === 'fence';
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** For how long the store has not answered. */
  get forMs(): number {
    return this.#context.clock.now() - this.#since;
  }

  /** Everybody is held for it. A fence needs no timer: each request asks. */
  get isHolding(): boolean {
    if (this.#isFence) return this.#context.clock.now() - this.#reportedAt >= FENCE_AFTER_MS;
    return this.#patience !== undefined;
  }

  /** @param at before the report was sent: the other processes count from when they hear it. */
  noteReport(at: number): void {
    this.#reportedAt = at;
  }

  /** The store failed, or took too long. */
  begin(error: unknown): void {
    this.#isOn = true;
    this.#since = this.#context.clock.now();
    const { settings, gates, clock } = this.#context;
    const { onStoreError, logger } = settings;
    const { message } = error as { message?: unknown };
    logger.warn(
      `WRN_ANTRACT_STORE_LOST: the store does not answer (${String(message)}); ${MEANWHILE[onStoreError]}.`,
    );
    if (onStoreError === 'closed') this.#hold();
    if (onStoreError !== 'open') return;
    const now = clock.now();
    for (const gate of gates()) if (gate.desiredKind !== 'running') gate.adopt(running(now));
  }

  end(): void {
    this.#isOn = false;
    this.#context.settings.logger.info('The store answers again.');
    this.close();
    this.#reconsider();
  }

  /** Takes off its timer. */
  close(): void {
    this.#patience?.cancel();
    this.#patience = undefined;
  }

  /** Not for ever: a pause ends. */
  #hold(): void {
    const { clock, settings } = this.#context;
    const { maxTime, logger } = settings;
    this.#patience = clock.after(maxTime, () => {
      this.#patience = undefined;
      logger.warn(
        `WRN_ANTRACT_STORE_LOST: the store has not answered for ${maxTime} ms; requests are let through.`,
      );
      this.#reconsider();
    });
    this.#reconsider();
  }

  #reconsider(): void {
    for (const gate of this.#context.gates()) gate.reconsider();
  }
}
