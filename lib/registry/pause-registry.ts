/**
 * App name to gate: the commands, the snapshots and the events, for use with or without HTTP. Knows
 * no request beyond its method and path.
 */
import { EventEmitter } from 'node:events';
import { readAppArgument } from '../options/app-name.ts';
import { systemClock, type Clock } from '../common/clock.ts';
import {
  readDisable,
  readDrain,
  readEnable,
  readLimits,
  readStop,
  type DrainOptions,
  type EnableOptions,
  type PauseCondition,
  type StopOptions,
  type WaitOptions,
} from './commands.ts';
import { publish } from './diagnostics.ts';
import { AntractError } from '../common/errors.ts';
import { warningOf } from './event-warnings.ts';
import type { AntractEvents, AntractListener, EmitEvent } from '../gate/events.ts';
import type { Probe } from '../gate/probe-cycle.ts';
import { Gate } from '../gate/gate.ts';
import { Gates } from './gates.ts';
import type { DesiredState } from '../gate/desired-state.ts';
import { look, probeUntilHealthy } from '../probe/backend-probe.ts';
import { runDuring, type DuringOptions, type MaintenanceWindow } from './maintenance-window.ts';
import { checkPause } from './pause-condition.ts';
import { callingRequest, watchOwnRequest } from './own-request.ts';
import { joinReports, PauseReports, type PauseReport } from '../gate/pause-report.ts';
import { readOptions } from '../options/read-options.ts';
import type { AntractOptions } from '../options/options.ts';
import type { RequestLine } from '../common/request.ts';
import type { Settings } from '../options/settings.ts';
import { Sharing } from '../sharing/sharing.ts';
import { describeStatus } from '../gate/status-text.ts';
import type {
  AppStatus,
  CommandResult,
  DrainResult,
  ReleaseResult,
  StatusFields,
} from '../gate/status.ts';
import { reportTraffic, type TrafficReport } from '../gate/traffic-stats.ts';
import { GateWait } from './wait-for-gate.ts';

/** The app's name where there is only one. */
export const DEFAULT_APP = 'default';

export class PauseRegistry extends EventEmitter {
  /** @internal The options it was made with, complete and in milliseconds. */
  readonly settings: Settings;
  readonly #closing = new AbortController();
  /** @internal Aborted by {@link close}: what else lives on this registry ends with it. */
  readonly closed: AbortSignal = this.#closing.signal;
  readonly #clock: Clock;
  readonly #gates: Gates;
  /** Undefined where what is asked for stays in this process. */
  readonly #sharing: Sharing | undefined;
  readonly #wait: GateWait;
  /** @internal Bytes of held bodies, in memory and on disk. The spool's owner says how many. */
  spooledBytes: () => number = () => 0;
  /** @internal Whether upgrades pass through a gate as well. */
  hasUpgrade = false;
  /** Whether upgraded connections may have to be ended whatever `longLived` says: at a shutdown. */
  endsUpgrades = false;
  readonly #warned = new Set<string>();
  /** The apps whose health check must be wrong. */
  readonly #wrongChecks = new Set<string>();
  readonly #reports = new PauseReports((app) => this.#gates.find(app));
  #closed = false;

