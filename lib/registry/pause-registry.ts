/**
 * The public interface of an instance: commands, snapshots and events, with or without HTTP.
 */
import { DEFAULT_APP, readAppArgument } from '../options/app-name.ts';
import {
  readDisable,
  readEnable,
  readStop,
  readWait,
  type DrainOptions,
  type EnableOptions,
  type PauseCondition,
  type StopOptions,
  type WaitOptions,
} from './command-options.ts';
import { newPauseId } from '../gate/desired-state.ts';
import type { AntractEvents, AntractListener } from '../gate/events.ts';
import type { ReleaseOutcome } from '../gate/releaser.ts';
import type { PauseReport } from '../gate/pause-report.ts';
import type { AppStatus, CommandResult, DrainResult, ReleaseResult } from '../gate/status.ts';
import { trafficOf, type TrafficReport } from '../gate/traffic-report.ts';
import { runDuring, type DuringOptions, type MaintenanceWindow } from './maintenance-window.ts';
import type { RegistryCore } from './registry-core.ts';
import { waitForGate } from './wait-for-gate.ts';

/**
 * The commands, snapshots and events of one instance: `antract.registry`. `createAntract()` makes it. All
 * methods that take an app use `default` if you name none.
 */
export class PauseRegistry {
  readonly #core: RegistryCore;

  /** @internal */
  constructor(core: RegistryCore) {
    this.#core = core;
  }

  // ---- Commands -------------------------------------------------------------------------------

