/**
 * One instance of antract: its gates, its events and its connection to the other processes. The HTTP
 * layers use it; users get `PauseRegistry`.
 */
import { systemClock, type Clock } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import { changesTerms, type Command } from '../gate/desired-state.ts';
import type { DrainedEvent, EmitEvent } from '../gate/events.ts';
import type { Gate } from '../gate/gate.ts';
import { PauseReports, type PauseReport } from '../gate/pause-report.ts';
import { describeStatus } from '../gate/status-text.ts';
import type { AppStatus, CommandResult, StatusFields } from '../gate/status.ts';
import { DEFAULT_APP } from '../options/app-name.ts';
import type { AntractOptions } from '../options/options.ts';
import { readOptions } from '../options/read-options.ts';
import type { Settings } from '../options/settings.ts';
import { Sharing } from '../sharing/sharing.ts';
import { AppTotals } from './app-totals.ts';
import { BackendWatch } from './backend-watch.ts';
import { Drains } from './drains.ts';
import { EventHub } from './event-hub.ts';
import { GateFactory } from './gate-factory.ts';
import { Gates } from './gates.ts';
import { currentReport, History } from './history.ts';
import { TransitionLog, type TransitionCounts } from './transition-log.ts';

export class RegistryCore {
  /** The options, complete and in milliseconds. */
  readonly settings: Settings;
  readonly clock: Clock;
  readonly gates: Gates;
  readonly drains: Drains;
  readonly events: EventHub;
  readonly reports: PauseReports;
  /** What was counted for metrics. */
  readonly totals: AppTotals;
  /** What happened to each app. */
  readonly transitions: TransitionLog;
  /** Undefined without a store. */
  readonly sharing: Sharing | undefined;
  readonly #closing = new AbortController();
  /** Aborted by {@link close}. */
  readonly closed: AbortSignal = this.#closing.signal;
  /** Bytes of held request bodies, in memory and on disk. Set by the owner of the spool. */
  totalSpooledBytes: () => number = () => 0;
  /** Where the backend of an app is. Set by the gateway. */
  targetOf: (app: string) => string | null = () => null;
  /** How to protect the admin endpoints. Another owner of this instance has other options. */
  adminAdvice =
    'give `token` or `authorize` to admin(), or serve the endpoints on a listener of their own';
  /** Whether upgrades pass through a gate too. */
  hasUpgrade = false;
  /** Whether a shutdown may have to end upgraded connections, whatever `longLived` says. */
  endsUpgrades = false;
  readonly #factory: GateFactory;
  readonly #backends: BackendWatch;
  readonly #warned = new Set<string>();
  #history: History | undefined;
  #isClosed = false;

