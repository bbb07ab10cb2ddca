/**
 * The heartbeat of this process: reports to the store, reads it, and notices when it does not answer.
 */
import type { Clock, Timer } from '../common/clock.ts';
import { AntractError } from '../common/errors.ts';
import type { Gate } from '../gate/gate.ts';
import type { Settings } from '../options/settings.ts';
import type { Store } from '../stores/store.ts';
import { Completeness, TRUST_AFTER_MS } from './completeness.ts';
import { foundEndedText, foundText } from './found-text.ts';
import type { GateSource } from './gate-source.ts';
import type { Membership } from './membership.ts';
import type { Outage } from './outage.ts';
import type { ReplicatedStates } from './replicated-states.ts';
import { checkStates } from './protocol.ts';
import type { StallDetector } from './stall-detector.ts';
import { StateFreshness } from './state-freshness.ts';
import type { StoreCalls } from './store-calls.ts';

export interface StoreSyncDeps {
  readonly calls: StoreCalls;
  readonly clock: Clock;
  readonly settings: Pick<Settings, 'onStoreError' | 'logger'>;
  readonly gates: GateSource;
  readonly states: ReplicatedStates;
  readonly membership: Membership;
  readonly outage: Outage;
  readonly stalls: StallDetector;
}

/** How often each process reports. */
const BEAT_MS = 1000;
/** Every second beat reads the whole store, because messages may be lost. */
const READ_EVERY = 2;
/** How long requests in flight keep a closed process among the others. */
const LEAVE_MS = 10_000;

export class StoreSync {
  /**
   * Resolves when the store has answered, or failed, for the first time. Rejects with `ERR_ANTRACT_PROTOCOL`
   * if processes of an incompatible version use it.
   */
  joined: Promise<void> = Promise.resolve();

  readonly #deps: StoreSyncDeps;
  readonly #completeness: Completeness;
  readonly #freshness: StateFreshness;
  #beatTimer: Timer | undefined;
  #beats = 0;
  /** The number of stalls of this process at the last beat. */
  #stallCount = 0;
  #unsubscribe: (() => Promise<void>) | undefined;
  /** Ends the wait for reports after an outage. */
  #reportsTimer: Timer | undefined;
  /** Whether all processes on the store use messages that this one can read. Checked at the start. */
  #isCompatible = false;
  #incompatibility: AntractError | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(deps: StoreSyncDeps) {
    const { calls, clock, settings } = deps;
    this.#deps = deps;
    this.#completeness = new Completeness(calls, clock, settings.logger);
    this.#freshness = new StateFreshness(
      { ...deps, completeness: this.#completeness },
      { onUpToDate: (isStart) => this.#onUpToDate(isStart) },
    );
  }

