/**
 * Reports the last pause of each app, from its events. A report has a fixed size, however many requests the
 * pause holds: waits are kept as a histogram, and what is known of a request ends with the request.
 */
import type { Clock } from '../common/clock.ts';
import type { RequestLine } from '../common/request.ts';
import type { Actor } from './actor.ts';
import type { AntractEvents } from './events.ts';
import { oldest, type Straggler } from './in-flight.ts';
import { Waits, type WaitEntries } from './waits.ts';

/** What happened to the requests of a pause. Durations are whole milliseconds. */
export interface PauseReport {
  /** Identifies the pause. */
  pauseId: string;
  /** When the pause began, in milliseconds since 1970. */
  startedAt: number;
  /** Who paused the app, as far as is known. */
  by: Actor | null;
  /** Why the app was paused, if the operator said so. */
  reason: string | null;
  /**
   * Whether clients are served again: the pause has ended, the backend has answered since, and no request
   * that was held at that time still waits. Stays false if the next pause begins before that.
   */
  complete: boolean;
  /** How long the pause lasted; null until it ends. */
  pausedForMs: number | null;
  /** What ended the pause; null until it ends. */
  endedBy: 'resume' | 'maxTime' | 'lease' | 'stop' | null;
  /**
   * Requests that were held, during the pause or until clients were served again after it. A request that
   * the backend refuses after its release is held again, and counts once, with its last outcome.
   */
  held: number;
  /** Requests counted in `held` that still wait. */
  stillHeld: number;
  /**
   * Requests counted in `held` that still waited when the next pause began. The report of that pause counts
   * them in its own `held`. Null until another pause begins.
   */
  carriedOver: number | null;
  /** Held requests that were released. */
  released: number;
  /** Held requests whose client disconnected. */
  abandoned: number;
  /** Requests that were rejected, on arrival or after they were held. */
  rejected: number;
  /** Held navigations that got the waiting page (`pageAfter`). Their browsers came back as new requests. */
  waitingPages: number;
  /** The longest wait that has ended in any way; null if there was none. */
  longestHoldMs: number | null;
  /** The median wait, exact to 3 %; null if there was none. */
  medianHoldMs: number | null;
  /** How long the drain took; null if the app has not drained. */
  drainedAfterMs: number | null;
  /** The requests in flight when the pause began, oldest first, at most 20. */
  stragglers: Straggler[];
}

/** A report for other processes, which hold other requests of the same pause. */
export interface SharedPauseReport extends PauseReport {
  readonly waits: WaitEntries;
}

type Payload = AntractEvents[keyof AntractEvents][0];

/** What a report asks of its app; `Gate` has it. */
interface ReportedApp {
  readonly state: { readonly since: number };
  readonly held: number;
  readonly drain: { stragglers(): Straggler[] };
  /** `hasReopened`: clients have been served again since the last pause ended. */
  readonly releaser: { readonly hasReopened: boolean };
}

/** Undefined where the app is not known. */
type FindApp = (app: string) => ReportedApp | undefined;

/** How many pauses of each app have a report. */
export const MAX_PAUSES = 10;

/** The reports of all apps. */
export class PauseReports {
  readonly #reports = new Map<string, ReportBuilder>();
  /** The reports of earlier pauses, oldest first. */
  readonly #past = new Map<string, PauseReport[]>();
  readonly #find: FindApp;
  readonly #clock: Pick<Clock, 'now' | 'date'>;

  constructor(find: FindApp, clock: Pick<Clock, 'now' | 'date'>) {
    this.#find = find;
    this.#clock = clock;
  }

  record(event: keyof AntractEvents, payload: Payload, request?: RequestLine): void {
    if (!('app' in payload)) return;
    if (event === 'paused') {
      this.#begin(payload as AntractEvents['paused'][0]);
    } else {
      this.#reports.get(payload.app)?.record(event, payload, request);
    }
  }

  of(app: string): SharedPauseReport | undefined {
    return this.#reports.get(app)?.snapshot();
  }

  /** The id of the current or last pause. */
  pauseIdOf(app: string): string | undefined {
    return this.#reports.get(app)?.pauseId;
  }

  /** The reports of the pauses before that, oldest first, with the numbers of this process. */
  past(app: string): readonly PauseReport[] {
    return this.#past.get(app) ?? [];
  }

  forget(app: string): void {
    this.#reports.delete(app);
    this.#past.delete(app);
  }

  #begin(event: AntractEvents['paused'][0]): void {
    const { app } = event;
    const last = this.#reports.get(app)?.snapshot();
    if (last) {
      const { waits: _waits, ...report } = last;
      const ended = { ...report, stillHeld: 0, carriedOver: report.stillHeld };
      this.#past.set(app, [...this.past(app), ended].slice(1 - MAX_PAUSES));
    }
    const now = this.#clock.now();
    const agoMs = now - (this.#find(app)?.state.since ?? now);
    const startedAt = Math.round(this.#clock.date() - agoMs);
    this.#reports.set(app, new ReportBuilder(event, startedAt, () => this.#find(app)));
  }
}

class ReportBuilder {
  readonly #report: PauseReport;
  readonly #waits = new Waits();
  /** The requests counted in `released`, and how long each was held. */
  readonly #released = new WeakMap<RequestLine, number>();
  readonly #findApp: () => ReportedApp | undefined;
  #waiting = 0;
  #isStopped = false;

