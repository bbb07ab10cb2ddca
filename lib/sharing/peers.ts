/**
 * The other processes on the same store, as far as they have told of themselves. Pure: is given the
 * time. Knows no store.
 */
import type { Share } from '../gate/pacing/pacer.ts';
import {
  NOTHING,
  type AppReport,
  type ProcessOrigin,
  type ProcessReport,
  type SilentReport,
} from './process-report.ts';

export interface Peer extends ProcessReport {
  /** When it was heard of last. */
  readonly heardAt: number;
  /** Until when no process could be heard here; its silence counts from then on. */
  readonly excusedUntil?: number;
}

export interface LostProcess {
  /** The last that was heard of it. */
  readonly last: Peer;
  readonly lostAt: number;
  /** Its cluster's primary saw it end. Otherwise it was not heard of, and may still be running. */
  readonly ended: boolean;
}

/** A process that was not heard of for that long is lost: nobody waits for it any longer. */
export const LOST_AFTER_MS = 5000;

/** A process that was not heard of for that long has missed a report: others are told. */
const SILENT_AFTER_MS = 2000;

/** Beyond it no more processes are known; likewise of those that were lost. */
const MAX_PEERS = 1000;

export class Peers {
  #own: ProcessOrigin;
  readonly #peers = new Map<string, Peer>();
  /** Those that have left or were lost: what they had told comes late, and may come twice. */
  readonly #gone = new Map<string, number>();
  #lost: LostProcess[] = [];
  /** Those that are not expected to be heard of again. Only a report of their own changes that. */
  readonly #dismissed = new Set<string>();

  /** @param own this process, whose own reports come back to it. */
  constructor(own: ProcessOrigin) {
    this.#own = own;
  }

  listensOn(address: string): void {
    this.#own = { ...this.#own, address };
  }

