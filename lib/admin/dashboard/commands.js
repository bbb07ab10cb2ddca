/**
 * The commands that are offered for an app, and what each one asks before it is sent.
 */
import { formatCount, formatMs } from '../../common/format.js';

/** @typedef {import('./status.d.ts').Status} Status */
/** `narrow` limits a pause of all requests to writes. */
/** @typedef {'enable' | 'disable' | 'extend' | 'narrow' | 'stop'} Command */

/**
 * The commands that change something, the most likely one first.
 *
 * @param {Status} status
 * @returns {Command[]}
 */
export function commandsFor({ phase, only, leaseEndsInMs }) {
  switch (phase) {
    case 'running':
    case 'releasing':
      return ['enable', 'stop'];
    case 'stopped':
      return ['disable', 'enable'];
    default:
      // A pause with a lease belongs to a program, which may need reads to be held, too.
      return only === null && leaseEndsInMs === null
        ? ['disable', 'extend', 'narrow', 'stop']
        : ['disable', 'extend', 'stop'];
  }
}

/**
 * @param {Command} command
 * @param {Status} status
 * @returns {{ title: string, text: string, confirm: string }}
 */
export function questionFor(command, { app, held, inFlight, phase }) {
  const waiting = held === 0 ? '' : formatCount(held, 'held request');
  switch (command) {
    case 'enable':
      return {
        title: `Pause ${app}?`,
        text:
          phase === 'stopped'
            ? 'New requests will be held instead of answered 503.'
            : `New requests will be held.${inFlight === 0 ? '' : ` ${formatCount(inFlight, 'request')} in flight will complete.`}`,
        confirm: 'Pause',
      };
    case 'disable':
      return {
        title: `Resume ${app}?`,
        text:
          phase === 'stopped'
            ? 'Requests will reach the backend again once it answers.'
            : `Requests will be passed on${waiting && `, ${waiting} first`}.`,
        confirm: 'Resume',
      };
    case 'narrow':
      return {
        title: `Hold only writes of ${app}?`,
        text: "GET, HEAD, OPTIONS and TRACE will reach the backend at once. During this pause, you can't hold them again.",
        confirm: 'Hold only writes',
      };
    default:
      return {
        title: `Stop ${app}?`,
        text: [
          `New requests will get 503${waiting && `, and so will ${waiting}`}.`,
          ...(inFlight === 0
            ? []
            : [`${formatCount(inFlight, 'request')} in flight will complete.`]),
          'A stop has no end, unless you set one below.',
        ].join(' '),
        confirm: 'Stop',
      };
  }
}

/**
 * What a command sends besides the fields of its form. It applies only to the pause that the page shows:
 * another one may have begun meanwhile.
 *
 * @param {Command} command
 * @param {Status} status
 * @returns {Record<string, string>}
 */
export function parametersOf(command, { app, pauseId }) {
  const condition = pauseId === null ? {} : { if_pause: pauseId };
  switch (command) {
    case 'disable':
      return { app, ...condition };
    case 'narrow':
      return { app, ...condition, only: 'writes' };
    default:
      return { app };
  }
}

const EXTENSION_MS = 5 * 60_000;

/**
 * The request that extends a pause. It applies only to this pause: another one may have begun meanwhile.
 *
 * @param {Status} status
 * @param {number} passedMs since the status
 */
export function extensionOf({ endsInMs, pauseId }, passedMs) {
  const left = Math.max(0, (endsInMs ?? 0) - passedMs);
  return { max_time: `${Math.round(left + EXTENSION_MS)}ms`, if_pause: pauseId ?? 'none' };
}

/** `5 min (default)`. @param {Status} status */
export function defaultMaxTime({ maxTimeMs }) {
  return `${formatMs(maxTimeMs)} (default)`;
}

/**
 * Names the fields of the form instead of the parameters.
 *
 * @param {string} detail the server's sentence
 * @param {ReadonlyMap<string, string>} labels by parameter
 */
export function inWordsOfForm(detail, labels) {
  return detail
    .replace(/`(\w+)`/g, (parameter, name) => {
      const label = labels.get(name);
      return label === undefined ? parameter : `"${label}"`;
    })
    .replace(/^Expected (".+") to be (.+), got (.+)$/, '$1 must be $2, not $3');
}
