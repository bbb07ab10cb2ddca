/**
 * The other processes on the same store, as far as they have told of themselves. Pure: is given the
 * time. Knows no store.
 */
import type { Share } from '../pacer.ts';
import type { AppReport, ProcessIdentity, ProcessReport } from './process-report.ts';

export interface Peer extends ProcessReport {
  /** When it was heard of last. */
  readonly heardAt: number;
}

export interface LostProcess extends ProcessIdentity {
  readonly lostAt: number;
  /** Its cluster's primary saw it end. Otherwise it was not heard of, and may still be running. */
  readonly ended: boolean;
}

/** How long a process is taken to live that is not heard of. */
export const REPORT_TTL_MS = 5000;

/** Of those that were lost, and beyond which no more processes are known. */
const MAX_LOST = 20;
const MAX_PEERS = 1000;

export class Peers {
  readonly #self: string;
  readonly #peers = new Map<string, Peer>();
  /** Those that have left or were lost: what they had told comes late, and may come twice. */
  readonly #gone = new Map<string, number>();
  #lost: LostProcess[] = [];

  /** @param self the id of this process, whose own reports come back to it. */
  constructor(self: string) {
    this.#self = self;
  }

  get live(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** The last ones that have not said that they leave. */
  get lost(): readonly LostProcess[] {
    return this.#lost;
  }

  /** The same one of all processes, in each of them: speaks where one voice is enough. */
  get isSpeaker(): boolean {
    for (const id of this.#peers.keys()) if (id < this.#self) return false;
    return true;
  }

  /** True where it is news. */
  hear(report: ProcessReport, now: number): boolean {
    const { id, beat } = report;
    if (id === this.#self || beat <= (this.#gone.get(id) ?? -1)) return false;
    const known = this.#peers.get(id);
    if (known ? beat <= known.beat : this.#peers.size >= MAX_PEERS) return false;
    this.#peers.set(id, { ...report, heardAt: now });
    // It was frozen, or out of reach, rather than dead.
    this.#lost = this.#lost.filter((one) => one.id !== id);
    return true;
  }

  /** It has said that it leaves. */
  leave(id: string): void {
    this.#forget(id, Infinity);
  }

  /** A process has ended without leaving. Names it, unless its end was known. */
  end(id: string, now: number): LostProcess[] {
    const peer = this.#peers.get(id) ?? this.#lost.find((one) => one.id === id && !one.ended);
    // What it reported before its end may arrive later.
    this.#forget(id, Infinity);
    if (!peer) return [];
    const { host, pid } = peer;
    const lost = [{ id, host, pid, lostAt: now, ended: true }];
    this.#addLost(lost);
    return lost;
  }

  /** Drops those that were not heard of for too long, and names them. */
  sweep(now: number): LostProcess[] {
    const lost = this.live
      .filter(({ heardAt }) => heardAt + REPORT_TTL_MS <= now)
      .map(({ id, host, pid }) => ({ id, host, pid, lostAt: now, ended: false }));
    for (const { id } of lost) this.#forget(id, this.#peers.get(id)?.beat ?? 0);
    this.#addLost(lost);
    return lost;
  }

  /** Nobody could be heard for a time: that says nothing of anybody. */
  forgive(now: number): void {
    for (const [id, peer] of this.#peers) this.#peers.set(id, { ...peer, heardAt: now });
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
    return { index: others.filter((id) => id < this.#self).length, of: others.length + 1 };
  }

  #addLost(lost: readonly LostProcess[]): void {
    const others = this.#lost.filter(({ id }) => !lost.some((one) => one.id === id));
    this.#lost = [...others, ...lost].slice(-MAX_LOST);
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
