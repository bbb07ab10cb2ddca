/**
 * Answers questions about the other processes on the same store.
 */
import type { Clock } from '../common/clock.ts';
import type { Gate } from '../gate/gate.ts';
import type { Share } from '../gate/pacing/strategy.ts';
import type { SharedPauseReport } from '../gate/pause-report.ts';
import { sumCounts, type Counts, type LostProcessStatus } from '../gate/status.ts';
import { freshReports, isDrained, isOpen } from './aggregated-status.ts';
import type { Membership } from './membership.ts';
import type { Outage } from './outage.ts';
import { isSilent, type LostProcess, type Peer, type Peers } from './peers.ts';
import type { AppReport } from './process-report.ts';
import type { ReplicatedStates } from './replicated-states.ts';
import type { StoreSync } from './store-sync.ts';

export interface OtherProcessesDeps {
  readonly clock: Clock;
  readonly states: ReplicatedStates;
  readonly membership: Membership;
  readonly outage: Outage;
  readonly sync: StoreSync;
}

/**
 * A process whose backend is still down when it has been up here for this long has another backend: a reload
 * has changed the target. Its held requests must not delay those of this process.
 */
const PROBED_WITHIN_MS = 5000;

/** How many lost processes a status names, the latest ones. */
const MAX_LOST = 20;

export class OtherProcesses {
  readonly #deps: OtherProcessesDeps;
  /**
   * The pauses that drain without the store, because an operator said that no other process runs. An entry
   * counts only during the same pause and the same outage.
   */
  readonly #drainedAlone = new Map<string, { pausedSince: number; lostSince: number }>();

  constructor(deps: OtherProcessesDeps) {
    this.#deps = deps;
  }

  /** Reads the reports again: a process that has just started is not known otherwise. */
  async refresh(): Promise<void> {
    const { membership, outage, sync } = this.#deps;
    if (outage.isActive) return;
    await membership.refresh().catch((error: unknown) => sync.onStoreError(error));
  }

  /** Calls back whenever an answer may have changed. Returns a function that removes the callback. */
  watch(callback: () => void): () => void {
    return this.#deps.membership.watch(callback);
  }

  /**
   * Whether all other processes have acknowledged the desired state and have drained.
   *
   * @param ignoresLost whether a store that does not answer is acceptable. Then a process no longer counts
   *   once it has been silent as long as a lost one.
   */
  haveDrained(app: string, ignoresLost = false): boolean {
    const { states, clock, outage } = this.#deps;
    const version = states.version(app);
    const now = clock.now();
    const isShared = this.#isShared(app);
    if (!isShared && !(ignoresLost && outage.isActive)) return false;
    const hasDrained = (report: AppReport | undefined): boolean =>
      !states.isPending(app) && isDrained(report, version);
    return this.#peers.live.every(
      (peer) => hasDrained(peer.apps[app]) || (!isShared && isSilent(peer, now)),
    );
  }

  /** Whether the release has ended in all other processes. */
  haveReopened(app: string): boolean {
    const version = this.#deps.states.version(app);
    return this.#isShared(app) && this.#peers.of(app).every((other) => isOpen(other, version));
  }

  /** Returns the processes that no longer report and may still send requests of an app to its backend. */
  missing(gate: Gate): LostProcessStatus[] {
    const now = this.#deps.clock.now();
    return this.#missing(gate).map((one) => lostStatus(one, true, now));
  }

  /** An operator says that the missing processes have ended. Tells all processes. */
  dismissMissing(gate: Gate): void {
    const { outage, membership } = this.#deps;
    if (outage.isActive) {
      const entry = { pausedSince: gate.state.since, lostSince: outage.since };
      this.#drainedAlone.set(gate.app, entry);
    }
    membership.dismiss(this.#missing(gate).map(({ last }) => last.id));
    membership.notifyWatchers();
  }

  /** See {@link dismissMissing}. */
  isDrainedAlone({ app, state }: Gate): boolean {
    const { outage } = this.#deps;
    const entry = this.#drainedAlone.get(app);
    return (
      outage.isActive && entry?.pausedSince === state.since && entry.lostSince === outage.since
    );
  }

  /** Returns the missing processes, and those that were lost during the present pause or stop. */
  lost(gate: Gate): LostProcessStatus[] {
    const { state } = gate;
    const now = this.#deps.clock.now();
    const missing = new Set(this.#missing(gate));
    return this.#peers.lost
      .filter((one) => missing.has(one) || (state.kind !== 'running' && one.lostAt >= state.since))
      .slice(-MAX_LOST)
      .map((one) => lostStatus(one, missing.has(one), now));
  }

  /** The processes that do not report. During an outage, only those that were lost before it. */
  get silent(): Peer[] {
    const { outage, clock } = this.#deps;
    if (!outage.isActive) return this.#peers.silent(clock.now());
    return this.#peers.lost.filter(({ ended }) => !ended).map(({ last }) => last);
  }

  /** The apps whose backend is down for another process. */
  get appsDown(): string[] {
    return this.#peers.appsDown;
  }

  /** Returns the requests of the other processes. */
  counts(app: string): Counts {
    return sumCounts(freshReports(app, { peers: this.#peers.live, now: this.#deps.clock.now() }));
  }

  pauseReports(app: string): SharedPauseReport[] {
    return this.#peers.pauseReports(app);
  }

  /** Returns the part that this process has in the pace of a release. */
  paceShare(gate: Gate): Share {
    let share = this.#peers.share(gate.app);
    if (share.waits && this.#isBackendLastingUp(gate)) share = this.#peers.share(gate.app, true);
    // During an outage, a process can't see the ones ahead of it and would wait forever.
    return this.#deps.outage.isActive ? { index: 0, of: share.of } : share;
  }

  /** All other processes with the same backend have probed it since it came back. */
  #isBackendLastingUp(gate: Gate): boolean {
    const { state, forMs } = gate.status().backend;
    return state === 'up' && (forMs ?? 0) >= PROBED_WITHIN_MS;
  }

  get #peers(): Peers {
    return this.#deps.membership.peers;
  }

  /** Whether the other processes can know the desired state, and this process their reports. */
  #isShared(app: string): boolean {
    const { sync, outage, states } = this.#deps;
    const hasReports = sync.isReady && !outage.isActive && !sync.isAwaitingReports;
    return hasReports && !states.isPending(app);
  }

  /**
   * A lost process that had acknowledged the pause and drained keeps it: it lets no request pass while it
   * can't reach the store, unless `onStoreError` is `open` there.
   */
  #missing({ app, desiredKind }: Gate): LostProcess[] {
    const version = this.#deps.states.version(app);
    const keepsPause = ({ onStoreError, apps }: LostProcess['last']): boolean =>
      desiredKind !== 'running' &&
      version > 0 &&
      onStoreError !== 'open' &&
      isDrained(apps[app], version);
    return this.#peers.lost.filter(({ last, ended }) => !ended && !keepsPause(last));
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
