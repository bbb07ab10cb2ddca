/**
 * Joins the gates of this process to a store, through which they share what was asked for with other
 * processes. Knows neither requests nor what the store is made of.
 *
 * No request waits for the store: gates are told when something is new, and hold what they know while
 * it does not answer.
 */
import cluster from 'node:cluster';
import { hostname } from 'node:os';
import type { Timer } from '../common/clock.ts';
import type { Gate } from '../gate/gate.ts';
import type { DesiredState } from '../gate/desired-state.ts';
import type { Settings } from '../options/settings.ts';
import type { Share } from '../gate/pacing/pacer.ts';
import type { SharedPauseReport } from '../gate/pause-report.ts';
import { Completeness, PATIENCE_MS } from './completeness.ts';
import { Membership } from './membership.ts';
import { freshReports, isDrained, isOpen, joinStatus, joinTraffic } from './aggregated-status.ts';
import { Outage } from './outage.ts';
import { reportApp, reportContents, type OwnReportContext } from './own-report.ts';
import { isSilent, type LostProcess, type Peer } from './peers.ts';
import type { AppReport, ProcessOrigin } from './process-report.ts';
import { StallDetector } from './stall-detector.ts';
import { ReplicatedStates } from './replicated-states.ts';
import { StoreCalls, StoreUnavailableError } from './store-calls.ts';
import type { StatusFields, LostProcessStatus } from '../gate/status.ts';
import type { Store } from '../stores/store.ts';
import type { TrafficReport } from '../gate/traffic-stats.ts';

export interface SharingContext extends OwnReportContext {
  readonly store: Store;
  readonly settings: Pick<Settings, 'onStoreError' | 'maxTime' | 'logger'>;
  /** The gate of an app, made where need be; undefined where this process has no such app, or no room. */
  readonly gate: (app: string) => Gate | undefined;
  /** Nothing is in flight any more, in any process. */
  readonly drained: (app: string) => void;
}

/** How often each process tells of itself. */
const BEAT_MS = 1000;
/** Every so many beats it looks whether it missed anything: messages may be lost. */
const LOOK_EVERY = 2;
/** How long those in flight keep a process that is closed among the others. */
const LEAVE_MS = 10_000;
/** How many lost processes a status names, the last ones. */
const MAX_LOST = 20;

export class Sharing {
  /** Resolves once it is known what is asked for, or that the store can't be asked. */
  readonly ready: Promise<void>;
  /** Resolves once the store has answered, or failed, for the first time. */
  readonly joined: Promise<void>;

