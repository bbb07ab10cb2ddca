/**
 * The state of a backend in words: the only place that words it. All clients show these sentences.
 * Pure: is given the time.
 *
 * The sentences hold no durations, so that they change only when there is something new to say.
 */
import type { BackendFacts } from './backend.ts';
import type { Phase } from './phase.ts';
import type { AppSettings } from '../options/settings.ts';
import type { BackendStatus, ProbeStatus } from './status.ts';

export interface BackendSituation {
  readonly now: number;
  readonly phase: Phase;
  readonly probe: ProbeStatus | null;
  readonly settings: Pick<AppSettings, 'probe'>;
}

export function describeBackend(facts: BackendFacts, situation: BackendSituation): BackendStatus {
  const { state, reason, since, seenAt } = facts;
  const { now, probe } = situation;
  const isKnown = state !== 'unknown';
  const summary = backendSummary(facts, situation);
  return {
    state,
    reason,
    forMs: isKnown ? Math.round(now - since) : null,
    seenMs: isKnown ? Math.round(now - seenAt) : null,
    probing: probe !== null,
    summary,
    next: summary === null ? null : nextOf(facts, situation),
  };
}

function backendSummary(facts: BackendFacts, { settings }: BackendSituation): string | null {
  const { state, reason, wrongCheck, isOutdated } = facts;
  if (isCheckWrong(facts)) {
    const { path } = settings.probe.check ?? {};
    const check = path === undefined ? '' : ` path ${path}`;
    return `The backend answers, but the health check${check} answers ${wrongCheck}.`;
  }
  if (state === 'down') {
    const what = isOutdated ? 'was down when it was last seen' : 'is down';
    return `The backend ${what}: ${reasonInWords(reason ?? '')}.`;
  }
  return null;
}

/** Whether the health check itself is wrong, by its latest result. */
function isCheckWrong({ state, reason, wrongCheck, isOutdated }: BackendFacts): boolean {
  if (wrongCheck === null) return false;
  return state !== 'down' || (reason === `HTTP ${wrongCheck}` && !isOutdated);
}

function nextOf(facts: BackendFacts, { phase, probe, settings }: BackendSituation): string | null {
  const isWrong = isCheckWrong(facts);
  switch (phase) {
    case 'releasing':
      return isWrong
        ? `${CORRECT_CHECK} ${releaseNext(probe, settings)}`
        : releaseNext(probe, settings);
    case 'running':
      if (isWrong) return `${CORRECT_CHECK} ${AFTER_PAUSE}`;
      return probe === null
        ? 'Requests are passed on; the next one shows whether the backend answers.'
        : 'Requests are passed on, and fail until the backend answers. It is probed meanwhile.';
    case 'pausing':
    case 'paused':
      if (isWrong) return `${CORRECT_CHECK} ${AFTER_PAUSE}`;
      return settings.probe.check === undefined
        ? null
        : 'After the pause, held requests wait until the backend answers.';
    case 'stopped':
      return isWrong ? CORRECT_CHECK : null;
    default:
      return phase satisfies never;
  }
}

const CORRECT_CHECK = 'Correct the health check, such as `healthCheckPath`.';
const AFTER_PAUSE = 'Otherwise held requests wait after a pause until their time for it is over.';

function releaseNext(
  probe: ProbeStatus | null,
  { probe: { onTimeout } }: BackendSituation['settings'],
): string {
  if (probe === null || probe.endsInMs === 0) {
    return 'Held requests are passed on, and fail until the backend answers.';
  }
  const otherwise = probe.unplanned
    ? 'they are rejected'
    : onTimeout === 'stop'
      ? 'the app is stopped'
      : 'they are passed on, and may fail';
  return `Held requests wait until the backend answers; it is probed. If it does not answer in time, ${otherwise}.`;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  ETIMEDOUT: 'no connection in time',
  ERR_ANTRACT_PROXY_TIMEOUT: 'no answer in time',
  ERR_UPSTREAM_UPGRADE_TIMEOUT: 'no answer in time',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be looked up',
  EHOSTUNREACH: 'its host is unreachable',
  ENETUNREACH: 'its network is unreachable',
  ENOENT: 'its socket does not exist',
  EACCES: 'no permission to connect',
  EPROTO: 'its answer is not valid',
};

/** `connection refused (ECONNREFUSED)`: for people, and to search for. */
export function reasonInWords(reason: string): string {
  if (reason === UNREACHABLE) return 'no connection could be made';
  const [, status] = /^HTTP (\d{3})$/.exec(reason) ?? [];
  if (status !== undefined) return `it answers ${status}`;
  const words = WORDS[reason] ?? family(reason);
  return words === undefined ? reason : `${words} (${reason})`;
}

/** The reason if a request was requeued without one. */
export const UNREACHABLE = 'unreachable';

function family(reason: string): string | undefined {
  if (reason.startsWith('HPE_')) return 'its answer is not valid HTTP';
  if (/^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(reason)) {
    return 'its certificate is not accepted';
  }
  return reason.startsWith('ERR_SSL_') ? 'it does not speak TLS' : undefined;
}
