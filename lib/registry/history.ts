/**
 * What operators see of the last ten minutes: samples of each app, its last pauses with their reports, and
 * its transitions. With a `store`, all figures are sums over all processes, as the status has them.
 *
 * Each process takes its own samples of these sums. So any process can answer, for the time since it started.
 */
import type { Clock, Timer } from '../common/clock.ts';
import {
  joinReports,
  MAX_PAUSES,
  type PauseReport,
  type PauseReports,
} from '../gate/pause-report.ts';
import type { StatusFields } from '../gate/status.ts';
import type { Sharing } from '../sharing/sharing.ts';
import { emptySamples, isIdle, SampleRing, STEP_MS, type Samples } from './sample-ring.ts';
import type { Transition } from './transition.ts';
import type { TransitionLog } from './transition-log.ts';

/** The last ten minutes of one app. */
export interface AppHistory {
  /** The app. */
  readonly app: string;
  /** Empty for an app that has had no request since the process started. */
  readonly samples: Samples;
  /** The reports of the last ten pauses, oldest first. The last one may still be going on. */
  readonly pauses: readonly PauseReport[];
  /** The last 50 transitions, oldest first. */
  readonly transitions: readonly Transition[];
}

export interface HistoryDeps {
  readonly clock: Clock;
  readonly closed: AbortSignal;
  readonly reports: PauseReports;
  readonly transitions: TransitionLog;
  readonly sharing: Sharing | undefined;
  readonly appNames: () => Iterable<string>;
  /** The status of an app, aggregated over all processes. */
  readonly fieldsOf: (app: string) => StatusFields;
}

interface JoinedReport {
  readonly report: PauseReport;
  readonly isFinal: boolean;
}

/** Each takes 11 KB. Further apps have no samples. */
const MAX_SAMPLED_APPS = 200;

export class History {
  /** When the first sample was taken, in milliseconds since 1970. */
  readonly since: number;
  readonly #deps: HistoryDeps;
  readonly #rings = new Map<string, SampleRing>();
  /** Reports that cover all processes. The other processes forget theirs a minute after the pause. */
  readonly #joined = new Map<string, JoinedReport[]>();
  #timer: Timer | undefined;

  constructor(deps: HistoryDeps) {
    const { clock, closed } = deps;
    this.#deps = deps;
    this.since = clock.date();
    closed.addEventListener('abort', () => this.#timer?.cancel());
    if (!closed.aborted) this.#later();
  }

  of(app: string): AppHistory {
    return {
      app,
      samples: this.#rings.get(app)?.read() ?? emptySamples(),
      pauses: this.pauses(app),
      transitions: this.#deps.transitions.list(app),
    };
  }

  /** The reports of the last pauses, oldest first. */
  pauses(app: string): PauseReport[] {
    const { reports } = this.#deps;
    const current = currentReport(app, this.#deps);
    const own = [...reports.past(app), ...(current ? [current] : [])];
    const joined = this.#joined.get(app) ?? [];
    return own.map((one) => {
      const final = joined.find(({ report, isFinal }) => isFinal && report.pauseId === one.pauseId);
      // The joined report dates from before the next pause, so its `carriedOver` is null.
      return final ? { ...final.report, carriedOver: one.carriedOver } : one;
    });
  }

  forget(app: string): void {
    this.#rings.delete(app);
    this.#joined.delete(app);
  }

  #later(): void {
    this.#timer = this.#deps.clock.after(STEP_MS, () => {
      this.#sample();
      this.#later();
    });
  }

  #sample(): void {
    const at = this.#deps.clock.date();
    for (const app of this.#deps.appNames()) {
      this.#sampleApp(app, at);
      if (this.#deps.sharing) this.#keepReport(app);
    }
  }

  #sampleApp(app: string, at: number): void {
    let ring = this.#rings.get(app);
    if (!ring && this.#rings.size >= MAX_SAMPLED_APPS) return;
    const status = this.#deps.fieldsOf(app);
    if (!ring && isIdle(status)) return;
    if (!ring) this.#rings.set(app, (ring = new SampleRing()));
    ring.add(at, status);
  }

  /** A report is final if it was complete at two samples: the processes hear of each other a moment later. */
  #keepReport(app: string): void {
    const pauseId = this.#deps.reports.pauseIdOf(app);
    const kept = this.#joined.get(app) ?? [];
    const before = kept.find(({ report }) => report.pauseId === pauseId);
    const report = before?.isFinal ? undefined : currentReport(app, this.#deps);
    if (!report) return;
    const isFinal = before?.report.complete === true && report.complete;
    const others = kept.filter((one) => one !== before);
    this.#joined.set(app, [...others, { report, isFinal }].slice(-MAX_PAUSES));
  }
}

/** The report of the current or last pause, with the numbers of all processes that still report it. */
export function currentReport(
  app: string,
  { reports, sharing }: Pick<HistoryDeps, 'reports' | 'sharing'>,
): PauseReport | undefined {
  const own = reports.of(app);
  return own && joinReports(own, sharing?.others.pauseReports(app) ?? []);
}
