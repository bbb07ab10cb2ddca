/**
 * The processes on one store: sends the reports of this process, and receives those of the others.
 */
import type { Clock, Timer } from '../common/clock.ts';
import type { Logger } from '../options/options.ts';
import {
  DISMISSED,
  ENDED,
  LEFT,
  PROTOCOL,
  REPORT_TTL_MS,
  type StoredReport,
} from '../stores/store.ts';
import type { GateSource } from './gate-source.ts';
import { LOST_AFTER_MS, Peers, type LostProcess } from './peers.ts';
import {
  readReport,
  writeReport,
  type ProcessOrigin,
  type ProcessReport,
} from './process-report.ts';
import { incompatible, protocolOf } from './protocol.ts';
import type { StoreCalls } from './store-calls.ts';

export interface MembershipDeps {
  readonly calls: StoreCalls;
  readonly clock: Clock;
  readonly gates: GateSource;
  readonly logger: Logger;
  readonly self: ProcessOrigin;
}

export interface MembershipListener {
  /** Returns the report to send. */
  readonly report: () => Omit<ProcessReport, 'beat'>;
  /** A report could not be sent. */
  readonly onError: (error: unknown) => void;
}

/** Changed counts are reported at most this often. Changes that other processes wait for are sent at once. */
const REPORT_EVERY_MS = 250;

export class Membership {
  readonly peers: Peers;
  readonly #deps: MembershipDeps;
  readonly #listener: MembershipListener;
  readonly #watchers = new Set<() => void>();
  #beat = 0;
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #hasNews = false;
  #isStopped = false;

  constructor(deps: MembershipDeps, listener: MembershipListener) {
    this.#deps = deps;
    this.#listener = listener;
    this.peers = new Peers(deps.self);
  }

  /** Tells where this process listens, and whether it is leaving. */
  setOrigin(self: ProcessOrigin): void {
    this.peers.setOrigin(self);
    this.#dismissReplaced();
  }

