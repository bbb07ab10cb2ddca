/**
 * Ends requests in flight that a drain waits for only because their client is too slow. Has one timer,
 * and only while a drain is under way.
 */
import type { Clock, Timer } from '../common/clock.ts';
import type { ClientWait, GatedRequest } from './gated-request.ts';

export interface SlowClientLimits {
  /** Bytes of a request body per second; 0 for no limit. */
  readonly drainMinBodyRate: number;
  /** Since the drain began, or since the request was passed on where that was later. */
  readonly drainBodyTimeout: number;
}

export interface SlowClient {
  readonly passage: GatedRequest;
  readonly waitsFor: ClientWait['waitsFor'];
  /** Which limit it exceeded. */
  readonly cause: 'rate' | 'timeout';
}

/** The rate is an average over this time: a mobile client may lose its connection for seconds. */
export const RATE_WINDOW_MS = 20_000;

const CHECK_EVERY_MS = 1000;

interface Sample {
  /** When the drain began to wait for the request. */
  readonly firstSeen: number;
  /** When the present window began, and what the client had sent by then. */
  since: number;
  wait: ClientWait | undefined;
}

export class SlowClients {
  readonly #limits: SlowClientLimits;
  readonly #clock: Clock;
  readonly #isAwaited: (passage: GatedRequest) => boolean;
  readonly #exceeded: (client: SlowClient) => void;
  readonly #samples = new Map<GatedRequest, Sample>();
  readonly #interval: number;
  #timer: Timer | undefined;

  /**
   * @param isAwaited whether the drain still waits for a request.
   * @param exceeded called for each request whose client exceeded a limit.
   */
  constructor(
    limits: SlowClientLimits,
    clock: Clock,
    isAwaited: (passage: GatedRequest) => boolean,
    exceeded: (client: SlowClient) => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#isAwaited = isAwaited;
    this.#exceeded = exceeded;
    this.#interval = Math.min(CHECK_EVERY_MS, Math.max(1, limits.drainBodyTimeout));
  }

  /** A drain waits for this request from now on. */
  watch(passage: GatedRequest): void {
    const { drainMinBodyRate, drainBodyTimeout } = this.#limits;
    if (drainMinBodyRate === 0 && drainBodyTimeout === Infinity) return;
    const now = this.#clock.now();
    this.#samples.set(passage, { firstSeen: now, since: now, wait: passage.clientWait?.() });
    this.#timer ??= this.#clock.after(this.#interval, this.#check);
  }

  /** No drain is under way. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#samples.clear();
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    const slow: SlowClient[] = [];
    for (const [passage, sample] of this.#samples) {
      if (!this.#isAwaited(passage)) {
        this.#samples.delete(passage);
        continue;
      }
      const wait = passage.clientWait?.();
      const cause = wait && this.#causeOf(sample, wait, now);
      if (wait && cause) slow.push({ passage, waitsFor: wait.waitsFor, cause });
      else if (isNewWindow(sample, wait, now)) Object.assign(sample, { since: now, wait });
    }
    for (const client of slow) {
      this.#samples.delete(client.passage);
      this.#exceeded(client);
    }
    // The end of a request may have ended the drain.
    if (this.#samples.size > 0) this.#timer ??= this.#clock.after(this.#interval, this.#check);
  };

  #causeOf(sample: Sample, wait: ClientWait, now: number): SlowClient['cause'] | undefined {
    const { drainMinBodyRate, drainBodyTimeout } = this.#limits;
    if (now - sample.firstSeen >= drainBodyTimeout) return 'timeout';
    const windowMs = now - sample.since;
    // The kernel takes a response in steps of up to 1.5 MB, so no rate can be measured there.
    if (wait.waitsFor === 'download' || windowMs < RATE_WINDOW_MS) return undefined;
    if (sample.wait?.waitsFor !== 'upload') return undefined;
    const needed = (drainMinBodyRate * windowMs) / 1000;
    return wait.bytes - sample.wait.bytes < needed ? 'rate' : undefined;
  }
}

/** A client is measured only over a time in which nothing but the client was waited for. */
function isNewWindow(sample: Sample, wait: ClientWait | undefined, now: number): boolean {
  return sample.wait?.waitsFor !== wait?.waitsFor || now - sample.since >= RATE_WINDOW_MS;
}
