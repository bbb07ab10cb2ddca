/**
 * Lays out the server's sentences about an app for a terminal.
 */
import { formatNumber } from '../common/format.js';
import type { Straggler } from '../gate/in-flight.ts';
import { stragglerLines as linesOf, stragglerText } from '../gate/status-text.ts';
import type { AppSnapshot } from './client/snapshot.ts';

/** How many stragglers are named where there is little room. */
const NAMED = 5;

/** The summary, and below it the details and what a drain waits for. */
export function snapshotLines(snapshot: AppSnapshot): string[] {
  const { summary, details, phase, endsInMs } = snapshot;
  const isEndless = phase === 'stopped' && endsInMs === null;
  return [
    summary,
    ...details.map((line) => `  ${line}`),
    ...(isEndless ? ['  Next: `antract resume` lets requests through.'] : []),
    ...snapshotStragglerLines(snapshot),
  ];
}

export function snapshotStragglerLines(snapshot: AppSnapshot): string[] {
  return linesOf(snapshot, NAMED);
}

/** Why a drain did not end, and what the operator can do. */
export function missingText(missing: readonly string[]): string {
  return (
    `${missing.join(', ')} can't be heard, and may still send requests to the backend. ` +
    'Restart it or its connection to the store, then try again; if it has ended, add --ignore-lost.'
  );
}

/** Why a drain can't be done without the store, and what the operator can do. */
export const STORE_LOST_DRAIN =
  'the store does not answer, so other gateways may still send requests to the backend. ' +
  'Bring the store back, then try again.';

/** Why a command may not have reached every gateway; undefined where it has. */
export function behindText({
  isStoreLost,
  silent,
  unacknowledged,
}: AppSnapshot): string | undefined {
  if (isStoreLost) {
    return 'The store does not answer, so other gateways may not follow, and may still hold requests.';
  }
  const behind = [...silent, ...unacknowledged];
  if (behind.length === 0) return undefined;
  return `Not known to follow, and may still hold requests: ${behind.join(', ')}.`;
}

export function nameAll(stragglers: readonly Straggler[]): string {
  const named = stragglers.slice(0, NAMED).map(stragglerText).join(', ');
  const more = stragglers.length - NAMED;
  return more > 0 ? `${named} and ${formatNumber(more)} more` : named;
}

/** A sentence as a part of another. */
export function clause(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '');
}
