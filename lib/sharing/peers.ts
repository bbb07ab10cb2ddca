/**
 * The other processes on the same store, as their reports describe them.
 */
import type { SharedPauseReport } from '../gate/pause-report.ts';
import type { Share } from '../gate/pacing/strategy.ts';
import {
  NOTHING,
  type AppReport,
  type ProcessOrigin,
  type ProcessReport,
  type SilentReport,
} from './process-report.ts';

export interface Peer extends ProcessReport {
  /** When its last report arrived. */
  readonly heardAt: number;
  /** Until when this process could receive no reports. The silence of a peer counts from then on. */
  readonly excusedUntil?: number;
}

export interface LostProcess {
  /** Its last report. */
  readonly last: Peer;
  readonly lostAt: number;
  /** Its cluster's primary saw it end. Otherwise it stopped reporting, and may still run. */
  readonly ended: boolean;
}

/** A process that has not reported for this long is lost. */
export const LOST_AFTER_MS = 5000;

/** A process that has not reported for this long has missed a report. This is passed on to other processes. */
const SILENT_AFTER_MS = 2000;

/** The limit of known processes, and of lost ones. */
const MAX_PEERS = 1000;

/** The limit of kept reports of pauses. */
const MAX_KEPT_PAUSES = 1000;

export class Peers {
  #own: ProcessOrigin;
  readonly #peers = new Map<string, Peer>();
  /** Processes that have left or were lost, with their last beat. Their earlier reports may arrive late. */
  readonly #gone = new Map<string, number>();
  /** The apps whose backend is down, for each process that sees one. Asked at each report. */
  readonly #appsDown = new Map<string, readonly string[]>();
  #lost: LostProcess[] = [];
  /** What processes that are gone reported last about requests that they had held. */
  #keptPauses: { readonly app: string; readonly pause: SharedPauseReport }[] = [];
  /** Processes that no drain waits for. Only a report of their own changes that. */
  readonly #dismissed = new Set<string>();

  /** @param own this process. It receives its own reports too. */
  constructor(own: ProcessOrigin) {
    this.#own = own;
  }

  setOrigin(own: ProcessOrigin): void {
    this.#own = own;
  }

