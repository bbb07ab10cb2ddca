/**
 * The types of the options that are objects: `release`, `probe` and `heartbeat`.
 */
import type { Duration } from '../common/validate.ts';
import type { ReleaseStrategy } from '../gate/pacing/strategies.ts';

/**
 * The pace of a release.
 *
 * @example
 * createAntract({ release: { strategy: 'slow-start', concurrency: 50 } });
 */
export interface ReleaseOptions {
  /**
   * `immediate`: releases all held requests without a limit, in order. `fixed`: releases them within the limits
   * below. `slow-start`: also within the limits, and at first only `initial` requests may wait for a
   * response. Each good response adds one to this number, and a bad response halves it.
   *
   * @default 'fixed' if a limit is set, else 'immediate'; in the gateway 'slow-start'
   */
  strategy?: ReleaseStrategy | undefined;
  /**
   * How many requests may wait for a response when a slow start begins.
   *
   * @default 8
   * @minimum 1
   */
  initial?: number | undefined;
  /**
   * How many released requests may wait for their response headers. Set it to what the backend can
   * handle with cold caches.
   *
   * @default Infinity
   * @minimum 1
   */
  concurrency?: number | undefined;
  /**
   * Releases per second. Above 0.
   *
   * @default Infinity
   */
  perSecond?: number | undefined;
  /**
   * Time over which held requests are spread, at random and in order. So they don't arrive all at once,
   * and several gateways don't release at the same moments.
   *
   * @default 0
   */
  jitter?: Duration | undefined;
}

/** Informational responses (RFC 9110, 15.2) to held requests. */
export interface HeartbeatOptions {
  /**
   * Interval between two heartbeats.
   *
   * @minimum 100 ms
   */
  every: Duration;
  /**
   * 102 (Processing) or 103 (Early Hints).
   *
   * @default 102
   */
  status?: 102 | 103 | undefined;
}

/**
 * How antract probes the backend before it releases held requests: at once, after 250 ms, and then at growing
 * intervals of up to 1 s. An attempt fails after 2 s. Give one of `url`, `connect` and `check`. The gateway has
 * a default for them.
 *
 * @example
 * createAntract({ probe: { url: 'http://127.0.0.1:3000/up', threshold: 2, timeout: '1m' } });
 */
export interface ProbeOptions {
  /** URL to send a GET request to. A status of 2xx or 3xx is a success. */
  url?: string | undefined;
  /**
   * Address to connect to: `host:port`, or the path of a Unix socket. A connection
   * that stays open for 100 ms is a success.
   */
  connect?: string | undefined;
  /**
   * Function of your own. It throws, or resolves with false, when the backend does not answer. The
   * signal aborts when the result is no longer needed.
   */
  check?: ((signal: AbortSignal) => Promise<boolean | void> | boolean | void) | undefined;
  /**
   * How many successes in a row a release needs.
   *
   * @default 1
   * @minimum 1
   */
  threshold?: number | undefined;
  /**
   * How long held requests wait for a success after `disable`.
   *
   * @default the rest of the pause
   * @minimum 0
   */
  timeout?: Duration | undefined;
  /**
   * What happens to held requests after `timeout`: `release` sends them to the backend anyway, `stop`
   * stops the app, which rejects them.
   *
   * @default 'release'
   */
  onTimeout?: 'release' | 'stop' | undefined;
}
