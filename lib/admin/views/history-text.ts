/** Renders what happened in the last minutes: transitions, and the history with samples and reports. */
import { isoTime } from '../../common/clock.ts';
import type { AppHistory } from '../../registry/history.ts';
import { STEP_MS } from '../../registry/sample-ring.ts';
import type { Transition } from '../../registry/transition.ts';
import { rendered, type Rendered } from './rendered.ts';
import { endLine } from './report-text.ts';

export function renderTransitions(transitions: readonly Transition[]): Rendered {
  const lines =
    transitions.length > 0 ? transitions.map(transitionLine) : ['Nothing happened yet.'];
  return rendered(200, lines, { transitions });
}

export interface HistoryTimes {
  /** Now, in milliseconds since 1970. */
  readonly at: number;
  /** When the first sample was taken. */
  readonly since: number;
}

/** @param isSingle whether the request named an app. Then its JSON has no list. */
export function renderHistory(
  apps: readonly AppHistory[],
  isSingle: boolean,
  times: HistoryTimes,
): Rendered {
  const lines = apps.flatMap(({ app, samples, pauses, transitions }) => [
    `App ${app}: ${samples.at.length} samples since ${isoTime(times.since)}, one every ${STEP_MS / 1000} s; the JSON has them.`,
    ...pauses.map((pause) => `  ${isoTime(pause.startedAt)} ${endLine(app, pause)}`),
    ...transitions.map((transition) => `  ${transitionLine(transition)}`),
  ]);
  const head = { ...times, stepMs: STEP_MS };
  return rendered(200, lines, isSingle ? { ...head, ...apps[0] } : { ...head, apps });
}

function transitionLine({ at, text }: Transition): string {
  return `${isoTime(at)} ${text}`;
}
