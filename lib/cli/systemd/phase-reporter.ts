/** Runs in a worker: reports the phases of all apps to the primary, which passes them to the service manager. */
import { systemClock } from '../../common/clock.ts';
import { formatCount, formatNumber } from '../../common/format.js';
import { phaseText } from '../../gate/status-text.ts';
import type { AppStatus } from '../../gate/status.ts';

/** The figures are for people who look at `systemctl status`. */
const EVERY_MS = 1000;

/** How many apps are named. */
const NAMED = 5;

/** Reports at once, and then each time the text has changed. */
export function reportPhases(list: () => AppStatus[], report: (text: string) => void): void {
  let last: string | undefined;
  const look = (): void => {
    const text = phasesText(list());
    if (text !== last) report((last = text));
    systemClock.after(EVERY_MS, look);
  };
  look();
}

type Phase = Pick<AppStatus, 'app' | 'phase' | 'only' | 'held'>;

/** One line such as `default: paused, 12 held`. */
export function phasesText(apps: readonly Phase[]): string {
  const busy = apps.filter(({ phase, held }) => phase !== 'running' || held > 0);
  const [first] = apps;
  if (busy.length === 0) {
    return apps.length === 1 && first
      ? `${first.app}: running`
      : `${formatCount(apps.length, 'app')} running`;
  }
  const named = busy.slice(0, NAMED).map((one) => {
    return `${one.app}: ${phaseText(one)}, ${formatNumber(one.held)} held`;
  });
  const others = busy.length - named.length;
  return [
    ...named,
    ...(others > 0 ? [`${formatNumber(others)} more not running`] : []),
    ...(apps.length > busy.length ? [`${formatNumber(apps.length - busy.length)} running`] : []),
  ].join('; ');
}
