/**
 * Logs requests with a wrong token, with their addresses: at most one line a minute, so that an attacker
 * can't flood the log.
 */
import { systemClock, type Clock, type Timer } from '../../common/clock.ts';
import type { Logger } from '../../options/options.ts';

const INTERVAL_MS = 60_000;
/** How many addresses a line names. Requests from other addresses are counted together. */
const MAX_ADDRESSES = 10;
const OTHERS = 'others';

export class WrongTokens {
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** Requests by address, since the last line. */
  readonly #counts = new Map<string, number>();
  #timer: Timer | undefined;

  /**
   * @param closed aborted when the registry is closed; ends the timer.
   * @param clock replaced in tests.
   */
  constructor(logger: Logger, closed: AbortSignal, clock: Clock = systemClock) {
    this.#logger = logger;
    this.#clock = clock;
    closed.addEventListener('abort', () => {
      this.#timer?.cancel();
      this.#log();
    });
  }

  /** @param address the peer's address; undefined for a Unix socket. */
  add(address: string | undefined): void {
    const shown = address?.replace(/^::ffff:/i, '') ?? 'a Unix socket';
    const isKnown = this.#counts.has(shown) || this.#counts.size < MAX_ADDRESSES;
    const key = isKnown ? shown : OTHERS;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    // The first request is logged at once, the requests of the next minute together.
    if (!this.#timer) this.#logAndWait();
  }

  #logAndWait(): void {
    this.#timer = undefined;
    if (!this.#log()) return;
    this.#timer = this.#clock.after(INTERVAL_MS, () => this.#logAndWait());
  }

  #log(): boolean {
    if (this.#counts.size === 0) return false;
    const all = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    const from = [...this.#counts].map(([address, count]) => `${address} (${count})`).join(', ');
    this.#counts.clear();
    this.#logger.warn(
      `WRN_ANTRACT_ADMIN_TOKEN: ${all === 1 ? 'an admin request' : `${all} admin requests`} with a ` +
        `wrong token ${all === 1 ? 'was' : 'were'} refused, from ${from}.`,
    );
    return true;
  }
}
