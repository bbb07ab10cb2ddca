/**
 * All processes on one store: tells them of this one, and hears of the others. Knows reports, and no
 * intent.
 */
import type { Clock, Timer } from '../clock.ts';
import { ENDED, type StoredReport } from '../stores/store.ts';
import { Peers, REPORT_TTL_MS, type LostProcess } from './peers.ts';
import { readReport, writeReport, type AppReport, type ProcessIdentity } from './process-report.ts';
import type { StoreLine } from './store-line.ts';

export interface FleetContext {
  readonly line: StoreLine;
  readonly clock: Clock;
  readonly self: ProcessIdentity;
  /** What there is to tell of each app. */
  readonly apps: () => Readonly<Record<string, AppReport>>;
  readonly warn: (message: string) => void;
  /** A report could not be sent. */
  readonly failed: (error: unknown) => void;
}

/** Counts that change are told at most this often; what others wait for, at once. */
const SOON_MS = 250;

export class Fleet {
  readonly #context: FleetContext;
  readonly #peers: Peers;
  readonly #watchers = new Set<() => void>();
  #beat = 0;
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #hasNews = false;
  #closed = false;

  constructor(context: FleetContext) {
    this.#context = context;
    this.#peers = new Peers(context.self.id);
  }

  get peers(): Peers {
    return this.#peers;
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

  /** @throws StoreTrouble. */
  async refresh(): Promise<void> {
    const { line } = this.#context;
    if (!line.hasReports) return;
    const reports = await line.call(async (store) => (await store.reports?.()) ?? []);
    for (const report of reports) this.hear(report);
  }

  hear({ id, value }: StoredReport): void {
    const { clock } = this.#context;
    if (value === null) {
      this.#peers.leave(id);
      return this.changed();
    }
    if (value === ENDED) return this.#noteLost(this.#peers.end(id, clock.now()));
    const report = readReport(value);
    if (report && this.#peers.hear(report, clock.now())) this.changed();
  }

  /** Drops those that have not been heard of for too long. */
  sweep(): void {
    this.#noteLost(this.#peers.sweep(this.#context.clock.now()));
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
      store.report?.({ id: self.id, value: null }, 0, withinMs),
    );
  }

  #noteLost(lost: readonly LostProcess[]): void {
    for (const one of lost) this.#context.warn(lossOf(one));
    if (lost.length > 0) this.changed();
  }

  async #sendNews(): Promise<void> {
    const { line, self, apps } = this.#context;
    try {
      while (this.#hasNews && !this.#closed && line.hasReports) {
        this.#hasNews = false;
        // What has happened in one go is one report.
        await Promise.resolve();
        const value = writeReport({ ...self, beat: ++this.#beat, apps: apps() });
        await line.call(async (store, withinMs) =>
          store.report?.({ id: self.id, value }, REPORT_TTL_MS, withinMs),
        );
      }
    } finally {
      this.#sending = undefined;
    }
  }
}

function lossOf({ host, pid, ended }: LostProcess): string {
  const what = ended ? 'has ended' : `has not been heard of for ${REPORT_TTL_MS} ms`;
  return (
    `WRN_ANTRACT_PROCESS_LOST: process ${pid} on ${host} ${what}; ` +
    'it is not waited for any longer. What it held is lost with it.'
  );
}
