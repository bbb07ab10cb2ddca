/**
 * Asks a backend until it answers: by a connection, by a GET, or by the user's own function. Knows
 * nothing of who waits for it.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { urlToHttpOptions } from 'node:url';
import { FIRST_PAUSE_MS, nextPause } from '../common/backoff.ts';
import { systemClock, type Clock, type Timer } from '../common/clock.ts';

/** One look: resolves when the backend is well, or throws what it saw instead. */
export interface BackendCheck {
  (signal: AbortSignal): Promise<void>;
  /** Which path is asked, where it is one of HTTP. */
  readonly path?: string;
}

export interface ProbeRun {
  readonly check: BackendCheck;
  /** How many good answers in a row it takes. */
  readonly threshold: number;
}

/** How long one look may take. */
const LOOK_MS = 2000;

/** Resolves when the backend is well; tells each thing it saw until then. Ends with the signal. */
export async function probeUntilHealthy(
  { check, threshold }: ProbeRun,
  clock: Clock,
  signal: AbortSignal,
  seen: (what: string, isGood: boolean) => void,
  onHurry: (hurry: () => void) => void = () => undefined,
): Promise<void> {
  let pause = FIRST_PAUSE_MS;
  const pauses = new Pauses(clock, signal);
  onHurry(() => pauses.hurry());
  for (let good = 0; ;) {
    const trouble = await look(check, clock, signal);
    signal.throwIfAborted();
    seen(trouble ?? 'ok', trouble === undefined);
    good = trouble === undefined ? good + 1 : 0;
    if (good >= threshold) return;
    await pauses.wait(good > 0 ? FIRST_PAUSE_MS : pause);
    pause = good > 0 ? FIRST_PAUSE_MS : nextPause(pause);
  }
}

/** What was wrong; undefined when nothing was. */
export async function look(
  check: BackendCheck,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  const limit = new AbortController();
  const end = (): void => limit.abort();
  const timer = clock.after(LOOK_MS, end);
  signal.addEventListener('abort', end);
  const timedOut = new Promise<never>((_resolve, reject) => {
    limit.signal.addEventListener('abort', () => reject(new Error(`no answer in ${LOOK_MS} ms`)));
  });
  try {
    // A check of the user's own may not care for the signal.
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

/** The pauses between the attempts of one probe. Hurrying makes none shorter than the first. */
class Pauses {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #isHurried = false;
  #shorten: (() => void) | undefined;

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Shortens the present pause. During an attempt, which may have begun too early, the next one. */
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
 * How long a connection has to stay open. A proxy that accepts connections for a backend, such as
 * docker-proxy, closes them at once when the backend refuses them.
 */
const KEPT_OPEN_MS = 100;

/** Well when it accepts a connection and does not close it at once. */
export function connectCheck(where: NetConnectOpts): BackendCheck {
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = connect(where);
      let timer: Timer | undefined;
      const end = (error?: Error): void => {
        timer?.cancel();
        socket.destroy();
        if (error) reject(error);
        else resolve();
      };
      signal.addEventListener('abort', () => end());
      socket.once('connect', () => (timer = systemClock.after(KEPT_OPEN_MS, () => end())));
      // A backend that speaks first is there.
      socket.once('data', () => end());
      socket.on('error', end);
      socket.once('close', () => end(new Error('closed the connection at once')));
    });
}

/** Well when it answers a GET with 2xx or 3xx, over a connection of its own. */
export function httpCheck(where: URL | RequestOptions): BackendCheck {
  const request = where.protocol === 'https:' ? httpsRequest : httpRequest;
  const options = where instanceof URL ? urlToHttpOptions(where) : where;
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