  find(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  get live(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** Processes that stopped reporting without leaving. */
  get lost(): readonly LostProcess[] {
    return this.#lost;
  }

  /** Whether this process has the lowest id. All processes agree on the leader. */
  get isLeader(): boolean {
    for (const id of this.#peers.keys()) if (id < this.#own.id) return false;
    return true;
  }

  /** Returns whether the report is new. */
  onReport(report: ProcessReport, now: number): boolean {
    const { id, beat } = report;
    if (id === this.#own.id || beat <= (this.#gone.get(id) ?? -1)) return false;
    const known = this.#peers.get(id);
    if (known ? beat <= known.beat : this.#peers.size >= MAX_PEERS) return false;
    this.#peers.set(id, { ...report, heardAt: now });
    this.#noteAppsDown(report);
    this.#dismissed.delete(id);
    // The process was frozen or unreachable, and still runs.
    this.#lost = this.#lost.filter(({ last }) => last.id !== id);
    return true;
  }

  /**
   * Another process misses the reports of a process. If that process is unknown here, it counts as one that
   * reported then. If it is known, its report may have been read late here.
   */
  onSilence({ silentForMs, drained, ...head }: SilentReport, now: number): void {
    const { id, beat } = head;
    const isGone = beat <= (this.#gone.get(id) ?? -1) || this.#dismissed.has(id);
    if (id === this.#own.id || isGone) return;
    const known = this.#peers.get(id);
    const heardAt = now - silentForMs;
    if (known) {
      if (known.beat === beat && heardAt < known.heardAt)
        this.#peers.set(id, { ...known, heardAt });
    } else if (this.#peers.size < MAX_PEERS) {
      const apps = Object.entries(drained).map(([app, version]) => [app, { ...NOTHING, version }]);
      this.#peers.set(id, { ...head, apps: Object.fromEntries(apps), silent: [], heardAt });
    }
  }

  /** Returns the processes that don't report and may still run, the latest last. */
  silent(now: number): Peer[] {
    const lost = this.#lost.filter(({ ended }) => !ended).map(({ last }) => last);
    return [...lost, ...this.live.filter((peer) => silenceOf(peer, now) >= SILENT_AFTER_MS)];
  }

  /** A process leaves. Returns whether that is new. */
  leave(id: string): boolean {
    const isKnown = this.#peers.has(id) || this.#lost.some(({ last }) => last.id === id);
    this.#keepPauses(this.#peers.get(id));
    this.#dismissed.delete(id);
    if (isKnown || !this.#gone.has(id)) this.#forget(id, Infinity);
    this.#lost = this.#lost.filter(({ last }) => last.id !== id);
    return isKnown;
  }

  /** A lost process no longer counts, unless it reports again. Returns whether that is new. */
  dismiss(id: string): boolean {
    // It may not be lost here yet, or become known later from a process that still misses it.
    this.#dismissed.add(id);
    for (const first of this.#dismissed) {
      if (this.#dismissed.size <= MAX_PEERS) break;
      this.#dismissed.delete(first);
    }
    const before = this.#lost.length;
    this.#lost = this.#lost.filter(({ last, ended }) => last.id !== id || ended);
    return this.#lost.length < before;
  }

  /** Returns the lost processes that were replaced by a process that started later at the same address. */
  replaced(): string[] {
    const all: ProcessOrigin[] = [this.#own, ...this.#peers.values()];
    return this.#lost
      .filter(({ last, ended }) => !ended && all.some((one) => isSuccessor(one, last)))
      .map(({ last }) => last.id);
  }

  /** A process has ended without leaving. Returns it, unless its end was known. */
  end(id: string, now: number): LostProcess[] {
    const silent = this.#lost.find(({ last, ended }) => last.id === id && !ended);
    const last = this.#peers.get(id) ?? silent?.last;
    this.#keepPauses(last);
    this.#dismissed.delete(id);
    // Its earlier reports may arrive later.
    if (last || !this.#gone.has(id)) this.#forget(id, Infinity);
    if (!last) return [];
    const lost = [{ last, lostAt: now, ended: true }];
    this.#addLost(lost);
    return lost;
  }

  /** Marks processes as lost that have not reported for too long, and returns them. */
  sweep(now: number): LostProcess[] {
    const lost = this.live
      .filter((peer) => isSilent(peer, now))
      .map((last) => ({ last, lostAt: now, ended: false }));
    for (const { last } of lost) this.#forget(last.id, last.beat);
    this.#addLost(lost.filter(({ last }) => !this.#dismissed.has(last.id)));
    return lost;
  }

  /** No report could arrive for a while, so the silence of the peers starts again now. */
  extendLiveness(now: number): void {
    for (const [id, peer] of this.#peers) this.#peers.set(id, { ...peer, excusedUntil: now });
  }

  /** Returns the reports of an app; undefined for each peer without one. */
  of(app: string): (AppReport | undefined)[] {
    return this.live.map(({ apps }) => apps[app]);
  }

  /** Returns the reports of the pauses of an app, also those of processes that are gone. */
  pauseReports(app: string): SharedPauseReport[] {
    const kept = this.#keptPauses.filter((one) => one.app === app).map(({ pause }) => pause);
    return [...kept, ...this.of(app).flatMap((report) => report?.pause ?? [])];
  }

  /** The apps whose backend is down for a process. */
  get appsDown(): string[] {
    return [...this.#appsDown.values()].flat();
  }

  /** Returns the names of all reported apps. */
  appNames(): Set<string> {
    return new Set(this.live.flatMap(({ apps }) => Object.keys(apps)));
  }

  /**
   * Returns the part of this process in the pace of a release, among all that release requests now.
   *
   * @param ignoresDown whether not to wait for a process whose backend is down.
   */
  share(app: string, ignoresDown = false): Share {
    const isAhead = ({ apps }: Peer): boolean => {
      const { held = 0, backend } = apps[app] ?? {};
      return held > 0 && !(ignoresDown && backend?.state === 'down');
    };
    const holders = [this.#own, ...this.live.filter(isAhead)];
    const leaving = holders.filter((one) => one.leaving !== null);
    const waits = (one: ProcessOrigin): boolean => leaving.some((other) => goesBefore(other, one));
    const others = this.live
      .filter((peer) => peer.apps[app]?.sharesPace && !waits(peer))
      .map(({ id }) => id);
    return {
      index: others.filter((id) => id < this.#own.id).length,
      of: others.length + 1,
      waits: waits(this.#own),
    };
  }

  #keepPauses(peer: Peer | undefined): void {
    // No request waits in a process that is gone.
    const pauses = Object.entries(peer?.apps ?? {}).flatMap(([app, { pause }]) =>
      pause && pause.held > 0 ? [{ app, pause: { ...pause, complete: true } }] : [],
    );
    this.#keptPauses = [...this.#keptPauses, ...pauses].slice(-MAX_KEPT_PAUSES);
  }

  #noteAppsDown({ id, apps }: ProcessReport): void {
    const down = Object.keys(apps).filter((app) => apps[app]?.backend?.state === 'down');
    if (down.length > 0) this.#appsDown.set(id, down);
    else this.#appsDown.delete(id);
  }

  #addLost(lost: readonly LostProcess[]): void {
    const others = this.#lost.filter(({ last }) => !lost.some((one) => one.last.id === last.id));
    this.#lost = [...others, ...lost].slice(-MAX_PEERS);
  }

  #forget(id: string, beat: number): void {
    this.#peers.delete(id);
    this.#appsDown.delete(id);
    this.#gone.delete(id);
    this.#gone.set(id, beat);
    for (const first of this.#gone.keys()) {
      if (this.#gone.size <= MAX_PEERS) break;
      this.#gone.delete(first);
    }
  }
}

/** How long a process has not reported although its reports could have arrived. */
function silenceOf({ heardAt, excusedUntil = heardAt }: Peer, now: number): number {
  return now - Math.max(heardAt, excusedUntil);
}

export function isSilent(peer: Peer, now: number): boolean {
  return silenceOf(peer, now) >= LOST_AFTER_MS;
}

/** Whether the held requests of a process that is leaving go before those of another one. */
function goesBefore(one: ProcessOrigin, other: ProcessOrigin): boolean {
  const isSamePlace = one.host === other.host && one.address === other.address;
  return isSamePlace && (one.leaving ?? Infinity) < (other.leaving ?? Infinity);
}

/**
 * Two processes can't listen on one address, so the earlier one no longer listens. Workers of one cluster
 * can: a later worker has a higher number there, and only a new cluster starts again at 1.
 */
function isSuccessor(one: ProcessOrigin, lost: ProcessReport): boolean {
  const isSamePlace =
    one.address !== null && one.address === lost.address && one.host === lost.host;
  if (!isSamePlace || !(one.startedAt > lost.at)) return false;
  return one.worker === null || lost.worker === null || one.worker <= lost.worker;
}
