/**
 * Finds requests in flight that a drain waits for only because their client is too slow. Uses one timer,
 * and only during a drain.
 */
import type { Clock, Timer } from '../common/clock.ts';
import type { ClientWait, GatedRequest } from './gated-request.ts';

export interface SlowClientLimits {
  /** Bytes of a request body per second. 0 means no limit. */
  readonly drainMinBodyRate: number;
  /** Since the drain began. If the request passed later, since then. */
  readonly drainBodyTimeout: number;
}

export interface SlowClient {
  readonly gated: GatedRequest;
  readonly waitsFor: ClientWait['waitsFor'];
  /** The limit that the client exceeded. */
  readonly cause: 'rate' | 'timeout';
}

/** The rate is an average over this time, because a mobile client can be offline for seconds. */
export const RATE_WINDOW_MS = 20_000;

const CHECK_EVERY_MS = 1000;

interface Sample {
  /** When the drain started to wait for the request. */
  readonly firstSeen: number;
  /** When the present window began. */
  since: number;
  /** What the request waited for then, and how much the client had sent. */
  wait: ClientWait | undefined;
}

export interface SlowClientsListener {
  /** Whether the drain still waits for a request. */
  isAwaited(gated: GatedRequest): boolean;
  /** The client of a request exceeded a limit. */
  onSlow(client: SlowClient): void;
}

export class SlowClients {
  readonly #limits: SlowClientLimits;
  readonly #clock: Clock;
  readonly #listener: SlowClientsListener;
  readonly #samples = new Map<GatedRequest, Sample>();
  readonly #interval: number;
  #timer: Timer | undefined;

  constructor(limits: SlowClientLimits, clock: Clock, listener: SlowClientsListener) {
    this.#limits = limits;
    this.#clock = clock;
    this.#listener = listener;
    this.#interval = Math.min(CHECK_EVERY_MS, Math.max(1, limits.drainBodyTimeout));
  }

  /** The drain waits for this request. */
  watch(gated: GatedRequest): void {
    const { drainMinBodyRate, drainBodyTimeout } = this.#limits;
    if (drainMinBodyRate === 0 && drainBodyTimeout === Infinity) return;
    const now = this.#clock.now();
    this.#samples.set(gated, { firstSeen: now, since: now, wait: gated.clientWait() });
    this.#timer ??= this.#clock.after(this.#interval, this.#check);
  }

  /** Forgets all requests: no drain is running. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#samples.clear();
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    const slow: SlowClient[] = [];
    for (const [gated, sample] of this.#samples) {
      if (!this.#listener.isAwaited(gated)) {
        this.#samples.delete(gated);
        continue;
      }
      const wait = gated.clientWait();
      const cause = wait && this.#causeOf(sample, wait, now);
      if (wait && cause) slow.push({ gated, waitsFor: wait.waitsFor, cause });
      else if (isNewWindow(sample, wait, now)) Object.assign(sample, { since: now, wait });
    }
    for (const client of slow) {
      this.#samples.delete(client.gated);
      this.#listener.onSlow(client);
    }
    // The end of a request may have ended the drain.
    if (this.#samples.size > 0) this.#timer ??= this.#clock.after(this.#interval, this.#check);
  };

  #causeOf(sample: Sample, wait: ClientWait, now: number): SlowClient['cause'] | undefined {
    const { drainMinBodyRate, drainBodyTimeout } = this.#limits;
    if (now - sample.firstSeen >= drainBodyTimeout) return 'timeout';
    const windowMs = now - sample.since;
    // The kernel accepts a response in steps of up to 1.5 MB, so a download has no measurable rate.
    if (wait.waitsFor === 'download' || windowMs < RATE_WINDOW_MS) return undefined;
    if (sample.wait?.waitsFor !== 'upload') return undefined;
    const needed = (drainMinBodyRate * windowMs) / 1000;
    return wait.bytes - sample.wait.bytes < needed ? 'rate' : undefined;
  }
}

/** The rate counts only while the client alone delays the request. */
function isNewWindow(sample: Sample, wait: ClientWait | undefined, now: number): boolean {
  return sample.wait?.waitsFor !== wait?.waitsFor || now - sample.since >= RATE_WINDOW_MS;
}
