/**
 * What nobody asked for, as a warning for those who do not listen to events. Pure.
 */
import type { AntractEvents } from './events.ts';

export function warningOf<K extends keyof AntractEvents>(
  event: K,
  payload: AntractEvents[K][0],
): string | undefined {
  switch (event) {
    case 'expired': {
      const { app, pausedForMs, held, cause, ended } = payload as AntractEvents['expired'][0];
      if (ended === 'stop') {
        return (
          `WRN_ANTRACT_EXPIRED: app '${app}' was stopped for ${pausedForMs} ms. This was its longest ` +
          'time, so it has resumed by itself; requests reach the backend again once it answers.'
        );
      }
      const why =
        cause === 'lease'
          ? `was held by a lease that nobody renewed. After ${pausedForMs} ms it`
          : `reached its longest time after ${pausedForMs} ms and`;
      return (
        `WRN_ANTRACT_EXPIRED: the pause of app '${app}' ${why} ` +
        `has ended by itself; ${held} held requests are being released.`
      );
    }
    case 'unhealthy': {
      const { app, lastSeen, action } = payload as AntractEvents['unhealthy'][0];
      const end = action === 'stop' ? 'the app is stopped' : 'those held are let go all the same';
      return `WRN_ANTRACT_UNHEALTHY: the backend of app '${app}' does not answer (${lastSeen}); ${end}.`;
    }
    case 'unreachable': {
      const { app, coverMs } = payload as AntractEvents['unreachable'][0];
      return (
        `WRN_ANTRACT_UNREACHABLE: the backend of app '${app}' refuses connections with nobody having ` +
        `paused; requests are held for it, for up to ${coverMs} ms.`
      );
    }
    case 'tooSlow': {
      const { app, method, path, ageMs, waitsFor, cause } = payload as AntractEvents['tooSlow'][0];
      const what = waitsFor === 'upload' ? 'sent its body' : 'read its response';
      const limit = cause === 'rate' ? 'drainMinBodyRate' : 'drainBodyTimeout';
      return (
        `WRN_ANTRACT_TOO_SLOW: the drain of app '${app}' ended ${method} ${path} after ${ageMs} ms: ` +
        `its client ${what} too slowly (\`${limit}\`).`
      );
    }
    default:
      return undefined;
  }
}