  constructor(
    { pauseId, by, reason }: AntractEvents['paused'][0],
    startedAt: number,
    findApp: () => ReportedApp | undefined,
  ) {
    this.#findApp = findApp;
    // An outage, or the last pause, may hold requests already. They are held during this pause, too.
    this.#waiting = findApp()?.held ?? 0;
    this.#report = {
      pauseId,
      startedAt,
      by,
      reason,
      complete: false,
      pausedForMs: null,
      endedBy: null,
      held: this.#waiting,
      stillHeld: this.#waiting,
      carriedOver: null,
      released: 0,
      abandoned: 0,
      rejected: 0,
      waitingPages: 0,
      longestHoldMs: null,
      medianHoldMs: null,
      drainedAfterMs: null,
      stragglers: findApp()?.drain.stragglers() ?? [],
    };
  }

  get pauseId(): string {
    return this.#report.pauseId;
  }

  record(event: keyof AntractEvents, payload: Payload, request?: RequestLine): void {
    const report = this.#report;
    // A requeue belongs to this pause, even if no other request of the pause waits any more.
    if (request && this.#isRequeued(event, request)) return;
    // Later requests don't belong to this pause.
    if (this.#isComplete()) return;
    switch (event) {
      case 'held':
        report.held++;
        this.#waiting++;
        break;
      case 'released':
      case 'abandoned':
        this.#left(event, (payload as AntractEvents['released'][0]).heldMs, request);
        break;
      case 'rejected':
        this.#rejected(payload as AntractEvents['rejected'][0]);
        break;
      case 'drained':
        report.drainedAfterMs ??= (payload as AntractEvents['drained'][0]).afterMs;
        break;
      case 'expired':
        this.#ended((payload as AntractEvents['expired'][0]).cause, payload);
        break;
      case 'resumed':
        this.#ended('resume', payload);
        break;
      case 'stopped':
        this.#isStopped = true;
        this.#ended('stop', payload);
        break;
      default:
        break;
    }
  }

  snapshot(): SharedPauseReport {
    return {
      ...this.#report,
      complete: this.#isComplete(),
      stillHeld: this.#waiting,
      longestHoldMs: this.#waits.longest,
      medianHoldMs: this.#waits.median(),
      waits: this.#waits.entries(),
    };
  }

  /** The first event has the cause: `resumed` follows `expired`. */
  #ended(by: PauseReport['endedBy'], payload: Payload): void {
    this.#report.endedBy ??= by;
    this.#report.pausedForMs ??= (payload as AntractEvents['stopped'][0]).pausedForMs;
  }

  #isComplete(): boolean {
    if (this.#report.endedBy === null || this.#waiting > 0) return false;
    return this.#isStopped || (this.#findApp()?.releaser.hasReopened ?? true);
  }

  #left(outcome: 'released' | 'abandoned', heldMs: number, request?: RequestLine): void {
    this.#report[outcome]++;
    if (outcome === 'released' && request) this.#released.set(request, heldMs);
    this.#waitEnded(heldMs);
  }

  /** The backend has refused a released request, which is held again or rejected: takes the release back. */
  #isRequeued(event: keyof AntractEvents, request: RequestLine): boolean {
    const heldMs = this.#released.get(request);
    if (heldMs === undefined || (event !== 'held' && event !== 'rejected')) return false;
    this.#released.delete(request);
    this.#report.released--;
    if (event === 'rejected') {
      this.#report.rejected++;
    } else {
      this.#waits.remove(heldMs);
      this.#waiting++;
    }
    return true;
  }

  #rejected({ reason, heldMs }: AntractEvents['rejected'][0]): void {
    this.#report[reason === 'waiting-page' ? 'waitingPages' : 'rejected']++;
    // A full queue rejects new requests. A stopped or closed gate does so, too, and holds none.
    if (reason !== 'full' && this.#waiting > 0) this.#waitEnded(heldMs);
  }

  #waitEnded(heldMs: number): void {
    this.#waiting--;
    this.#waits.add(heldMs);
  }
}

/** Joins the reports of several processes about one pause. */
export function joinReports(
  { waits, ...own }: SharedPauseReport,
  others: readonly SharedPauseReport[],
): PauseReport {
  const all = new Waits();
  all.join(waits, own.longestHoldMs);
  const joined = { ...own };
  for (const other of others.filter(({ pauseId }) => pauseId === own.pauseId)) {
    for (const count of ['held', 'released', 'abandoned', 'rejected'] as const) {
      joined[count] += other[count];
    }
    // An older version does not report them.
    for (const count of ['waitingPages', 'stillHeld'] as const) {
      joined[count] += (other as Partial<PauseReport>)[count] ?? 0;
    }
    joined.complete &&= other.complete;
    joined.stragglers = oldest([...joined.stragglers, ...other.stragglers]);
    all.join(other.waits, other.longestHoldMs);
  }
  return { ...joined, longestHoldMs: all.longest, medianHoldMs: all.median() };
}