  start(): void {
    this.#freshness.start();
    this.joined = this.#beat().then(() => {
      if (this.#incompatibility) throw this.#incompatibility;
    });
    // Only a process that waits for it, before it listens, is refused.
    this.joined.catch(ignore);
  }

  /** See {@link StateFreshness.ready}. */
  get ready(): Promise<void> {
    return this.#freshness.ready;
  }

  get isReady(): boolean {
    return this.#freshness.isReady;
  }

  /** Whether the desired states are known, so that gates may let requests pass. */
  get isInformed(): boolean {
    return this.#freshness.isUpToDate && !this.#deps.outage.isHolding;
  }

  /**
   * Whether processes may still be unknown here: one that was started during the last outage of the store
   * may need longer to find the store again.
   */
  get isAwaitingReports(): boolean {
    return this.#reportsTimer !== undefined;
  }

  /** Exactly one process is the leader, unless the processes can't reach the store. */
  get isLeader(): boolean {
    const { outage, membership } = this.#deps;
    // Another leader has spoken for all while this process was starting or stalled.
    if (!this.#freshness.isUpToDate) return false;
    // During an outage, no other process can speak for this one.
    return outage.isActive || membership.peers.isLeader;
  }

  /** A call of the store failed, or took too long. */
  onStoreError(error: unknown): void {
    const { outage, states, membership } = this.#deps;
    if (outage.isActive || this.#isClosed) return;
    states.suspendLeases();
    this.#completeness.reset();
    this.#stopReportsTimer();
    outage.begin(error);
    membership.notifyWatchers();
  }

  /** Leaves the other processes once nothing is in flight here, or after {@link LEAVE_MS}. */
  close(): Promise<void> {
    return (this.#closing ??= this.#leave());
  }

  async #leave(): Promise<void> {
    const { calls, clock, gates, membership, outage, stalls } = this.#deps;
    await this.joined.catch(ignore);
    const isDrained = await untilEmpty([...gates], clock);
    this.#isClosed = true;
    this.#freshness.close();
    this.#beatTimer?.cancel();
    this.#stopReportsTimer();
    outage.close();
    stalls.close();
    membership.stop();
    // If this fails, the other processes notice that this one no longer reports.
    if (!outage.isActive && isDrained) await membership.leave().catch(ignore);
    await calls.call(async () => this.#unsubscribe?.()).catch(ignore);
    await calls.call(async (store) => store.close?.()).catch(ignore);
  }

  async #beat(): Promise<void> {
    const { clock, stalls, membership, outage } = this.#deps;
    const { count } = stalls;
    // A stalled process received no reports. The silence of the others means nothing then.
    if (count !== this.#stallCount) membership.peers.extendLiveness(clock.now());
    this.#stallCount = count;
    try {
      await this.#synchronize();
    } catch (error) {
      if (error instanceof AntractError) this.#incompatibility = error;
      this.onStoreError(error);
    }
    if (outage.isActive) membership.notifyWatchers();
    else if (stalls.count === count) membership.sweep();
    this.#freshness.catchUp(count);
    if (this.#isClosed) return;
    const delay = this.#freshness.isUpToDate ? BEAT_MS : BEAT_MS / 2;
    this.#beatTimer = clock.after(delay, () => void this.#beat());
  }

  /**
   * Subscribes and reports before it reads: each process that publishes after the reading knows this one.
   *
   * @throws StoreUnavailableError
   */
  async #synchronize(): Promise<void> {
    const { calls, clock, membership, outage } = this.#deps;
    const start = clock.now();
    if (!this.#unsubscribe) await calls.call((store) => this.#subscribe(store));
    if (!this.#isCompatible) await this.#checkProtocol();
    await membership.report();
    const wasHolding = outage.isHolding;
    const isUpToDate = this.isInformed && !outage.isActive;
    if (isUpToDate && calls.hasReports) outage.noteReport(start);
    if (this.#beats++ % READ_EVERY !== 0 && isUpToDate) return;
    await this.#readStates();
    const hasReports = await membership.refresh();
    await this.#completeness.confirm(isUpToDate && hasReports);
    // Requests that are held for lack of information stay held until the store can be trusted.
    if (wasHolding && !this.#completeness.isTrusted) return;
    outage.noteReport(start);
    if (outage.isActive) this.#onStoreFound();
    else if (wasHolding) this.#reconsiderGates();
  }

  /** @throws AntractError `ERR_ANTRACT_PROTOCOL`, StoreUnavailableError. */
  async #checkProtocol(): Promise<void> {
    const { calls, membership } = this.#deps;
    await membership.checkProtocol();
    checkStates(await calls.call((store) => store.load()));
    this.#isCompatible = true;
  }

  async #readStates(): Promise<void> {
    const { calls, membership, outage, settings, states } = this.#deps;
    const isNew = outage.isActive || !this.isReady;
    const isFirst = isNew && !outage.isActive && (await membership.isFirst());
    // The clock went on while no process ran. Otherwise another process may have missed renewals.
    if (isFirst) states.trustLeases();
    const snapshot = await calls.call((store) => store.load());
    this.#completeness.onRead(snapshot);
    states.takeAll(snapshot);
    if (isNew) {
      if (outage.isActive && settings.onStoreError === 'open') states.restore();
      if (!isFirst) states.renewLeases();
    }
    await states.bringBack(snapshot);
  }

  async #subscribe(store: Store): Promise<void> {
    const { states, membership } = this.#deps;
    const unsubscribe = await store.subscribe({
      state: (app, state) => states.take(app, state),
      report: (report) => membership.onReport(report),
    });
    // After a timeout this call may still succeed, when another call has succeeded already.
    if (this.#unsubscribe || this.#isClosed) await unsubscribe();
    else this.#unsubscribe = unsubscribe;
  }

  #onUpToDate(isStart: boolean): void {
    if (isStart && this.isLeader) this.#reportFound();
    this.#reconsiderGates();
    this.#deps.membership.notifyWatchers();
  }

  /** Logs the pauses that this process found at its start, and ends those that are over. */
  #reportFound(): void {
    const { states, gates, clock, settings } = this.#deps;
    for (const [app, state] of states.states) {
      const gate = gates.getIfAllowed(app);
      if (!gate || state.kind === 'running') continue;
      if (gate.desiredKind === state.kind) {
        settings.logger.info(foundText(app, gate.state, clock));
        continue;
      }
      settings.logger.warn(foundEndedText(app, state, clock));
      states.publishOwn(gate).catch((error: unknown) => this.onStoreError(error));
    }
  }

  #onStoreFound(): void {
    const { outage, membership, clock } = this.#deps;
    outage.end();
    this.#reportsTimer = clock.after(TRUST_AFTER_MS, () => {
      this.#reportsTimer = undefined;
      membership.notifyWatchers();
    });
    // No process could report during the outage.
    membership.peers.extendLiveness(clock.now());
    membership.reportNow();
    membership.notifyWatchers();
  }

  #stopReportsTimer(): void {
    this.#reportsTimer?.cancel();
    this.#reportsTimer = undefined;
  }

  #reconsiderGates(): void {
    for (const gate of this.#deps.gates) gate.releaser.reconsider();
  }
}

/** Resolves with whether nothing is in flight that a drain waits for. */
async function untilEmpty(gates: readonly Gate[], clock: Clock): Promise<boolean> {
  let timer: Timer | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = clock.after(LEAVE_MS, resolve);
  });
  await Promise.race([limit, Promise.all(gates.map((gate) => gate.whenEmpty()))]);
  timer?.cancel();
  return gates.every((gate) => gate.drain.isDrained);
}

function ignore(): void {}
