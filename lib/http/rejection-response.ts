/** What a rejected request is told. */
import type { Clock } from '../common/clock.ts';
import type { AntractErrorCode } from '../common/errors.ts';
import type { PauseTimes, Phase, Rejection, RejectReason } from '../gate/phase.ts';
import { rejectionCode } from '../gate/status.ts';
import type { AppSettings } from '../options/settings.ts';
import type { Topic } from './page/languages.ts';

/** What rejects a request: the gate of its app, or the whole instance if the request belongs to no app. */
export interface Origin {
  readonly settings: AppSettings;
  readonly clock: Clock;
  /** Undefined for a whole instance. */
  readonly phase?: Phase | undefined;
}

export interface RejectionResponse {
  readonly status: number;
  readonly code: AntractErrorCode;
  /** A few words. Each code has one title. */
  readonly title: string;
  /** A sentence for the reader. */
  readonly detail: string;
  /** The operator's own sentence, in place of `detail`. */
  readonly message?: string | undefined;
  /** What a page in another language than English says. Undefined: the page is in English. */
  readonly topic?: Topic | undefined;
  /** Of the pause or stop, if it is the reason. */
  readonly times?: PauseTimes | undefined;
  /**
   * Seconds until a retry makes sense, without the random part that `describeRejection()` adds: for
   * `Retry-After`, and for the page to reload.
   */
  readonly retryAfter?: number | undefined;
  /** Seconds until the page reloads itself, also without the random part. Default: `retryAfter`, up to a limit. */
  readonly reloadAfter?: number | undefined;
  /** Close the connection after the response. */
  readonly close?: boolean | undefined;
}

/** Seconds of {@link RejectionResponse.retryAfter} for a reason that ends soon. */
export const RETRY_SOON = 5;

export const TOO_MANY_HEADERS: RejectionResponse = Object.freeze({
  status: 431,
  code: 'ERR_ANTRACT_TOO_MANY_HEADERS',
  title: 'Too many headers',
  detail: 'The request has more headers than this server reads.',
  close: true,
});

type TextFields = Pick<
  RejectionResponse,
  'title' | 'detail' | 'topic' | 'retryAfter' | 'reloadAfter'
>;

/** Where `retryAfter` is missing, it depends on the pause. */
const TEXTS: Readonly<Record<RejectReason, TextFields>> = {
  timeout: {
    topic: 'maintenance',
    title: 'Still under maintenance',
    detail: 'The maintenance takes longer than this request could wait.',
  },
  stopped: {
    topic: 'stopped',
    title: 'Out of service',
    detail: 'The service has been stopped.',
  },
  full: {
    topic: 'maintenance',
    title: 'Under maintenance',
    detail: 'Too many requests wait for the end of the maintenance.',
  },
  shutdown: {
    topic: 'restarting',
    title: 'Restarting',
    detail: 'This service is restarting and will be back shortly.',
    retryAfter: RETRY_SOON,
  },
  unreachable: {
    topic: 'unavailable',
    title: 'Bad gateway',
    detail: 'The service behind this gateway could not be reached.',
    retryAfter: RETRY_SOON,
  },
  'long-poll': {
    title: 'Ask again',
    detail:
      'The service restarts or goes into maintenance. Ask again; the answer comes when it is back.',
    retryAfter: 1,
  },
  'waiting-page': {
    topic: 'waiting',
    title: 'Please wait',
    detail: 'This service is unavailable for a moment.',
    // The browser shows this page until the next response arrives. A short time outside the queue costs the
    // least: while the page is shown, the request is mostly held.
    reloadAfter: 2,
  },
  'too-large': {
    topic: 'too-large',
    title: 'Content too large',
    detail: 'The service is under maintenance, and this body is too large to be kept meanwhile.',
  },
};

const STATUSES: Partial<Record<RejectReason, number>> = { 'too-large': 413, unreachable: 502 };

/** The response to a rejection by a gate. */
export function rejectionResponse(rejection: Rejection): RejectionResponse {
  const { reason, message, retryAfterMs, times } = rejection;
  const text = TEXTS[reason];
  return {
    status: STATUSES[reason] ?? 503,
    code: rejectionCode(reason),
    ...text,
    message,
    retryAfter: text.retryAfter ?? Math.max(1, Math.ceil(retryAfterMs / 1000)),
    times: text.retryAfter === undefined ? times : undefined,
    close: reason === 'shutdown' || reason === 'too-large',
  };
}

/** 502 to 504: an overloaded backend, or a proxy in front of a failed one. The request may succeed later. */
export function isBackendError(status: number): boolean {
  return status >= 502 && status <= 504;
}
