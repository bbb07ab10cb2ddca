/**
 * The commands that are offered for an app, and what each one asks before it is sent.
 */
import { formatCount, formatMs } from '../../common/format.js';

/** @typedef {import('./status.d.ts').Status} Status */
/** @typedef {'enable' | 'disable' | 'extend' | 'stop'} Command */

/** The most likely command first. @type {Record<Status['phase'], readonly Command[]>} */
const COMMANDS = {
  running: ['enable', 'stop'],
  pausing: ['disable', 'extend', 'stop'],
  paused: ['disable', 'extend', 'stop'],
  releasing: ['enable', 'stop'],
  stopped: ['disable', 'enable'],
};

/**
 * The commands that change something in this phase.
 *
 * @param {Status['phase']} phase
 */
export function commandsFor(phase) {
  return COMMANDS[phase];
}

/** Whether the operator has to do the first command sooner or later. @param {Status['phase']} phase */
export function isAwaited(phase) {
  return COMMANDS[phase][0] === 'disable';
}

/**
 * @param {Command} command
 * @param {Status} status
 * @returns {{ title: string, text: string, confirm: string }}
 */
export function questionFor(command, { app, held, inFlight, phase }) {
  const waiting = formatCount(held, 'held request');
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
            : `Requests will be passed on, ${waiting} first.`,
        confirm: 'Resume',
      };
    default:
      return {
        title: `Stop ${app}?`,
        text: `Requests will be answered 503 at once, including ${waiting}. A stop has no end, unless you set one below.`,
        confirm: 'Stop',
      };
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
  return detail.replace(/`(\w+)`/g, (parameter, name) => {
    const label = labels.get(name);
    return label === undefined ? parameter : `"${label}"`;
  });
}
