/**
 * Joins the gates of this process to a store, through which all processes share the desired states and
 * report what they hold.
 *
 * No request waits for the store. Gates adopt changes, and keep the last known state while the store does
 * not answer.
 */
import cluster from 'node:cluster';
import { hostname } from 'node:os';
import type { Clock } from '../common/clock.ts';
import type { Command } from '../gate/desired-state.ts';
import type { Gate } from '../gate/gate.ts';
import type { PauseReports } from '../gate/pause-report.ts';
import type { CommandResult, StatusFields } from '../gate/status.ts';
import type { TrafficReport } from '../gate/traffic-report.ts';
import type { Settings } from '../options/settings.ts';
import { PROTOCOL, type Store } from '../stores/store.ts';
import { joinStatus, joinTraffic, type ProcessReports } from './aggregated-status.ts';
import type { GateSource } from './gate-source.ts';
import { Membership } from './membership.ts';
import { OtherProcesses } from './other-processes.ts';
import { Outage } from './outage.ts';
import type { ProcessOrigin } from './process-report.ts';
import { ReplicatedStates } from './replicated-states.ts';
import { reportApp, reportContents } from './report-contents.ts';
import { StallDetector } from './stall-detector.ts';
import { StoreCalls, StoreUnavailableError } from './store-calls.ts';
import { StoreSync } from './store-sync.ts';

export interface SharingDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'onStoreError' | 'maxTime' | 'logger'>;
  readonly gates: GateSource;
  readonly reports: Pick<PauseReports, 'of'>;
}

export class Sharing {
  readonly others: OtherProcesses;
  readonly #deps: SharingDeps;
  readonly #states: ReplicatedStates;
  readonly #membership: Membership;
  readonly #outage: Outage;
  readonly #sync: StoreSync;
  #self: ProcessOrigin;

