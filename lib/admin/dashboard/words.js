/**
 * The badge of an app, the commands that are offered for it, and the question before each command.
 */
import { formatCount } from '../../common/format.js';

/** @typedef {import('./status.d.ts').Status} Status */
/** @typedef {'enable' | 'disable' | 'stop'} Command */

/**
 * Whether requests fail or wait because the backend is down. While an app is paused or stopped, a backend
 * that is down is expected.
 *
 * @param {Status} status
 */
export function isAlarming({ phase, backend }) {
  return backend?.state === 'down' && (phase === 'running' || phase === 'releasing');
}

/** @param {Status} status */
export function badgeOf(status) {
  return isAlarming(status) ? 'Backend down' : status.phase;
}

/**
 * The commands that change something in this phase, the most likely one first.
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
        text: `New requests will be held. ${formatCount(inFlight, 'request')} in flight will complete.`,
        confirm: 'Pause',
      };
    case 'disable':
      return {
        title: `Resume ${app}?`,
        text: `Requests will be passed on, ${waiting} first.`,
        confirm: 'Resume',
      };
    default:
      return {
        title: `Stop ${app}?`,
        text: `Requests will be answered 503 at once, including ${waiting}.`,
        confirm: 'Stop',
      };
  }
}