  /** @param clock replaced in tests. */
  constructor(options: AntractOptions = {}, clock: Clock = systemClock) {
    this.settings = readOptions(options);
    this.clock = clock;
    this.reports = new PauseReports((app) => this.gates.find(app), clock);
    const { settings, reports } = this;
    const { store, logger } = settings;
    this.transitions = new TransitionLog({
      clock,
      logger,
      countsOf: (app) => this.#countsOf(app),
      isLeader: () => this.isLeader,
    });
    this.gates = new Gates(settings, {
      create: (app) => this.#create(app),
      onCreated: (gate) => this.sharing?.onGateCreated(gate),
      onEvicted: (gate) => this.#onEvicted(gate),
    });
    const { gates } = this;
    this.totals = new AppTotals({ gates, isLeader: () => this.isLeader });
    const { totals, transitions } = this;
    this.events = new EventHub({ reports, totals, transitions, logger });
    const { events } = this;
    this.sharing = store && new Sharing({ store, clock, settings, gates, reports });
    const { sharing, closed } = this;
    this.#factory = new GateFactory({
      settings,
      clock,
      sharing,
      emit: this.#emit,
      onBackendChange: (app, seenBy) => this.#backends.check(app, seenBy),
      closed,
    });
    this.drains = new Drains({ clock, gates, sharing, announce: events.announce });
    this.#backends = new BackendWatch({ clock, gates, sharing, announce: events.announce });
    sharing?.start();
  }

  /** Of all processes on one store, exactly one is the leader: it logs and sends for all. */
  get isLeader(): boolean {
    return this.sharing?.isLeader ?? true;
  }

  /** Resolves when the desired states are known, or when the store is known not to answer. */
  get ready(): Promise<void> {
    return this.sharing?.ready ?? Promise.resolve();
  }

  /** Resolves when the store has answered, or failed, for the first time. */
  get joined(): Promise<void> {
    return this.sharing?.joined ?? Promise.resolve();
  }

  /** The apps that are declared here, or known to any process. */
  get appNames(): string[] {
    const { gates, sharing } = this;
    const elsewhere = [...(sharing?.appNames ?? [])].filter((app) => gates.allows(app));
    const names = new Set([...gates.names, ...elsewhere]);
    if (names.size === 0) names.add(DEFAULT_APP);
    return [...names];
  }

  /** @throws AntractError `ERR_ANTRACT_APP_NAME`, `ERR_ANTRACT_TOO_MANY_APPS`. */
  gate(app: string): Gate {
    return this.gates.get(app);
  }

  /** What happened in the last minutes. Samples are taken from the first use on. */
  get history(): History {
    const { clock, closed, reports, transitions, sharing } = this;
    return (this.#history ??= new History({
      clock,
      closed,
      reports,
      transitions,
      sharing,
      appNames: () => this.appNames,
      fieldsOf: (app) => this.#fieldsOf(this.gates.peek(app)),
    }));
  }

  /** Returns the status of an app, aggregated over all processes. */
  statusOf(gate: Gate): AppStatus {
    return describeStatus(this.#fieldsOf(gate), this.targetOf(gate.app));
  }

  /** Returns the report of the current or last pause; undefined if the app was never paused. */
  reportOf(app: string): PauseReport | undefined {
    if (this.#history) return this.#history.pauses(app).at(-1);
    return currentReport(app, this);
  }

  /** Returns the statuses of all apps in this process only. */
  listOwn(): StatusFields[] {
    return this.appNames.map((app) => this.gates.peek(app).status());
  }

  /**
   * Carries out a command in all processes.
   *
   * @throws AntractError see {@link PauseRegistry.enable}.
   */
  async execute(app: string, command: Command): Promise<CommandResult> {
    if (this.#isClosed) {
      throw new AntractError('ERR_ANTRACT_CLOSED', 'This antract has been closed.', {
        status: 503,
      });
    }
    const { gates, sharing } = this;
    gates.check(command.type, app);
    const gate = gates.get(app);
    const held = gate.held + (sharing?.others.counts(app).held ?? 0);
    const result = sharing
      ? await sharing.execute(gate, command)
      : { changed: gate.apply(command) };
    const status = this.statusOf(gate);
    if (!result.changed && changesTerms(command)) {
      this.transitions.recordChange(app, command.by ?? null, status);
    }
    return { app, held, ...result, status };
  }

  /** Asks the backends of all apps that have a health check path once. Never rejects. */
  async checkBackends(): Promise<void> {
    await Promise.all(this.appNames.map((app) => this.#factory.checkBackend(this.gate(app))));
  }

  /** Logs a warning only once. */
  warnOnce(code: string, message: string): void {
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    this.settings.logger.warn(`${code}: ${message}`);
  }

  /** See {@link PauseRegistry.close}. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const gate of this.gates) gate.close();
    this.#closing.abort();
    await this.sharing?.close();
  }

  #fieldsOf(gate: Gate): StatusFields {
    return this.sharing?.status(gate) ?? gate.status();
  }

  #create(app: string): Gate {
    const gate = this.#factory.create(app);
    if (this.#isClosed) gate.close();
    return gate;
  }

  #onEvicted(gate: Gate): void {
    const { app, traffic } = gate;
    this.totals.onEvicted(gate);
    this.#factory.forget(app);
    this.reports.forget(app);
    this.transitions.forget(app);
    this.#backends.forget(app);
    this.#history?.forget(app);
    this.#emit('evicted', { app, passed: traffic.passed });
  }

  #countsOf(app: string): TransitionCounts {
    const { held, inFlight } = this.gates.peek(app);
    const others = this.sharing?.others.counts(app);
    return { held: held + (others?.held ?? 0), inFlight: inFlight + (others?.inFlight ?? 0) };
  }

  readonly #emit: EmitEvent = (event, payload, request) => {
    if (event === 'drained') this.drains.onDrainedHere(payload as DrainedEvent);
    else this.events.announce(event, payload, request);
    this.sharing?.reportSoon();
  };
}