  find(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  get live(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** Those that have not said that they leave, until they are heard of again, or known to have ended. */
  get lost(): readonly LostProcess[] {
    return this.#lost;
  }

  /** The same one of all processes, in each of them: speaks where one voice is enough. */
  get isLeader(): boolean {
    for (const id of this.#peers.keys()) if (id < this.#own.id) return false;
    return true;
  }

  /** True where it is news. */
  onReport(report: ProcessReport, now: number): boolean {
    const { id, beat } = report;
    if (id === this.#own.id || beat <= (this.#gone.get(id) ?? -1)) return false;
    const known = this.#peers.get(id);
    if (known ? beat <= known.beat : this.#peers.size >= MAX_PEERS) return false;
    this.#peers.set(id, { ...report, heardAt: now });
    this.#dismissed.delete(id);
    // It was frozen, or out of reach, rather than dead.
    this.#lost = this.#lost.filter(({ last }) => last.id !== id);
    return true;
  }

  /**
   * Another process does not hear this one. If it is not known here, it counts like one that was heard
   * of at that time. If it is, the report that is known here may have been read late.
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

  /** Those that may still run although they are not heard of, the latest last. */
  silent(now: number): Peer[] {
    const lost = this.#lost.filter(({ ended }) => !ended).map(({ last }) => last);
    return [...lost, ...this.live.filter((peer) => silenceOf(peer, now) >= SILENT_AFTER_MS)];
  }

  /** It has said that it leaves. True where that is news. */
  leave(id: string): boolean {
    const isKnown = this.#peers.has(id) || this.#lost.some(({ last }) => last.id === id);
    this.#dismissed.delete(id);
    if (isKnown || !this.#gone.has(id)) this.#forget(id, Infinity);
    this.#lost = this.#lost.filter(({ last }) => last.id !== id);
    return isKnown;
  }

  /** A lost process is not expected back. One that is heard of again counts as before. */
  dismiss(id: string): boolean {
    // Here it may not be lost yet, or be known only later, from a process that still misses it.
    this.#dismissed.add(id);
    for (const first of this.#dismissed) {
      if (this.#dismissed.size <= MAX_PEERS) break;
      this.#dismissed.delete(first);
    }
    const before = this.#lost.length;
    this.#lost = this.#lost.filter(({ last, ended }) => last.id !== id || ended);
    return this.#lost.length < before;
  }

  /** Lost processes of which a successor has reported: what started later listens in the same place. */
  replaced(): string[] {
    const all: ProcessOrigin[] = [this.#own, ...this.#peers.values()];
    return this.#lost
      .filter(({ last, ended }) => !ended && all.some((one) => isSuccessor(one, last)))
      .map(({ last }) => last.id);
  }

  /** A process has ended without leaving. Names it, unless its end was known. */
  end(id: string, now: number): LostProcess[] {
    const silent = this.#lost.find(({ last, ended }) => last.id === id && !ended);
    const last = this.#peers.get(id) ?? silent?.last;
    this.#dismissed.delete(id);
    // What it reported before its end may arrive later.
    if (last || !this.#gone.has(id)) this.#forget(id, Infinity);
    if (!last) return [];
    const lost = [{ last, lostAt: now, ended: true }];
    this.#addLost(lost);
    return lost;
  }

  /** Drops those that were not heard of for too long, and names them. */
  sweep(now: number): LostProcess[] {
    const lost = this.live
      .filter((peer) => isSilent(peer, now))
      .map((last) => ({ last, lostAt: now, ended: false }));
    for (const { last } of lost) this.#forget(last.id, last.beat);
    this.#addLost(lost.filter(({ last }) => !this.#dismissed.has(last.id)));
    return lost;
  }

  /** Nobody could be heard for a time: that says nothing of anybody. */
  extendLiveness(now: number): void {
    for (const [id, peer] of this.#peers) this.#peers.set(id, { ...peer, excusedUntil: now });
  }

  /** What each tells of an app; undefined where it does not. */
  of(app: string): (AppReport | undefined)[] {
    return this.live.map(({ apps }) => apps[app]);
  }

  /** The names of all apps that any of them tells of. */
  appNames(): Set<string> {
    return new Set(this.live.flatMap(({ apps }) => Object.keys(apps)));
  }

  /** Of the pace of a release, for as many as have a part in it now, this process included. */
  share(app: string): Share {
    const others = this.live.filter(({ apps }) => apps[app]?.sharesPace).map(({ id }) => id);
    return { index: others.filter((id) => id < this.#own.id).length, of: others.length + 1 };
  }

  #addLost(lost: readonly LostProcess[]): void {
    const others = this.#lost.filter(({ last }) => !lost.some((one) => one.last.id === last.id));
    this.#lost = [...others, ...lost].slice(-MAX_PEERS);
  }

  #forget(id: string, beat: number): void {
    this.#peers.delete(id);
    this.#gone.delete(id);
    this.#gone.set(id, beat);
    for (const first of this.#gone.keys()) {
      if (this.#gone.size <= MAX_PEERS) break;
      this.#gone.delete(first);
    }
  }
}

/** How long a process has been silent while it could have been heard. */
function silenceOf({ heardAt, excusedUntil = heardAt }: Peer, now: number): number {
  return now - Math.max(heardAt, excusedUntil);
}

export function isSilent(peer: Peer, now: number): boolean {
  return silenceOf(peer, now) >= LOST_AFTER_MS;
}

/**
 * Two processes can't listen in one place, so the earlier one does not listen any more. Workers of one
 * cluster can: there a later worker has a higher number, and only one of another cluster starts anew.
 */
function isSuccessor(one: ProcessOrigin, lost: ProcessReport): boolean {
  const isSamePlace =
    one.address !== null && one.address === lost.address && one.host === lost.host;
  if (!isSamePlace || !(one.startedAt > lost.at)) return false;
  return one.worker === null || lost.worker === null || one.worker <= lost.worker;
}
