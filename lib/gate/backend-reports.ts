/**
 * Collects what requests, a proxy and the probe show about one app's backend. Passes it on to the status
 * (`Backend`) and to the decision whether requests wait (`BackendReadiness`).
 */
import type { Clock } from '../common/clock.ts';
import type { RequestLine } from '../common/request.ts';
import type { AppSettings } from '../options/settings.ts';
import type { Backend } from './backend.ts';
import type { BackendReadiness } from './backend-readiness.ts';
import { UNREACHABLE } from './backend-status.ts';
import type { GateState } from './gate-state.ts';
import type { GatedRequest } from './gated-request.ts';
import type { InFlight } from './in-flight.ts';
import type { Releaser } from './releaser.ts';

export interface BackendReportsDeps {
  readonly settings: Pick<AppSettings, 'probe'>;
  readonly clock: Clock;
  readonly state: GateState;
  readonly inFlight: InFlight;
  readonly backend: Backend;
  readonly readiness: BackendReadiness;
  readonly releaser: Releaser;
}

export class BackendReports {
  readonly #deps: BackendReportsDeps;

  constructor(deps: BackendReportsDeps) {
    this.#deps = deps;
  }

  /** How often the backend answered the probe after it had been down. When it grows, other processes hurry. */
  get answers(): number {
    return this.#deps.readiness.answers;
  }

  /** Milliseconds since the backend last answered. Null if it never has. */
  get answeredMs(): number | null {
    const { backend, clock } = this.#deps;
    const { answeredAt } = backend.facts;
    return answeredAt === null ? null : Math.round(clock.now() - answeredAt);
  }

  /** See {@link Backend.isDown}. */
  get isDown(): boolean {
    return this.#deps.backend.isDown;
  }

  /** The health check itself must be wrong, for example its path. */
  get isCheckWrong(): boolean {
    return this.#deps.backend.isCheckWrong;
  }

  /** The backend has answered another process: probe it soon here too. */
  hurry(): void {
    this.#deps.readiness.hurry();
  }

  /**
   * The result of the health check at the start.
   *
   * @param what such as `ok` or `ECONNREFUSED`.
   */
  noteStartCheck(what: string, isGood: boolean): void {
    this.#deps.backend.noteProbe(what, isGood, this.#deps.clock.now(), 'startCheck');
  }

  /** A proxy has received the head of the backend's response. */
  noteAnswer(request: RequestLine): void {
    const { backend, clock, inFlight } = this.#deps;
    // This runs for each response, so the request is looked up only if the answer depends on it.
    const since = backend.isDown ? inFlight.get(request)?.since : undefined;
    backend.noteAnswer(clock.now(), since);
  }

  /** The backend did not respond to a request. @param reason such as `ECONNREFUSED`. */
  noteFailure(request: RequestLine, reason: string): void {
    const { backend, clock, inFlight } = this.#deps;
    backend.noteFailure(reason, clock.now(), inFlight.get(request)?.since);
  }

  /** The backend dropped the connection before it responded. The request has failed. */
  noteDrop(request: RequestLine): void {
    const { inFlight, releaser, readiness, state } = this.#deps;
    const gated = inFlight.get(request);
    if (!gated) return;
    const isRunning = state.kind === 'running';
    if (!isRunning && !state.isUnaffected(gated)) return;
    readiness.afterDrop(gated.since, isRunning && releaser.isFromPause(request));
    releaser.schedule();
  }

  /** A connection was refused. Whether the request can wait until the backend is ready. */
  noteRefusal(gated: GatedRequest): boolean {
    const { backend, releaser, readiness, state } = this.#deps;
    if (!backend.isSeenDown) this.noteFailure(gated.request, UNREACHABLE);
    if (state.isUnaffected(gated)) return readiness.afterRefusal(gated.since, false);
    if (state.kind !== 'running') return true;
    // The refusal may end the wait for the backend, which can stop the app.
    const isWaiting = readiness.afterRefusal(gated.since, releaser.isFromPause(gated.request));
    return isWaiting || this.#isStopped();
  }

  /** A response has begun that shows a working backend. */
  noteGoodResponse({ since }: GatedRequest): void {
    this.#deps.readiness.afterAnswer(since);
  }

  /** @param status of the response; 0 if there was none. */
  noteResponseEnd(gated: GatedRequest, status: number): void {
    const { backend, clock, readiness, settings, state } = this.#deps;
    // Without a proxy that reports responses, only the end of a response shows that there was one.
    const isUnreachable = backend.reason === UNREACHABLE;
    if ((isUnreachable || readiness.isUnconfirmed) && gated.hasGoodResponse()) {
      if (isUnreachable) backend.noteAnswer(clock.now(), gated.since);
      readiness.afterAnswer(gated.since);
    }
    // A backend that limits its load responds 503.
    if (status !== 502 && status !== 504) return;
    // A proxy that reports responses has already reported this one, so the backend would be down.
    const mayBeDown = settings.probe.check && state.kind === 'running' && !backend.isSeenDown;
    if (mayBeDown && gated.isBadGateway()) readiness.afterBadGateway(gated.since);
  }

  #isStopped(): boolean {
    return this.#deps.state.kind === 'stopped';
  }
}
