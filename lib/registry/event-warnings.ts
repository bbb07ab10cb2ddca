/**
 * Warnings for events that no operator asked for, for operators who don't listen to events.
 */
import { reasonInWords } from '../gate/backend-status.ts';
import type { AntractEvents } from '../gate/events.ts';
import { formatCount, formatMs } from '../common/format.js';

export function warningOf<K extends keyof AntractEvents>(
  event: K,
  payload: AntractEvents[K][0],
): string | undefined {
  switch (event) {
    case 'backendDown': {
      const { app, reason, seenBy } = payload as AntractEvents['backendDown'][0];
      if (seenBy !== 'startCheck') return undefined;
      return `WRN_ANTRACT_TARGET: app '${app}': The backend is down: ${reasonInWords(reason ?? 'unknown')}. It may still be starting.`;
    }
    case 'expired': {
      const { app, pausedForMs, held, cause, ended } = payload as AntractEvents['expired'][0];
      if (ended === 'stop') {
        return (
          `WRN_ANTRACT_EXPIRED: app '${app}' was stopped for ${formatMs(pausedForMs)}. It reached its ` +
          '`maxTime` and has resumed by itself. Requests reach the backend again once it answers.'
        );
      }
      const why =
        cause === 'lease'
          ? `had a lease that was not renewed. After ${formatMs(pausedForMs)} it`
          : `reached its \`maxTime\` after ${formatMs(pausedForMs)} and`;
      return (
        `WRN_ANTRACT_EXPIRED: the pause of app '${app}' ${why} ` +
        `has ended by itself; ${formatCount(held, 'held request')} to release.`
      );
    }
    case 'unhealthy': {
      const { app, lastSeen, action } = payload as AntractEvents['unhealthy'][0];
      const end =
        action === 'stop' ? 'the app is stopped' : 'held requests are released without its answer';
      return `WRN_ANTRACT_UNHEALTHY: the backend of app '${app}' does not answer (${lastSeen}); ${end}.`;
    }
    case 'unreachable': {
      const { app, endsInMs } = payload as AntractEvents['unreachable'][0];
      return (
        `WRN_ANTRACT_UNREACHABLE: the backend of app '${app}' does not accept connections, and the app ` +
        `is not paused; requests are held until it answers, for up to ${formatMs(endsInMs)}.`
      );
    }
    case 'tooSlow': {
      const { app, method, path, ageMs, waitsFor, cause } = payload as AntractEvents['tooSlow'][0];
      const what = waitsFor === 'upload' ? 'sent its body' : 'read its response';
      const limit = cause === 'rate' ? 'drainMinBodyRate' : 'drainBodyTimeout';
      return (
        `WRN_ANTRACT_TOO_SLOW: the drain of app '${app}' ended ${method} ${path} after ${formatMs(ageMs)}: ` +
        `its client ${what} too slowly (\`${limit}\`).`
      );
    }
    default:
      return undefined;
  }
}
