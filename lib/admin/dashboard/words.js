/**
 * What the page says of an app: its badge, its backend, the order of apps, and the report of a pause.
 */
import { formatCount, formatMs } from '../../common/format.js';

/** @typedef {import('./status.d.ts').Status} Status */

/**
 * Whether requests fail or wait because the backend is down. While an app is paused or stopped, a backend
 * that is down is expected.
 *
 * @param {Status} status
 */
export function isAlarming({ phase, backend }) {
  return backend.state === 'down' && (phase === 'running' || phase === 'releasing');
}

/** @param {Status} status */
export function badgeOf(status) {
  if (isAlarming(status)) return 'Backend down';
  return status.only === null ? status.phase : `${status.phase} for ${status.only}`;
}

/** @type {Record<Status['phase'], number>} */
const URGENCY = { pausing: 1, paused: 1, stopped: 2, releasing: 3, running: 5 };

/** @param {number | null} share of responses that are errors */
export function areErrorsCritical(share) {
  return share !== null && share >= 0.05;
}

/**
 * Apps that need the operator come first, the others by name.
 *
 * @param {Status} a
 * @param {Status} b
 */
export function compareApps(a, b) {
  const urgency = (/** @type {Status} */ status) => {
    if (isAlarming(status)) return 0;
    const { phase, traffic } = status;
    return phase === 'running' && areErrorsCritical(traffic.errorShare) ? 4 : URGENCY[phase];
  };
  return urgency(a) - urgency(b) || a.app.localeCompare(b.app, 'en', { numeric: true });
}

/**
 * `1 backend down, 1 paused, 4 running`, in the order of the list.
 *
 * @param {readonly Status[]} apps
 */
export function summaryOf(apps) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const app of apps.toSorted(compareApps)) {
    const name = isAlarming(app) ? 'backend down' : app.phase;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
}

/**
 * The health of the backend, and since when. Beside the target it needs no subject.
 *
 * @param {Status} status
 * @param {number} now in milliseconds since 1970, on the server's clock
 * @param {number} passedMs since the status
 */
export function backendText(status, now, passedMs) {
  const text = backendSentence(status, now, passedMs);
  return status.target === null ? text : text.replace(/^(The backend (is )?|Backend:? )/, '');
}

/**
 * @param {Status} status
 * @param {number} now
 * @param {number} passedMs
 */
function backendSentence({ backend, phase }, now, passedMs) {
  const { state, forMs, probing, summary } = backend;
  if (forMs !== null) {
    const since = sinceText(now, forMs + passedMs);
    if (state === 'up') return summary ?? `Backend up ${since}`;
    const duration = formatMs(roundedMs(forMs + passedMs));
    return `${(summary ?? 'The backend is down.').slice(0, -1)}, ${since} (${duration})`;
  }
  if (summary !== null) return summary;
  if (probing) return 'Backend: being probed';
  if (phase === 'running') return 'Backend: no contact yet, because no request came';
  return `Backend: no contact since the ${phase === 'stopped' ? 'stop' : 'pause'}`;
}

/** With this duration, a time without a date would be ambiguous. */
const LONG_MS = 12 * 3_600_000;

/**
 * @param {number} now
 * @param {number} ms
 */
function sinceText(now, ms) {
  return ms < LONG_MS ? `since ${clockTime(now - ms)}` : `for ${formatMs(ms)}`;
}

/** Why an app is paused or stopped, and by whom; empty if that is unknown. @param {Status} status */
export function whyText({ reason, message, by }) {
  const who = by?.token ?? by?.name ?? by?.address ?? null;
  return [reason ?? message, who === null ? null : `by ${who}`].filter(Boolean).join(', ');
}

/** Whole seconds, so that a text changes at most once a second. @param {number} ms */
export function roundedMs(ms) {
  return ms < 1000 ? ms : Math.floor(ms / 1000) * 1000;
}

/** @param {number} at in milliseconds since 1970 */
export function clockTime(at) {
  return new Date(at).toLocaleTimeString([], { hourCycle: 'h23' });
}

/** The names of transitions in a chart. @type {Record<import('./status.d.ts').Transition['event'], string>} */
export const MARKS = {
  paused: 'paused',
  drained: 'drained',
  resumed: 'resumed',
  stopped: 'stopped',
  expired: 'ended',
  unhealthy: 'no answer',
  backendDown: 'down',
  backendUp: 'up',
  changed: 'changed',
};

/** @type {Record<NonNullable<import('./status.d.ts').Report['endedBy']>, string>} */
const ENDED_BY = {
  resume: 'Resumed',
  maxTime: 'Ended by itself',
  lease: 'Ended, because its lease was not renewed,',
  stop: 'Stopped',
};

/**
 * What a pause did, as sentences. The first one says the most important.
 *
 * @param {import('./status.d.ts').Report} report
 */
export function reportLines(report) {
  const { endedBy, pausedForMs, held, released, abandoned, rejected, waitingPages, complete } =
    report;
  const { longestHoldMs, medianHoldMs, drainedAfterMs, startedAt, reason } = report;
  const end = endedBy === null ? 'Still paused' : ENDED_BY[endedBy];
  const after = pausedForMs === null ? '' : ` after ${formatMs(pausedForMs)}`;
  const fates = [
    `${released} released`,
    ...(abandoned > 0 ? [`${abandoned} given up by clients`] : []),
    ...(rejected > 0 ? [`${rejected} rejected`] : []),
    ...(waitingPages > 0 ? [`${formatCount(waitingPages, 'waiting page')} sent`] : []),
  ];
  const soFar = complete || endedBy === null ? '' : ' so far';
  const fate =
    held === 0
      ? 'no request was held'
      : `${formatCount(held, 'request')} held: ${fates.join(', ')}${soFar}`;
  const waits =
    longestHoldMs === null
      ? []
      : [`Longest wait ${formatMs(longestHoldMs)}, median ${formatMs(medianHoldMs ?? 0)}.`];
  return [
    `${end}${after}; ${fate}.`,
    ...waits,
    drainedAfterMs === null ? 'Not drained.' : `Drained after ${formatMs(drainedAfterMs)}.`,
    `Began at ${clockTime(startedAt)}.${reason === null ? '' : ` Reason: ${reason}`}`,
  ];
}
