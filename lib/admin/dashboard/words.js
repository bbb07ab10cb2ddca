/**
 * What the page says about an app and asks about a command. Pure.
 */
import { formatCount } from '../../common/format.js';

/** @typedef {import('./snapshot.d.ts').Status} Status */
/** @typedef {'enable' | 'disable' | 'stop'} Command */

/**
 * One sentence or two about what goes on.
 *
 * @param {Status} status
 */
export function meaningOf(status) {
  const { summary = null, next = null } = status.backend ?? {};
  const parts = summary === null || !isAlarming(status) ? [MEANINGS[status.phase](status)] : [];
  if (summary !== null) parts.push(summary);
  else if (status.probe?.unplanned) parts.push('Nobody asked for it: the backend does not answer.');
  if (next !== null) parts.push(next);
  parts.push(...othersOf(status));
  return parts.join(' ');
}

/**
 * Whether requests fail or wait because the backend is down. While an app is paused or stopped that is
 * expected.
 *
 * @param {Status} status
 */
export function isAlarming({ phase, backend }) {
  return backend?.state === 'down' && (phase === 'running' || phase === 'releasing');
}

/**
 * What the badge says.
 *
 * @param {Status} status
 */
export function badgeOf(status) {
  return isAlarming(status) ? 'Backend down' : status.phase;
}

/**
 * What there is to know of other processes that share the app.
 *
 * @param {Status} status
 */
function othersOf({ processes = [], lostProcesses = [], store }) {
  const missing = lostProcesses.filter(({ blocksDrain }) => blocksDrain).length;
  const behind = processes.filter(({ acknowledged }) => !acknowledged).length;
  return [
    ...(behind > 0 ? [`Not acknowledged yet by ${behind} of ${processes.length} processes.`] : []),
    ...(missing > 0
      ? [`Processes that can't be heard and may still send requests: ${missing}.`]
      : []),
    ...(lostProcesses.length > missing
      ? [
          `Processes that have ended or are not heard of any more: ${lostProcesses.length - missing}.`,
        ]
      : []),
    ...(store === 'lost' ? ['The store does not answer: commands reach one process alone.'] : []),
  ];
}

/** @type {Record<Status['phase'], (status: Status) => string>} */
const MEANINGS = {
  running: () => 'Requests go through.',
  // Of a pause of writes, those in flight may be reads.
  pausing: ({ inFlight, only }) =>
    only === 'writes'
      ? 'Draining: writes still in flight. New ones wait, reads go through.'
      : `Draining: ${formatCount(inFlight, 'request')} still in flight. New ones wait.`,
  paused: ({ only }) =>
    only === 'writes'
      ? 'Drained: no write is in flight. New ones wait, reads go through.'
      : 'Drained: nothing is in flight. New requests wait.',
  releasing: ({ probe }) =>
    probe ? 'Held requests wait for the backend.' : 'Held requests are going out, in order.',
  stopped: ({ endsInMs }) =>
    `Requests are answered 503.${endsInMs === null ? ' This does not end by itself.' : ''}`,
};

/**
 * Which commands make sense now, the likeliest first.
 *
 * @param {Status['phase']} phase
 * @returns {readonly Command[]}
 */
export function commandsFor(phase) {
  return COMMANDS[phase];
}

/** @type {Record<Status['phase'], readonly Command[]>} */
const COMMANDS = {
  running: ['enable', 'stop'],
  pausing: ['disable', 'stop'],
  paused: ['disable', 'stop'],
  releasing: ['enable', 'stop'],
  stopped: ['disable', 'enable'],
};

/**
 * @param {Command} command
 * @param {Status} status
 * @returns {{ title: string, text: string, confirm: string }}
 */
export function questionFor(command, { app, held, inFlight }) {
  const waiting = formatCount(held, 'held request');
  switch (command) {
    case 'enable':
      return {
        title: `Pause ${app}?`,
        text: `New requests will wait. ${formatCount(inFlight, 'request')} in flight will go on to the end.`,
        confirm: 'Pause',
      };
    case 'disable':
      return {
        title: `Resume ${app}?`,
        text: `Requests will go through, ${waiting} first.`,
        confirm: 'Resume',
      };
    default:
      return {
        title: `Stop ${app}?`,
        text: `Requests will be answered 503 at once, ${waiting} too.`,
        confirm: 'Stop',
      };
  }
}
