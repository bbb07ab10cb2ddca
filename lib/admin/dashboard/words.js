/**
 * What the page says of an app: its badge, its backend, the order of apps, and the report of a pause.
 */
import { formatCount, formatMs, formatNumber } from '../../common/format.js';

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

/** Whether the backend answers, but with many errors. @param {Status} status */
export function hasErrors(status) {
  const { phase, traffic } = status;
  return phase === 'running' && !isAlarming(status) && areErrorsCritical(traffic.errorShare);
}

/** @param {Status} status */
export function badgeOf(status) {
  if (isAlarming(status)) return 'backend down';
  if (hasErrors(status)) return 'running with errors';
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
    return hasErrors(status) ? 4 : URGENCY[status.phase];
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
    const name = isAlarming(app) || hasErrors(app) ? badgeOf(app) : app.phase;
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
function backendSentence({ backend, phase, target }, now, passedMs) {
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
  if (phase === 'stopped') return 'Backend: not checked while stopped';
  // A middleware has no probe of its own.
  const next = target === null ? '' : '; probed before the release';
  return `Backend: not checked while paused${next}`;
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

/**
 * What the operator should know or do now, beyond the server's sentences.
 *
 * @param {Status} status
 * @returns {string[]}
 */
export function adviceFor(status) {
  const { phase, probe, maxWaitMs, onMaxWait } = status;
  if (isAlarming(status)) {
    if (phase === 'releasing' && probe !== null && probe.endsInMs > 0) {
      return ['Pause to keep the held requests waiting.'];
    }
    return ['Requests are not held: clients get errors. Pause to hold them.'];
  }
  if (maxWaitMs === null || (phase !== 'pausing' && phase !== 'paused')) return [];
  const fate = onMaxWait === 'reject' ? 'gets 503' : 'is passed on';
  return [
    `A request that is held for ${formatMs(maxWaitMs)} ${fate}. +5 min extends the pause, not this limit.`,
  ];
}

/**
 * What was known when the contact was lost, and what happens without it. Holds no time that passes.
 *
 * @param {Status} status
 * @param {number} seenAt in milliseconds since 1970, on the server's clock
 * @returns {string[]}
 */
export function lastKnownLines({ phase, held, inFlight, endsInMs, leaseEndsInMs }, seenAt) {
  const counts = `Last known: ${formatNumber(held)} held, ${formatNumber(inFlight)} in flight.`;
  if (phase === 'running') return [counts, 'antract does not need this page to pass requests on.'];
  const what = phase === 'stopped' ? 'stop' : phase === 'releasing' ? 'release' : 'pause';
  const left = endsInMs === null ? null : Math.min(endsInMs, leaseEndsInMs ?? Infinity);
  const unlessRenewed = leaseEndsInMs === null ? '' : ' unless its lease is renewed';
  const end =
    left === null ? '' : ` It ends by itself at ${clockTime(seenAt + left)}${unlessRenewed}.`;
  return [counts, `The ${what} continues without this page.${end}`];
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
  const { endedBy, pausedForMs, held, released, abandoned, rejected, waitingPages } = report;
  const { complete, carriedOver, longestHoldMs, medianHoldMs, drainedAfterMs, startedAt, reason } =
    report;
  const end = endedBy === null ? 'Still paused' : ENDED_BY[endedBy];
  const after = pausedForMs === null ? '' : ` after ${formatMs(pausedForMs)}`;
  const soFar = complete || endedBy === null || carriedOver !== null ? '' : ' so far';
  const fates = [
    ...(released > 0 || rejected + abandoned === 0 ? [`${released || 'none'} released`] : []),
    ...(abandoned > 0 ? [`${abandoned} given up by clients`] : []),
    ...(rejected > 0 ? [`${rejected} rejected`] : []),
    ...(waitingPages > 0 ? [`${formatCount(waitingPages, 'waiting page')} sent`] : []),
    ...(carriedOver ? [`${carriedOver} carried over to the next pause`] : []),
  ];
  const fate =
    held === 0
      ? 'no request was held'
      : `${formatCount(held, 'request')} ${held === 1 ? 'was' : 'were'} held: ${fates.join(', ')}${soFar}`;
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
