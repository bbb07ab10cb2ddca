/**
 * App name to gate: the commands, the snapshots and the events, for use with or without HTTP. Knows
 * no request beyond its method and path.
 */
import { EventEmitter } from 'node:events';
import { systemClock, type Clock } from './clock.ts';
import { publish } from './diagnostics.ts';
import { AntractError } from './errors.ts';
import type { AntractEvents, EmitEvent } from './events.ts';
import type { Probe } from './closure.ts';
import { Gate } from './gate.ts';
import { probeUntilHealthy } from './health-gate.ts';
import { runDuring, type DuringOptions, type MaintenanceWindow } from './maintenance-window.ts';
import { checkPause } from './pause-condition.ts';
import { PauseReports, type PauseReport } from './pause-report.ts';
import { readAppName, readOptions, type AntractOptions, type Settings } from './options.ts';
import type { Intent } from './phase.ts';
import type { AppStatus, CommandResult, DrainResult, ReleaseResult } from './status.ts';
import { reportTraffic, type TrafficReport } from './traffic-stats.ts';
import { duration, oneOf, readObject, text, type Duration, type Readers } from './validate.ts';
import { waitFor, type WaitLimits } from './wait.ts';

/** The app's name where there is only one. */
export const DEFAULT_APP = 'default';

export interface PauseCondition {
  /**
   * Do it only if this very pause goes on (its `pauseId`), or `none` does. Default: whatever there
   * is. For whoever must not end, or take part in, a pause that is not their own.
   */
  ifPause?: string | undefined;
}

export interface EnableOptions extends PauseCondition {
  /** How long this pause may last. Default: the app's `maxTime`. */
  maxTime?: Duration | undefined;
  /**
   * The pause ends by itself unless `enable` is called again with a lease within this time; then it
   * starts anew. Not beyond `maxTime`. 0 takes a lease off. Default none.
   */
  lease?: Duration | undefined;
  /**
   * `writes`: only POST, PUT, PATCH and DELETE wait, and only they are waited for: for migrations and
   * backups during which reading may go on. A pause stays what it was begun as. Default: all wait.
   */
  only?: 'writes' | undefined;
  /** Why, for whoever looks at the status. At most 500 characters. */
  reason?: string | undefined;
}

export interface StopOptions extends PauseCondition {
  /** What clients are told. At most 500 characters. */
  message?: string | undefined;
}

export interface WaitOptions {
  /** How long to wait. Default: as long as it takes, or the pause lasts. */
  timeout?: Duration | undefined;
  /** Ends the wait; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
}

// Long enough for a sentence, short enough for every place that shows it.
const MAX_TEXT = 500;

const condition = { ifPause: text(MAX_TEXT) };

const enableReaders: Readers<{
  maxTime?: number;
  lease?: number;
  only?: 'writes';
  reason?: string;
  ifPause?: string;
}> = {
  maxTime: duration({ min: 1 }),
  lease: duration(),
  only: oneOf('writes'),
  reason: text(MAX_TEXT),
  ...condition,
};
const disableReaders: Readers<{ ifPause?: string }> = condition;
const stopReaders: Readers<{ message?: string; ifPause?: string }> = {
  message: text(MAX_TEXT),
  ...condition,
};

export class PauseRegistry extends EventEmitter<AntractEvents> {
  /** The options it was made with, complete and in milliseconds. */
  readonly settings: Settings;
  readonly #closing = new AbortController();
  /** Aborted by {@link close}: what else lives on this registry ends with it. */
  readonly closed: AbortSignal = this.#closing.signal;
  readonly #clock: Clock;
  readonly #gates = new Map<string, Gate>();
  /** Apps that a `pause()` names, or that have options of their own. They are never forgotten. */
  readonly #named: Set<string>;
  /** Whether apps may have other names too: until a `pause()` is made, or when one reads them off requests. */
  #anyName = true;
  /** Bytes of held bodies, in memory and on disk. The spool's owner says how many. */
  spooledBytes: () => number = () => 0;
  /** Whether upgrades pass through a gate as well. */
  hasUpgrade = false;
  readonly #warned = new Set<string>();
  readonly #reports = new PauseReports();
  #pauses = 0;
  #closed = false;

