/** Lays out many apps as a table that fits a terminal of 80 columns. */
import { formatMs } from '../common/format.js';
import type { AppSnapshot, TrafficSnapshot } from './client/snapshot.ts';
import { PHASE_COLOURS, type Paint } from './style.ts';
import { cutToWidth, widthOf } from './terminal.ts';

interface Cell {
  readonly text: string;
  readonly paint?: Parameters<Paint>[0] | undefined;
}

const HEAD = ['APP', 'PHASE', 'BACKEND', 'HELD', 'WAIT', 'FLIGHT', 'REQ/S', 'P95', 'ERRORS'];
/** Numbers are aligned to the right. */
const FIRST_NUMBER = 3;
const GAP = '  ';
const MIN_NAME = 8;
/** From this share on, errors are red. */
const MANY_ERRORS = 0.05;

/** One row for each app, troubled apps first, and below the table a line for each app that is not just running. */
export function statusTable(apps: readonly AppSnapshot[], columns: number, paint: Paint): string[] {
  const sorted = apps.toSorted((a, b) => rank(a) - rank(b));
  const rows = [HEAD.map((text): Cell => ({ text, paint: 'dim' })), ...sorted.map(cellsOf)];
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => widthOf(row[i]?.text ?? ''))));
  const others = widths.slice(1).reduce((sum, width) => sum + GAP.length + width, 0);
  widths[0] = Math.min(widths[0] as number, Math.max(MIN_NAME, columns - others));
  const notes = sorted.flatMap((one) => noteOf(one) ?? []);
  return [
    ...rows.map((row) => rowLine(row, widths, paint)),
    ...notes.map((note) => cutToWidth(note, columns)),
  ];
}

function rowLine(row: readonly Cell[], widths: readonly number[], paint: Paint): string {
  const cells = row.map(({ text, paint: colour }, i) => {
    const width = widths[i] as number;
    const shown = cutToWidth(text, width);
    const space = ' '.repeat(width - widthOf(shown));
    const painted = colour === undefined ? shown : paint(colour, shown);
    const isLast = i === row.length - 1;
    return i < FIRST_NUMBER ? painted + (isLast ? '' : space) : space + painted;
  });
  return cells.join(GAP);
}

function cellsOf(app: AppSnapshot): Cell[] {
  const { backend, held, inFlight, oldestHoldMs, traffic, phase } = app;
  const isBad = (traffic?.errorShare ?? 0) >= MANY_ERRORS;
  return [
    { text: app.app, paint: 'bold' },
    { text: app.only === null ? phase : `${phase} ${app.only}`, paint: PHASE_COLOURS[phase] },
    { text: backend.state ?? '-', paint: backend.state === 'down' ? 'red' : undefined },
    { text: String(held) },
    { text: oldestHoldMs === null ? '-' : formatMs(oldestHoldMs) },
    { text: String(inFlight) },
    { text: traffic === null ? '-' : perSecondText(traffic) },
    { text: traffic?.p95Ms == null ? '-' : formatMs(traffic.p95Ms) },
    { text: percentText(traffic?.errorShare ?? null), paint: isBad ? 'red' : undefined },
  ];
}

/** What an operator wants to know of an app that is not just running. */
function noteOf(app: AppSnapshot): string | undefined {
  const { backend, endsInMs, probeEndsInMs, by, reason } = app;
  const left = endsInMs ?? (probeEndsInMs || null);
  const facts = [
    ...(backend.downForMs === null ? [] : [`backend down for ${formatMs(backend.downForMs)}`]),
    ...(left === null ? [] : [`ends in ${formatMs(left)}`]),
    ...(by === null ? [] : [`by ${by}`]),
  ];
  if (facts.length === 0 && reason === null) return undefined;
  return `${app.app}: ${facts.join(', ')}${reason === null ? '' : `${facts.length > 0 ? ': ' : ''}${reason}`}`;
}

function rank({ phase, backend }: AppSnapshot): number {
  if (phase === 'stopped' || backend.state === 'down') return 0;
  return phase === 'running' ? 2 : 1;
}

/** The traffic of the last minute as a sentence; undefined without requests. */
export function trafficSentence(traffic: TrafficSnapshot | null): string | undefined {
  if (traffic === null || traffic.p95Ms === null) return undefined;
  const { p50Ms, p95Ms, errorShare } = traffic;
  return (
    `Last minute: ${perSecondText(traffic)} requests per second, median ${formatMs(p50Ms ?? 0)}, ` +
    `95 % within ${formatMs(p95Ms)}, ${percentText(errorShare)} errors.`
  );
}

function perSecondText({ requestsPerSecond }: TrafficSnapshot): string {
  return String(Number(requestsPerSecond.toPrecision(3)));
}

function percentText(share: number | null): string {
  return share === null ? '-' : `${Number((share * 100).toPrecision(2))} %`;
}