  /** Calls back after each change. Returns a function that removes the callback. */
  watch(callback: () => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  notifyWatchers(): void {
    for (const callback of this.#watchers) callback();
  }

  /**
   * Sends a report, or another one after the report that is being sent.
   *
   * @throws StoreUnavailableError
   */
  report(): Promise<void> {
    this.#hasNews = true;
    return (this.#sending ??= this.#sendNews());
  }

  /** Reports what other processes wait for. */
  reportNow(): void {
    this.report().catch(this.#listener.onError);
  }

  /** Reports changed counts. */
  reportSoon(): void {
    if (this.#isStopped || this.#timer) return;
    this.#timer = this.#deps.clock.after(REPORT_EVERY_MS, () => {
      this.#timer = undefined;
      this.reportNow();
    });
  }

  /**
   * Checks that this process can read what the other processes write. Called before it reports. A process
   * that has ended without leaving does not count.
   *
   * @throws AntractError `ERR_ANTRACT_PROTOCOL`.
   * @throws StoreUnavailableError
   */
  async checkProtocol(): Promise<void> {
    const before = await this.#incompatibleReports();
    if (before.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#deps.clock.after(LOST_AFTER_MS, resolve, { ref: true });
    });
    for (const [id, value] of await this.#incompatibleReports()) {
      if (before.get(id) !== value) throw incompatible(`Process ${id}`, protocolOf(value));
    }
  }

  /**
   * Reads all reports. Returns whether the store has those of this process and of all live peers.
   *
   * @throws StoreUnavailableError
   */
  async refresh(): Promise<boolean> {
    const { calls, self } = this.#deps;
    if (!calls.hasReports) return true;
    const reports = await this.#read();
    for (const report of reports) this.onReport(report);
    const ids = new Set(reports.map(({ id }) => id));
    return [self, ...this.peers.live].every(({ id }) => ids.has(id));
  }

  /**
   * Whether the store is not older than this process, apart from states that it has restored.
   *
   * @throws StoreUnavailableError
   */
  async isFirst(): Promise<boolean> {
    const { calls, self } = this.#deps;
    if (!calls.startsEmpty || !calls.hasReports) return false;
    const reports = await this.#read();
    return reports.every(({ id }) => id === self.id);
  }

  onReport({ id, value }: StoredReport): void {
    const { clock } = this.#deps;
    if (value === ENDED) return this.#onLost(this.peers.end(id, clock.now()));
    if (value === null || value === LEFT) {
      if (this.peers.leave(id)) this.notifyWatchers();
      return;
    }
    if (value === DISMISSED) {
      if (this.peers.dismiss(id)) this.notifyWatchers();
      return;
    }
    const report = readReport(value);
    if (report) this.#onProcessReport(report);
  }

  /** Tells all processes not to wait for lost processes. */
  dismiss(ids: readonly string[]): void {
    for (const id of ids) {
      this.peers.dismiss(id);
      this.#send({ id, value: DISMISSED }).catch(this.#listener.onError);
    }
  }

  /** Marks processes as lost that have not reported for too long. */
  sweep(): void {
    const lost = this.peers.sweep(this.#deps.clock.now());
    this.#dismissReplaced();
    this.#onLost(lost);
  }

  /** Sends no more reports. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** @throws StoreUnavailableError */
  async leave(): Promise<void> {
    await this.#sending?.catch(() => undefined);
    // The other processes keep what it says of the last pause.
    await this.#send({ id: this.#deps.self.id, value: this.#nextReport() });
    await this.#send({ id: this.#deps.self.id, value: LEFT });
  }

  #onProcessReport(report: ProcessReport): void {
    const { clock, gates } = this.#deps;
    const before = this.peers.find(report.id);
    if (!this.peers.onReport(report, clock.now())) return;
    for (const silent of report.silent) this.peers.onSilence(silent, clock.now());
    this.#dismissReplaced();
    this.notifyWatchers();
    for (const [app, { answers = 0 }] of Object.entries(report.apps)) {
      // The backend has answered the probe of that process.
      if (answers > (before?.apps[app]?.answers ?? Infinity)) gates.find(app)?.backend.hurry();
    }
  }

  #dismissReplaced(): void {
    const replaced = this.peers.replaced();
    if (replaced.length > 0) this.dismiss(replaced);
  }

  #onLost(lost: readonly LostProcess[]): void {
    for (const one of lost) {
      if (this.peers.lost.includes(one)) this.#deps.logger.warn(warningOfLoss(one));
    }
    if (lost.length > 0) this.notifyWatchers();
  }

  async #incompatibleReports(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const { id, value } of await this.#read()) {
      if (value !== null && protocolOf(value) !== PROTOCOL) found.set(id, value);
    }
    return found;
  }

  #read(): Promise<readonly StoredReport[]> {
    return this.#deps.calls.call(async (store) => (await store.reports?.()) ?? []);
  }

  async #sendNews(): Promise<void> {
    const { calls, self } = this.#deps;
    try {
      while (this.#hasNews && !this.#isStopped && calls.hasReports) {
        this.#hasNews = false;
        // All changes of the same tick go into one report.
        await Promise.resolve();
        await this.#send({ id: self.id, value: this.#nextReport() });
      }
    } finally {
      this.#sending = undefined;
    }
  }

  #nextReport(): string {
    return writeReport({ ...this.#listener.report(), beat: ++this.#beat });
  }

  #send(report: StoredReport): Promise<void> {
    return this.#deps.calls.call(async (store, withinMs) =>
      store.report?.(report, REPORT_TTL_MS, withinMs),
    );
  }
}

function warningOfLoss({ last: { host, pid }, ended }: LostProcess): string {
  const what = ended
    ? 'has ended without leaving. The requests that it held are lost, and drains no longer wait for it.'
    : `has not reported for ${LOST_AFTER_MS} ms. It may still be running: a drain that it has not ` +
      'acknowledged does not complete.';
  return `WRN_ANTRACT_PROCESS_LOST: process ${pid} on ${host} ${what}`;
}