  readonly #context: SharingContext;
  #self: ProcessOrigin;
  readonly #startedAt: number;
  readonly #completeness: Completeness;
  readonly #line: StoreCalls;
  readonly #intents: ReplicatedStates;
  readonly #fleet: Membership;
  readonly #pulse: StallDetector;
  readonly #outage: Outage;
  /** Drained here, and to be told once all others are. */
  readonly #untoldDrains = new Set<string>();
  #unsubscribe: (() => Promise<void>) | undefined;
  #isReady = false;
  #setReady: () => void = () => undefined;
  #patience: Timer | undefined;
  #beats = 0;
  /** How often this process had stood still by the last beat. */
  #stallCount = 0;
  /** The pauses whose drain goes on without the store, as an operator said. Each by its start. */
  readonly #alone = new Map<string, number>();
  #timer: Timer | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(context: SharingContext) {
    const { store, clock, settings, gate, gates } = context;
    const { logger } = settings;
    const warn = (message: string): void => logger.warn(message);
    const random = Math.floor(clock.random() * 2 ** 52).toString(36);
    this.#context = context;
    this.#startedAt = clock.now();
    this.#self = {
      id: `${hostname()}:${process.pid}:${random}`,
      host: hostname(),
      pid: process.pid,
      address: null,
      worker: cluster.worker?.id ?? null,
      startedAt: clock.date(),
    };
    this.#line = new StoreCalls(store, clock);
    this.#completeness = new Completeness(this.#line, clock);
    this.#pulse = new StallDetector(clock);
    this.#outage = new Outage(context);
    this.#intents = new ReplicatedStates({
      line: this.#line,
      clock,
      self: this.#self.id,
      gate,
      gates,
      acknowledged: () => this.#onAcknowledged(),
      warn,
    });
    this.#fleet = new Membership({
      line: this.#line,
      clock,
      self: this.#self,
      report: () => ({
        ...this.#self,
        at: clock.date(),
        onStoreError: settings.onStoreError,
        ...reportContents(this.#intents.versions, this.#silent(), context),
      }),
      warn,
      answered: (app) => {
        for (const one of gates()) if (one.app === app) one.hurry();
      },
      failed: (error) => this.#lose(error),
    });
    this.#fleet.watch(() => this.#onChange());
    this.ready = new Promise((resolve) => (this.#setReady = resolve));
    // A store that does not answer keeps a beat from its end.
    this.#patience = clock.after(PATIENCE_MS, () => this.#becomeInformed(this.#pulse.stallCount));
    this.joined = this.#beat();
  }

  /** Whether gates may let anybody through yet. */
  get isInformed(): boolean {
    if (!this.#isReady || !this.#pulse.isResponsive) return false;
    return !this.#outage.isHolding;
  }

  /** The same one of all processes, in each of them; each while they can't hear each other. */
  get isLeader(): boolean {
    // What it only catches up on was told when it happened. Alone, nobody else tells what happens here.
    if (!this.#isReady || !this.#pulse.isResponsive) return false;
    return this.#outage.isOn || this.#fleet.peers.isLeader;
  }

  get appNames(): Iterable<string> {
    return new Set([...this.#intents.versions.keys(), ...this.#fleet.peers.appNames()]);
  }

  /**
   * Does what was asked for in all processes, or in this one alone while the store does not answer.
   *
   * @param plan what it makes of the present state; asked again whenever that has changed meanwhile.
   * @throws AntractError `ERR_ANTRACT_STORE_BUSY`, and what `plan` throws.
   */
  async change(
    gate: Gate,
    plan: () => DesiredState,
  ): Promise<{ changed: boolean; shared: boolean }> {
    await this.ready;
    if (!this.#outage.isOn) {
      try {
        return { changed: await this.#intents.change(gate, plan), shared: true };
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        this.#lose(error);
      }
    }
    return { changed: this.#intents.changeHere(gate, plan()), shared: false };
  }

  /** A gate has changed its intent by itself. */
  changed(gate: Gate): void {
    this.#intents.publishOwn(gate).catch((error: unknown) => this.#lose(error));
  }

  /** A gate was made: it is to do what is known to be asked for. */
  tell(gate: Gate): void {
    this.#intents.tell(gate);
  }

  /** Something has happened in a gate. */
  noteEvent(): void {
    this.#fleet.sendSoon();
  }

  /** The backend has answered a probe here: other processes may have missed it. */
  noteAnswer(): void {
    this.#fleet.sendNow();
  }

  /** An app is drained here: the others wait for it, and it may have to wait for them. */
  noteDrained(app: string): void {
    this.#fleet.sendNow();
    void this.refresh().then(() => {
      this.#untoldDrains.add(app);
      this.#onChange();
    });
  }

  /** Asks what the others have told: one that has just come is not heard of otherwise. */
  async refresh(): Promise<void> {
    if (this.#outage.isOn) return;
    await this.#fleet.refresh().catch((error: unknown) => this.#lose(error));
  }

  /** Whether the store does not answer, so that no other process can be asked. */
  get isStoreLost(): boolean {
    return this.#outage.isOn;
  }

  /**
   * Whether all others have acknowledged what is asked for, and drained.
   *
   * @param ignoresLost whether that goes without a store that does not answer: then a process is not waited
   *   for once it has been silent as long as one that is lost.
   */
  isDrainedElsewhere(app: string, ignoresLost = false): boolean {
    const version = this.#version(app);
    const now = this.#context.clock.now();
    const isShared = this.#isShared(app);
    if (!isShared && !(ignoresLost && this.#outage.isOn)) return false;
    const hasDrained = (report: AppReport | undefined): boolean =>
      !this.#intents.isPending(app) && isDrained(report, version);
    return this.#fleet.peers.live.every(
      (peer) => hasDrained(peer.apps[app]) || (!isShared && isSilent(peer, now)),
    );
  }

  /** Processes that are not heard of any more, and may still send requests of an app to its backend. */
  missing(gate: Gate): LostProcessStatus[] {
    const now = this.#context.clock.now();
    return this.#missing(gate).map((one) => lostStatus(one, true, now));
  }

  /** An operator says that the missing processes have ended. All processes are told. */
  dismissMissing(gate: Gate): void {
    if (this.#outage.isOn) this.#alone.set(gate.app, gate.state.since);
    this.#fleet.dismiss(this.#missing(gate).map(({ last }) => last.id));
    this.#fleet.changed();
  }

  /** Where this process listens: one that listens there later is its successor. */
  listensOn(address: string): void {
    this.#self = { ...this.#self, address };
    this.#fleet.listensOn(address);
    this.#fleet.sendNow();
  }

  /** The same for the end of a release. */
  isOpenElsewhere(app: string): boolean {
    const version = this.#version(app);
    return this.#isShared(app) && this.#others(app).every((other) => isOpen(other, version));
  }

  /** Calls back whenever any of that may have changed. Returns what takes the callback off. */
  watch(callback: () => void): () => void {
    return this.#fleet.watch(callback);
  }

  /** How many are held elsewhere. */
  heldElsewhere(app: string): number {
    const fleet = { peers: this.#fleet.peers.live, now: this.#context.clock.now() };
    return freshReports(app, fleet).reduce((sum, { held }) => sum + held, 0);
  }

  share(app: string): Share {
    const { index, of } = this.#fleet.peers.share(app);
    // Who is last in a row that it can't see would wait for ever.
    return { index: this.#outage.isOn ? 0 : index, of };
  }

  /** One app as all processes see it. */
  status(gate: Gate): StatusFields {
    const { app, state } = gate;
    const now = this.#context.clock.now();
    const missing = new Set(this.#missing(gate));
    const isAlone = this.#outage.isOn && this.#alone.get(app) === state.since;
    const own = gate.status();
    const status = joinStatus(app, own, {
      self: this.#self,
      own: this.#appReport(gate),
      peers: this.#fleet.peers.live,
      version: this.#version(app),
      isConfirmed: missing.size === 0 && !this.#intents.isPending(app),
      now,
    });
    const lost = this.#fleet.peers.lost.filter(
      (one) => missing.has(one) || (state.kind !== 'running' && one.lostAt >= state.since),
    );
    return {
      ...status,
      ...(isAlone && { phase: own.phase }),
      lostProcesses: lost.slice(-MAX_LOST).map((one) => lostStatus(one, missing.has(one), now)),
      store: this.#outage.isOn ? 'lost' : 'connected',
    };
  }

  traffic(gate: Gate): TrafficReport {
    return joinTraffic(gate.app, {
      own: this.#appReport(gate),
      peers: this.#fleet.peers.live,
      now: this.#context.clock.now(),
    });
  }

  reportsElsewhere(app: string): SharedPauseReport[] {
    return this.#others(app).flatMap((other) => other?.pause ?? []);
  }

  /**
   * Says goodbye to the others, once nothing is in flight here, or after {@link LEAVE_MS}: until then
   * they wait for it.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#leave());
  }

  async #leave(): Promise<void> {
    await this.joined;
    const isEmpty = await this.#untilEmpty();
    this.#closed = true;
    this.#setReady();
    this.#patience?.cancel();
    this.#timer?.cancel();
    this.#outage.close();
    this.#pulse.close();
    this.#fleet.stop();
    // If it fails they will find out: it is not heard of any more.
    if (!this.#outage.isOn && isEmpty) await this.#fleet.leave().catch(ignore);
    await this.#line.call(async () => this.#unsubscribe?.()).catch(ignore);
    await this.#line.call(async (store) => store.close?.()).catch(ignore);
  }

  /** Resolves with whether nothing is in flight that a drain waits for. */
  async #untilEmpty(): Promise<boolean> {
    const gates = [...this.#context.gates()];
    let timer: Timer | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = this.#context.clock.after(LEAVE_MS, resolve);
    });
    await Promise.race([limit, Promise.all(gates.map((gate) => gate.whenEmpty()))]);
    timer?.cancel();
    return gates.every((gate) => gate.isDrained);
  }

  // ---- Beats ----------------------------------------------------------------------------------

  async #beat(): Promise<void> {
    const { clock } = this.#context;
    const { stallCount } = this.#pulse;
    // A process that stood still heard nobody: that says nothing of the others.
    if (stallCount !== this.#stallCount) this.#fleet.peers.extendLiveness(clock.now());
    this.#stallCount = stallCount;
    try {
      await this.#lookAfterStore();
    } catch (error) {
      this.#lose(error);
    }
    // Whoever could not be heard, as nothing ran here, is not dead for that.
    if (this.#outage.isOn) this.#fleet.changed();
    else if (this.#pulse.stallCount === stallCount) this.#fleet.sweep();
    this.#becomeInformed(stallCount);
    if (this.#closed) return;
    const isUpToDate = this.#isReady && this.#pulse.isResponsive;
    this.#timer = clock.after(isUpToDate ? BEAT_MS : BEAT_MS / 2, () => void this.#beat());
  }

  /** @throws StoreTrouble. In this order: whoever publishes afterwards knows of this process. */
  async #lookAfterStore(): Promise<void> {
    const start = this.#context.clock.now();
    if (!this.#unsubscribe) await this.#line.call((store) => this.#subscribe(store));
    await this.#fleet.send();
    const wasHolding = this.#outage.isHolding;
    const isUpToDate = this.isInformed && !this.#outage.isOn;
    if (isUpToDate && this.#line.hasReports) this.#outage.noteReport(start);
    if (this.#beats++ % LOOK_EVERY !== 0 && isUpToDate) return;
    const isNew = this.#outage.isOn || !this.#isReady;
    const snapshot = await this.#line.call((store) => store.load());
    this.#completeness.note(snapshot);
    this.#intents.takeAll(snapshot);
    if (isNew) {
      if (this.#outage.isOn && this.#context.settings.onStoreError === 'open')
        this.#intents.restore();
      this.#intents.renewLeases();
    }
    await this.#intents.bringBack(snapshot);
    const hasReports = await this.#fleet.refresh();
    await this.#completeness.confirm(isUpToDate && hasReports);
    // What is held for want of knowledge goes on being held until the store can be relied on.
    if (wasHolding && !this.#completeness.isTrusted) return;
    this.#outage.noteReport(start);
    if (this.#outage.isOn) this.#find();
    else if (wasHolding) this.#reconsider();
  }

  async #subscribe(store: Store): Promise<void> {
    const unsubscribe = await store.subscribe({
      intent: (app, intent) => this.#intents.take(app, intent),
      report: (report) => this.#fleet.onReport(report),
    });
    // A call that was given up may have succeeded all the same, and another since.
    if (this.#unsubscribe || this.#closed) await unsubscribe();
    else this.#unsubscribe = unsubscribe;
  }

  /** @param stops what has come before the last of them is not known by now, but by the next beat. */
  #becomeInformed(stops: number): void {
    if ((this.#isReady && this.#pulse.isResponsive) || !this.#isPatienceOver) return;
    this.#isReady = true;
    this.#setReady();
    this.#patience?.cancel();
    this.#pulse.catchUp(stops);
    this.#reconsider();
    this.#fleet.changed();
  }

  /** Whether the store can be relied on, or nobody is expected to tell more than it does. */
  get #isPatienceOver(): boolean {
    if (!this.#outage.isOn) return this.#completeness.isTrusted;
    const forMs = this.#isReady ? this.#outage.forMs : this.#context.clock.now() - this.#startedAt;
    return forMs >= PATIENCE_MS;
  }

  #reconsider(): void {
    for (const gate of this.#context.gates()) gate.reconsider();
  }

  // ---- Losing and finding the store -----------------------------------------------------------

  #lose(error: unknown): void {
    if (this.#outage.isOn || this.#closed) return;
    this.#intents.suspendLeases();
    this.#completeness.forget();
    this.#outage.begin(error);
    this.#fleet.changed();
  }

  #find(): void {
    this.#outage.end();
    // Nobody could be heard of: that is no sign of death.
    this.#fleet.peers.extendLiveness(this.#context.clock.now());
    this.#alone.clear();
    this.#fleet.sendNow();
    this.#fleet.changed();
  }

  // ---- Telling, and hearing -------------------------------------------------------------------

  /** The others may wait for that. */
  #onAcknowledged(): void {
    this.#fleet.sendNow();
    this.#fleet.changed();
  }

  #onChange(): void {
    for (const gate of this.#context.gates()) gate.repace();
    for (const app of this.#untoldDrains) this.#tellDrained(app);
  }

  #tellDrained(app: string): void {
    const gate = this.#context.gate(app);
    if (gate && gate.desiredKind !== 'running' && gate.isDrained) {
      if (!this.isDrainedElsewhere(app) || this.#missing(gate).length > 0) return;
      this.#untoldDrains.delete(app);
      this.#context.drained(app);
    } else {
      // It goes on, or something was let through meanwhile: it will be told anew.
      this.#untoldDrains.delete(app);
    }
  }

  /** Whether the others can know what is asked for, and this process what they make of it. */
  #isShared(app: string): boolean {
    return this.#isReady && !this.#outage.isOn && !this.#intents.isPending(app);
  }

  /** While the store is away nobody can be heard; then only those count that were lost before. */
  #silent(): Peer[] {
    const { peers } = this.#fleet;
    if (!this.#outage.isOn) return peers.silent(this.#context.clock.now());
    return peers.lost.filter(({ ended }) => !ended).map(({ last }) => last);
  }

  /**
   * A lost process that had acknowledged the pause, and drained, keeps to it: it does not let requests
   * through while it can't reach the store, unless that is what it is set to do.
   */
  #missing({ app, desiredKind }: Gate): LostProcess[] {
    const version = this.#version(app);
    const keepsPause = ({ onStoreError, apps }: LostProcess['last']): boolean =>
      desiredKind !== 'running' &&
      version > 0 &&
      onStoreError !== 'open' &&
      isDrained(apps[app], version);
    return this.#fleet.peers.lost.filter(({ last, ended }) => !ended && !keepsPause(last));
  }

  #others(app: string): (AppReport | undefined)[] {
    return this.#fleet.peers.of(app);
  }

  #version(app: string): number {
    return this.#intents.version(app);
  }

  #appReport(gate: Gate): AppReport {
    return reportApp(gate, this.#version(gate.app), this.#context);
  }
}

function lostStatus(
  { last, lostAt, ended }: LostProcess,
  blocksDrain: boolean,
  now: number,
): LostProcessStatus {
  const { host, pid, heardAt, onStoreError } = last;
  return {
    host,
    pid,
    silentForMs: Math.round(now - heardAt),
    lostForMs: Math.round(now - lostAt),
    ended,
    fenced: !ended && onStoreError === 'fence',
    blocksDrain,
  };
}

function ignore(): void {}
