/**
 * All processes on one store: tells them of this one, and hears of the others. Knows reports, and no
 * intent.
 */
import type { Clock, Timer } from '../common/clock.ts';
import { DISMISSED, ENDED, LEFT, REPORT_TTL_MS, type StoredReport } from '../stores/store.ts';
import { LOST_AFTER_MS, Peers, type LostProcess } from './peers.ts';
import {
  readReport,
  writeReport,
  type ProcessOrigin,
  type ProcessReport,
} from './process-report.ts';
import type { StoreCalls } from './store-calls.ts';

export interface MembershipDeps {
  readonly line: StoreCalls;
  readonly clock: Clock;
  readonly self: ProcessOrigin;
  /** What there is to tell. */
  readonly report: () => Omit<ProcessReport, 'beat'>;
  readonly warn: (message: string) => void;
  /** The backend of an app has answered the probe of another process. */
  readonly answered: (app: string) => void;
  /** A report could not be sent. */
  readonly failed: (error: unknown) => void;
}

/** Counts that change are told at most this often; what others wait for, at once. */
const SOON_MS = 250;

export class Membership {
  readonly #context: MembershipDeps;
  readonly #peers: Peers;
  readonly #watchers = new Set<() => void>();
  #beat = 0;
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #hasNews = false;
  #closed = false;

  constructor(context: MembershipDeps) {
    this.#context = context;
    this.#peers = new Peers(context.self);
  }

  get peers(): Peers {
    return this.#peers;
  }

  /** Where this process listens. */
  listensOn(address: string): void {
    this.#peers.listensOn(address);
    this.#dismissReplaced();
  }

  /** Calls back whenever something was heard. Returns what takes the callback off. */
  watch(callback: () => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  changed(): void {
    for (const callback of this.#watchers) callback();
  }

  /** @throws StoreTrouble. One at a time; what changes meanwhile is told after it. */
  send(): Promise<void> {
    this.#hasNews = true;
    return (this.#sending ??= this.#sendNews());
  }

  /** Others wait for it. */
  sendNow(): void {
    this.send().catch(this.#context.failed);
  }

  /** Counts have changed. */
  sendSoon(): void {
    if (this.#closed || this.#timer) return;
    this.#timer = this.#context.clock.after(SOON_MS, () => {
      this.#timer = undefined;
      this.sendNow();
    });
  }

  /**
   * Returns whether the store has a report of this process, and of each other that is known to run.
   *
   * @throws StoreTrouble.
   */
  async refresh(): Promise<boolean> {
    const { line, self } = this.#context;
    if (!line.hasReports) return true;
    const reports = await line.call(async (store) => (await store.reports?.()) ?? []);
    for (const report of reports) this.onReport(report);
    const ids = new Set(reports.map(({ id }) => id));
    return [self, ...this.#peers.live].every(({ id }) => ids.has(id));
  }

  onReport({ id, value }: StoredReport): void {
    const { clock } = this.#context;
    if (value === ENDED) return this.#noteLost(this.#peers.end(id, clock.now()));
    if (value === null || value === LEFT) {
      if (this.#peers.leave(id)) this.changed();
      return;
    }
    if (value === DISMISSED) {
      if (this.#peers.dismiss(id)) this.changed();
      return;
    }
    const report = readReport(value);
    if (!report) return;
    const before = this.#peers.find(id);
    if (!this.#peers.onReport(report, clock.now())) return;
    for (const silent of report.silent) this.#peers.onSilence(silent, clock.now());
    this.#dismissReplaced();
    this.changed();
    for (const [app, { answers = 0 }] of Object.entries(report.apps)) {
      if (answers > (before?.apps[app]?.answers ?? Infinity)) this.#context.answered(app);
    }
  }

  /** Tells all processes not to expect a lost process back. */
  dismiss(ids: readonly string[]): void {
    const { line, failed } = this.#context;
    for (const id of ids) {
      this.#peers.dismiss(id);
      line
        .call(async (store, withinMs) =>
          store.report?.({ id, value: DISMISSED }, REPORT_TTL_MS, withinMs),
        )
        .catch(failed);
    }
  }

  /** Drops those that have not been heard of for too long. */
  sweep(): void {
    const lost = this.#peers.sweep(this.#context.clock.now());
    this.#dismissReplaced();
    this.#noteLost(lost);
  }

  /** Sends nothing more by itself. */
  stop(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** @throws StoreTrouble. */
  async leave(): Promise<void> {
    await this.#sending?.catch(() => undefined);
    const { line, self } = this.#context;
    await line.call(async (store, withinMs) =>
      store.report?.({ id: self.id, value: LEFT }, REPORT_TTL_MS, withinMs),
    );
  }

  #dismissReplaced(): void {
    const replaced = this.#peers.replaced();
    if (replaced.length > 0) this.dismiss(replaced);
  }

  #noteLost(lost: readonly LostProcess[]): void {
    for (const one of lost) {
      if (this.#peers.lost.includes(one)) this.#context.warn(lossOf(one));
    }
    if (lost.length > 0) this.changed();
  }

  async #sendNews(): Promise<void> {
    const { line, self, report } = this.#context;
    try {
      while (this.#hasNews && !this.#closed && line.hasReports) {
        this.#hasNews = false;
        // What has happened in one go is one report.
        await Promise.resolve();
        const value = writeReport({ ...report(), beat: ++this.#beat });
        await line.call(async (store, withinMs) =>
          store.report?.({ id: self.id, value }, REPORT_TTL_MS, withinMs),
        );
      }
    } finally {
      this.#sending = undefined;
    }
  }
}

function lossOf({ last: { host, pid }, ended }: LostProcess): string {
  const what = ended
    ? 'has ended; it is not waited for any longer. What it held is lost with it.'
    : `has not been heard of for ${LOST_AFTER_MS} ms. It may still be running: a drain that it has ` +
      'not acknowledged is not called done.';
  return `WRN_ANTRACT_PROCESS_LOST: process ${pid} on ${host} ${what}`;
}