  constructor(deps: SharingDeps) {
    const { store, clock, settings, gates } = deps;
    const { logger } = settings;
    this.#deps = deps;
    this.#self = createOrigin(clock);
    const { id } = this.#self;
    const calls = new StoreCalls(store, clock);
    this.#outage = new Outage({ clock, settings, gates });
    this.#states = new ReplicatedStates({ calls, clock, self: id, gates, logger }, () =>
      this.#onAcknowledged(),
    );
    this.#membership = new Membership(
      { calls, clock, gates, logger, self: this.#self },
      {
        report: () => this.#report(),
        onError: (error) => this.#sync.onStoreError(error),
      },
    );
    this.#sync = new StoreSync({
      calls,
      clock,
      settings,
      gates,
      states: this.#states,
      membership: this.#membership,
      outage: this.#outage,
      stalls: new StallDetector(clock),
    });
    this.others = new OtherProcesses({
      clock,
      states: this.#states,
      membership: this.#membership,
      outage: this.#outage,
      sync: this.#sync,
    });
    this.#membership.watch(() => {
      for (const gate of gates) gate.releaser.onShareChange();
    });
  }

  /** Begins to synchronize. */
  start(): void {
    this.#sync.start();
  }

  /** Resolves when the desired states are known, or when the store is known not to answer. */
  get ready(): Promise<void> {
    return this.#sync.ready;
  }

  /** See {@link StoreSync.joined}. */
  get joined(): Promise<void> {
    return this.#sync.joined;
  }

  /** Whether the desired states are known, so that gates may let requests pass. */
  get isInformed(): boolean {
    return this.#sync.isInformed;
  }

  /** Exactly one process is the leader, unless the processes can't reach the store. */
  get isLeader(): boolean {
    return this.#sync.isLeader;
  }

  /** The store does not answer, so no other process can be asked. */
  get isStoreLost(): boolean {
    return this.#outage.isActive;
  }

  get appNames(): Iterable<string> {
    return new Set([...this.#states.versions.keys(), ...this.#membership.peers.appNames()]);
  }

  /**
   * Carries out a command in all processes, or in this process alone while the store does not answer.
   *
   * @throws AntractError `ERR_ANTRACT_STORE_BUSY`, and as `applyCommand()`.
   */
  async execute(
    gate: Gate,
    command: Command,
  ): Promise<Pick<CommandResult, 'changed' | 'shared' | 'warning'>> {
    await this.ready;
    if (!this.#outage.isActive) {
      try {
        const { changed, warning } = await this.#states.execute(gate, command);
        return { changed, shared: true, ...(warning !== undefined && { warning }) };
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        this.#sync.onStoreError(error);
      }
    }
    return { changed: this.#states.executeHere(gate, command), shared: false };
  }

  /** A gate has changed its state by itself. */
  onStateChange(gate: Gate): void {
    this.#states.publishOwn(gate).catch((error: unknown) => this.#sync.onStoreError(error));
  }

  /** A gate was made; it adopts the state that is known. */
  onGateCreated(gate: Gate): void {
    this.#states.informGate(gate);
  }

  /** Reports changed counts soon. */
  reportSoon(): void {
    this.#membership.reportSoon();
  }

  /** Reports what other processes wait for. */
  reportNow(): void {
    this.#membership.reportNow();
  }

  /** Tells where this process listens. A process that listens there later is its successor. */
  listensOn(address: string): void {
    this.#setOrigin({ address });
  }

  /** Later processes replace this one, which serves what it holds. Its held requests go before theirs. */
  onLeaving(generation: number): void {
    this.#setOrigin({ leaving: generation });
  }

  /** Returns the status of an app, aggregated over all processes. */
  status(gate: Gate): StatusFields {
    const { others } = this;
    const own = gate.status();
    return {
      ...joinStatus(gate.app, own, this.#processReports(gate)),
      // The operator has said that no other process runs.
      ...(others.isDrainedAlone(gate) && { phase: own.phase }),
      lostProcesses: others.lost(gate),
      store: this.#outage.isActive ? 'lost' : 'connected',
      durable: this.#deps.store.isDurable !== false,
    };
  }

  /** Returns the traffic of an app, aggregated over all processes. */
  traffic(gate: Gate): TrafficReport {
    return joinTraffic(gate.app, gate.status(), this.#processReports(gate));
  }

  /** Leaves the other processes once nothing is in flight here, or after 10 s. They wait until then. */
  close(): Promise<void> {
    return this.#sync.close();
  }

  #processReports(gate: Gate): ProcessReports {
    const { clock, reports } = this.#deps;
    const { app } = gate;
    const version = this.#states.version(app);
    const isPublished = !this.#states.isPending(app) && !this.#sync.isAwaitingReports;
    return {
      self: this.#self,
      own: reportApp(gate, version, { clock, reports }),
      peers: this.#membership.peers.live,
      version,
      isInForce: isPublished && this.others.missing(gate).length === 0,
      now: clock.now(),
    };
  }

  #setOrigin(change: Partial<Pick<ProcessOrigin, 'address' | 'leaving'>>): void {
    this.#self = { ...this.#self, ...change };
    this.#membership.setOrigin(this.#self);
    this.#membership.reportNow();
  }

  #report() {
    const { clock, settings } = this.#deps;
    return {
      ...this.#self,
      protocol: PROTOCOL,
      at: clock.date(),
      onStoreError: settings.onStoreError,
      ...reportContents(this.#states.versions, this.others.silent, this.#deps),
    };
  }

  /** Other processes may wait for the acknowledgement. */
  #onAcknowledged(): void {
    this.#membership.reportNow();
    this.#membership.notifyWatchers();
  }
}

function createOrigin(clock: Clock): ProcessOrigin {
  const random = Math.floor(clock.random() * 2 ** 52).toString(36);
  return {
    id: `${hostname()}:${process.pid}:${random}`,
    host: hostname(),
    pid: process.pid,
    address: null,
    worker: cluster.worker?.id ?? null,
    leaving: null,
    startedAt: clock.date(),
  };
}