  /**
   * @param options as for `createAntract()`.
   * @param clock replaced in tests.
   */
  constructor(options: AntractOptions = {}, clock: Clock = systemClock) {
    super();
    this.settings = readOptions(options);
    this.#clock = clock;
    this.#gates = new Gates({
      settings: this.settings,
      make: (app) => this.#createGate(app),
      added: (gate) => this.#sharing?.tell(gate),
      forgotten: (gate) => this.#forget(gate),
    });
    this.#sharing = this.#share();
    this.#wait = new GateWait(clock, this.#sharing);
  }

  /**
   * With a `store`: resolves once it is known what is asked for, or that the store does not answer.
   * Requests that come before it wait.
   */
  get ready(): Promise<void> {
    return this.#sharing?.ready ?? Promise.resolve();
  }

  /** @internal With a `store`: resolves once it has answered, or failed, for the first time. */
  get joined(): Promise<void> {
    return this.#sharing?.joined ?? Promise.resolve();
  }

  /** @internal Tells the processes that share a store where this one listens, such as `0.0.0.0:8080`. */
  listensOn(address: string): void {
    this.#sharing?.listensOn(address);
  }

  /** @internal The same one of all processes that share a store, in each of them: speaks for all. */
  get isLeader(): boolean {
    return this.#sharing?.isLeader ?? true;
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
    const { ifPause, ...read } = readEnable(options);
    return this.#command('enable', app, ifPause, (gate) => {
      if (ifPause === undefined) checkOnly(gate, read.only);
      return gate.planEnable(read);
    });
  }

  /** Lets those held go, in order, and everybody after them. Throws as {@link enable}. */
  async disable(app: string = DEFAULT_APP, options: PauseCondition = {}): Promise<CommandResult> {
    const { ifPause } = readDisable(options);
    return this.#command('disable', app, ifPause, (gate) => gate.planDisable());
  }

  /**
   * Answers 503 to the held requests and to all that follow, until `enable`, `disable`, or the end of
   * `maxTime`. On an app that is stopped already, an explicit `maxTime` starts the countdown anew and
   * `message` replaces the old one. Throws as {@link enable}.
   */
  async stop(app: string = DEFAULT_APP, options: StopOptions = {}): Promise<CommandResult> {
    const { ifPause, ...terms } = readStop(options);
    return this.#command('stop', app, ifPause, (gate) => gate.planStop(terms));
  }

  /**
   * Waits until nothing is in flight in an app that is paused or stopped. A value says how it
   * ended, a drain that took too long included, or one that a process is missing of.
   *
   * @throws AntractError `ERR_ANTRACT_NOT_PAUSED`, and as {@link enable}; `ERR_ANTRACT_OWN_REQUEST` where
   *   the drain waits for the request that called this; or the signal's reason.
   */
  waitForDrain(app: string = DEFAULT_APP, options: DrainOptions = {}): Promise<DrainResult> {
    return this.drainFor(this.callingRequest(app), app, options);
  }

  /** @internal {@link waitForDrain}, called by the handler of `caller` if there is one. */
  async drainFor(
    caller: RequestLine | undefined,
    app: string,
    options: DrainOptions,
  ): Promise<DrainResult> {
    const { ignoresLost, ...limits } = readDrain(options);
    const gate = this.#existing('waitForDrain', app);
    if (!gate || gate.desiredKind === 'running') {
      throw new AntractError(
        'ERR_ANTRACT_NOT_PAUSED',
        `Expected app \`${app}\` to be paused or stopped: while it runs, new requests follow those that end.`,
        { status: 409 },
      );
    }
    const start = this.#clock.now();
    const own = caller && watchOwnRequest(gate, caller, this.#clock);
    const signals = [limits.signal, own?.signal].filter((signal) => signal !== undefined);
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    try {
      const outcome = await this.#wait.drained(gate, { ...limits, signal }, ignoresLost);
      const waitedMs = Math.round(this.#clock.now() - start);
      const stragglers = this.#statusOf(gate).stragglers ?? [];
      if (!this.#sharing) return { outcome, waitedMs, stragglers };
      const store = this.#sharing.isStoreLost ? 'lost' : 'connected';
      return { outcome, waitedMs, stragglers, missing: this.#sharing.missing(gate), store };
    } finally {
      own?.stop();
    }
  }

  /** @internal See `own-request.ts`. */
  callingRequest(app: string): RequestLine | undefined {
    return callingRequest(this.#gates.find(app));
  }

  /**
   * Waits until nobody is held any more and, where there is a `probe`, the backend answers. A value
   * says how it ended.
   *
   * @throws AntractError as {@link enable}; or the signal's reason.
   */
  async waitForRelease(
    app: string = DEFAULT_APP,
    options: WaitOptions = {},
  ): Promise<ReleaseResult> {
    const limits = readLimits(options);
    const gate = this.#lookAt('waitForRelease', app);
    const start = this.#clock.now();
    const outcome = await this.#wait.reopened(gate, limits);
    return { outcome, waitedMs: Math.round(this.#clock.now() - start) };
  }

  /**
   * Pauses an app, waits for the drain, runs `fn`, and resumes, even if `fn` throws. Returns what
   * `fn` returns.
   *
   * @throws AntractError `ERR_ANTRACT_ALREADY_PAUSED`, as two maintenance windows can't share a
   *   backend; `ERR_ANTRACT_DRAIN_TIMEOUT` or `ERR_ANTRACT_OWN_REQUEST`, then `fn` was not run; and as
   *   {@link enable}.
   */
  async during<T>(
    app: string = DEFAULT_APP,
    fn: (window: MaintenanceWindow) => T | Promise<T>,
    options: DuringOptions = {},
  ): Promise<T> {
    return runDuring(this, readAppArgument('during', app), fn, options);
  }

  /** Refuses those held with 503 and, from now on, whoever would have to be held. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const gate of this.#gates) gate.close();
    this.#closing.abort();
    await this.#sharing?.close();
  }

  // ---- Snapshots ------------------------------------------------------------------------------

  /** Throws `ERR_ANTRACT_APP_NAME` and `ERR_ANTRACT_UNKNOWN_APP`. */
  status(app: string = DEFAULT_APP): AppStatus {
    return this.#statusOf(this.#lookAt('status', app));
  }

  /** Every app that is known, or just the default one. */
  list(): AppStatus[] {
    return this.#names().map((app) => this.status(app));
  }

  /** @internal The same for this process alone, where others share its store. */
  listOwn(): StatusFields[] {
    return this.#names().map((app) => this.#lookAt('status', app).status());
  }

  /** What came of the app's last pause, or does so far; undefined where there was none. Throws as {@link status}. */
  report(app: string = DEFAULT_APP): PauseReport | undefined {
    this.#gates.check(readAppArgument('report', app));
    const own = this.#reports.of(app);
    return own && joinReports(own, this.#sharing?.reportsElsewhere(app) ?? []);
  }

  /** What to expect of a pause, from the last minutes' traffic. Throws as {@link status}. */
  traffic(app: string = DEFAULT_APP): TrafficReport {
    const gate = this.#lookAt('traffic', app);
    return this.#sharing?.traffic(gate) ?? this.#trafficOf(gate);
  }

  /** @internal How many requests of an app were let through at once, since it is known; for metrics. */
  passed(app: string): number {
    return this.#gates.find(app)?.traffic.passed ?? 0;
  }

  /**
   * Asks the backends of all apps that have a health check path once, so that a path that is wrong is
   * known before a release waits for it. Never rejects.
   */
  async checkBackends(): Promise<void> {
    await Promise.all(this.#names().map((app) => this.#checkBackend(this.gate(app))));
  }

  async #checkBackend(gate: Gate): Promise<void> {
    const { check } = gate.settings.probe;
    if (check?.path === undefined) return;
    const trouble = await look(check, this.#clock, this.closed);
    // While an app is paused its backend may be away, and during a release the probe sees it.
    if (this.#closed || !gate.isReopened || gate.desiredKind !== 'running') return;
    gate.noteProbe(trouble ?? 'ok', trouble === undefined);
    this.#warnOfCheck(gate);
    const { state, summary } = gate.status().backend;
    if (state === 'down' && this.isLeader) {
      this.settings.logger.info(`App '${gate.app}': ${summary} It may still be starting.`);
    }
  }

  // ---- Events ---------------------------------------------------------------------------------

  // Declared here, as `EventEmitter<AntractEvents>` says `never` of a misspelt name, and says other
  // things with other versions of Node's types.

  override on<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    return super.on(event, listener);
  }

  override once<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    return super.once(event, listener);
  }

  override off<K extends keyof AntractEvents>(event: K, listener: AntractListener<K>): this {
    return super.off(event, listener);
  }

  // ---- For the edges ---------------------------------------------------------------------

  /** @internal See {@link Gates.declare}. */
  declare(app: string | undefined): void {
    this.#gates.declare(app);
  }

  /** @internal See {@link Gates.isDeclared}. */
  isDeclared(app: string): boolean {
    return this.#gates.isDeclared(app);
  }

  /** @internal Logs a warning the first time that it is due. */
  warnOnce(code: string, message: string): void {
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    this.settings.logger.warn(`${code}: ${message}`);
  }

  /** @internal @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_TOO_MANY_APPS`. */
  gate(app: string): Gate {
    return this.#gates.get(app);
  }

  // ---- How ------------------------------------------------------------------------------------

  #share(): Sharing | undefined {
    const { store } = this.settings;
    if (!store) return undefined;
    return new Sharing({
      store,
      clock: this.#clock,
      settings: this.settings,
      gates: () => this.#gates,
      gate: (app) => this.#gates.getIfAllowed(app),
      pauseReport: (app) => this.#reports.of(app),
      traffic: (gate) => this.#trafficOf(gate),
      drained: (app) => this.#announceDrained(app),
    });
  }

  async #command(
    call: 'enable' | 'disable' | 'stop',
    app: string,
    ifPause: string | undefined,
    plan: (gate: Gate) => DesiredState,
  ): Promise<CommandResult> {
    if (this.#closed) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'This antract has been closed.', {
        status: 503,
      });
    }
    this.#gates.check(readAppArgument(call, app));
    const gate = this.gate(app);
    const planNow = (): DesiredState => {
      checkPause(app, gate.state, ifPause);
      return plan(gate);
    };
    const held = gate.held + (this.#sharing?.heldElsewhere(app) ?? 0);
    const done = this.#sharing
      ? await this.#sharing.change(gate, planNow)
      : { changed: gate.adopt(planNow()) };
    return { app, held, ...done, status: this.#statusOf(gate) };
  }

  #announceDrained(app: string): void {
    const since = this.gate(app).state.since;
    this.#announce('drained', { app, afterMs: Math.round(this.#clock.now() - since) });
  }

  #existing(call: string, app: string): Gate | undefined {
    this.#gates.check(readAppArgument(call, app));
    return this.#gates.find(app);
  }

  /** An app that nobody has asked for yet runs; looking at it is no reason to remember it. */
  #lookAt(call: string, app: string): Gate {
    return this.#existing(call, app) ?? this.#createGate(app);
  }

  #names(): string[] {
    const elsewhere = [...(this.#sharing?.appNames ?? [])].filter((app) => this.#gates.allows(app));
    const names = new Set([...this.#gates.names, ...elsewhere]);
    if (names.size === 0) names.add(DEFAULT_APP);
    return [...names];
  }

  #statusOf(gate: Gate): AppStatus {
    return describeStatus(this.#sharing?.status(gate) ?? gate.status());
  }

  #trafficOf(gate: Gate): TrafficReport {
    const oldest = gate.stragglers()[0]?.ageMs ?? 0;
    return reportTraffic(gate.app, gate.traffic.summary(this.#clock.now()), gate.inFlight, oldest);
  }

  #createGate(app: string): Gate {
    const settings = this.settings.apps.get(app) ?? this.settings;
    const { check, threshold } = settings.probe;
    const probe: Probe | undefined =
      check &&
      ((signal, seen, onHurry) => {
        const note: typeof seen = (what, isGood) => {
          seen(what, isGood);
          this.#warnOfCheck(gate);
        };
        return probeUntilHealthy({ check, threshold }, this.#clock, signal, note, onHurry);
      });
    const sharing = this.#sharing;
    const gate: Gate = new Gate({
      app,
      settings,
      clock: this.#clock,
      emit: this.#tell,
      probe,
      ...(sharing && {
        isInformed: () => sharing.isInformed,
        changed: () => sharing.changed(gate),
        answered: () => sharing.noteAnswer(),
        share: () => sharing.share(app),
      }),
    });
    if (this.#closed) gate.close();
    return gate;
  }

  /** Once, until the check succeeds; and once for all processes that share a store. */
  #warnOfCheck(gate: Gate): void {
    const { app, isCheckWrong } = gate;
    const isNews = isCheckWrong && !this.#wrongChecks.has(app);
    if (isCheckWrong) this.#wrongChecks.add(app);
    else this.#wrongChecks.delete(app);
    if (!isNews || !this.isLeader) return;
    const { summary, next } = gate.status().backend;
    this.settings.logger.warn(`WRN_ANTRACT_HEALTH_CHECK: app '${app}': ${summary} ${next}`);
  }

  #forget({ app, traffic }: Gate): void {
    this.#wrongChecks.delete(app);
    this.#reports.forget(app);
    this.#tell('evicted', { app, passed: traffic.passed });
  }

  /** A listener that throws must not take down the request, or the release, that it was told of. */
  readonly #tell: EmitEvent = (event, payload, request) => {
    // All processes have to be; the last one to be drained sets it off in each.
    if (this.#sharing && event === 'drained') this.#sharing.noteDrained(payload.app);
    else this.#announce(event, payload, request);
    this.#sharing?.noteEvent();
  };

  readonly #announce: EmitEvent = (event, payload, request) => {
    publish(event, payload, request);
    this.#reports.record(event, payload);
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
  const { kind, only } = state;
  if (kind !== 'paused' || only === wanted) return;
  throw new AntractError(
    'ERR_ANTRACT_ALREADY_PAUSED',
    `App \`${app}\` is paused already, for ${only ?? 'all requests'}: end that pause first.`,
    { status: 409 },
  );
}