  /**
   * @param options as for `createAntract()`.
   * @param clock replaced in tests.
   */
  constructor(options: AntractOptions = {}, clock: Clock = systemClock) {
    super();
    this.settings = readOptions(options);
    this.#clock = clock;
    this.#named = new Set(this.settings.apps.keys());
  }

  // ---- Commands -------------------------------------------------------------------------------

  /**
   * Holds new requests of an app; those in flight go on to their end. On an app that is paused
   * already, an explicit `maxTime` starts the countdown anew and `reason` replaces the old one.
   *
   * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_UNKNOWN_APP`,
   *   `ERR_ANTRACT_TOO_MANY_APPS`, `ERR_ANTRACT_CLOSED`; with `ifPause` also
   *   `ERR_ANTRACT_ALREADY_PAUSED`, `ERR_ANTRACT_NOT_PAUSED`.
   */
  async enable(app: string = DEFAULT_APP, options: EnableOptions = {}): Promise<CommandResult> {
    const { ifPause, ...read } = readObject('', options, enableReaders, {});
    return this.#command(app, ifPause, (gate) => {
      if (ifPause === undefined) checkOnly(gate, read.only);
      return gate.enable(read);
    });
  }

  /** Lets those held go, in order, and everybody after them. Throws as {@link enable}. */
  async disable(app: string = DEFAULT_APP, options: PauseCondition = {}): Promise<CommandResult> {
    const { ifPause } = readObject('', options, disableReaders, {});
    return this.#command(app, ifPause, (gate) => gate.disable());
  }

  /** Answers 503 to those held and to everybody after them, until `enable` or `disable`. Throws as {@link enable}. */
  async stop(app: string = DEFAULT_APP, options: StopOptions = {}): Promise<CommandResult> {
    const { message, ifPause } = readObject('', options, stopReaders, {});
    return this.#command(app, ifPause, (gate) => gate.stop(message));
  }

  /**
   * Waits until nothing is in flight in an app that is paused or stopped. A value says how it
   * ended, a drain that took too long included.
   *
   * @throws AntractError `ERR_ANTRACT_NOT_PAUSED`, and as {@link enable}; or the signal's reason.
   */
  async drained(app: string = DEFAULT_APP, options: WaitOptions = {}): Promise<DrainResult> {
    const gate = this.#existing(app);
    if (!gate || gate.intent === 'running') {
      throw new AntractError(
        'ERR_ANTRACT_NOT_PAUSED',
        `Expected app \`${app}\` to be paused or stopped: while it runs, new requests follow those that end.`,
        { status: 409 },
      );
    }
    const start = this.#clock.now();
    const known = gate.isDrained ? 'drained' : undefined;
    const limits = readLimits(options);
    const outcome = await waitFor<DrainResult['outcome']>(this.#clock, limits, known, (tell) =>
      gate.watchDrain(tell),
    );
    const waitedMs = Math.round(this.#clock.now() - start);
    return { outcome, waitedMs, stragglers: gate.stragglers() };
  }

  /**
   * Waits until nobody is held any more and, where there is `health`, the backend answers. A value
   * says how it ended.
   *
   * @throws AntractError as {@link enable}; or the signal's reason.
   */
  async released(app: string = DEFAULT_APP, options: WaitOptions = {}): Promise<ReleaseResult> {
    const gate = this.#existing(app);
    const start = this.#clock.now();
    const known = !gate || gate.isOpen ? 'reopened' : endOf(gate.intent);
    const limits = readLimits(options);
    const outcome = await waitFor<ReleaseResult['outcome']>(this.#clock, limits, known, (tell) =>
      gate ? gate.watchReopen(tell) : () => undefined,
    );
    return { outcome, waitedMs: Math.round(this.#clock.now() - start) };
  }

  /**
   * Pauses an app, waits for the drain, runs `fn`, and resumes, even if `fn` throws. Returns what
   * `fn` returns.
   *
   * @throws AntractError `ERR_ANTRACT_ALREADY_PAUSED`, as two maintenance windows can't share a
   *   backend; `ERR_ANTRACT_DRAIN_TIMEOUT`, then `fn` was not run; and as {@link enable}.
   */
  during<T>(
    app: string,
    fn: (window: MaintenanceWindow) => T | Promise<T>,
    options: DuringOptions = {},
  ): Promise<T> {
    return runDuring(this, app, fn, options);
  }

  /** Refuses those held with 503 and, from now on, whoever would have to be held. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const gate of this.#gates.values()) gate.close();
    this.#closing.abort();
  }

  // ---- Snapshots ------------------------------------------------------------------------------

  /** Throws `ERR_ANTRACT_APP_NAME` and `ERR_ANTRACT_UNKNOWN_APP`. */
  status(app: string = DEFAULT_APP): AppStatus {
    // An app that nobody has asked for yet runs; looking at it is no reason to remember it.
    return (this.#existing(app) ?? this.#createGate(app)).status();
  }

  /** Every app that is known, or just the default one. */
  list(): AppStatus[] {
    const names = new Set([...this.#named, ...this.#gates.keys()]);
    if (names.size === 0) names.add(DEFAULT_APP);
    return [...names].map((app) => this.status(app));
  }

  /** What came of the app's last pause, or does so far; undefined where there was none. Throws as {@link status}. */
  report(app: string = DEFAULT_APP): PauseReport | undefined {
    this.#checkName(app);
    return this.#reports.of(app);
  }

  /** What to expect of a pause, from the last minutes' traffic. Throws as {@link status}. */
  traffic(app: string = DEFAULT_APP): TrafficReport {
    const gate = this.#existing(app) ?? this.#createGate(app);
    const oldest = gate.stragglers()[0]?.ageMs ?? 0;
    return reportTraffic(app, gate.traffic.summary(this.#clock.now()), gate.inFlight, oldest);
  }

  /** How many requests of an app were let through at once, since it is known; for metrics. */
  passed(app: string): number {
    return this.#gates.get(app)?.traffic.passed ?? 0;
  }

  // ---- For the edges ---------------------------------------------------------------------

  /**
   * Tells which app a `pause()` is for: a name, or undefined when it reads the names off requests.
   * Once each is named, a command for any other is a typing error that would look like success.
   */
  declare(app: string | undefined): void {
    if (this.#pauses++ === 0) this.#anyName = false;
    if (app === undefined) this.#anyName = true;
    else this.#named.add(readAppName(app));
  }

  /** Logs a warning the first time that it is due. */
  warnOnce(code: string, message: string): void {
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    this.settings.logger.warn(`${code}: ${message}`);
  }

  /** @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_TOO_MANY_APPS`. */
  gate(app: string): Gate {
    return this.#gates.get(app) ?? this.#addGate(app);
  }

  // ---- How ------------------------------------------------------------------------------------

  #command(app: string, ifPause: string | undefined, run: (gate: Gate) => boolean): CommandResult {
    if (this.#closed) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'This antract has been closed.', {
        status: 503,
      });
    }
    this.#checkName(app);
    const gate = this.gate(app);
    checkPause(app, gate.state, ifPause);
    const held = gate.held;
    const changed = run(gate);
    return { app, changed, held, status: gate.status() };
  }

  #existing(app: string): Gate | undefined {
    this.#checkName(app);
    return this.#gates.get(app);
  }

  #checkName(app: string): void {
    readAppName(app);
    if (this.#anyName || this.#named.has(app)) return;
    throw new AntractError(
      'ERR_ANTRACT_UNKNOWN_APP',
      `Expected \`app\` to be one of ${[...this.#named].join(', ')}; got \`${app}\`.`,
      { status: 404 },
    );
  }

  #addGate(app: string): Gate {
    readAppName(app);
    if (this.#gates.size >= this.settings.maxApps && !this.#named.has(app)) this.#forgetIdleApp();
    const gate = this.#createGate(app);
    if (this.#closed) gate.close();
    this.#gates.set(app, gate);
    return gate;
  }

  #createGate(app: string): Gate {
    const settings = this.settings.apps.get(app) ?? this.settings;
    const { health: check, healthThreshold: threshold } = settings;
    const probe: Probe | undefined =
      check &&
      ((signal, seen) => probeUntilHealthy({ check, threshold }, this.#clock, signal, seen));
    return new Gate({ app, settings, clock: this.#clock, emit: this.#tell, probe });
  }

  #forgetIdleApp(): void {
    for (const [app, gate] of this.#gates) {
      if (gate.isIdle && !this.#named.has(app)) {
        this.#gates.delete(app);
        this.#reports.forget(app);
        return;
      }
    }
    throw new AntractError(
      'ERR_ANTRACT_TOO_MANY_APPS',
      `All ${this.settings.maxApps} apps (\`maxApps\`) are in use.`,
      { status: 503 },
    );
  }

  /** A listener that throws must not take down the request, or the release, that it was told of. */
  readonly #tell: EmitEvent = (event, payload, request) => {
    publish(event, payload, request);
    this.#reports.record(event, payload, (app) => this.#gates.get(app)?.stragglers() ?? []);
    const warning = warningOf(event, payload);
    if (warning) this.settings.logger.warn(warning);
    try {
      (this as EventEmitter).emit(event, payload);
    } catch (error) {
      this.settings.logger.error(`A listener for '${event}' threw: ${String(error)}`);
    }
  };
}

/** Whoever takes a pause of writes for one of everything would work on a backend that is in use. */
function checkOnly({ app, state }: Gate, wanted: 'writes' | undefined): void {
  const { intent, only } = state;
  if (intent !== 'paused' || only === wanted) return;
  throw new AntractError(
    'ERR_ANTRACT_ALREADY_PAUSED',
    `App \`${app}\` is paused already, for ${only ?? 'all requests'}: end that pause first.`,
    { status: 409 },
  );
}

function readLimits({ timeout, signal }: WaitOptions): WaitLimits {
  return {
    timeoutMs: timeout === undefined ? Infinity : duration()('timeout', timeout),
    signal,
  };
}

/** What ends the wait for a release before it begins. */
function endOf(intent: Intent): 'paused' | 'stopped' | undefined {
  return intent === 'running' ? undefined : intent;
}

/** What nobody asked for is told to those who do not listen, too. */
function warningOf<K extends keyof AntractEvents>(
  event: K,
  payload: AntractEvents[K][0],
): string | undefined {
  switch (event) {
    case 'expired': {
      const { app, pausedForMs, held, cause } = payload as AntractEvents['expired'][0];
      const why =
        cause === 'lease'
          ? `was held by a lease that nobody renewed. After ${pausedForMs} ms it`
          : `reached its longest time after ${pausedForMs} ms and`;
      return (
        `WRN_ANTRACT_EXPIRED: the pause of app '${app}' ${why} ` +
        `has ended by itself; ${held} held requests are being released.`
      );
    }
    case 'unhealthy': {
      const { app, lastSeen, action } = payload as AntractEvents['unhealthy'][0];
      const end = action === 'stop' ? 'the app is stopped' : 'those held are let go all the same';
      return `WRN_ANTRACT_UNHEALTHY: the backend of app '${app}' does not answer (${lastSeen}); ${end}.`;
    }
    case 'unreachable': {
      const { app, coverMs } = payload as AntractEvents['unreachable'][0];
      return (
        `WRN_ANTRACT_UNREACHABLE: the backend of app '${app}' refuses connections with nobody having ` +
        `paused; requests are held for it, for up to ${coverMs} ms.`
      );
    }
    default:
      return undefined;
  }
}
