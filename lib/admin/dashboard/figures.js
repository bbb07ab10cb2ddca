/**
 * The figures of an app: those that matter in its phase, and how critical each one is.
 */
import { formatMs, formatNumber } from '../../common/format.js';
import { areErrorsCritical, roundedMs } from './words.js';

/** @typedef {import('./status.d.ts').Status} Status */
/** @typedef {'warning' | 'critical' | ''} Level */
/** @typedef {{ name: string, label: string, value: string, note?: string, level?: Level }} Figure */

/** Common limits of proxies in front: 30 s (Heroku, CloudFront) and 60 s (nginx, AWS load balancers). */
const PROXY_MS = { short: 30_000, long: 60_000 };
const LITTLE_TIME_MS = { warning: 60_000, critical: 20_000 };

/**
 * @param {Status} status
 * @param {number} passedMs since the status
 * @returns {Figure[]}
 */
export function figuresOf(status, passedMs) {
  switch (status.phase) {
    case 'running':
      return [...traffic(status), inFlight(status)];
    case 'pausing':
      return [
        { ...inFlight(status), note: 'must end first' },
        ...oldestWait(status, passedMs),
        ...timeLeft(status, passedMs),
        held(status),
        ...elapsed(status, passedMs),
      ];
    case 'paused':
      return [
        ...oldestWait(status, passedMs),
        ...timeLeft(status, passedMs),
        held(status),
        ...elapsed(status, passedMs),
        ...(status.inFlight > 0 ? [inFlight(status)] : []),
      ];
    case 'releasing':
      return [
        held(status),
        ...probeLeft(status, passedMs),
        ...oldestWait(status, passedMs),
        inFlight(status),
        ...traffic(status).filter(({ name }) => name === 'errors'),
      ];
    default:
      return [...elapsed(status, passedMs), ...timeLeft(status, passedMs)];
  }
}

/** @param {Status} status @returns {Figure[]} */
function traffic({ traffic: { requestsPerSecond, p50Ms, p95Ms, errorShare } }) {
  /** @type {Figure[]} */
  const figures = [
    {
      name: 'rate',
      label: 'Requests/s',
      value: formatRate(requestsPerSecond),
      note: 'last minute',
    },
  ];
  if (p50Ms !== null && p95Ms !== null) {
    const value = formatMs(p50Ms);
    figures.push({ name: 'latency', label: 'Latency', value, note: `p95 ${formatMs(p95Ms)}` });
  }
  if (errorShare !== null) {
    const level = areErrorsCritical(errorShare) ? 'critical' : errorShare >= 0.01 ? 'warning' : '';
    figures.push({
      name: 'errors',
      label: 'Errors',
      value: formatShare(errorShare),
      note: 'last minute',
      level,
    });
  }
  return figures;
}

/** @param {Status} status @returns {Figure} */
function inFlight({ inFlight: count }) {
  return { name: 'inFlight', label: 'In flight', value: formatNumber(count) };
}

/** @param {Status} status @returns {Figure} */
function held({ held: count, heldLimit }) {
  const share = heldLimit === null ? 0 : count / heldLimit;
  // A limit that is far away is no news.
  const isNear = share >= 0.5;
  return {
    name: 'held',
    label: 'Held',
    value: formatNumber(count),
    ...(isNear && heldLimit !== null && { note: `of ${formatNumber(heldLimit)}` }),
    level: share >= 0.9 ? 'critical' : share >= 0.75 ? 'warning' : '',
  };
}

/**
 * How long the oldest held request waits, or the time until it has waited for too long, whichever the
 * operator has to know.
 *
 * @param {Status} status
 * @param {number} passedMs
 * @returns {Figure[]}
 */
