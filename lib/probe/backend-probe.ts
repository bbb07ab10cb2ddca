/** Probes a backend until it is healthy: with a connection, a GET request, or the user's own function. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { urlToHttpOptions } from 'node:url';
import { FIRST_PAUSE_MS, nextPause } from '../common/backoff.ts';
import { systemClock, type Clock, type Timer } from '../common/clock.ts';

/** Checks a backend once. Resolves if it is healthy; otherwise rejects with the reason. */
export interface BackendCheck {
  (signal: AbortSignal): Promise<void>;
  /** The path of the request, for a check by HTTP. */
  readonly path?: string;
}

export interface ProbeRun {
  readonly check: BackendCheck;
  /** How many successful checks in a row make the backend healthy. */
  readonly threshold: number;
}

/** The timeout of one check. */
const CHECK_TIMEOUT_MS = 2000;

/**
 * Resolves when the backend is healthy. Rejects with the reason of the signal.
 *
 * @param onResult called after each check, with `ok` or the reason of the failure.
 * @param onHurry gets a function that shortens the pause before the next check.
 */
export async function probeUntilHealthy(
  { check, threshold }: ProbeRun,
  clock: Clock,
  signal: AbortSignal,
  onResult: (result: string, isHealthy: boolean) => void,
  onHurry: (hurry: () => void) => void = () => undefined,
): Promise<void> {
  let pause = FIRST_PAUSE_MS;
  const pauses = new RetryPauses(clock, signal);
  onHurry(() => pauses.hurry());
  for (let successes = 0; ;) {
    const failure = await checkOnce(check, clock, signal);
    signal.throwIfAborted();
    onResult(failure ?? 'ok', failure === undefined);
    successes = failure === undefined ? successes + 1 : 0;
    if (successes >= threshold) return;
    await pauses.wait(successes > 0 ? FIRST_PAUSE_MS : pause);
    pause = successes > 0 ? FIRST_PAUSE_MS : nextPause(pause);
  }
}

/** Runs one check. Returns the reason of its failure, or undefined. */
export async function checkOnce(
  check: BackendCheck,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  const limit = new AbortController();
  const end = (): void => limit.abort();
  const timer = clock.after(CHECK_TIMEOUT_MS, end);
  signal.addEventListener('abort', end);
  const timedOut = new Promise<never>((_resolve, reject) => {
    limit.signal.addEventListener('abort', () =>
      reject(new Error(`no answer in ${CHECK_TIMEOUT_MS} ms`)),
    );
  });
  try {
    // The user's own check may ignore the signal.
    await Promise.race([check(limit.signal), timedOut]);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', end);
    limit.abort();
    timedOut.catch(() => undefined);
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && code !== 'ABORT_ERR') return code;
  return typeof message === 'string' && message !== '' ? message : String(error);
}

/** The pauses between the checks of one probe. `hurry()` makes no pause shorter than the first one. */
class RetryPauses {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #isHurried = false;
  #shorten: (() => void) | undefined;

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Shortens the current pause, or during a check the next one: the check may have begun too early. */
  hurry(): void {
    this.#isHurried = true;
    this.#shorten?.();
  }

  wait(ms: number): Promise<void> {
    const start = this.#clock.now();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        timer.cancel();
        this.#signal.removeEventListener('abort', onAbort);
        this.#shorten = undefined;
        this.#isHurried = false;
        settle();
      };
      const onAbort = (): void => end(() => reject(this.#signal.reason));
      const sleep = (pause: number): Timer =>
        this.#clock.after(Math.max(0, start + pause - this.#clock.now()), () => end(resolve));
      let timer = sleep(this.#isHurried ? FIRST_PAUSE_MS : ms);
      this.#shorten = () => {
        timer.cancel();
        timer = sleep(FIRST_PAUSE_MS);
      };
      this.#signal.addEventListener('abort', onAbort);
    });
  }
}

/**
 * How long a connection must stay open. A proxy in front of the backend, such as docker-proxy, accepts
 * connections and closes them at once when the backend refuses them.
 */
const MIN_OPEN_MS = 100;

/** The backend is healthy if it accepts a connection and does not close it at once. */
export function connectCheck(address: NetConnectOpts): BackendCheck {
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = connect(address);
      let timer: Timer | undefined;
      const end = (error?: Error): void => {
        timer?.cancel();
        socket.destroy();
        if (error) reject(error);
        else resolve();
      };
      signal.addEventListener('abort', () => end());
      socket.once('connect', () => (timer = systemClock.after(MIN_OPEN_MS, () => end())));
      // A backend that sends data first is healthy.
      socket.once('data', () => end());
      socket.on('error', end);
      socket.once('close', () => end(new Error('closed the connection at once')));
    });
}

/** The backend is healthy if it responds to a GET with 2xx or 3xx. Uses a new connection. */
export function httpCheck(target: URL | RequestOptions): BackendCheck {
  const request = target.protocol === 'https:' ? httpsRequest : httpRequest;
  const options = target instanceof URL ? urlToHttpOptions(target) : target;
  const check = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const req = request({ ...options, signal, agent: false });
      req.once('response', (res: IncomingMessage) => {
        res.destroy();
        const status = res.statusCode ?? 0;
        if (status >= 200 && status < 400) resolve();
        else reject(new Error(`HTTP ${status}`));
      });
      // Without a listener Node closes the connection and emits nothing.
      req.once('upgrade', (_res: IncomingMessage, socket: Socket) => {
        socket.destroy();
        reject(new Error('HTTP 101'));
      });
      req.on('error', reject);
      req.end();
    });
  return Object.assign(check, { path: (options.path ?? '/').split('?')[0] as string });
}