  /**
   * Pauses an app: new requests are held, and requests in flight continue to their end. If the app is
   * paused already, an explicit `maxTime` restarts the countdown and `reason` replaces the old reason.
   *
   * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_UNKNOWN_APP`,
   *   `ERR_ANTRACT_TOO_MANY_APPS`, `ERR_ANTRACT_CLOSED`; `ERR_ANTRACT_ALREADY_PAUSED` if the app is paused
   *   with another `only`, or if `ifPause` is `none` and the app is not running; `ERR_ANTRACT_NOT_PAUSED`
   *   if the pause that `ifPause` names has ended; `ERR_ANTRACT_STORE_BUSY` if other processes keep changing
   *   the app at the same time.
   * @example
   * await antract.enable('default', { maxTime: '2m', reason: 'database migration' });
   */
  async enable(app: string = DEFAULT_APP, options: EnableOptions = {}): Promise<CommandResult> {
    const { ifPause, by, ...terms } = readEnable(options);
    const pauseId = newPauseId(this.#core.clock.random());
    return this.#core.execute(app, { type: 'enable', ifPause, by, terms, pauseId });
  }

  /**
   * Resumes an app: held requests are released in order, then all later requests pass.
   *
   * @throws AntractError as {@link enable}.
   */
  async disable(app: string = DEFAULT_APP, options: PauseCondition = {}): Promise<CommandResult> {
    const { ifPause, by } = readDisable(options);
    return this.#core.execute(app, { type: 'disable', ifPause, by });
  }

  /**
   * Stops an app: held requests and all later requests are answered with 503, until `enable`, `disable` or
   * the end of `maxTime`. If the app is stopped already, an explicit `maxTime` restarts the countdown and
   * `message` replaces the old message.
   *
   * @throws AntractError as {@link enable}.
   */
  async stop(app: string = DEFAULT_APP, options: StopOptions = {}): Promise<CommandResult> {
    const { ifPause, by, ...terms } = readStop(options);
    return this.#core.execute(app, { type: 'stop', ifPause, by, terms });
  }

  /**
   * Waits until no request is in flight in an app that is paused or stopped. The outcome says how the wait
   * ended: a drain that takes longer than `timeout`, or that misses a process, does not throw.
   *
   * @throws AntractError `ERR_ANTRACT_NOT_PAUSED`; `ERR_ANTRACT_OWN_REQUEST` if the drain waits for the
   *   request whose handler called this method; `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`,
   *   `ERR_ANTRACT_UNKNOWN_APP`; or the reason of the signal.
   * @example
   * const { outcome, stragglers } = await antract.waitForDrain('default', { timeout: '30s' });
   */
  waitForDrain(app: string = DEFAULT_APP, options: DrainOptions = {}): Promise<DrainResult> {
    const { drains } = this.#core;
    return drains.waitFor(drains.callingRequest(app), app, options);
  }

  /**
   * Waits until no request is held and, with a `probe`, the backend answers. The outcome says how the
   * wait ended.
   *
   * @throws AntractError `ERR_ANTRACT_OPTION`, `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_UNKNOWN_APP`; or the
   *   reason of the signal.
   */
  async waitForRelease(
    app: string = DEFAULT_APP,
    options: WaitOptions = {},
  ): Promise<ReleaseResult> {
    const { clock, sharing } = this.#core;
    const others = sharing?.others;
    const limits = readWait(options);
    const gate = this.#peek('waitForRelease', app);
    const start = clock.now();
    const look = (): ReleaseOutcome | undefined =>
      gate.releaser.isDone && (others?.haveReopened(app) ?? true) ? 'reopened' : undefined;
    if (others) await others.refresh();
    const ended = gate.desiredKind === 'running' ? undefined : gate.desiredKind;
    const outcome = await waitForGate<ReleaseOutcome>(clock, others, limits, look() ?? ended, {
      goal: 'reopened',
      look,
      watchOwn: (callback) => gate.releaser.watch(callback),
    });
    return { outcome, waitedMs: Math.round(clock.now() - start) };
  }

  /**
   * Pauses an app, waits for the drain, runs `fn` and resumes the app, even if `fn` throws. Returns what
   * `fn` returns.
   *
   * @throws AntractError `ERR_ANTRACT_ALREADY_PAUSED`: two maintenance windows can't share a backend;
   *   `ERR_ANTRACT_DRAIN_TIMEOUT` or `ERR_ANTRACT_OWN_REQUEST`: `fn` was not run; and as {@link enable}.
   * @example
   * await antract.during('default', () => migrate(), { drainTimeout: '1m', maxTime: '10m' });
   */
  async during<T>(
    app: string = DEFAULT_APP,
    fn: (window: MaintenanceWindow) => T | Promise<T>,
    options: DuringOptions = {},
  ): Promise<T> {
    return runDuring(this, this.#core.drains, readAppArgument('during', app), fn, options);
  }

  /** Rejects all held requests with 503, and from then on each request that would be held. */
  close(): Promise<void> {
    return this.#core.close();
  }

  // ---- Snapshots ------------------------------------------------------------------------------

  /**
   * With a `store`: resolves when the desired states are known, or when the store is known not to answer.
   * Requests that arrive earlier are held. Without a store it has resolved already.
   */
  get ready(): Promise<void> {
    return this.#core.ready;
  }

  /**
   * Returns the status of an app. With a `store` it covers all processes.
   *
   * @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_UNKNOWN_APP`.
   */
  status(app: string = DEFAULT_APP): AppStatus {
    return this.#core.statusOf(this.#peek('status', app));
  }

  /** Returns the statuses of all known apps, or of `default` if there is none. */
  list(): AppStatus[] {
    return this.#core.appNames.map((app) => this.status(app));
  }

  /**
   * Returns the report of the current or last pause of an app; undefined if it was never paused.
   *
   * @throws AntractError as {@link status}.
   */
  report(app: string = DEFAULT_APP): PauseReport | undefined {
    this.#core.gates.check('report', app);
    return this.#core.reportOf(app);
  }

  /**
   * Returns the traffic of the last five minutes, and what a pause would mean for it.
   *
   * @throws AntractError as {@link status}.
   */
  traffic(app: string = DEFAULT_APP): TrafficReport {
    const { clock, sharing } = this.#core;
    const gate = this.#peek('traffic', app);
    return sharing?.traffic(gate) ?? trafficOf(gate, clock.now());
  }

  /**
   * Asks the backends of all apps that have a health check path once. A wrong path is then logged before a
   * release needs it. Never rejects.
   */
  checkBackends(): Promise<void> {
    return this.#core.checkBackends();
  }

  // ---- Events ---------------------------------------------------------------------------------

  /**
   * Calls a listener at each event.
   *
   * @example
   * antract.on('drained', ({ app, afterMs }) => console.log(`${app} drained after ${afterMs} ms`));
   */
  on<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    this.#core.events.on(event, listener);
    return this;
  }

  /** Calls a listener at the next event of that name. */
  once<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    this.#core.events.once(event, listener);
    return this;
  }

  /** Removes a listener. */
  off<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    this.#core.events.off(event, listener);
    return this;
  }

  #peek(method: string, app: string) {
    this.#core.gates.check(method, app);
    return this.#core.gates.peek(app);
  }
}