function oldestWait({ oldestHoldMs, maxWaitMs, onMaxWait, endsInMs }, passedMs) {
  if (oldestHoldMs === null) return [];
  const ms = oldestHoldMs + passedMs;
  const value = formatMs(roundedMs(ms));
  if (maxWaitMs === null) {
    const isLong = ms >= PROXY_MS.short;
    const level = ms >= PROXY_MS.long ? 'critical' : isLong ? 'warning' : '';
    const note = isLong ? { note: 'proxies may give up' } : {};
    return [{ name: 'oldest', label: 'Oldest wait', value, ...note, level }];
  }
  const limit = formatMs(maxWaitMs);
  const left = maxWaitMs - ms;
  if (endsInMs !== null && endsInMs - passedMs < left) {
    return [{ name: 'oldest', label: 'Oldest wait', value, note: `of ${limit}` }];
  }
  return [
    {
      name: 'oldest',
      label: onMaxWait === 'reject' ? 'First 503 in' : 'First passed on in',
      value: formatCountdown(left),
      note: `held ${value} of ${limit}`,
      level: levelOf(left, {
        warning: Math.min(LITTLE_TIME_MS.warning, maxWaitMs / 2),
        critical: Math.min(LITTLE_TIME_MS.critical, maxWaitMs / 3),
      }),
    },
  ];
}

/** How long held requests still wait for the backend. @param {Status} status @param {number} passedMs @returns {Figure[]} */
function probeLeft({ probe }, passedMs) {
  if (probe === null || probe.endsInMs === 0) return [];
  const left = probe.endsInMs - passedMs;
  const level = levelOf(left, LITTLE_TIME_MS);
  return [{ name: 'probe', label: 'Wait for backend', value: formatCountdown(left), level }];
}

/**
 * @param {number} left
 * @param {{ warning: number, critical: number }} limits
 * @returns {Level}
 */
function levelOf(left, { warning, critical }) {
  return left < critical ? 'critical' : left < warning ? 'warning' : '';
}

/** @param {Status} status @param {number} passedMs @returns {Figure[]} */
function timeLeft({ phase, endsInMs, leaseEndsInMs }, passedMs) {
  if (endsInMs === null) {
    return phase === 'stopped'
      ? [{ name: 'ends', label: 'Resumes by itself', value: 'never' }]
      : [];
  }
  const left = Math.min(endsInMs, leaseEndsInMs ?? Infinity) - passedMs;
  return [
    {
      name: 'ends',
      label: phase === 'stopped' ? 'Resumes in' : 'Time left',
      value: formatCountdown(left),
      ...(leaseEndsInMs !== null && leaseEndsInMs < endsInMs && { note: 'unless renewed' }),
      // The end of a lease is always near.
      level: leaseEndsInMs === null ? levelOf(left, LITTLE_TIME_MS) : '',
    },
  ];
}

/** @param {Status} status @param {number} passedMs @returns {Figure[]} */
function elapsed({ pausedForMs, stoppedForMs, expectedEndInMs }, passedMs) {
  const ms = pausedForMs ?? stoppedForMs;
  if (ms === null) return [];
  const label = pausedForMs === null ? 'Stopped for' : 'Paused for';
  const value = formatMs(roundedMs(ms + passedMs));
  if (expectedEndInMs === null) return [{ name: 'elapsed', label, value }];
  const left = expectedEndInMs - passedMs;
  return left >= 0
    ? [{ name: 'elapsed', label, value, note: `${formatMs(roundedMs(left))} expected` }]
    : [
        {
          name: 'elapsed',
          label,
          value,
          note: `overdue by ${formatMs(roundedMs(-left))}`,
          level: 'warning',
        },
      ];
}

/** `0`, `0.42`, `4.2`, `42`, `1,200`. @param {number} perSecond */
export function formatRate(perSecond) {
  return perSecond < 100
    ? String(Number(perSecond.toPrecision(2)))
    : formatNumber(Math.round(perSecond));
}

/** `0 %`, `0.4 %`, `12 %`. @param {number} share */
function formatShare(share) {
  return `${Number((share * 100).toPrecision(2))} %`;
}

/**
 * The time left, as on a clock: `4:48`, `1:05:00`.
 *
 * @param {number} ms
 */
export function formatCountdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const pad = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const start = hours > 0 ? `${hours}:${pad(minutes)}` : String(minutes);
  return `${start}:${pad(seconds % 60)}`;
}
